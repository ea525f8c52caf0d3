"""Checks of what any client of OpenAI's API sees, whatever model is behind the gateway: shapes, statuses, errors."""

from __future__ import annotations

import re

from octoroute.cli.conform.probe_client import NotApplicable, ProbeAnswer, pick
from octoroute.cli.conform.suite import Bench, Check, collect, expect, shown, text_of


def expect_error(answer: ProbeAnswer, *statuses: int) -> None:
    """An error in OpenAI's envelope. Raises BrokenPromise."""
    expect(answer.status in statuses, f"status {answer.status}, not {' or '.join(map(str, statuses))}: {shown(answer.body)}")
    message = pick(answer.fields, "error", "message")
    expect(message and isinstance(message, str), f"no error.message: {shown(answer.body)}")
    text = answer.body.decode("utf-8", "replace")
    expect(not re.search(r"Traceback|\.py\", line \d+", text), f"a stack trace: {shown(answer.body)}")


async def lists_models(bench: Bench) -> None:
    answer = await bench.client.send("GET", "/models")
    expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
    expect(isinstance(pick(answer.fields, "data", 0, "id"), str), f"no list of ids: {shown(answer.body)}")


async def answers(bench: Bench) -> None:
    answer = await bench.client.send("POST", "/chat/completions", bench.question())
    expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
    body = answer.fields
    expect(body.get("object") == "chat.completion", f"object is {body.get('object')!r}")
    expect(isinstance(pick(body, "choices", 0, "message"), dict), "no choices[0].message")
    reason = pick(body, "choices", 0, "finish_reason")
    expect(reason in ("stop", "length"), f"finish_reason is {reason!r}")
    expect(isinstance(pick(body, "usage", "prompt_tokens"), int), "no usage.prompt_tokens")


async def streams(bench: Bench) -> None:
    async with bench.client.stream("/chat/completions", bench.question(stream=True)) as stream:
        events = await collect(stream)
        expect(stream.content_type.startswith("text/event-stream"), f"content-type is {stream.content_type!r}")
    expect(events, "no event")
    expect(events[-1].is_done, f"the last event is not [DONE] but {shown(events[-1].data)}")
    chunks = [event.fields for event in events[:-1]]
    expect(all(found.get("object") == "chat.completion.chunk" for found in chunks), "an event is no chat.completion.chunk")
    expect(len({str(found.get("id")) for found in chunks}) == 1, "the id changes within the stream")
    reasons = [reason for found in chunks if (reason := pick(found, "choices", 0, "finish_reason")) is not None]
    expect(len(reasons) == 1, f"finish reasons: {reasons[-3:]}, not one")
    expect(text_of(events), "no text")


async def refuses_malformed_json(bench: Bench) -> None:
    expect_error(await bench.client.send("POST", "/chat/completions", b'{"model": "x", "messages": [}'), 400)


async def refuses_a_body_that_is_no_object(bench: Bench) -> None:
    expect_error(await bench.client.send("POST", "/chat/completions", b"[1, 2]"), 400, 422)


async def refuses_missing_messages(bench: Bench) -> None:
    expect_error(await bench.client.send("POST", "/chat/completions", {"model": bench.model}), 400, 422)


async def refuses_a_wrong_type(bench: Bench) -> None:
    expect_error(await bench.client.send("POST", "/chat/completions", {"model": bench.model, "messages": "hello"}), 400, 422)


async def refuses_an_unknown_model(bench: Bench) -> None:
    answer = await bench.client.send("POST", "/chat/completions", bench.question(model="no-such-model-71c0"))
    expect_error(answer, 404, 400)


async def refuses_a_wrong_key(bench: Bench) -> None:
    if not bench.client.key:
        raise NotApplicable("needs --key")
    expect_error(await bench.client.send("POST", "/chat/completions", bench.question(), key="wrong-key-71c0"), 401)


async def answers_an_unknown_route_in_json(bench: Bench) -> None:
    answer = await bench.client.send("GET", "/no-such-route-71c0")
    expect(answer.status == 404, f"status {answer.status}")
    expect(answer.fields, "an empty object")


async def answers_a_wrong_method(bench: Bench) -> None:
    answer = await bench.client.send("GET", "/chat/completions")
    expect(answer.status == 405, f"status {answer.status}")
    expect(answer.fields, "an empty object")


API_CHECKS = (
    Check("models", "GET /v1/models lists ids", lists_models),
    Check("chat", "an answer has choices, a finish reason, and usage", answers),
    Check("stream", "a stream has one id, one finish reason, and ends with [DONE]", streams),
    Check("error-json", "malformed JSON is 400 with error.message", refuses_malformed_json),
    Check("error-object", "a body that is no object is an error of the client", refuses_a_body_that_is_no_object),
    Check("error-messages", "missing messages are an error of the client", refuses_missing_messages),
    Check("error-type", "messages of a wrong type are an error of the client", refuses_a_wrong_type),
    Check("error-model", "an unknown model is 404 or 400 with error.message", refuses_an_unknown_model),
    Check("error-key", "a wrong key is 401 with error.message", refuses_a_wrong_key),
    Check("error-route", "an unknown route is 404 in JSON", answers_an_unknown_route_in_json),
    Check("error-method", "a wrong method is 405 in JSON", answers_a_wrong_method),
)
