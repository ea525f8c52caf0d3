"""Identity of a request: user, thinking, and the digest of the opening."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.identity import opening_of, requests_thinking, temperature_of, user_of
from octoroute.domain.request import Facts, Request


def request(**fields):
    return Request(
        id="r", dialect="openai", model="m", stream=False, body=RequestBody.parse(json.dumps(fields).encode()), facts=Facts()
    )


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"user": "a", "safety_identifier": "b"}, "a"),
        ({"safety_identifier": "b", "metadata": {"user_id": "c"}}, "b"),
        ({"metadata": {"user_id": "c"}}, "c"),
        ({"metadata": "c", "user": 7}, None),
        ({"user": ""}, None),
        ({}, None),
    ],
)
def test_the_user_in_any_dialect(fields, user):
    assert user_of(request(**fields)) == user


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "none", "thinking": {"type": "enabled"}}, False),
        ({"reasoning": {"effort": "high"}}, True),
        ({"reasoning": {"summary": "auto"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": "yes"}, False),
        ({}, False),
    ],
)
def test_whether_thinking_is_requested(fields, thinking):
    assert requests_thinking(request(**fields)) is thinking


def user(text):
    return {"role": "user", "content": text}


SYSTEM = {"role": "system", "content": "s"}


def test_the_opening_stays_the_same_through_a_conversation():
    first = request(messages=[SYSTEM, user("a")])
    later = request(messages=[SYSTEM, user("a"), {"role": "assistant", "content": "b"}, user("c")])
    assert opening_of(first) == opening_of(later)


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [SYSTEM, user("b")]},
        {"messages": [user("a")]},
        {"messages": [SYSTEM, user("a")], "system": "t"},
        {"messages": [{"role": "system", "content": "t"}, user("a")]},
        {"messages": [{"role": "user", "content": "s"}, user("a")]},
    ],
)
def test_another_opening_has_another_digest(other):
    assert opening_of(request(**other)) != opening_of(request(messages=[SYSTEM, user("a")]))


def test_cache_marks_and_the_form_of_text_do_not_matter():
    plain = request(messages=[user("a")])
    marked = request(messages=[user([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])])
    assert opening_of(plain) == opening_of(marked)


@pytest.mark.parametrize("fields", [{"messages": 7}, {"input": "text"}, {"messages": [7, None]}, {"system": [[]]}, {}])
def test_odd_shapes_never_raise(fields):
    assert len(opening_of(request(**fields))) == 16


def test_a_request_without_a_body_is_told_by_its_text():
    def of(text):
        return opening_of(Request(id="r", dialect="x", model="m", stream=False, body=None, facts=Facts(text=text)))

    assert of("a") == of("a") != of("b")
    assert user_of(Request(id="r", dialect="x", model="m", stream=False, body=None, facts=Facts())) is None


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 100}}}, True),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False),
        ({"generation_config": {"thinking_config": {"thinking_budget": -1}}}, True),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}, True),
        ({"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}, False),
        ({"generationConfig": "x"}, False),
        ({"think": True}, True),
        ({"think": "high"}, True),
        ({"think": False}, False),
    ],
)
def test_thinking_in_googles_and_ollamas_fields(fields, thinking):
    assert requests_thinking(request(**fields)) is thinking


@pytest.mark.parametrize(
    ("fields", "temperature"),
    [
        ({"temperature": 0}, 0),
        ({"generationConfig": {"temperature": 0.5}}, 0.5),
        ({"generation_config": {"temperature": 0}}, 0),
        ({"options": {"temperature": 1}}, 1),
        ({"options": {"temperature": "x"}}, None),
        ({"temperature": "x"}, None),
        ({}, None),
    ],
)
def test_the_temperature_in_any_dialect(fields, temperature):
    assert temperature_of(request(**fields)) == temperature


def test_the_opening_of_googles_contents():
    first = {"role": "user", "parts": [{"text": "fix it"}]}
    more = [{"role": "model", "parts": [{"text": "done"}]}, {"role": "user", "parts": [{"text": "and this"}]}]
    system = {"parts": [{"text": "be brief"}]}
    opening = opening_of(request(systemInstruction=system, contents=[first]))
    assert opening_of(request(systemInstruction=system, contents=[first, *more])) == opening
    assert opening_of(request(systemInstruction=system, contents=more[1:])) != opening
    assert opening_of(request(systemInstruction={"parts": [{"text": "x"}]}, contents=[first])) != opening
    assert opening_of(request(prompt="a")) != opening_of(request(prompt="b"))
