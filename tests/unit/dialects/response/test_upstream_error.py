"""The exception that an upstream's refusal becomes, and what follows from it."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.errors import write_error
from octoroute.dialects.openai.errors import write_error as write_openai_error
from octoroute.dialects.response.refusals import RefusalKind
from octoroute.dialects.response.upstream_error import error_from_event, read_failed_event, read_upstream_error
from octoroute.domain.events import Failed
from octoroute.errors import NotServed, Overloaded, Throttled, TooSlow, UpstreamAuthError, UpstreamRejected


def test_p101_google_says_it_in_the_body():
    body = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"retryDelay":"34s"}]}}'
    error = read_upstream_error(429, {}, body, "gemini")
    assert isinstance(error, Throttled) and error.retry_after_s == 34


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
        b'{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your specified API usage spend limit"}}',
    ],
)
def test_p102_a_spent_quota_is_no_rate_limit(body):
    assert isinstance(read_upstream_error(429, {}, body, "openai"), UpstreamAuthError)


def test_p102_a_rate_limit_that_says_how_long_is_one():
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"spend limit of this minute"}}'
    assert isinstance(read_upstream_error(429, {"retry-after": "7"}, body, "anthropic"), Throttled)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "This model's maximum context length is 128,000 tokens. However, your messages resulted in 130500 tokens.",
            "prompt is too long: 130500 tokens > 128000 maximum",
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", "prompt is too long: 210000 tokens > 200000 maximum"),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        ("the request exceeds the available context size", "prompt is too long: the request exceeds the available context size"),
    ],
)
def test_p104_a_context_that_is_too_long_is_told_in_agents_words(message, words):
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}}).encode()
    error = read_upstream_error(400, {}, body, "openai")
    assert isinstance(error, UpstreamRejected) and error.code == "context_length_exceeded" and not error.blames_endpoint
    told = json.loads(write_error(error, "req_1"))
    assert told == {"type": "error", "error": {"type": "invalid_request_error", "message": words}, "request_id": "req_1"}


@pytest.mark.parametrize("code", ["\u00b2", "\u0664\u0662\u0669", "4" * 1500, "-1", "0"])
def test_an_error_code_that_is_no_status_is_a_word(code):
    failed = read_failed_event(json.dumps({"error": {"code": code, "message": "m"}}, ensure_ascii=False).encode())
    assert (failed.kind, failed.code) == ("api_error", code)


def said(message: str, **fields: object) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "refusal"),
    [
        (402, said("Insufficient Balance"), UpstreamAuthError, RefusalKind.BILLING),
        (400, said("Your credit balance is too low to access the Anthropic API."), UpstreamAuthError, RefusalKind.BILLING),
        (400, said("API key expired. Please renew the API key."), UpstreamAuthError, RefusalKind.KEY),
        (403, b"", UpstreamAuthError, RefusalKind.KEY),
        (404, b'{"error": "model \'x\' not found, try pulling it first"}', NotServed, RefusalKind.MODEL),
        (404, b"404 page not found", NotServed, RefusalKind.ROUTE),
        (402, said("This request requires more credits, or fewer max_tokens"), UpstreamRejected, RefusalKind.ALLOWANCE),
        (403, b"error code: 1010", UpstreamRejected, RefusalKind.CONTENT),
        (400, said("x", code="content_filter"), UpstreamRejected, RefusalKind.CONTENT),
        (500, said("the request exceeds the available context size"), UpstreamRejected, RefusalKind.CONTEXT),
        (429, said("slow down"), Throttled, ""),
        (503, said("Loading model"), Overloaded, ""),
        (504, b"", TooSlow, ""),
    ],
)
def test_the_class_says_what_follows(status, body, kind, refusal):
    error = read_upstream_error(status, {}, body, "openai")
    assert type(error) is kind
    assert error.refusal == refusal
    assert error.blames_endpoint is (kind not in {UpstreamRejected, Throttled})


def test_a_status_below_400_is_no_refusal():
    assert read_upstream_error(302, {}, b"", "openai") is None


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_context_that_is_too_long_gets_the_code_that_makes_agents_compact(status):
    """SGLang and vLLM write a number for a code."""
    message = "The input (61709 tokens) is longer than the model's context length (40960 tokens)."
    error = read_upstream_error(status, {}, said(message, type="BadRequestError", code=400), "openai")
    assert isinstance(error, UpstreamRejected) and error.status == status
    told = json.loads(write_openai_error(error, "r"))["error"]
    assert (told["message"], told["code"]) == (message, "context_length_exceeded")
    told = json.loads(write_error(error, "r"))["error"]
    assert told == {"type": "invalid_request_error", "message": "prompt is too long: 61709 tokens > 40960 maximum"}


def test_a_body_that_has_the_code_already_is_relayed_byte_for_byte():
    body = b'{"error": { "message": "maximum context length is 10", "code": "context_length_exceeded" } }'
    error = read_upstream_error(400, {}, body, "openai")
    assert error is not None and write_openai_error(error, "r") == body


def test_anthropics_other_words_for_it_become_those_that_agents_know():
    body = said("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length")
    error = read_upstream_error(400, {}, body, "anthropic")
    assert error is not None
    assert json.loads(write_error(error, "r"))["error"]["message"].startswith("prompt is too long: ")


def test_a_firewalls_page_is_not_relayed():
    error = read_upstream_error(403, {"content-type": "text/html"}, b"<html>Attention Required! | Cloudflare</html>", "openai")
    assert error is not None
    assert b"html" not in write_openai_error(error, "r")


@pytest.mark.parametrize(
    ("body", "kind", "refusal"),
    [
        (said("x", type="insufficient_quota"), UpstreamAuthError, RefusalKind.BILLING),
        (said("x", code=429), Throttled, ""),
        (said("x", code="content_filter"), UpstreamRejected, RefusalKind.CONTENT),
        (
            said("The input (9 tokens) is longer than the model's context length (8 tokens).", code=400),
            UpstreamRejected,
            RefusalKind.CONTEXT,
        ),
        (said("The model `x` does not exist", code="model_not_found"), NotServed, RefusalKind.MODEL),
        (said("x", type="overloaded_error"), Overloaded, ""),
    ],
)
def test_an_error_in_place_of_a_response_is_read_by_the_same_table(body, kind, refusal):
    error = error_from_event(read_failed_event(body))
    assert type(error) is kind
    assert error.refusal == refusal


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_filter", "image_too_large"])
def test_an_error_about_the_request_is_the_requests_in_a_response_too(code):
    error = error_from_event(Failed("api_error", "why", code))
    assert isinstance(error, UpstreamRejected) and (error.code, error.status, error.message) == (code, 400, "why")
