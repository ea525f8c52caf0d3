from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.subject import is_approval, subject, user_text

REQUEST = "Write a parser for the log format and handle broken lines."


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Yes, go ahead.",
        "ok do it",
        "continue",
        "Proceed!",
        "sounds good, go on",
        "option b",
        "y",
        "lgtm, ship it",
        "好的",
        "继续",
        "да",
        "oui",
        "try again",
    ],
)
def test_an_approval(text):
    assert is_approval(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hi",
        "thanks!",
        "thank you",
        "ok, thanks",
        "that works, thanks",
        "perfect",
        "yes, but make it thread-safe",
        "continue the story",
        "why?",
        "no",
    ],
)
def test_not_an_approval(text):
    assert not is_approval(text)


def test_an_approval_stands_for_the_request_and_what_was_proposed():
    earlier = [("user", REQUEST), ("assistant", "I would use a state machine.")]
    assert subject("yes, go ahead", earlier) == f"{REQUEST}\nI would use a state machine."


def test_approvals_and_tool_results_in_between_are_passed_over():
    earlier = [
        ("user", REQUEST),
        ("assistant", "Step 1?"),
        ("user", "ok"),
        ("assistant", "Step 2?"),
        ("user", "[Bash] Result:\nok"),
        ("assistant", ""),
    ]
    assert subject("continue", earlier).startswith(REQUEST)


def test_a_tools_result_is_judged_by_the_request_alone():
    assert subject("Exit code: 0\nall good", [("user", REQUEST), ("assistant", "running it")]) == REQUEST


def test_a_short_question_that_refers_back_brings_its_topic_along():
    assert subject("why is that?", [("user", REQUEST), ("assistant", "Because.")]) == f"{REQUEST}\nwhy is that?"
    assert subject("What is the capital of Peru?", [("user", REQUEST), ("assistant", "Done.")]) == "What is the capital of Peru?"


def test_nothing_before_and_nothing_said():
    assert subject("") == ""
    assert subject("yes") == "yes"


@pytest.mark.parametrize("tag", ["system-reminder", "environment_details", "local-command-stdout", "user_info", "git_status"])
def test_wrapped_text_is_not_the_users(tag):
    assert user_text(f"before <{tag}>prove it\n<b>x</b></{tag}> after") == "before   after"
    assert user_text(f"<{tag} kind='x'>never closed, prove it") == ""


def test_the_task_inside_a_harness_is_what_counts():
    assert user_text("<task>\nfix the typo\n</task>\n<environment_details>many files</environment_details>") == "fix the typo"


def test_tool_schemas_are_dropped():
    text = 'Use the tools: {"type": "function", "function": {"name": "prove", "parameters": {"type": "object", "properties": {}}}}'
    assert user_text(text) == "Use the tools:"


def test_html_that_a_user_pasted_stays():
    text = "why is <div class='x'>hello</div> not centred?"
    assert user_text(text) == text


@pytest.mark.parametrize(
    "prefix",
    [
        "Hi! ",
        "Hello there, ",
        "Please ",
        "Could you please help me with this? ",
        "Please answer the following question: ",
        "Good morning. Can you ",
    ],
)
def test_courtesies_are_dropped(prefix):
    assert user_text(prefix + "sort these names by age and city") == "sort these names by age and city"


def test_a_greeting_alone_is_kept():
    assert user_text("Hi there!") == "Hi there!"


@given(
    st.text(max_size=300), st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.text(max_size=100)), max_size=6)
)
def test_any_conversation_has_a_subject(text, earlier):
    assert isinstance(subject(text, earlier), str)


@given(st.text(alphabet="<>/systemremindertask \n", max_size=400))
def test_broken_markup_is_harmless(text):
    user_text(text)
