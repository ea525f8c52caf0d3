"""What Bedrock's errors mean, by type and words, as a status and inside a stream."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.bedrock.errors import read_error, read_exception
from octoroute.dialects.response.refusals import RefusalKind
from octoroute.errors import (
    BadUpstreamResponse,
    NotServed,
    Overloaded,
    Throttled,
    TooSlow,
    UpstreamAuthError,
    UpstreamRejected,
)

NAMESPACE = "http://internal.amazon.com/coral/com.amazon.bedrock/"
CASES = [
    (400, "ValidationException", "messages.0: the role must be user", UpstreamRejected),
    (400, "ValidationException", "Input is too long for requested model.", UpstreamRejected),
    (400, "ValidationException", "The provided model identifier is invalid.", NotServed),
    (400, "ServiceQuotaExceededException", "Your account is over its quota.", Throttled),
    (400, "IncompleteSignatureException", "Authorization header requires 'Credential' parameter.", UpstreamAuthError),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", UpstreamAuthError),
    (403, "InvalidSignatureException", "The request signature we calculated does not match.", UpstreamAuthError),
    (403, "ExpiredTokenException", "The security token included in the request is expired", UpstreamAuthError),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", NotServed),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model.", NotServed),
    (408, "ModelTimeoutException", "The model took too long.", TooSlow),
    (424, "ModelErrorException", "The model failed.", BadUpstreamResponse),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", Throttled),
    (429, "ModelNotReadyException", "The model is being loaded.", Throttled),
    (500, "InternalServerException", "An internal error.", BadUpstreamResponse),
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Overloaded),
]


@pytest.mark.parametrize("place", ["header", "namespaced header", "body"])
@pytest.mark.parametrize(
    ("status", "word", "message", "error"), CASES, ids=[f"{case[1]} {case[0]} {i}" for i, case in enumerate(CASES)]
)
def test_a_status_means_what_its_type_says(status, word, message, error, place):
    headers = {"header": {"x-amzn-errortype": word}, "namespaced header": {"x-amzn-errortype": f"{word}:{NAMESPACE}"}}.get(
        place, {}
    )
    body = {"message": message} | ({"__type": f"com.amazon.coral.service#{word}"} if place == "body" else {})
    found = read_error(status, headers, json.dumps(body).encode())
    assert type(found) is error


def test_a_long_prompt_has_the_code_by_which_agents_compact():
    found = read_error(400, {"x-amzn-errortype": "ValidationException"}, b'{"message":"Input is too long for requested model."}')
    assert isinstance(found, UpstreamRejected)
    assert (found.refusal, found.code) == (RefusalKind.CONTEXT, "context_length_exceeded")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"Message":"The request was wrong"}'])
def test_an_error_without_a_type_goes_by_its_status(body):
    assert isinstance(read_error(502, {}, body), BadUpstreamResponse)
    assert isinstance(read_error(429, {"retry-after": "7"}, body), Throttled)
    assert read_error(204, {}, body) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("internalServerException", "api_error"),
        ("modelStreamErrorException", "api_error"),
        ("modelTimeoutException", "timeout_error"),
        ("validationException", "invalid_request_error"),
        ("accessDeniedException", "authentication_error"),
        ("somethingNewException", "api_error"),
    ],
)
def test_an_exception_of_a_stream_keeps_its_kind_words_and_type(word, kind):
    failed = read_exception(word, "these words")
    assert (failed.kind, failed.message, failed.code) == (kind, "these words", word)


def test_an_exception_about_the_prompt_has_its_code():
    assert read_exception("validationException", "Input is too long for requested model.").code == "context_length_exceeded"
    assert read_exception("validationException", "Blocked by content filter").code == "content_filter"
