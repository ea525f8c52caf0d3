"""Errors of an endpoint in the client's dialect, with the headers that tell an SDK whether and when to retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.support.fake import error, raw, whole
from tests.support.messages import ask
from tests.support.pairs import PATHS, asked_by, clients, error_of, kinds, row


@clients
@kinds
@pytest.mark.parametrize("status", [401, 403])
async def test_p100_refused_credentials_are_our_fault_and_not_the_clients(make_fake, make_gateway, client, kind, status):
    fake = await make_fake()
    fake.always(error(status, "Incorrect API key provided: sk-secret"))
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 502
    assert "not about your key" in error_of(response.json())["message"]
    assert "sk-secret" not in response.text
    assert (await gateway.row(fake.name))["circuit"] == "open"


async def test_p105_an_sdk_is_told_not_to_retry_what_no_retry_mends(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    fake.always(error(401))
    assert (await gateway.ask()).headers["x-should-retry"] == "false"
    again = await gateway.ask()
    assert (again.status_code, again.headers.get("x-should-retry")) == (503, None)


async def test_p105_and_left_to_itself_where_waiting_may_help(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    fake.always(error(500))
    assert "x-should-retry" not in (await gateway.ask()).headers


IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)  # a test session is shorter
DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
RETRY_INFO = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [DELAY]}}


@clients
@pytest.mark.parametrize(
    ("kind", "step", "least", "most"),
    [
        ("openai", error(429, headers={"retry-after": "7"}), 7, 7),
        ("anthropic", error(429, headers={"retry-after": "7"}), 7, 7),
        ("openai", error(429, headers={"retry-after": "0.3", "retry-after-ms": "1500"}), 2, 2),
        ("openai", error(429, headers={"retry-after": IN_AN_HOUR}), 1, 3600),
        ("gemini", whole(RETRY_INFO, 429), 34, 34),
    ],
    ids=["seconds", "anthropic", "milliseconds", "date", "RetryInfo"],
)
async def test_p101_how_long_to_wait_is_read_and_passed_on(make_fake, make_gateway, client, kind, step, least, most):
    fake = await make_fake()
    fake.always(step)
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 429
    assert least <= int(response.headers["retry-after"]) <= most
    assert len(fake.requests) == 1, "it rests"


@clients
@kinds
@pytest.mark.parametrize(
    "step",
    [
        whole(b"<html><body>502 Bad Gateway nginx/1.2</body></html>", 502, {"content-type": "text/html"}),
        whole(b"<html><body>hello</body></html>", 200, {"content-type": "text/html"}),
        whole({"error": {"message": "secret 10.0.0.7", "type": "server_error"}}),
        whole(b""),
        raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"),
    ],
    ids=["an error page", "a page", "an error with status 200", "nothing", "nothing without a length"],
)
async def test_p103_an_answer_that_is_none_is_a_502_in_the_clients_dialect(make_fake, make_gateway, client, kind, step):
    fake = await make_fake()
    fake.always(step)
    gateway = await make_gateway([row(fake, kind)], retry={"max_attempts": 1})
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 502
    told = error_of(response.json())
    assert "nginx" not in told["message"] and "10.0.0.7" not in told["message"]


TOO_LONG = {
    "openai": {
        "error": {
            "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 9001 tokens > 8192 maximum"},
    },
    "gemini": {
        "error": {
            "code": 400,
            "message": "The input token count (9001) exceeds the maximum number of tokens allowed (8192).",
            "status": "INVALID_ARGUMENT",
        }
    },
}


@kinds
async def test_p104_a_prompt_that_is_too_long_is_told_in_the_words_that_make_agents_compact(make_fake, make_gateway, kind):
    fake = await make_fake()
    fake.always(whole(TOO_LONG[kind], 400))
    gateway = await make_gateway([row(fake, kind)])
    response = await ask(gateway)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"] == "prompt is too long: 9001 tokens > 8192 maximum"
    assert len(fake.requests) == 1
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0


@clients
@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "upstream_rate_limited"), (503, "upstream_overloaded"), (500, "upstream_failed"), (401, "upstream_misconfigured")],
)
async def test_the_type_is_the_one_that_the_page_names(make_fake, make_gateway, client, status, code):
    table = (Path(__file__).parents[2] / "docs/api.md").read_text().splitlines()
    documented = next(row.split("|")[3:5] for row in table if f"| `{code}` |" in row)
    fake = await make_fake()
    fake.always(error(status))
    gateway = await make_gateway([row(fake, "openai")], retry={"max_attempts": 1})
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert f" `{error_of(response.json())['type']}` " == documented[client == "anthropic"]
