"""docs/routing.md says what the routers do."""

from __future__ import annotations

import re
from pathlib import Path

from octoroute.routing.llm_answer import MAX_ANSWER_BYTES
from octoroute.routing.llm_prompt import MESSAGE_HEAD, MESSAGE_TAIL, TURN_HEAD, TURN_TAIL
from octoroute.routing.strategies import REASONS, STRATEGIES
from octoroute.routing.strategies.rule import RULES
from octoroute.routing.task.classifier import EDGE_CHARS

PAGE = (Path(__file__).parents[4] / "docs" / "routing.md").read_text(encoding="utf-8")
CODE_WORDS = set(re.findall(r"`([^`\n]+)`", PAGE))


def test_every_strategy_and_reason_is_explained():
    assert set(STRATEGIES) <= CODE_WORDS
    assert set(REASONS.values()) <= CODE_WORDS


def test_the_table_has_the_rules_in_their_order():
    rows = re.findall(r"^\|.*\| (fast|balanced|deep) \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.tier.value, rule.word) for rule in RULES]


def test_its_numbers_are_the_codes():
    for number in (2 * EDGE_CHARS, EDGE_CHARS, MAX_ANSWER_BYTES, MESSAGE_HEAD + MESSAGE_TAIL, TURN_HEAD + TURN_TAIL):
        assert f"{number:,}" in PAGE
