"""The codes of failures in a Responses stream."""

from __future__ import annotations

import pytest

from octoroute.dialects.responses.failure import error_type, failure_code, failure_message


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        ("rate_limit_error", "upstream_rate_limited", "rate_limit_exceeded"),
        ("billing_error", None, "insufficient_quota"),
        ("overloaded_error", "overloaded", "server_is_overloaded"),
        ("invalid_request_error", "context_length_exceeded", "context_length_exceeded"),
        ("invalid_request_error", "bad_image", "invalid_prompt"),
        ("api_error", "insufficient_quota", "insufficient_quota"),
        ("api_error", "upstream_failed", "upstream_failed"),
        ("timeout_error", "upstream_timeout", "upstream_timeout"),
        ("api_error", None, "server_error"),
    ],
)
def test_clients_know_the_code_or_get_our_own(kind, code, expected):
    assert failure_code(kind, code) == expected


def test_the_wait_of_a_rate_limit_is_in_the_message():
    assert failure_message("rate_limit_error", "slow down", 2.5) == "slow down. Please try again in 2.5s."
    assert failure_message("rate_limit_error", "slow down", None) == failure_message("api_error", "slow down", 2.5) == "slow down"


def test_the_type_of_an_unknown_kind():
    assert error_type("rate_limit_error") == "rate_limit_error" and error_type("something") == "server_error"
