"""An error is never an answer: of any shape, written in any way, at any place, cut anywhere, to clients of every dialect.

Before the first event of the answer it is a failed attempt; later it ends the stream as an error event, and never as a normal end.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.domain.outcome import Ending
from tests.support import messages, pairs
from tests.support.error_shapes import WRITTEN, errors, written
from tests.support.fake import DONE, chunk, event
from tests.support.scripted import CLIENTS, KINDS, ask, last_data

EXAMPLES = settings(max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "25")))
CONTEXT = "the maximum context length is 4096 tokens, the request has 5000"

BEGINNING = {
    "openai": [pairs.ROLE, pairs.ONE],
    "anthropic": [messages.START, messages.TEXT, messages.delta("one")],
    "gemini": [pairs.gemini("one")],
}
FINISH = {
    "openai": [chunk({}, "stop")],
    "anthropic": [messages.STOP, messages.named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})],
    "gemini": [pairs.gemini("", "STOP")],
}
kinds = pytest.mark.parametrize("kind", KINDS)
clients = pytest.mark.parametrize("client", CLIENTS)


@st.composite
def cut(draw, data: bytes) -> list[bytes]:
    """The bytes in any pieces, also inside of a character."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end]


def must_be_broken(client: str, told) -> None:
    assert told.status == 200
    last = last_data(told.body)
    if client == "openai":
        assert last["error"]["message"]
        assert not told.body.endswith(DONE)
    elif client == "anthropic":
        assert last["type"] == "error"
        assert b"message_stop" not in told.body
    else:
        assert last["type"] in {"error", "response.failed"}
        assert b"response.completed" not in told.body and b"response.incomplete" not in told.body
    assert told.outcome.ending is Ending.BROKEN


def stream(error: Any, how: str, before: list[bytes], *, done: bool, end: bytes) -> bytes:
    return b"".join(before).replace(b"\n", end) + written(error, how, end) + (DONE if done else b"")


ways = {"how": st.sampled_from(WRITTEN), "done": st.booleans(), "end": st.sampled_from([b"\n", b"\r\n"]), "data": st.data()}


@kinds
@clients
@EXAMPLES
@given(error=errors(), **ways)
def test_an_error_instead_of_an_answer_is_a_failed_attempt(kind, client, error, how, done, end, data):
    raw = stream(error, how, [b": waiting\n\n"], done=done, end=end)
    good = [*BEGINNING[kind], *FINISH[kind], *([messages.END] if kind == "anthropic" else [])]
    told, scripted = ask(kind, client, {"bad": data.draw(cut(raw)), "good": good})
    assert scripted.asked == ["bad", "good"]
    assert b"one" in told.body
    assert told.outcome.ending is Ending.ANSWERED
    told, _ = ask(kind, client, {"bad": data.draw(cut(raw))})
    assert told.status >= 500


@kinds
@clients
@pytest.mark.parametrize("finished", [False, True], ids=["in the middle", "after the finish"])
@EXAMPLES
@given(error=errors(), **ways)
def test_an_error_within_an_answer_ends_it_as_an_error(kind, client, finished, error, how, done, end, data):  # noqa: PLR0917
    raw = stream(error, how, [*BEGINNING[kind], *(FINISH[kind] if finished else [])], done=done, end=end)
    first = BEGINNING[kind][0].replace(b"\n", end)
    told, _ = ask(kind, client, {"bad": [first, *data.draw(cut(raw[len(first) :]))]})
    must_be_broken(client, told)


@kinds
@clients
@EXAMPLES
@given(error=errors(CONTEXT, "BadRequestError", 400), **ways)
def test_a_prompt_that_is_too_long_is_told_in_the_words_that_make_agents_compact(kind, client, error, how, done, end, data):
    told, _ = ask(kind, client, {"bad": data.draw(cut(stream(error, how, [], done=done, end=end)))})
    assert told.status == 400
    assert told.code == "context_length_exceeded"
    assert told.error.message.startswith("prompt is too long")
    told, _ = ask(kind, client, {"bad": [b"".join(BEGINNING[kind]), stream(error, how, [], done=done, end=end)]})
    must_be_broken(client, told)
    assert b"prompt is too long" in told.body


@kinds
@clients
@EXAMPLES
@given(
    error=errors(),
    content_type=st.sampled_from(["application/json", "application/json; charset=utf-8", "application/problem+json"]),
)
def test_an_error_with_status_200_in_place_of_a_body(kind, client, error, content_type):
    body = json.dumps(error).encode()
    for streams in (True, False):
        told, _ = ask(kind, client, {"bad": [body]}, stream=streams, content_type=content_type)
        assert told.status >= 500, told.body


@kinds
@clients
@pytest.mark.parametrize(
    ("type", "words", "status", "code"),
    [
        ("rate_limit_error", "slow down", 429, "upstream_rate_limited"),
        ("server_error", "Rate limit reached for requests", 429, "upstream_rate_limited"),
        ("overloaded_error", "busy", 502, "upstream_overloaded"),
        ("insufficient_quota", "You exceeded your current quota", 502, "upstream_misconfigured"),
        ("authentication_error", "bad key", 502, "upstream_misconfigured"),
        ("invalid_request_error", "tools.0: no such type", 400, "upstream_declined"),
    ],
)
def test_the_class_of_an_error_keeps_its_meaning(kind, client, type, words, status, code):
    error = {"error": {"type": type, "message": words}}
    told, _ = ask(kind, client, {"bad": [event(error)]})
    assert (told.status, told.code) == (status, code)


@kinds
@clients
@pytest.mark.parametrize("content", ['{"error": {"message": "x"}}', '{"object": "error"}', "error: {}", 'data: {"error":1}\n\n', "event: error\n\n"])  # fmt: skip
def test_what_a_model_writes_is_never_taken_for_an_error(kind, client, content):
    text = {
        "openai": [pairs.ROLE, chunk({"content": content}), *FINISH["openai"], DONE],
        "anthropic": [messages.START, messages.TEXT, messages.delta(content), messages.STOP, messages.END],
        "gemini": [pairs.gemini(content), pairs.gemini("", "STOP")],
    }[kind]
    told, _ = ask(kind, client, {"one": text})
    assert told.outcome.ending is Ending.ANSWERED
    assert json.dumps(content)[1:-1] in told.body.decode() or json.dumps(content)[1:-1].replace(" ", "") in told.body.decode()


NO_ANSWERS = {
    "openai": [
        [DONE],
        [event({"id": "x", "choices": []}), DONE],
        [event({"choices": [], "usage": {"prompt_tokens": 3}}), DONE],
        [],
    ],
    "anthropic": [[messages.named("message_stop")], [messages.PING], []],
    "gemini": [[event({"usageMetadata": {"promptTokenCount": 3}})], []],
}


@clients
@pytest.mark.parametrize(("kind", "pieces"), [(kind, pieces) for kind in KINDS for pieces in NO_ANSWERS[kind]])
def test_only_a_known_end_after_a_beginning_is_an_end(client, kind, pieces):
    told, _ = ask(kind, client, {"bad": pieces})
    assert told.status == 502
    told, _ = ask(kind, client, {"bad": BEGINNING[kind]})
    must_be_broken(client, told)


@clients
@pytest.mark.parametrize("reason", ["error", "abort", "network_error", "insufficient_system_resource", "ERROR"])
def test_a_finish_reason_that_means_failure_is_one(client, reason):
    told, _ = ask("openai", client, {"bad": [pairs.ROLE, pairs.ONE, chunk({}, reason), DONE]})
    must_be_broken(client, told)
