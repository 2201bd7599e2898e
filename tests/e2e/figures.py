"""Figures that the tests measure: one JSON line each, on standard output and in `TANDEM_E2E_FIGURES`."""

import json
import os
from pathlib import Path


def record(name: str, value: object, **more: object) -> None:
    """`name` says what and in which unit: `install_ready_s`."""
    line = json.dumps({"name": name, "value": value, **more})
    print(line, flush=True)
    if place := os.environ.get("TANDEM_E2E_FIGURES"):
        with Path(place).open("a", encoding="utf-8") as figures:
            figures.write(line + "\n")
