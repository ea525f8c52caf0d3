"""The shadow mirror chooses requests to label, within limits of rate and cost. Clients' answers are never changed or delayed."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Mapping

import msgspec
import structlog

from octoroute.dialects.internal import InternalInbound
from octoroute.domain.decision import Decision
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.price import to_usd
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import CHAT, Request
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.privacy import NOT_PRIVATE, PRIVACY_HEADER, inherit, inherited
from octoroute.gateway.shadow.worker import ShadowBudget, ShadowJob, ShadowResult, ShadowWorker
from octoroute.routing.shadow import ShadowOptions
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import UpstreamResponse

log = structlog.stdlib.get_logger("octoroute.shadow")

MAX_RECORDED_BYTES = 256 * 1024
"""Of one answer: bytes, or 64 for each event."""
MAX_QUEUED_JOBS = 16
_DAY_S = 86_400.0
_MINUTE_S = 60.0


class ShadowMirror:
    def __init__(
        self,
        options: Callable[[], ShadowOptions],
        worker: ShadowWorker,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        random: Callable[[], float],
        write: Callable[[str, bytes], None],
        count: Callable[[str], None],
        spent: Callable[[float], None],
    ) -> None:
        """`options` is called for every request, so that a reload takes effect at once.

        `count(result)` and `spent(usd)` feed metrics; `random` returns 0 up to 1; `write(path, line)` appends and raises OSError.
        """
        self._options = options
        self._worker = worker
        self._clock = clock
        self._wall = wall
        self._random = random
        self._write = write
        self._count = count
        self._spent = spent
        self._jobs: asyncio.Queue[ShadowJob] = asyncio.Queue(MAX_QUEUED_JOBS)
        self._recent: deque[float] = deque()
        self._day = 0
        self._spent_today = 0.0

    def watch(self, request: Request, decision: Decision, response: UpstreamResponse, lifecycle: RequestLifecycle) -> None:
        """Record the answer that begins, and queue a job at its end, if this request is chosen."""
        options = self._options()
        if not options.share or not suits(request, decision) or self._random() >= options.share:
            return
        if self._left_usd(options) <= 0.0 or not self._claim_minute(options):
            return
        recorder = _AnswerRecorder()
        response.record(recorder.add)
        restrictions = inherited()
        lifecycle.observe(lambda outcome: self._queue(request, decision, outcome, recorder, restrictions))

    def _queue(
        self,
        request: Request,
        decision: Decision,
        outcome: Outcome,
        recorder: _AnswerRecorder,
        restrictions: Restrictions | None,
    ) -> None:
        if outcome.ending is not Ending.ANSWERED or outcome.endpoint is None or recorder.parts is None:
            return
        try:
            self._jobs.put_nowait(ShadowJob(request, decision, outcome, recorder.parts, restrictions))
        except asyncio.QueueFull:
            self._count("dropped")

    async def run(self) -> None:
        """Label one job after another, for ever: one at a time, to take little capacity from clients."""
        while True:
            await self.next()

    async def next(self) -> None:
        """Wait for a job, label it, and write the label."""
        job = await self._jobs.get()
        options = self._options()
        budget = ShadowBudget(lambda: self._left_usd(options), self._pay)
        with inherit(job.restrictions):
            result = await self._worker.label(job, options.judge_tier, budget)
        self._count(result.result)
        if result.label is None and not result.quality:
            return
        line = msgspec.json.encode(label_fields(job, result, self._wall())) + b"\n"
        try:
            await asyncio.to_thread(self._write, options.path, line)
        except OSError as error:
            self._count("unwritten")
            log.warning("a label could not be written", path=options.path, error=type(error).__name__)

    def _claim_minute(self, options: ShadowOptions) -> bool:
        """Whether another request may be mirrored in this minute; if so, it counts."""
        now = self._clock()
        while self._recent and now - self._recent[0] >= _MINUTE_S:
            self._recent.popleft()
        if len(self._recent) >= options.max_per_minute:
            return False
        self._recent.append(now)
        return True

    def _left_usd(self, options: ShadowOptions) -> float:
        """Of the current UTC day's budget."""
        day = int(self._wall() // _DAY_S)
        if day != self._day:
            self._day, self._spent_today = day, 0.0
        return options.max_cost_per_day_usd - self._spent_today

    def _pay(self, usd: float) -> None:
        self._spent_today += usd
        self._spent(usd)


class _AnswerRecorder:
    """Keeps the parts of an answer as they are relayed; None when they are too large together."""

    def __init__(self) -> None:
        self.parts: list[Chunk] | None = []
        self._size = 0

    def add(self, part: Chunk) -> None:
        if self.parts is None:
            return
        self._size += len(part) if isinstance(part, bytes) else 64 * len(part)
        if self._size > MAX_RECORDED_BYTES:
            self.parts = None
        else:
            self.parts.append(part)


def suits(request: Request, decision: Decision) -> bool:
    """A chat request in text only, routed by the gateway, not private, and without tools: asking twice could act twice."""
    facts = request.facts
    if decision.by == "client" or decision.only is not None or decision.within is not None or decision.rule is not None:
        return False
    if (
        request.api != CHAT
        or request.dialect == InternalInbound.name
        or facts.tools
        or facts.images
        or facts.attachments
        or not facts.text.strip()
    ):
        return False
    return not private(request.headers)


def private(headers: Mapping[str, str]) -> bool:
    return (
        headers.get(PRIVACY_HEADER, "").strip().lower() not in NOT_PRIVATE or "no-store" in headers.get("cache-control", "").lower()
    )


def label_fields(job: ShadowJob, result: ShadowResult, at: float) -> Mapping[str, object]:
    """One line of the file: numbers, names of tiers and checks, and a digest; never text. `at`: seconds since the epoch."""
    decision = job.decision
    tier = job.tier
    return {
        "at": round(at, 3),
        "features_hash": result.features_hash,
        "score": round(result.score, 4),
        "label": result.label,
        "how": result.how,
        "strategy": decision.by,
        "why": decision.why,
        "tier": tier,
        "propensity": decision.propensity,
        "reward": result.quality.get(tier),
        "cost_usd": None if job.outcome.cost_micros is None else to_usd(job.outcome.cost_micros),
        "quality": result.quality,
        "hows": result.hows,
        "costs_usd": result.costs,
        "latency_ms": result.latency_ms,
    }


def append(path: str, line: bytes) -> None:
    """Append a whole line or nothing, because several processes may share the file. Raises OSError."""
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - unbuffered, one write a line
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if file.write(line) < len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
