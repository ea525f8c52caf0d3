"""The shadow worker asks other tiers the question of an answered request, and compares their answers: which tier was needed?

Its calls take the path of every request; no client waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.outcome import Outcome
from octoroute.domain.price import to_usd
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.internal_calls import InternalCalls
from octoroute.gateway.shadow.judge import compare_prompt, read_choice, verdict_of
from octoroute.gateway.shadow.verdict import Verdict, verdict
from octoroute.gateway.transcript import Transcript
from octoroute.gateway.translation import decode
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.features import extract_features, features_hash
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.subject import subject
from octoroute.upstream.readers import Chunk

if TYPE_CHECKING:
    from octoroute.gateway.gateway import Gateway

_ORDER = CHAT_TIERS


class ShadowJob(msgspec.Struct, frozen=True):
    """A request that was answered, and its answer."""

    request: Request
    decision: Decision
    outcome: Outcome
    parts: list[Chunk]
    restrictions: Restrictions | None = None
    """What the questions to other tiers must stay within; None: nothing restricts them."""

    @property
    def tier(self) -> Tier:
        """The tier whose answer the client got."""
        assert self.outcome.endpoint is not None
        return self.outcome.endpoint.tier


class ShadowBudget(NamedTuple):
    left_usd: Callable[[], float]
    """Of the current day."""
    pay: Callable[[float], None]
    """Takes USD."""


class ShadowResult(msgspec.Struct, kw_only=True):
    result: str = "undecided"
    """labelled, undecided, incomplete, failed."""
    label: int | None = None
    """1: the smallest tier's answer was not good enough; 0: it was."""
    how: str | None = None
    """What decided the label: the name of a check or comparison."""
    score: float = 0.0
    features_hash: str = ""
    quality: dict[Tier, float] = {}
    """1 where a tier's answer was good enough, 0 where not; a tier that could not be compared is left out."""
    hows: dict[Tier, str] = {}
    costs: dict[Tier, float] = {}
    """USD."""
    latency_ms: dict[Tier, float] = {}


class ShadowWorker:
    def __init__(
        self, gateway: Callable[[], Gateway], calls: InternalCalls, scorer: Callable[[], Scorer], clock: Callable[[], float]
    ) -> None:
        """`gateway` is called for each job, because the settings of a gateway hold the mirror that holds this worker."""
        self._gateway = gateway
        self._calls = calls
        self._scorer = scorer
        self._clock = clock

    async def label(self, job: ShadowJob, judge_tier: Tier | None, budget: ShadowBudget) -> ShadowResult:
        """Never raises OctorouteError: an error is a result, too."""
        result = self._score(job)
        conversation, answer = self._read(job)
        if conversation is None or answer is None:
            result.result = "incomplete"
            return result
        answers = {job.tier: answer}
        result.latency_ms[job.tier] = round(job.outcome.total_s * 1000, 1)
        if job.outcome.cost_micros is not None:
            result.costs[job.tier] = to_usd(job.outcome.cost_micros)
        settings = self._gateway().settings
        if job.restrictions is not None:
            settings = settings.restricted(job.restrictions)
        for tier in (tier for tier in CHAT_TIERS if tier is not job.tier and settings.tier(tier)):
            since = self._clock()
            text_and_cost = await self._ask(conversation, tier, budget)
            if text_and_cost is not None:
                text, cost = text_and_cost
                answers[tier] = msgspec.structs.replace(answer, text=text, finish_reason=None, top_margins=None)
                result.latency_ms[tier] = round((self._clock() - since) * 1000, 1)
                if cost is not None:
                    result.costs[tier] = cost
        if len(answers) < 2:
            result.result = "failed"
            return result
        await self._compare(job, answers, judge_tier, result, budget)
        return result

    async def _compare(
        self, job: ShadowJob, answers: dict[Tier, ModelAnswer], judge_tier: Tier | None, result: ShadowResult, budget: ShadowBudget
    ) -> None:
        """Compare every answer with the biggest tier's, which is taken to be right."""
        biggest = max(answers, key=_ORDER.index)
        question = job.request.facts.text
        for tier in sorted(answers.keys() - {biggest}, key=_ORDER.index):
            found = await asyncio.to_thread(verdict, question, answers[tier], answers[biggest])  # it parses code and JSON
            if found is None and judge_tier is not None:
                found = await self._judge(question, answers[biggest].text, answers[tier].text, judge_tier, budget)
            if found is not None and found.label is not None:
                result.quality[tier] = 1.0 - found.label
                result.hows[tier] = found.how
        if result.quality:
            result.quality[biggest] = 1.0
        smallest = min(answers, key=_ORDER.index)
        if smallest in result.hows:
            result.label, result.how, result.result = int(1.0 - result.quality[smallest]), result.hows[smallest], "labelled"

    async def _judge(self, question: str, strong: str, weak: str, tier: Tier, budget: ShadowBudget) -> Verdict:
        choices: list[str | None] = []
        for pair in ((strong, weak), (weak, strong)):
            text_and_cost = await self._ask(compare_prompt(question, *pair), tier, budget)
            choices.append(None if text_and_cost is None else read_choice(text_and_cost[0]))
        return verdict_of(*choices)

    async def _ask(self, conversation: Conversation, tier: Tier, budget: ShadowBudget) -> tuple[str, float | None] | None:
        """Text and cost in USD; None when that tier does not answer, or the day's budget is spent."""
        if budget.left_usd() <= 0.0:
            return None
        tokens = _estimate_tokens(conversation)
        facts = Facts(
            tokens=tokens, context_tokens=tokens, output_tokens=conversation.max_tokens, json=conversation.format is not None
        )
        try:
            answer = await self._calls.ask_tier(tier, conversation, facts)
        except OctorouteError:
            return None
        price = answer.endpoint.price
        cost = to_usd(answer.usage.cost_micros(price)) if answer.usage is not None and price is not None else None
        budget.pay(cost or 0.0)
        return (answer.text, cost) if answer.endpoint.tier is tier else None

    def _score(self, job: ShadowJob) -> ShadowResult:
        facts, decision = job.request.facts, job.decision
        if decision.confidence is not None and decision.features_hash is not None:
            return ShadowResult(score=decision.confidence, features_hash=decision.features_hash)
        reading = extract_features(subject(facts.text, facts.earlier))
        return ShadowResult(score=self._scorer().explain_features(reading).difficulty, features_hash=features_hash(reading))

    def _read(self, job: ShadowJob) -> tuple[Conversation | None, ModelAnswer | None]:
        """The question, and the client's answer; None for what cannot be decoded or was not finished."""
        gateway = self._gateway()
        endpoint, request = job.outcome.endpoint, job.request
        assert endpoint is not None
        try:
            conversation = decode(gateway.inbound[request.dialect], request, endpoint)
        except BadRequest:
            return None, None
        transcript = Transcript(gateway.upstream.outbound(endpoint, request), stream=request.stream)
        _replay(transcript, job.parts)
        if not transcript.readable or not transcript.finished:
            return conversation, None
        return conversation, transcript.answer(conversation, json_wanted=request.facts.json)


def _replay(transcript: Transcript, parts: Sequence[Chunk]) -> None:
    for part in parts:
        transcript.feed(part)
    transcript.end()


def _estimate_tokens(conversation: Conversation) -> int:
    """Four characters a token."""
    texts = [block.text for block in conversation.system]
    texts += [
        text for turn in conversation.turns for block in turn.content if isinstance(text := getattr(block, "text", None), str)
    ]
    return sum(map(len, texts)) // 4
