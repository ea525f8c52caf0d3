"""Errors as Google writes them."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.errors import error_frame, status_name, write_error, write_failure
from octoroute.domain.events import Failed
from octoroute.errors import (
    BadRequest,
    Forbidden,
    OctorouteError,
    OverLimit,
    TooLarge,
    TooSlow,
    Unauthorized,
    UnknownModel,
    Unreachable,
    UpstreamRejected,
)


def written(error):
    return json.loads(write_error(error, "req-1"))["error"]


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BadRequest("x"), 400, "INVALID_ARGUMENT"),
        (Unauthorized("x"), 401, "UNAUTHENTICATED"),
        (Forbidden("x"), 403, "PERMISSION_DENIED"),
        (UnknownModel("x"), 404, "NOT_FOUND"),
        (TooLarge("x"), 413, "INVALID_ARGUMENT"),
        (OverLimit("x"), 429, "RESOURCE_EXHAUSTED"),
        (OctorouteError("x"), 500, "INTERNAL"),
        (Unreachable("x"), 502, "UNAVAILABLE"),
        (TooSlow("x"), 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_code_and_status(error, code, status):
    told = written(error)
    assert (told["code"], told["status"], told["message"]) == (code, status, "x")


def test_details_name_the_field_the_delay_and_the_request():
    error = BadRequest("contents: is missing", param="contents")
    error.retry_after_s = 6.2
    details = {detail["@type"].rpartition(".")[2]: detail for detail in written(error)["details"]}
    assert details["BadRequest"]["fieldViolations"][0]["field"] == "contents"
    assert details["RetryInfo"]["retryDelay"] == "7s"
    assert details["RequestInfo"]["requestId"] == "req-1"
    assert details["ErrorInfo"]["domain"] == "octoroute"


def test_googles_own_rejection_passes_unchanged_and_others_are_put_into_words():
    body = b'{"error":{"code":400,"message":"bad","status":"FAILED_PRECONDITION"}}'
    own = UpstreamRejected("bad", status=400, body=body, headers={}, dialect="gemini")
    assert write_error(own, "r") is body
    other = UpstreamRejected("bad", status=422, body=b'{"error":{"message":"why"}}', headers={}, dialect="openai")
    assert (written(other)["message"], written(other)["status"]) == ("why", "INVALID_ARGUMENT")


def test_errors_in_streams_are_frames():
    assert error_frame(BadRequest("x"), "r").startswith(b'data: {"error":{"code":400')
    assert json.loads(write_failure(Failed("timeout_error", "x")))["error"]["status"] == "DEADLINE_EXCEEDED"


def test_every_status_has_a_name():
    assert {status_name(status) for status in (402, 405, 418, 599)} == {"INVALID_ARGUMENT", "INTERNAL"}
