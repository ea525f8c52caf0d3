"""What counts as the user's own words in a message that an agent wrote."""

import pytest

from octoroute.dialects.request.facts import NO_HINTS, FactsBuilder
from octoroute.dialects.request.harness import MAX_CHARS, user_words
from octoroute.domain.endpoint import Tier
from octoroute.routing.llm_prompt import question
from octoroute.routing.strategies.rule import decide

# As Claude Code 2.1 writes it, shortened.
REMINDER = (
    "<system-reminder>\nAs you answer the user's questions, you can use the following context:\n# claudeMd\n"
    + "Run `npm test` before each commit; write a function for each case. " * 100
    + "\n# currentDate\nToday's date is 2026-11-30.\n</system-reminder>"
)
CLINE = "<environment_details>\n# VSCode Open Tabs\nsrc/a.ts\n</environment_details>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("hi", "hi"),
        ("a < b and b > c", "a < b and b > c"),
        (f"{REMINDER}\nhi", "hi"),
        (f"{REMINDER}\n{REMINDER}\nhi\n{CLINE}", "hi"),
        (f"<task>\nrename foo\n</task>\n{CLINE}", "<task>\nrename foo\n</task>"),
        (REMINDER, ""),
        ("what does <system-reminder> mean?", "what does <system-reminder> mean?"),
        ("<context>the user's own</context> why?", "<context>the user's own</context> why?"),
        ("</system-reminder>x<system-reminder>", "</system-reminder>x<system-reminder>"),
        ("<system-reminder>a</system-reminder>b<system-reminder>c", "b<system-reminder>c"),
    ],
)
def test_only_closed_blocks_of_a_harness_are_taken_out(text, words):
    assert user_words(text) == words


def test_work_is_bounded():
    hostile = "<system-reminder>" * 11_000
    assert user_words(hostile) == hostile
    too_long = f"{REMINDER}{'x' * MAX_CHARS}"
    assert user_words(too_long) is too_long


def facts(*messages):
    builder = FactsBuilder()
    for role, text in messages:
        builder.message(role, text)
    return builder.build(NO_HINTS, output_tokens=None)


SYSTEM = ("system", "You are an interactive agent that helps with software. " * 300)


@pytest.mark.parametrize(
    ("prompt", "tier"),
    [
        ("hi", Tier.FAST),
        ("thanks!", Tier.FAST),
        ("what does npm test do?", Tier.BALANCED),
        ("rename foo to bar in src/a.ts", Tier.BALANCED),
        ("write a python function that adds two numbers", Tier.BALANCED),
    ],
)
def test_a_prompt_gets_the_tier_that_it_gets_without_a_harness(prompt, tier):
    alone, wrapped = facts(("user", prompt)), facts(SYSTEM, ("user", f"{REMINDER}\n{prompt}"))
    assert decide(wrapped) == decide(alone)
    assert decide(wrapped).tier is tier
    assert wrapped.text == prompt
    assert wrapped.tokens > 4000
    assert abs(wrapped.task_tokens - alone.task_tokens) <= 1


def test_the_routing_model_is_not_shown_what_a_harness_adds():
    asked = question(facts(SYSTEM, ("user", f"{REMINDER}\nrename foo"), ("assistant", "Done."), ("user", f"{REMINDER}\nthanks")))
    assert "thanks" in asked and "rename foo" in asked
    assert "npm test" not in asked


def test_earlier_messages_lose_it_too():
    asked = facts(
        SYSTEM, ("user", f"{REMINDER}\nrename foo to bar"), ("assistant", "Done."), ("user", REMINDER), ("user", "thanks")
    )
    assert asked.earlier[1:] == (("user", "rename foo to bar"), ("assistant", "Done."), ("user", ""))
    assert asked.task_tokens < 20


def test_developer_messages_are_a_system_prompt():
    assert facts(("developer", "x" * 4000), ("user", "hi")).task_tokens == 0


def test_a_system_message_counts_as_such_wherever_it_stands():
    """Claude Code 2.1 lists its agents and skills in one after the user's message."""
    asked = facts(SYSTEM, ("user", f"{REMINDER}\nhi"), SYSTEM)
    assert asked.text == "hi"
    assert asked.task_tokens < 5
