"""What the world does to a process, at length: `python tests/torture/world`, or `python tests/torture/world stopping disk`.

A line of JSON for each, and exit code 1 if one of them did not hold. `tests/e2e/test_world.py` is the short form.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.torture.world import clock, descriptors, disk, names, reloading, stopping
from tests.torture.world.impossible import Impossible

SCENARIOS: Mapping[str, Callable[[Path], Awaitable[dict[str, Any]]]] = {
    "stopping": lambda place: stopping.run(place, turns=60),
    "reloading": lambda place: reloading.run(place, reloads=100),
    "reloading-workers": lambda place: reloading.run(place, reloads=40, workers=2),
    "disk": lambda place: disk.run(place, fillings=10),
    "disk-workers": lambda place: disk.run(place, fillings=10, workers=2),
    "disk-limited": lambda place: disk.limited(place, fillings=10),
    "clock": lambda place: clock.run(place, steps=10),
    "names": lambda place: names.run(place, starts=10),
    "descriptors": lambda place: descriptors.run(place, rounds=20),
}


def told(name: str) -> dict[str, Any]:
    since = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        try:
            found = asyncio.run(SCENARIOS[name](Path(place)))
        except AssertionError as error:
            found = {"failed": str(error)}
        except Impossible as error:
            found = {"skipped": str(error)}
    return {"scenario": name, "seconds": round(time.monotonic() - since, 1), **found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all unless some are named")
    failed = False
    for name in parser.parse_args().scenarios or SCENARIOS:
        found = told(name)
        failed |= "failed" in found
        print(json.dumps(found), flush=True)  # noqa: T201 - a command
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
