"""Which requests are looked at, how much that may cost, and one worker. The client's answer is never touched or delayed."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from octoroute.domain.decision import Decision
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.request import Request
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.shadow.worker import Job, ShadowResult, ShadowWorker
from octoroute.routing.shadow import ShadowOptions
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import UpstreamResponse

log = structlog.stdlib.get_logger("octoroute.shadow")

MAX_RECORDED = 256 * 1024
"""Bytes, or characters of events, of one answer."""
MAX_WAITING = 16
PRIVACY_HEADER = "x-octoroute-privacy"
_OPEN_WORDS = frozenset({"", "off", "none", "0", "false"})
_DAY_S = 86_400.0
_MINUTE_S = 60.0


class ShadowMirror:
    """`options` is asked each time, so that a reload counts at once. `count(result)` and `spent(usd)` feed the metrics."""

    def __init__(
        self,
        options: Callable[[], ShadowOptions],
        asker: ShadowWorker,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        random: Callable[[], float],
        write: Callable[[str, bytes], None],
        count: Callable[[str], None],
        spent: Callable[[float], None],
    ) -> None:
        self._options = options
        self._asker = asker
        self._clock = clock
        self._wall = wall
        self._random = random
        self._write = write
        self._count = count
        self._spent = spent
        self._waiting: asyncio.Queue[Job] = asyncio.Queue(MAX_WAITING)
        self._recent: deque[float] = deque()
        self._day = 0
        self._spent_today = 0.0

    def watch(self, request: Request, decision: Decision, opened: UpstreamResponse, lifecycle: RequestLifecycle) -> None:
        """Called as the answer begins; listens in, if this one is to be looked at."""
        options = self._options()
        if not options.share or not suits(request, decision) or self._random() >= options.share:
            return
        if self._left(options) <= 0.0 or not self._place(options):
            return
        recorded = _ReplyRecorder()
        opened.recorder = recorded.add
        lifecycle.listener = lambda outcome: self._take(request, decision, outcome, recorded)

    def _take(self, request: Request, decision: Decision, outcome: Outcome, recorded: _ReplyRecorder) -> None:
        if outcome.ending is not Ending.ANSWERED or outcome.endpoint is None or recorded.parts is None:
            return
        try:
            self._waiting.put_nowait(Job(request, decision, outcome, recorded.parts))
        except asyncio.QueueFull:
            self._count("dropped")

    async def run(self) -> None:
        """For ever: one at a time, so that real requests are hardly in its way."""
        while True:
            await self.next()

    async def next(self) -> None:
        """Wait for one, and look at it."""
        job = await self._waiting.get()
        options = self._options()
        seen = await self._asker.look(job, options.judge_tier, lambda: self._left(options), self._pay)
        self._count(seen.result)
        if seen.label is None and not seen.quality:
            return
        line = msgspec.json.encode(told(job, seen, self._wall())) + b"\n"
        try:
            await asyncio.to_thread(self._write, options.path, line)
        except OSError as error:
            self._count("unwritten")
            log.warning("a label could not be written", path=options.path, error=type(error).__name__)

    def _place(self, options: ShadowOptions) -> bool:
        now = self._clock()
        while self._recent and now - self._recent[0] >= _MINUTE_S:
            self._recent.popleft()
        if len(self._recent) >= options.max_per_minute:
            return False
        self._recent.append(now)
        return True

    def _left(self, options: ShadowOptions) -> float:
        """USD of today's."""
        day = int(self._wall() // _DAY_S)
        if day != self._day:
            self._day, self._spent_today = day, 0.0
        return options.max_cost_per_day_usd - self._spent_today

    def _pay(self, usd: float) -> None:
        self._spent_today += usd
        self._spent(usd)


class _ReplyRecorder:
    """The parts of an answer as they pass by; None when there are too many."""

    def __init__(self) -> None:
        self.parts: list[Chunk] | None = []
        self._size = 0

    def add(self, part: Chunk) -> None:
        if self.parts is None:
            return
        self._size += len(part) if isinstance(part, bytes) else 64 * len(part)
        if self._size > MAX_RECORDED:
            self.parts = None
        else:
            self.parts.append(part)


def suits(request: Request, decision: Decision) -> bool:
    """A question in text for `auto`, without tools (asking twice could act twice), that nobody asked to keep private."""
    facts = request.facts
    if decision.by == "client" or decision.only is not None or decision.within is not None or decision.rule is not None:
        return False
    if (
        request.api != "chat"
        or request.dialect == "routing"
        or facts.tools
        or facts.images
        or facts.attachments
        or not facts.text.strip()
    ):
        return False
    return not private(request.headers)


def private(headers: Mapping[str, str]) -> bool:
    return (
        headers.get(PRIVACY_HEADER, "").strip().lower() not in _OPEN_WORDS or "no-store" in headers.get("cache-control", "").lower()
    )


def told(job: Job, seen: ShadowResult, at: float) -> Mapping[str, object]:
    """One line of the file: numbers, names of tiers and checks, a digest."""
    decision = job.decision
    tier = job.tier
    return {
        "at": round(at, 3),
        "features_hash": seen.features_hash,
        "score": round(seen.score, 4),
        "label": seen.label,
        "how": seen.how,
        "strategy": decision.by,
        "why": decision.why,
        "tier": tier,
        "propensity": decision.propensity,
        "reward": seen.quality.get(tier),
        "cost_usd": job.outcome.cost_usd,
        "quality": seen.quality,
        "hows": seen.hows,
        "costs_usd": seen.costs,
        "latency_ms": seen.latency_ms,
    }


def append(path: str, line: bytes) -> None:
    """Whole lines or nothing: several workers may share the file. Raises OSError."""
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - unbuffered, one write a line
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if file.write(line) < len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


__all__: Sequence[str] = ("PRIVACY_HEADER", "ShadowMirror", "ShadowOptions", "append", "private", "suits", "told")
