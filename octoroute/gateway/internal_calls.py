"""How a router asks the routing tier: as a request like any other, on the spine, only short, strict, and in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from octoroute.domain.conversation import AnswerFormat, Conversation, Role, Text, ThinkingWish, Turn
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Request
from octoroute.errors import TooSlow, UpstreamRejected

if TYPE_CHECKING:
    from octoroute.gateway.gateway import Gateway

MAX_OUTPUT_TOKENS = 256


class Asker:
    """An `Ask`. A server that declines structured output or the thinking switch is asked plainly from then on."""

    def __init__(self, gateway: Callable[[], Gateway], tier: Tier, timeout_s: float, new_id: Callable[[], str]) -> None:
        self._gateway = gateway
        self._tier = tier
        self._timeout_s = timeout_s
        self._new_id = new_id
        self._plain = False

    async def __call__(self, system: str, question: str, schema: Mapping[str, Any]) -> str:
        if not self._plain:
            try:
                return await self._ask(system, question, AnswerFormat(schema=dict(schema), name="routing", strict=True))
            except UpstreamRejected:
                self._plain = True
        return await self._ask(system, question, None)

    async def _ask(self, system: str, question: str, answer_format: AnswerFormat | None) -> str:
        conversation = Conversation(
            system=(Text(system),),
            turns=(Turn(Role.USER, (Text(question),)),),
            temperature=0.0,
            max_tokens=MAX_OUTPUT_TOKENS,
            format=answer_format,
            thinking=ThinkingWish(enabled=False, effort="none") if answer_format else None,
        )
        request = Request(
            id=self._new_id(),
            dialect="routing",
            model=self._tier,
            stream=False,
            body=conversation,
            facts=Facts(tokens=(len(system) + len(question)) // 4, context_tokens=(len(system) + len(question)) // 4, messages=1),
            timeout_s=self._timeout_s,
        )
        try:
            async with asyncio.timeout(2 * self._timeout_s):  # one retry's worth
                reply = await self._gateway().answer(request)
        except TimeoutError:
            raise TooSlow(f"the routing model did not answer within {2 * self._timeout_s:g} s") from None
        reply.delivered()
        reply.close()
        return (reply.body or b"").decode("utf-8", "replace")
