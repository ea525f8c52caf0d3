"""Errors as OpenAI's clients read them. What the checks do at real gateways is in tests/behaviour/test_conform.py."""

from __future__ import annotations

import pytest

from octoroute.cli.conform.api_checks import expect_error
from octoroute.cli.conform.probe_client import BrokenPromise, ProbeAnswer


def test_the_envelope_with_a_message_is_an_error():
    expect_error(ProbeAnswer(400, {}, b'{"error": {"message": "no"}}'), 400, 422)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b'{"error": {"message": "no"}}', "status 500, not 400 or 422"),
        (400, b"no", "not a JSON object"),
        (400, b'{"error": "no"}', "no error.message"),
        (400, b'{"error": {"message": ""}}', "no error.message"),
        (400, b'{"detail": "no"}', "no error.message"),
        (400, b'{"error": {"message": "Traceback (most recent call last)"}}', "a stack trace"),
    ],
)
def test_anything_else_is_not(status, body, said):
    with pytest.raises(BrokenPromise, match=said):
        expect_error(ProbeAnswer(status, {}, body), 400, 422)
