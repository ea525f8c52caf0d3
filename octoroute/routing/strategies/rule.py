"""Strategy `rule`: a table of task, size, and importance decides, without an estimate of difficulty. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.strategies.base import Ask, RouterSettings
from octoroute.routing.task.classifier import infer_task

_ANY_IMPORTANCE = frozenset(Importance)
_SMALL_TALK = frozenset({Task.CASUAL_CHAT})
_WORK = frozenset(Task) - _SMALL_TALK


class TierRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: `at_least` <= `Facts.task_tokens` < `below`. `word` is `why` as a metric label."""

    tier: Tier
    why: str
    word: str
    tasks: frozenset[Task]
    importance: frozenset[Importance] = _ANY_IMPORTANCE
    at_least: int = 0
    below: float = float("inf")


RULES = (
    TierRule(
        tier=Tier.FAST,
        why="small talk under 256 tokens",
        word="small_talk",
        tasks=_SMALL_TALK,
        below=256,
        importance=frozenset({Importance.LOW, Importance.NORMAL}),
    ),
    TierRule(
        tier=Tier.DEEP,
        why="high importance",
        word="high_importance",
        tasks=_WORK,
        importance=frozenset({Importance.HIGH}),
    ),
    TierRule(tier=Tier.DEEP, why="deep analysis", word="deep_analysis", tasks=frozenset({Task.DEEP_ANALYSIS})),
    TierRule(tier=Tier.DEEP, why="creative writing", word="creative_writing", tasks=frozenset({Task.CREATIVE_WRITING})),
    TierRule(tier=Tier.DEEP, why="code over 1024 tokens", word="code_long", tasks=frozenset({Task.CODE}), at_least=1025),
    TierRule(tier=Tier.BALANCED, why="code up to 1024 tokens", word="code_short", tasks=frozenset({Task.CODE})),
    TierRule(
        tier=Tier.BALANCED,
        why="question of 200 to 2047 tokens",
        word="question_medium",
        tasks=frozenset({Task.QUESTION_ANSWER}),
        at_least=200,
        below=2048,
    ),
    TierRule(
        tier=Tier.BALANCED,
        why="summary of 200 to 2047 tokens",
        word="summary_medium",
        tasks=frozenset({Task.DOCUMENT_SUMMARY}),
        at_least=200,
        below=2048,
    ),
)
"""The first row that applies decides. No row: important or long small talk, questions and summaries outside 200 to 2047 tokens."""

NO_RULE = "no rule applies"
REASONS: Mapping[str, str] = {rule.why: rule.word for rule in RULES} | {NO_RULE: "no_rule"}

# Built once, so that a decision by rule allocates nothing.
_ROWS = {
    (task, importance): tuple(
        (rule.at_least, rule.below, Decision(tier=rule.tier, by="rule", why=rule.why, task=task))
        for rule in RULES
        if task in rule.tasks and (importance or Importance.NORMAL) in rule.importance
    )
    for task in Task
    for importance in (None, *Importance)
}
"""The rows by task and importance, so that a decision compares sizes only. Importance None counts as normal."""


def decide(facts: Facts, task: Task | None = None) -> Decision | None:
    """None: no rule applies. `task`: None: it is inferred."""
    tokens = facts.task_tokens
    for at_least, below, decision in _ROWS[task or infer_task(facts), facts.importance]:
        if at_least <= tokens < below:
            return decision
    return None


class RuleRouter:
    __slots__ = ("_defaults",)

    def __init__(self, settings: RouterSettings) -> None:
        self._defaults = {task: Decision(tier=settings.default_tier, by="default", why=NO_RULE, task=task) for task in Task}

    async def route(self, facts: Facts) -> Decision:
        task = infer_task(facts)
        return decide(facts, task) or self._defaults[task]


def build(settings: RouterSettings, ask: Ask) -> RuleRouter:
    del ask  # this strategy asks no model
    return RuleRouter(settings)
