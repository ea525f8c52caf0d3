"""The cascade asks a small tier first, holds its answer until it is checked, and asks a bigger tier if it does not pass.

The client gets one answer, whole and from one model. An answer that does not pass is no failure of its endpoint, and is kept
until there is a better one.
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
from octoroute.gateway.translation import decode
from octoroute.routing.difficulty.answer_checks import ModelAnswer, check
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.strategies.base import CascadeOptions
from octoroute.routing.strategies.cascade import shift_threshold
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import UpstreamResponse

SCORE = "score"
UNREADABLE = "tool_arguments"
UNAVAILABLE = Exhausted("").code
"""The error code when no endpoint was asked at all."""
PREFIX_CHECKS = frozenset({"refusal", "arithmetic"})
"""Checks that an answer can fail although only its beginning is known."""
MAX_INLINE_CHARS = 20_000
"""Longer answers are checked in a thread: the checks parse code and JSON."""

_ORDER = CHAT_TIERS

Ask = Callable[[Decision, bool], Awaitable[UpstreamResponse]]
"""Asks the endpoints of a decision until a response begins. The flag: ask each endpoint once, without a second walk."""


class BufferedAnswer(msgspec.Struct, frozen=True):
    """What was read of the small tier's answer, and the check it does not pass (None: it passes)."""

    parts: list[Chunk]
    ended: bool
    """`parts` are the whole answer."""
    failed_check: str | None


class Cascade:
    """The cascade as one configuration describes it."""

    def __init__(self, options: CascadeOptions, scorer: Scorer) -> None:
        self._options = options
        self._scorer = scorer

    async def open(
        self,
        request: Request,
        decision: Decision,
        ask: Ask,
        lifecycle: RequestLifecycle,
        inbound: Inbound,
        outbound: Callable[[Endpoint, Request], Outbound],
    ) -> UpstreamResponse:
        """The response of the small tier if it passes the checks, otherwise of the bigger tier.

        The rejected response is kept until the bigger tier has answered, and is the answer if that tier fails. Raises
        OctorouteError when neither tier answers.
        """
        assert decision.then is not None
        bigger = msgspec.structs.replace(decision, tier=decision.then, then=None)
        try:
            response = await ask(decision, True)
            if _ORDER.index(response.endpoint.tier) >= _ORDER.index(bigger.tier):
                return response  # no endpoint of a smaller tier was available
            answer = await self._buffer(request, response, inbound, outbound(response.endpoint, request))
        except Exhausted as error:
            return await self._open_bigger(bigger, ask, lifecycle, error)
        except UpstreamError as error:
            if lifecycle.response is None:
                raise  # the upstream rejected the request itself
            lifecycle.broke_before_commit(error)
            return await self._open_bigger(bigger, ask, lifecycle, error)
        response.put_back(answer.parts)
        if answer.failed_check is None:
            lifecycle.cascaded("kept")
            return response
        rejected = lifecycle.reject(answer.failed_check)
        if answer.ended:
            lifecycle.release_rejected(rejected)
        try:
            # not of a smaller tier: its answer is here already
            better = await ask(msgspec.structs.replace(bigger, fixed=True), False)
        except OctorouteError as error:
            lifecycle.restore(rejected)
            lifecycle.cascaded("fell_back")
            lifecycle.warnings += (
                f"the {bigger.tier} tier could not answer ({error.code}); this is the {response.endpoint.tier} tier's answer",
            )
            return response
        except BaseException:
            lifecycle.release_rejected(rejected)
            raise
        lifecycle.release_rejected(rejected)
        lifecycle.cascaded("escalated")
        return better

    async def _open_bigger(
        self, bigger: Decision, ask: Ask, lifecycle: RequestLifecycle, cause: OctorouteError
    ) -> UpstreamResponse:
        """The small tier gave no answer, because of `cause`."""
        lifecycle.cascaded("unavailable")
        try:
            return await ask(bigger, False)
        except Exhausted as error:
            if error.code != UNAVAILABLE:
                raise
            # no endpoint of the bigger tier was available: the small tier's error is the last real cause
            raise Exhausted(
                cause.message, status=cause.status, code=cause.code, kind=cause.kind, retry_after_s=error.retry_after_s
            ) from None

    async def _buffer(self, request: Request, response: UpstreamResponse, inbound: Inbound, outbound: Outbound) -> BufferedAnswer:
        """Read the response to its end or to the configured limits, and check it. Raises UpstreamError when it breaks."""
        options = self._options
        transcript = Transcript(outbound, stream=request.stream)
        parts: list[Chunk] = []
        ended = False
        try:
            async with asyncio.timeout(options.hold_s if request.stream else None):
                while not ended and (not request.stream or transcript.characters < options.hold_characters):
                    part = await response.read()
                    if part is None:
                        ended = True
                    else:
                        parts.append(part)
                        transcript.feed(part)
        except TimeoutError:
            pass  # check what is here; the rest follows unchecked
        if ended:
            transcript.end()
        failed_check = await self._failed_check(request, transcript, response, inbound, ended=ended)
        return BufferedAnswer(parts, ended, failed_check)

    async def _failed_check(
        self, request: Request, transcript: Transcript, response: UpstreamResponse, inbound: Inbound, *, ended: bool
    ) -> str | None:
        if not transcript.readable:  # with tools, the likely cause is a call whose arguments are not JSON
            return UNREADABLE if request.facts.tools else None
        answer = transcript.answer(_conversation(request, inbound, response.endpoint), json_wanted=request.facts.json)
        if not ended:
            return _check_prefix(answer)
        if len(answer.text) > MAX_INLINE_CHARS:
            return await asyncio.to_thread(self._judge, request, answer)
        return self._judge(request, answer)

    def _judge(self, request: Request, answer: ModelAnswer) -> str | None:
        finding = check(answer)
        if finding is not None:
            return finding.check
        facts = request.facts
        difficulty = self._scorer.answer_difficulty(subject(facts.text, facts.earlier), answer)
        return SCORE if difficulty >= shift_threshold(self._options.escalate_above, facts.quality) else None


def _check_prefix(answer: ModelAnswer) -> str | None:
    """Check the whole lines: the last line may end in the middle of a number."""
    text, newline, _ = answer.text.rpartition("\n")
    if not newline:
        return None
    finding = check(ModelAnswer(text=text))
    return finding.check if finding is not None and finding.check in PREFIX_CHECKS else None


def _conversation(request: Request, inbound: Inbound, endpoint: Endpoint) -> Conversation | None:
    """The decoded request, for its schemas of answer and tools. None: it has no schemas, or cannot be decoded."""
    if not (request.facts.json or request.facts.tools):
        return None
    try:
        return decode(inbound, request, endpoint)
    except BadRequest:
        return None
