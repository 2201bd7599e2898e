"""A folder's files in a stable order, never twice, never outside of it."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# Made by tools, not by people.
_IGNORED = frozenset(
    {"node_modules", "__pycache__", "venv", "site-packages", "dist-packages", "bower_components", "__MACOSX"}
)
# Files that hold no text; they are passed over and counted, not failed: a folder of documents is full of pictures.
_NO_TEXT = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico", ".icns", ".tif", ".tiff", ".svg", ".heic", ".avif",
        ".psd", ".ai", ".eps", ".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".avi",
        ".mkv", ".webm", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst",
        ".7z", ".rar", ".tar", ".jar", ".war", ".whl", ".egg", ".pyc", ".pyo", ".so", ".o", ".a", ".dylib", ".dll",
        ".exe", ".bin", ".class", ".wasm", ".db", ".sqlite", ".sqlite3", ".parquet", ".arrow", ".npy", ".npz",
        ".onnx", ".gguf", ".safetensors", ".pt", ".pkl", ".lock", ".map", ".iso", ".dmg", ".deb", ".rpm", ".apk",
        ".ds_store", ".swp",
    }
)  # fmt: skip


@dataclass(slots=True)
class Walk:
    """`files` under the root, `unreadable` folders with the reason, `skipped` files by suffix."""

    files: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


class Sieve:
    """The same choice where names are all there is: a repository, a bucket."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()

    def takes(self, name: str) -> bool:
        """False for what is hidden, made by tools, or holds no text; the latter is counted."""
        *folders, last = name.split("/")
        if any(part.startswith(".") or part in _IGNORED for part in (*folders, last)) or not last:
            return False
        suffix = Path(last).suffix.lower()
        if suffix in _NO_TEXT:
            self.skipped[suffix] += 1
            return False
        return True


def walk(root: Path) -> Walk:
    """Blocking. Symbolic links are followed inside the root only; a folder is entered once however many links lead to it."""
    found = Walk()
    inside = root.resolve()
    entered = {_identity(root.stat())}
    _enter(root, inside, entered, found)
    return found


def _enter(folder: Path, inside: Path, entered: set[tuple[int, int]], found: Walk) -> None:
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            found.unreadable.append((current, error.strerror or "cannot be read"))
            continue
        folders: list[Path] = []
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _IGNORED or not _stays_inside(entry, inside):
                continue
            if _is_new_folder(entry, entered):
                folders.append(Path(entry.path))
            elif _is_file(entry):
                _keep(Path(entry.path), found)
        waiting.extend(reversed(folders))


def _keep(path: Path, found: Walk) -> None:
    suffix = path.suffix.lower()
    if suffix in _NO_TEXT:
        found.skipped[suffix] += 1
    else:
        found.files.append(path)


def _stays_inside(entry: os.DirEntry[str], inside: Path) -> bool:
    if not entry.is_symlink():
        return True
    try:
        return Path(entry.path).resolve(strict=True).is_relative_to(inside)
    except (OSError, RuntimeError):
        return False


def _is_new_folder(entry: os.DirEntry[str], entered: set[tuple[int, int]]) -> bool:
    try:
        if not entry.is_dir():
            return False
        identity = _identity(entry.stat())
    except OSError:
        return False
    if identity in entered:
        return False
    entered.add(identity)
    return True


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino
