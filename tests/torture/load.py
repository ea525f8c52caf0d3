"""The gateway, a process on real sockets, under load: `python tests/torture/load.py --all`, or some of them by name.

troubles 10,000 requests at concurrency 64 while endpoints are killed, stopped, restarted, and slowed
hangups  clients that leave at any moment, for a minute
readers  1,000 clients that stop reading 10 MB each
day      24 hours of traffic in 200,000 requests

Each prints its figures as a line of JSON and raises AssertionError when a promise is broken. What is drawn by lot comes from
`--seed`; what the machine makes of it does not.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.torture.day import day
from tests.torture.hangups import hangups
from tests.torture.readers import readers
from tests.torture.stage import Figures
from tests.torture.troubles import troubles

SCENARIOS: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    "troubles": troubles,
    "hangups": hangups,
    "readers": readers,
    "day": day,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--upstream", choices=["native", "aiohttp"], default="native")
    args = parser.parse_args()
    names = list(SCENARIOS) if args.all else args.names
    if not names:
        parser.error("which? give names, or --all")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection each way for every slow reader
    for name in names:
        since = time.monotonic()
        figures = uvloop.run(SCENARIOS[name](seed=args.seed, upstream=args.upstream))
        print(json.dumps({"name": name, **figures, "took_s": round(time.monotonic() - since, 1)}), flush=True)  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
