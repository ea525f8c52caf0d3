"""Lowest expected latency first, from exponentially weighted moving averages of measured requests that fade with time.

Each endpoint has two estimates, one for streams and one for non-streaming requests, because the first event of a non-streaming
answer is its last. An estimate moves by at least a fifth of the distance to every sample, and by more if the sample before it is
old. A change of latency therefore shows within a few requests on a busy endpoint, and at once on a quiet one.

An endpoint without enough samples gets one trial request at a time, so that a burst of requests cannot all try it together. A small
share of requests explores: it goes to an endpoint that is not the best, because the others may have become faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, by_id
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.request import Request
from octoroute.errors import TooSlow

MIN_STEP = 0.2
"""Least weight of a new sample against the estimate."""
DECAY_S = 60.0
"""Time constant: after this long without a sample the estimate has lost two thirds of its weight."""
MIN_SAMPLES = 3
"""Samples from which an estimate is used."""
MAX_SAMPLES = 6.0
"""Samples beyond these are not counted, so that every estimate can fade."""
QUIET_S = 3.0
"""If an endpoint was idle for this long and its next sample is below half its estimate, the estimate starts afresh."""
EXPLORED_SHARE = 0.05
"""Share of requests that go to an endpoint other than the best."""
TRIAL_S = 60.0
"""A trial without an outcome ends after this long."""
UNKNOWN, ON_TRIAL = -1.0, -2.0
"""Ranks of endpoints whose latency is not known."""
TYPICAL_TOKENS = 256
"""Assumed length of an answer, to weigh first event against time per token. `max_tokens` is no estimate: agents set 32,000."""


class LatencyEstimate:
    """The latency of one endpoint, in seconds. `samples` fades with time."""

    __slots__ = ("first_event_s", "per_token_s", "sampled_at", "samples", "trial_at")

    def __init__(self) -> None:
        self.first_event_s = 0.0
        self.per_token_s = 0.0
        self.samples = 0.0
        self.sampled_at = -math.inf
        self.trial_at = -math.inf

    def observe(self, first_event_s: float, per_token_s: float | None, now: float) -> None:
        """`per_token_s`: None where the request measured none."""
        quiet_s = now - self.sampled_at
        if quiet_s >= QUIET_S and first_event_s < self.first_event_s / 2:
            self.samples = 0.0
        faded = math.exp(-quiet_s / DECAY_S) if self.samples else 0.0
        samples = self.samples * faded
        if self.samples >= MIN_SAMPLES and not self.is_known(now):
            samples = MAX_SAMPLES  # the old estimate holds: one sample confirms it for another while
        step = max(MIN_STEP, 1.0 - faded, 1.0 / (samples + 1.0))
        self.first_event_s += step * (first_event_s - self.first_event_s)
        if per_token_s is not None:
            self.per_token_s += (step if self.per_token_s else 1.0) * (per_token_s - self.per_token_s)
        self.samples = min(samples + 1.0, MAX_SAMPLES)
        self.sampled_at = now

    def is_known(self, now: float) -> bool:
        return self.samples * math.exp(-(now - self.sampled_at) / DECAY_S) >= MIN_SAMPLES - 0.5

    def expected_s(self) -> float:
        return self.first_event_s + TYPICAL_TOKENS * self.per_token_s


class LeastLatency:
    by_provider = False
    learns = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._estimates: dict[tuple[str, bool], LatencyEstimate] = {}
        """By endpoint id, and whether the requests were streams."""

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        if len(available) < 2:
            return list(available)
        expected = by_id(available, ranks or self.ranks(available, request))
        places = {endpoint.id: _place(expected[endpoint.id], random) for endpoint in available}
        order = sorted(available, key=lambda endpoint: (-endpoint.priority, places[endpoint.id]))
        if random() < EXPLORED_SHARE:
            equals = sum(endpoint.priority == order[0].priority for endpoint in order)
            if equals > 1:
                order.insert(0, order.pop(1 + int(random() * (equals - 1))))
        return order

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """The expected latencies in seconds; `UNKNOWN`, or `ON_TRIAL` while the trial of an unknown endpoint is under way."""
        now = self._clock()
        return tuple(_rank(self._estimates.get((endpoint.id, request.stream)), now) for endpoint in available)

    def on_selected(self, first: Endpoint) -> None:
        now = self._clock()
        for stream in (False, True):  # whichever kind the request is: the other estimate is not known better
            estimate = self._estimates.setdefault((first.id, stream), LatencyEstimate())
            if not estimate.is_known(now):
                estimate.trial_at = now

    def on_outcome(self, outcome: Outcome) -> None:
        now = self._clock()
        for attempt in outcome.attempts:
            estimate = self._estimates.setdefault((attempt.endpoint.id, outcome.stream), LatencyEstimate())
            if attempt.error == TooSlow.code:
                estimate.observe(attempt.took_s, None, now)
            elif attempt.error is None:
                estimate.observe(attempt.took_s, _per_token_s(outcome), now)
        for attempt in outcome.attempts:
            for stream in (False, True):
                self._estimates.setdefault((attempt.endpoint.id, stream), LatencyEstimate()).trial_at = -math.inf


def _rank(estimate: LatencyEstimate | None, now: float) -> float:
    if estimate is None:
        return UNKNOWN
    if estimate.is_known(now):
        return estimate.expected_s()
    return ON_TRIAL if now - estimate.trial_at < TRIAL_S else UNKNOWN


def _place(rank: float, random: Random) -> tuple[int, float]:
    """Unknown endpoints first, then known ones by expected latency, then unknown ones whose trial is under way."""
    if rank >= 0.0:
        return (1, rank)
    return (0 if rank == UNKNOWN else 2, random())


def _per_token_s(outcome: Outcome) -> float | None:
    """Seconds per output token after the first; None unless this is a stream of two tokens or more, read to its end."""
    if outcome.cascade is not None:
        return None  # the cascade buffered part of the answer: the clock measures the cascade, not the endpoint
    if not outcome.stream or outcome.ending is not Ending.ANSWERED or outcome.usage is None or outcome.first_event_s is None:
        return None
    if outcome.usage.output_tokens < 2:
        return None
    return max(0.0, outcome.total_s - outcome.first_event_s) / (outcome.usage.output_tokens - 1)


def build(inputs: PolicyInputs) -> LeastLatency:
    return LeastLatency(inputs.clock)
