"""What a process and its workers hold, seen from outside."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    descriptors: int
    threads: int
    memory_bytes: int
    """Its own share of what is resident (PSS)."""

    @classmethod
    def of(cls, pid: int) -> Seen:
        places = [Path(f"/proc/{one}") for one in (pid, *children(pid))]
        return cls(
            sum(len(list((place / "fd").iterdir())) for place in places),
            sum(len(list((place / "task").iterdir())) for place in places),
            sum(_pss_bytes(place) for place in places),
        )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pss_bytes(place: Path) -> int:
    rollup = (place / "smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
