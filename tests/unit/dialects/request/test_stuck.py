from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.dialects.request.stuck import count_recent_failures, repeats_request
from octoroute.domain.request import Facts

INBOUND = dialects.inbound(time.time)


def read(dialect, **body):
    return INBOUND[dialect].read(json.dumps({"model": "auto", **body}).encode(), request_id="r", headers={})


def openai(*results):
    messages = [{"role": "user", "content": "fix it"}]
    for result in results:
        call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": result},
        ]
    return read("openai", messages=messages)


def anthropic(*results):
    messages = [{"role": "user", "content": "fix it"}]
    for content, is_error in results:
        result = {"type": "tool_result", "tool_use_id": "c", "content": content}
        if is_error is not None:
            result["is_error"] = is_error
        messages += [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "run", "input": {}}]},
            {"role": "user", "content": [result]},
        ]
    return read("anthropic", max_tokens=10, messages=messages)


def responses(*results):
    items = [{"role": "user", "content": "fix it"}]
    for result in results:
        items += [
            {"type": "function_call", "call_id": "c", "name": "run", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": result},
        ]
    return read("responses", input=items)


FAILURES = (
    "Error: no such file",
    "exit code: 1\nboom",
    "Traceback (most recent call last):\n  x",
    "FAILED tests/test_a.py",
    "[tool error] no",
)
FINE = ("ok", "exit code: 0", "3 passed", "the errors are all mended", "def error(): pass", "")


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_in_every_dialect(failure):
    assert count_recent_failures(openai(failure, failure)) == 2
    assert count_recent_failures(responses(failure, failure)) == 2
    assert count_recent_failures(anthropic((failure, None), (failure, None))) == 2


@pytest.mark.parametrize("fine", FINE)
def test_what_is_no_failure(fine):
    assert count_recent_failures(openai(FAILURES[0], fine)) == 0
    assert count_recent_failures(responses(FAILURES[0], fine)) == 0
    assert count_recent_failures(anthropic((FAILURES[0], True), (fine, None))) == 0


def test_anthropic_says_it_itself():
    assert count_recent_failures(anthropic(("fine words", True), ([{"type": "text", "text": "fine words"}], True))) == 2
    assert count_recent_failures(anthropic(("Error: as asked for", False))) == 0


def test_only_since_the_last_success_and_the_users_last_word():
    assert count_recent_failures(openai("Error: a", "fine", "Error: b", "Error: c")) == 2
    asked = json.loads(openai("Error: a").body.raw)
    asked["messages"].append({"role": "user", "content": "and now?"})
    assert count_recent_failures(INBOUND["openai"].read(json.dumps(asked).encode(), request_id="r", headers={})) == 0


@given(
    messages=st.lists(
        st.dictionaries(st.sampled_from(["role", "content", "type", "output"]), st.none() | st.text() | st.integers())
    )
)
def test_it_never_raises(messages):
    request = openai()
    body = type(request.body).parse(json.dumps({"model": "auto", "messages": messages}).encode())
    broken = type(request)(id="r", dialect="openai", model="auto", stream=False, body=body, facts=Facts())
    assert count_recent_failures(broken) >= 0


def facts(text, *earlier):
    return Facts(text=text, earlier=earlier, messages=len(earlier) + 1)


ASKED, ANSWERED = ("user", "Why does the build fail on main?"), ("assistant", "It does not.")


def test_the_same_question_again():
    assert repeats_request(facts("why does the  build FAIL on main", ASKED, ANSWERED))
    assert not repeats_request(facts("Why does the build fail on main?", ASKED))
    assert not repeats_request(facts("Why does the test fail on main?", ASKED, ANSWERED))
    assert not repeats_request(facts("yes", ("user", "yes"), ANSWERED))


@pytest.mark.parametrize(
    "text",
    ["It still doesn't work.", "that's wrong, the total is 12", "same error as before", "This did not work either, try again"],
)
def test_a_complaint(text):
    assert repeats_request(facts(text, ASKED, ANSWERED))
    assert not repeats_request(facts(text))


@pytest.mark.parametrize("text", ["Thanks, that works now!", "Please write a test that fails", "What is wrong with my rose bush?"])
def test_no_complaint(text):
    assert not repeats_request(facts(text, ASKED, ANSWERED))


def gemini(*responses, name="functionResponse"):
    contents = [{"role": "user", "parts": [{"text": "fix it"}]}]
    for response in responses:
        contents += [
            {"role": "model", "parts": [{"functionCall": {"name": "run", "args": {}}}]},
            {"role": "user", "parts": [{name: {"name": "run", "response": response}}]},
        ]
    body = json.dumps({"contents": contents}).encode()
    return INBOUND["gemini"].read(body, request_id="r", headers={":path": "/v1beta/models/auto:generateContent?"})


@pytest.mark.parametrize("name", ["functionResponse", "function_response"])
def test_failures_in_googles_contents(name):
    failed, fine = {"error": "no such file"}, {"output": "ok"}
    assert count_recent_failures(gemini(failed, {"output": "Error: it broke"}, name=name)) == 2
    assert count_recent_failures(gemini(failed, fine, name=name)) == 0
    assert count_recent_failures(gemini(failed, fine, failed, name=name)) == 1
    assert count_recent_failures(gemini({"output": {"a": 1}}, {}, {"result": 1}, name=name)) == 0


def test_failures_in_ollamas_messages():
    messages = [{"role": "user", "content": "fix it"}]
    for result in ("Error: it broke", "Traceback (most recent call last)"):
        messages += [
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "run", "arguments": {}}}]},
            {"role": "tool", "tool_name": "run", "content": result},
        ]
    assert count_recent_failures(read("ollama", messages=messages)) == 2
