"""Whoever is expected to be done first, learnt from what was measured, and forgotten when it gets old.

Each endpoint has two estimates, one for streams and one for whole answers, because a whole answer's first event is its last.
An estimate moves by a fifth of every sample, and by more when the sample before it is long ago, so that a change of pace shows
within a few requests on a busy endpoint and at once on a quiet one.

Who is not known well enough goes first for one request at a time, never for a herd; and now and then any of the others does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.request import Request
from octoroute.errors import TooSlow

STEP = 0.2
"""How much one sample counts, at least."""
DECAY_S = 60.0
"""After this long without a sample, two thirds of what was known are gone."""
MIN_SAMPLES = 3
KEPT_SAMPLES = 6.0
QUIET_S = 3.0
"""An endpoint not heard of for so long that comes back twice as fast as it was known to be is got to know anew."""
EXPLORED = 0.05
"""The share of requests that go to somebody else than the best, to see whether that is still so."""
TRIAL_S = 60.0
"""A trial whose end nobody reported is over after this long."""
TYPICAL_TOKENS = 256
"""Of an answer, for weighing a quick start against a quick pen. A client's limit is no estimate: agents ask for 32,000."""


class LatencyEstimate:
    """What is known of one endpoint. `samples` fade with time."""

    __slots__ = ("at", "first_s", "per_token_s", "samples", "trial_at")

    def __init__(self) -> None:
        self.first_s = 0.0
        self.per_token_s = 0.0
        self.samples = 0.0
        self.at = -math.inf
        self.trial_at = -math.inf

    def observe(self, first_s: float, per_token_s: float | None, now: float) -> None:
        quiet_s = now - self.at
        if quiet_s >= QUIET_S and first_s < self.first_s / 2:
            self.samples = 0.0
        faded = math.exp(-quiet_s / DECAY_S) if self.samples else 0.0
        samples = self.samples * faded
        if self.samples >= MIN_SAMPLES and not self.known(now):
            samples = KEPT_SAMPLES  # it is as it was: one look is enough for a while
        step = max(STEP, 1.0 - faded, 1.0 / (samples + 1.0))
        self.first_s += step * (first_s - self.first_s)
        if per_token_s is not None:
            self.per_token_s += (step if self.per_token_s else 1.0) * (per_token_s - self.per_token_s)
        self.samples = min(samples + 1.0, KEPT_SAMPLES)
        self.at = now

    def known(self, now: float) -> bool:
        return self.samples * math.exp(-(now - self.at) / DECAY_S) >= MIN_SAMPLES - 0.5

    def expected_s(self) -> float:
        return self.first_s + TYPICAL_TOKENS * self.per_token_s


class LeastLatency:
    by_provider = False
    learns = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paces: dict[tuple[str, bool], LatencyEstimate] = {}

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:
        if len(available) < 2:
            return list(available)
        now = self._clock()
        stream = request.stream
        ranks = {endpoint.id: self._rank(self._paces.get((endpoint.id, stream)), now, random) for endpoint in available}
        order = sorted(available, key=lambda endpoint: (-endpoint.priority, ranks[endpoint.id]))
        if random() < EXPLORED:
            equals = sum(endpoint.priority == order[0].priority for endpoint in order)
            if equals > 1:
                order.insert(0, order.pop(1 + int(random() * (equals - 1))))
        return order

    def _rank(self, pace: LatencyEstimate | None, now: float, random: Random) -> tuple[int, float]:
        """Those on trial last, by chance: nothing is known of them but that somebody is finding out."""
        if pace is None:
            return (0, random())
        if pace.known(now):
            return (1, pace.expected_s())
        return (2 if now - pace.trial_at < TRIAL_S else 0, random())

    def on_selected(self, first: Endpoint) -> None:
        now = self._clock()
        for stream in (False, True):  # whichever it is: the other one is not known better
            pace = self._paces.setdefault((first.id, stream), LatencyEstimate())
            if not pace.known(now):
                pace.trial_at = now

    def on_outcome(self, outcome: Outcome) -> None:
        now = self._clock()
        for attempt in outcome.attempts:
            pace = self._paces.setdefault((attempt.endpoint.id, outcome.stream), LatencyEstimate())
            if attempt.error == TooSlow.code:
                pace.observe(attempt.took_s, None, now)
            elif attempt.error is None:
                pace.observe(attempt.took_s, _per_token_s(outcome), now)
        for attempt in outcome.attempts:
            for stream in (False, True):
                self._paces.setdefault((attempt.endpoint.id, stream), LatencyEstimate()).trial_at = -math.inf


def _per_token_s(outcome: Outcome) -> float | None:
    """Of a stream that was read to its end and had something to say."""
    if outcome.cascade is not None:
        return None  # some of it was held back: the clock tells nothing of the endpoint
    if not outcome.stream or outcome.ending is not Ending.ANSWERED or outcome.usage is None or outcome.first_event_s is None:
        return None
    if outcome.usage.output_tokens < 2:
        return None
    return max(0.0, outcome.total_s - outcome.first_event_s) / (outcome.usage.output_tokens - 1)


def build(senses: PolicyInputs) -> LeastLatency:
    return LeastLatency(senses.clock)
