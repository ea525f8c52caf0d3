"""Check that a wheel holds its package and nothing else: `python tools/wheel.py FILE.whl`.

A `.pth` file runs code whenever Python starts, and a file outside the package can replace another package's: a stolen publishing
token was used for both in 2026. What is in the wheel must also be what its RECORD says.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGE = "octoroute"
_METADATA = re.compile(rf"{PACKAGE}-[A-Za-z0-9.+!]+\.dist-info/(?:METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)")
_SUFFIXES = frozenset({".py", ".json", ".lua", ".typed", ".html", ".css", ".js", ".svg", ".toml", ".txt"})
"""Of files in the package: sources and data, nothing compiled."""


def problems(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        record = next((name for name in names if name.endswith(".dist-info/RECORD")), None)
        for name in names:
            if wrong := _wrong_place(name):
                yield f"{name}: {wrong}"
        if len(set(names)) < len(names):
            yield "a file is there twice"
        if record is None:
            yield "there is no RECORD"
            return
        recorded = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(record).decode())) if row}
        for name in sorted({*names} ^ {*recorded}):
            yield f"{name}: is {'not in RECORD' if name in names else 'in RECORD only'}"
        for name in names:
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).rstrip(b"=").decode()
            if name != record and name in recorded and recorded[name] != f"sha256={digest}":
                yield f"{name}: is not what RECORD says"


def _wrong_place(name: str) -> str | None:
    path = PurePosixPath(name)
    if path.suffix == ".pth":
        return "is a .pth file, which runs code whenever Python starts"
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        return "leads out of the installation"
    if path.parts[0] == PACKAGE:
        return None if path.suffix in _SUFFIXES else "is neither source nor data"
    return None if _METADATA.fullmatch(name) else "is outside the package"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    sys.stdout.write("\n".join(found) + "\n" if found else f"{sys.argv[1]} holds its package and nothing else\n")
    sys.exit(1 if found else 0)
