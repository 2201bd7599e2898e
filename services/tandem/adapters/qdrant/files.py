"""A small file that is there whole, as it was or as it is to be, whatever ends the process."""

import os
from pathlib import Path


def write_aside(file: Path, text: str) -> None:
    """Written beside it, synced, renamed, and the folder synced: after a crash the file is the old one or the new one."""
    aside = file.with_name(f"{file.name}.new")
    with aside.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    aside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
