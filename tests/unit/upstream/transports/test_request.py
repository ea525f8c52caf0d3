"""A request as bytes: what could be read as more than one field is refused, and nothing is added but what HTTP demands."""

from __future__ import annotations

import pytest

from octoroute.domain.version import __version__
from octoroute.errors import Unreachable
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.request import Origin, extra_lines, origin_and_head


def request(url: str = "http://h/v1", *headers: tuple[str, str], method: str = "POST") -> TransportRequest:
    return TransportRequest(method=method, url=url, headers=headers)


NAMED = f"user-agent: octoroute/{__version__}\r\n".encode()


@pytest.mark.parametrize(
    ("url", "origin", "target", "host"),
    [
        ("http://h/v1?a=b", (False, "h", 80), b"/v1?a=b", b"h"),
        ("https://h", (True, "h", 443), b"/", b"h"),
        ("http://[::1]:8080/x", (False, "::1", 8080), b"/x", b"[::1]:8080"),
    ],
)
def test_where_it_goes(url, origin, target, host):
    found, head = origin_and_head(request(url))
    assert found == Origin(*origin, None)
    assert head == b"POST " + target + b" HTTP/1.1\r\nhost: " + host + b"\r\naccept-encoding: identity\r\n" + NAMED


def test_headers_keep_their_order_and_spelling():
    _, head = origin_and_head(request("http://h/", ("X-B", "2"), ("Accept-Encoding", "gzip"), ("x-a", "\xe4")))
    assert head.endswith(b"\r\nX-B: 2\r\nAccept-Encoding: gzip\r\nx-a: \xe4\r\n" + NAMED)


def test_o07_a_user_agent_of_the_operators_takes_the_place_of_ours():
    _, head = origin_and_head(request("http://h/", ("User-Agent", "curl/8")))
    assert head.count(b"\r\nUser-Agent: curl/8\r\n") == 1
    assert b"octoroute" not in head


def test_headers_of_one_request_are_checked_like_the_others():
    assert extra_lines((("x-request-id", "r1"), ("tracestate", "a=1"))) == b"x-request-id: r1\r\ntracestate: a=1\r\n"
    for name, value in (("x", "a\r\nb: c"), ("x:", "1"), ("x", "\x00"), ("", "1")):
        with pytest.raises(Unreachable):
            extra_lines(((name, value),))


@pytest.mark.parametrize(
    "url", ["ftp://h/", "h/v1", "http://", "http://u:p@h/", "http://h/a b", "http://h/\r\nx: y", "http://h/\xe4", "http://h:99999/"]
)
def test_an_address_that_is_not_plain_http_is_refused(url):
    with pytest.raises(Unreachable):
        origin_and_head(request(url))


@pytest.mark.parametrize(
    "header",
    [
        ("x y", "1"),
        ("", "1"),
        ("x", "a\r\nb: c"),
        ("x", "\0"),
        ("x", "\u20ac"),
        ("Host", "h"),
        ("content-length", "3"),
        ("TE", "x"),
    ],
)
def test_a_header_that_could_be_read_as_more_is_refused(header):
    with pytest.raises(Unreachable):
        origin_and_head(request("http://h/", header))


def test_so_is_a_method_that_is_none():
    with pytest.raises(Unreachable):
        origin_and_head(request(method="GET /x HTTP/1.1\r\nx:"))


def test_no_error_repeats_the_value():
    with pytest.raises(Unreachable) as caught:
        origin_and_head(request("http://h/", ("authorization", "Bearer s3cret\n")))
    assert "s3cret" not in str(caught.value)
