"""A25: what vendors write when they refuse, and what an operator is told to do about it."""

import json

import pytest

from octoroute.dialects.response.error_hints import BILLING, KEY, LIMIT, MODEL, REGION, hint_of
from octoroute.errors import BadUpstreamResponse, Overloaded, Throttled, UpstreamAuthError, UpstreamError, UpstreamRejected
from octoroute.upstream.status import error_for_status

CASES = [
    (
        403,
        {"error": {"message": "Country, region, or territory not supported", "code": "unsupported_country_region_territory"}},
        REGION,
    ),
    (400, {"error": {"message": "x", "code": "unsupported_country_region_territory"}}, REGION),
    (403, {"error": {"message": "User location is not supported for the API use."}}, REGION),
    (401, {"error": {"message": "Incorrect API key provided: sk-***", "code": "invalid_api_key"}}, KEY),
    (401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, KEY),
    (403, {}, KEY),
    (429, {"error": {"message": "Rate limit reached for gpt-4o", "code": "rate_limit_exceeded"}}, LIMIT),
    (429, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "try later"}}, LIMIT),
    (429, {}, LIMIT),
    (
        404,
        {"error": {"message": "The model `gpt-9` does not exist or you do not have access to it.", "code": "model_not_found"}},
        MODEL,
    ),
    (404, {"error": "model 'qwen9' not found, try pulling it first"}, MODEL),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9 not found"}}, MODEL),
    (402, {"error": {"message": "Insufficient Balance", "type": "insufficient_balance"}}, BILLING),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details."}}, BILLING),
    (403, {"error": {"message": "Your credit balance is too low to access the API"}}, BILLING),
]


@pytest.mark.parametrize(("status", "body", "hint"), CASES)
def test_a25_each_refusal_has_its_hint(status, body, hint):
    data = json.dumps(body).encode()
    error = error_for_status(status, {}, data, "openai")
    error.detail = data[:500].decode()
    assert hint_of(error) == hint


@pytest.mark.parametrize(
    "error",
    [
        BadUpstreamResponse("x", detail="billing"),
        Overloaded("x", detail="invalid_api_key"),
        UpstreamRejected(
            "x", status=400, body=b'{"error": {"message": "temperature: bad; see billing"}}', headers={}, dialect="openai"
        ),
        UpstreamRejected("x", status=422, body=b"authentication", headers={}, dialect="openai"),
    ],
)
def test_a25_what_is_about_the_question_or_the_server_has_none(error: UpstreamError):
    assert hint_of(error) is None


def test_a25_hints_fit_a_header_and_hold_nothing_of_the_upstreams():
    for hint in (REGION, BILLING, MODEL, KEY, LIMIT):
        assert hint.isascii()
        assert len(hint) < 200
    assert len({REGION, BILLING, MODEL, KEY, LIMIT}) == 5
    assert hint_of(UpstreamAuthError("x", detail="Incorrect API key provided: sk-secret")) == KEY
    assert hint_of(Throttled("x")) == LIMIT
