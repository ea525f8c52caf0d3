"""A cheap answer first: held until the checks that can run have run, then passed on as it came, or a bigger tier is asked.

The client sees one answer, whole and from one model. A cheap answer that does not pass is nobody's failure, and is not thrown
away before there is a better one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from octoroute.dialects.base import Inbound, Outbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.domain.request import Request
from octoroute.errors import BadRequest, Exhausted, OctorouteError, UpstreamError
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.transcript import Transcript
from octoroute.routing.difficulty.answer_checks import ModelAnswer, check
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.strategies.base import CascadeOptions
from octoroute.routing.strategies.cascade import shift_threshold
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import UpstreamResponse

SCORE = "score"
UNREADABLE = "tool_arguments"
NOBODY = Exhausted("").code
OF_A_BEGINNING = frozenset({"refusal", "arithmetic"})
"""What may be held against an answer of which only the beginning is known."""
LONG = 20_000
"""Characters from which the checks leave the loop: they parse code and JSON."""

_ORDER = CHAT_TIERS

Ask = Callable[[Decision, bool], Awaitable[UpstreamResponse]]
"""Plan and try in order, for an answer that has begun. The flag: every candidate once, no second walk."""


class BufferedAnswer(msgspec.Struct, frozen=True):
    """What was read of a cheap answer. `against`: the check it did not pass."""

    parts: list[Chunk]
    ended: bool
    failed_check: str | None


class Cascade:
    """What one configuration says about it."""

    def __init__(self, options: CascadeOptions, scorer: Scorer) -> None:
        self._options = options
        self._scorer = scorer

    async def answer(
        self,
        request: Request,
        decision: Decision,
        ask: Ask,
        lifecycle: RequestLifecycle,
        inbound: Inbound,
        outbound: Callable[[Endpoint], Outbound],
    ) -> UpstreamResponse:
        """Raises OctorouteError when neither tier answers."""
        assert decision.then is not None
        bigger = msgspec.structs.replace(decision, tier=decision.then, then=None)
        try:
            opened = await ask(decision, True)
            if _ORDER.index(opened.endpoint.tier) >= _ORDER.index(bigger.tier):
                return opened  # no smaller one could be asked
            held = await self._buffer(request, opened, inbound, outbound(opened.endpoint))
        except Exhausted as error:
            return await self._instead(bigger, ask, lifecycle, error)
        except UpstreamError as error:
            if lifecycle.response is None:
                raise  # it declined this very request
            lifecycle.broke_before_commit(error)
            return await self._instead(bigger, ask, lifecycle, error)
        opened.put_back(held.parts)
        if held.failed_check is None:
            lifecycle.cascaded("kept")
            return opened
        lifecycle.set_aside(held.failed_check, ended=held.ended)
        try:
            better = await ask(bigger, False)
        except OctorouteError as error:
            lifecycle.restore_held()
            lifecycle.cascaded("fell_back")
            lifecycle.warnings += (
                f"the {bigger.tier} tier could not answer ({error.code}); this is the {opened.endpoint.tier} tier's answer",
            )
            return opened
        lifecycle.cascaded("escalated")
        return better

    async def _instead(self, bigger: Decision, ask: Ask, lifecycle: RequestLifecycle, cause: OctorouteError) -> UpstreamResponse:
        """The cheap tier gave no answer."""
        lifecycle.cascaded("unavailable")
        try:
            return await ask(bigger, False)
        except Exhausted as error:
            if error.code != NOBODY:
                raise
            # nobody could be asked a second time: what the cheap tier died of is the last real cause
            raise Exhausted(
                cause.message, status=cause.status, code=cause.code, kind=cause.kind, retry_after_s=error.retry_after_s
            ) from None

    async def _buffer(self, request: Request, opened: UpstreamResponse, inbound: Inbound, outbound: Outbound) -> BufferedAnswer:
        """Read until the end, or the bounds. Raises UpstreamError when it breaks meanwhile."""
        options = self._options
        transcript = Transcript(outbound, stream=request.stream)
        parts: list[Chunk] = []
        ended = False
        try:
            async with asyncio.timeout(options.hold_s if request.stream else None):
                while not ended and (not request.stream or transcript.characters < options.hold_characters):
                    part = await opened.read()
                    if part is None:
                        ended = True
                    else:
                        parts.append(part)
                        transcript.feed(part)
        except TimeoutError:
            pass  # what is here must do; the rest follows
        if ended:
            transcript.end()
        return BufferedAnswer(parts, ended, await self._failed_check(request, transcript, opened, inbound, ended=ended))

    async def _failed_check(
        self, request: Request, transcript: Transcript, opened: UpstreamResponse, inbound: Inbound, *, ended: bool
    ) -> str | None:
        if not transcript.readable:  # arguments that are no JSON are what readers stumble over; the rest is not for us to judge
            return UNREADABLE if request.facts.tools else None
        answer = transcript.answer(_asked(request, inbound, opened.endpoint), json_wanted=request.facts.json)
        if not ended:
            return _of_a_beginning(answer)
        if len(answer.text) > LONG:
            return await asyncio.to_thread(self._judge, request, answer)
        return self._judge(request, answer)

    def _judge(self, request: Request, answer: ModelAnswer) -> str | None:
        finding = check(answer)
        if finding is not None:
            return finding.check
        facts = request.facts
        difficulty = self._scorer.answer_difficulty(subject(facts.text, facts.earlier), answer)
        return SCORE if difficulty >= shift_threshold(self._options.escalate_above, facts.quality) else None


def _of_a_beginning(answer: ModelAnswer) -> str | None:
    """By its whole lines: the last one may be in the middle of a number."""
    text, newline, _ = answer.text.rpartition("\n")
    if not newline:
        return None
    finding = check(ModelAnswer(text=text))
    return finding.check if finding is not None and finding.check in OF_A_BEGINNING else None


def _asked(request: Request, inbound: Inbound, endpoint: Endpoint) -> Conversation | None:
    """Schemas of the answer and of the tools, where there are any; None as well when the hub cannot say the question."""
    if not (request.facts.json or request.facts.tools):
        return None
    try:
        return inbound.conversation(request, endpoint)
    except BadRequest:
        return None
