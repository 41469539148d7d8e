"""Where things are, and how large a data set is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

LINKS_PER_PERSON = 17.6
"""About how many links the generator makes for a person."""

TINY = "tiny"
"""The scale that is there to try the scripts."""

_TINY_PERSONS = 300


@dataclass(frozen=True)
class Scale:
    """The size of a data set, as it is asked for."""

    name: str
    persons: int

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Read `tiny`, or a number of million links above 0 and at most 100."""
        if text == TINY:
            return cls(text, _TINY_PERSONS)
        if not re.fullmatch(r"\d+(\.\d+)?", text) or not 0 < float(text) <= 100:
            raise ValueError(f"`{text}` is no scale: say `tiny`, or million links as in 0.1, 1, 10 or 50")
        millions = float(text)
        return cls(f"{millions:g}", max(_TINY_PERSONS, round(millions * 1_000_000 / LINKS_PER_PERSON)))


def cache_directory() -> Path:
    """Give the directory for data sets, environments and results, outside of the checkout."""
    base = os.environ.get("KINFOLD_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kinfold")
    return Path(base) / "compare"


@dataclass(frozen=True)
class Binaries:
    """The programs of Kinfold that take part."""

    kinfold: Path
    drive: Path
    floor: Path

    @classmethod
    def find(cls) -> Binaries:
        """Find them where cargo leaves them; `KINFOLD_BIN` and the like name others."""
        checkout = Path(__file__).resolve().parents[3]
        target = Path(os.environ.get("CARGO_TARGET_DIR") or checkout / "target") / "release"
        found = []
        for name, variable in (("kinfold", "KINFOLD_BIN"), ("drive", "DRIVE_BIN"), ("floor", "FLOOR_BIN")):
            path = Path(os.environ.get(variable) or target / name)
            if not os.access(path, os.X_OK):
                raise FileNotFoundError(
                    f"there is no program {path}: build it first (`make compare` does), or name it in {variable}"
                )
            found.append(path)
        return cls(*found)
