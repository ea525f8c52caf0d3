from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.answer_checks import ModelAnswer, check, run_checks
from octoroute.routing.difficulty.arithmetic import arithmetic

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def found(**fields):
    finding = check(ModelAnswer(**{"text": "fine", **fields}))
    return finding.check if finding else None


def test_a_good_answer_passes():
    assert found(text="The capital of Peru is Lima.", finish_reason="stop") is None
    assert found(text='{"name": "Ada", "age": 36}', json_wanted=True, schema=PERSON) is None


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty(text):
    assert found(text=text) == "empty"
    assert found(text=text, tool_calls=[("f", "{}")]) is None


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "As an AI language model, I do not have",
        "Unfortunately, I am unable to",
    ],
)
def test_refusals(text):
    assert found(text=text) == "refusal"


@pytest.mark.parametrize(
    "text", ["I'm sorry to hear that. Here is a plan.", "I can help you with that.", "Sorry, my last answer was wrong: it is 4."]
)
def test_politeness_is_no_refusal(text):
    assert found(text=text) is None


def test_finish_reasons():
    assert found(finish_reason="length") == "length"
    assert found(finish_reason="refusal") == "refusal"


@pytest.mark.parametrize(
    "text",
    ["no json", '{"name": "Ada"}', '{"name": "", "age": 1}', '{"name": "A", "age": 1.5}', '{"name": "A", "age": 1, "x": 0}', "[]"],
)
def test_json_that_does_not_fit(text):
    assert found(text=text, json_wanted=True, schema=PERSON) == "json"


@pytest.mark.parametrize(
    ("name", "arguments", "good"),
    [("f", '{"name": "A", "age": 3}', True), ("f", "{", False), ("f", "[]", False), ("f", "{}", False), ("g", "{}", False)],
)
def test_tool_arguments(name, arguments, good):
    assert found(text="", tool_calls=[(name, arguments)], tools={"f": PERSON}) == (None if good else "tool_arguments")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("```python\nprint(1)\n```", True),
        ("```python\ndef f(:\n    pass\n```", False),
        ("```python\n>>> 1 +\n```", True),
        ("```python\n    x = 1\n    y = 2\n```", True),
        ('```json\n{"a": 1}\n```', True),
        ('```json\n{"a": }\n```', False),
        ("```rust\nfn main( {\n```", True),
        ("```python\nprint(1)\n", False),
    ],
)
def test_code(text, good):
    assert found(text=text) == (None if good else "code")


def test_an_unsure_answer():
    assert found(top_margins=[3.0] * 50) is None
    assert found(top_margins=[3.0] * 40 + [0.01] * 10) == "log_probability"
    assert found(top_margins=[0.0]) is None


@given(st.text(alphabet="0123456789+-*/=()<>%$., x`\n", max_size=200))
def test_any_answer_is_survived(text):
    run_checks(ModelAnswer(text=text, json_wanted=True))
    stated, wrong = arithmetic(text)
    assert 0 <= wrong <= stated


def test_findings_say_nothing_of_the_answer():
    secret = "hunter2"
    findings = run_checks(ModelAnswer(text=f"```python\n{secret}(\n```\n2 + 2 = 5", json_wanted=True, finish_reason="length"))
    assert [finding.check for finding in findings] == ["length", "json", "code", "arithmetic"]
    assert not any(secret in finding.detail for finding in findings)
