"""The truth table of health: what requests say and what probes say and one endpoint or two -> what a client gets.

It is not written down but found out: each row drives the pipeline on a virtual clock. `python tests/torture/health_table.py` prints
the table that stands in docs/reliability.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from octoroute.domain.endpoint import Endpoint
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

START, END = "<!-- health table: python tests/torture/health_table.py -->", "<!-- /health table -->"

REQUESTS: dict[str, tuple[str, int]] = {
    "nothing yet": ("ok", 0),
    "the last one succeeded": ("ok", 1),
    "one failed": ("500", 1),
    "three failed, with a status": ("500", 3),
    "three failed, no connection": ("unreachable", 3),
    "the key was refused": ("401", 1),
    "a rate limit of 7 s": ("429", 1),
}
"""By what requests say: what the endpoint does, and for how many requests."""
PROBES = ("none", "the server answers", "no answer, three times", "the key is refused")


class Row(NamedTuple):
    requests: str
    probes: str
    alone: str
    beside: str


def probe(spine: Spine, endpoint: Endpoint, says: str) -> None:
    health, now = spine.health, spine.clock()
    if says == "the server answers":
        health.probe_succeeded(endpoint)
    elif says == "no answer, three times":
        for _ in range(3):
            health.probe_failed(endpoint, "upstream_unreachable", now + 1, answered=False)
    elif says == "the key is refused":
        health.probe_failed(endpoint, "upstream_misconfigured", now, answered=True)


async def outcome(requests: str, probes: str, *, alone: bool) -> str:
    """What the next client gets from an endpoint in that state, which is well again, and who is asked for it."""
    how, times = REQUESTS[requests]
    does = {"a": how}
    endpoints = [make_endpoint("a", priority=2)] if alone else [make_endpoint("a", priority=2), make_endpoint("b")]
    spine = Spine(endpoints, lambda model, _: does.get(model, "ok"), max_attempts=1, recovery_s=30.0)
    for _ in range(times):
        lease = spine.health.acquire(endpoints[0])
        assert lease is not None
        lease.release()
        await spine.ask(spine.request(model="a"))
    probe(spine, endpoints[0], probes)
    does["a"] = "ok"
    first = await spine.ask()
    return _told(first.status, first.asked)


def _told(status: int, asked: list[str]) -> str:
    names = {"a": "this endpoint", "b": "the other one"}
    if status == 200:
        return f"an answer of {names[asked[-1]]}"
    return {429: "429 with the time until then", 503: "503 with `retry-after`"}[status]


def rows() -> list[Row]:
    return [
        Row(
            requests,
            probes,
            run(outcome(requests, probes, alone=True)),
            run(outcome(requests, probes, alone=False)),
        )
        for requests in REQUESTS
        for probes in PROBES
    ]


def table(found: Callable[[], list[Row]] = rows) -> str:
    lines = ["| requests say | probes say | alone | beside a healthy endpoint of lower priority |", "|---|---|---|---|"]
    lines += [f"| {row.requests} | {row.probes} | {row.alone} | {row.beside} |" for row in found()]
    return "\n".join(lines)


def main() -> int:
    page = Path(__file__).resolve().parents[2] / "docs/reliability.md"
    text = page.read_text("utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n\n{table()}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
