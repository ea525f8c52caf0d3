"""How long upstreams ask to wait, in all the ways that they say it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from octoroute.dialects.response.errors import read_error_body
from octoroute.dialects.response.retry_after import rate_limit_reset_s, retry_after_s

NOW = datetime(2026, 11, 20, 4, 0, 0, tzinfo=UTC).timestamp()


def details_of(body: bytes):
    error = read_error_body(body)
    return () if error is None else error.details


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, b"{}", 7),
        ({"retry-after": "0.5"}, b"{}", 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, b"{}", 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 04:00:30 GMT"}, b"{}", 30),
        ({"retry-after": "Fri, 20 Nov 2020 04:00:30 GMT"}, b"{}", 0),
        ({"retry-after": "soon"}, b"{}", None),
        ({"retry-after": "nan"}, b"{}", None),
        ({}, b'{"error":{"code":429,"details":[{"@type":"x"},{"@type":"RetryInfo","retryDelay":"34s"}]}}', 34),
        ({}, b'[{"error":{"code":429,"details":[{"retryDelay":"1.5s"}]}}]', 1.5),
        ({}, b'{"error":{"details":[3,{"retryDelay":7}]}}', None),
    ],
)
def test_p101_how_long_to_wait(headers, body, seconds):
    now = datetime(2026, 11, 20, 4, 0, 0, tzinfo=UTC).timestamp()
    assert retry_after_s(headers, now, details_of(body)) == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"retry-after": "251606258079"},
        {"retry-after-ms": "9e12"},
        {"retry-after": "1e300"},
    ],
)
def test_s15_no_wait_is_longer_than_an_hour(headers):
    assert retry_after_s(headers, NOW) == 3600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17s"}, 17),
        ({"x-ratelimit-reset-requests": "17s"}, 17),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s", "x-ratelimit-reset-requests": "2s"}, 360.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW * 1000 + 9000:.0f}"}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 12:.0f}"}, 12),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "8"}, 8),
        (
            {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-11-20T04:00:41Z"},
            41,
        ),
        (
            {"anthropic-ratelimit-tokens-remaining": "5000", "anthropic-ratelimit-tokens-reset": "2026-11-20T04:00:41Z"},
            None,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2d"}, 3600),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "nan"}, None),
        ({"x-ratelimit-reset": "-5"}, None),
        ({"x-ratelimit-reset": "9" * 5000}, None),
        ({"x-ratelimit-reset": ""}, None),
        ({}, None),
    ],
)
def test_o11_the_reset_of_the_limit_that_is_used_up(headers, seconds):
    got = rate_limit_reset_s(headers, NOW)
    assert got == (None if seconds is None else pytest.approx(seconds, abs=0.01))
