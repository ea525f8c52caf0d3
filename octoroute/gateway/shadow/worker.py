"""The other tiers are asked the same question, and their answers compared. On the spine, like every request; nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from octoroute.dialects.internal import InternalInbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.shadow.judge import ask_for, judged, read_choice
from octoroute.gateway.shadow.verdict import Verdict, verdict
from octoroute.gateway.transcript import Transcript
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.features import extract_features, features_hash
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.subject import subject
from octoroute.upstream.readers import Chunk

if TYPE_CHECKING:
    from octoroute.gateway.gateway import Gateway

_ORDER = CHAT_TIERS


class Job(msgspec.Struct, frozen=True):
    """A request that was answered, and its answer."""

    request: Request
    decision: Decision
    outcome: Outcome
    parts: list[Chunk]

    @property
    def tier(self) -> Tier:
        """Whose answer the client got."""
        assert self.outcome.endpoint is not None
        return self.outcome.endpoint.tier


class ShadowResult(msgspec.Struct, kw_only=True):
    """What came of it. `result`: labelled, undecided, incomplete, failed."""

    result: str = "undecided"
    label: int | None = None
    """1 when the smallest tier's answer would not have done."""
    how: str | None = None
    score: float = 0.0
    features_hash: str = ""
    quality: dict[Tier, float] = {}
    """1 where a tier's answer would have done; of those that could be told."""
    hows: dict[Tier, str] = {}
    costs: dict[Tier, float] = {}
    latency_ms: dict[Tier, float] = {}


class ShadowWorker:
    def __init__(
        self, gateway: Callable[[], Gateway], scorer: Callable[[], Scorer], clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._gateway = gateway
        self._scorer = scorer
        self._clock = clock
        self._new_id = new_id

    async def look(
        self, job: Job, judge_tier: Tier | None, left_usd: Callable[[], float], pay: Callable[[float], None]
    ) -> ShadowResult:
        """Never raises OctorouteError: what goes wrong is the result."""
        seen = self._scored(job)
        conversation, own = self._read(job)
        if conversation is None or own is None:
            seen.result = "incomplete"
            return seen
        answers = {job.tier: own}
        seen.latency_ms[job.tier] = round(job.outcome.total_s * 1000, 1)
        if job.outcome.cost_usd is not None:
            seen.costs[job.tier] = job.outcome.cost_usd
        settings = self._gateway().settings
        for tier in (tier for tier in CHAT_TIERS if tier is not job.tier and settings.tier(tier)):
            since = self._clock()
            asked = await self._ask(conversation, tier, left_usd, pay)
            if asked is not None:
                text, cost = asked
                answers[tier] = msgspec.structs.replace(own, text=text, finish_reason=None, top_margins=None)
                seen.latency_ms[tier] = round((self._clock() - since) * 1000, 1)
                if cost is not None:
                    seen.costs[tier] = cost
        if len(answers) < 2:
            seen.result = "failed"
            return seen
        await self._compare(job, answers, judge_tier, seen, left_usd, pay)
        return seen

    async def _compare(
        self,
        job: Job,
        answers: dict[Tier, ModelAnswer],
        judge_tier: Tier | None,
        seen: ShadowResult,
        left_usd: Callable[[], float],
        pay: Callable[[float], None],
    ) -> None:
        """Every answer with the biggest tier's, which is taken to be right."""
        biggest = max(answers, key=_ORDER.index)
        question = job.request.facts.text
        for tier in sorted(answers.keys() - {biggest}, key=_ORDER.index):
            found = await asyncio.to_thread(verdict, question, answers[tier], answers[biggest])  # it parses code and JSON
            if found is None and judge_tier is not None:
                found = await self._judged(question, answers[biggest].text, answers[tier].text, judge_tier, left_usd, pay)
            if found is not None and found.label is not None:
                seen.quality[tier] = 1.0 - found.label
                seen.hows[tier] = found.how
        if seen.quality:
            seen.quality[biggest] = 1.0
        smallest = min(answers, key=_ORDER.index)
        if smallest in seen.hows:
            seen.label, seen.how, seen.result = int(1.0 - seen.quality[smallest]), seen.hows[smallest], "labelled"

    async def _judged(
        self, question: str, strong: str, weak: str, tier: Tier, left_usd: Callable[[], float], pay: Callable[[float], None]
    ) -> Verdict:
        choices: list[str | None] = []
        for pair in ((strong, weak), (weak, strong)):
            asked = await self._ask(ask_for(question, *pair), tier, left_usd, pay)
            choices.append(None if asked is None else read_choice(asked[0]))
        return judged(*choices)

    async def _ask(
        self, conversation: Conversation, tier: Tier, left_usd: Callable[[], float], pay: Callable[[float], None]
    ) -> tuple[str, float | None] | None:
        """Text and cost; None when that tier does not answer, or the day's money is spent."""
        if left_usd() <= 0.0:
            return None
        size = _size(conversation)
        request = Request(
            id=self._new_id(),
            dialect=InternalInbound.name,
            model=tier,
            stream=False,
            body=conversation,
            facts=Facts(
                tokens=size, context_tokens=size, output_tokens=conversation.max_tokens, json=conversation.format is not None
            ),
        )
        try:
            reply = await self._gateway().answer(request)
        except OctorouteError:
            return None
        usage, price = reply.usage, reply.endpoint.price
        reply.delivered()
        reply.close()
        cost = usage.cost(price) if usage is not None and price is not None else None
        pay(cost or 0.0)
        if reply.endpoint.tier is not tier:
            return None
        return (reply.body or b"").decode("utf-8", "replace"), cost

    def _scored(self, job: Job) -> ShadowResult:
        facts, decision = job.request.facts, job.decision
        if decision.confidence is not None and decision.features_hash is not None:
            return ShadowResult(score=decision.confidence, features_hash=decision.features_hash)
        reading = extract_features(subject(facts.text, facts.earlier))
        return ShadowResult(score=self._scorer().explain_features(reading).difficulty, features_hash=features_hash(reading))

    def _read(self, job: Job) -> tuple[Conversation | None, ModelAnswer | None]:
        """The question, and the client's answer; None for what cannot be read or was not finished."""
        gateway = self._gateway()
        endpoint, request = job.outcome.endpoint, job.request
        assert endpoint is not None
        try:
            conversation = gateway.inbound[request.dialect].conversation(request, endpoint)
        except BadRequest:
            return None, None
        transcript = Transcript(gateway.upstream.outbound(endpoint), stream=request.stream)
        _replay(transcript, job.parts)
        if not transcript.readable or not transcript.finished:
            return conversation, None
        return conversation, transcript.answer(conversation, json_wanted=request.facts.json)


def _replay(transcript: Transcript, parts: Sequence[Chunk]) -> None:
    for part in parts:
        transcript.feed(part)
    transcript.end()


def _size(conversation: Conversation) -> int:
    """Tokens, about."""
    texts = [block.text for block in conversation.system]
    texts += [
        text for turn in conversation.turns for block in turn.content if isinstance(text := getattr(block, "text", None), str)
    ]
    return sum(map(len, texts)) // 4
