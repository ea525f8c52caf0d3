"""Clients that compress what they send are answered like any other, on every route that takes a body."""

from __future__ import annotations

import gzip
import json
import sys
import zlib

import pytest

from tests.support.live_gateway import endpoint, question, talk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
BODIES = {
    "/v1/chat/completions": question("hello"),
    "/v1/responses": {"model": "auto", "input": "hello"},
    "/v1/messages": {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
    "/v1/messages/count_tokens": {"model": "auto", "messages": [{"role": "user", "content": "hello"}]},
    "/v1/route": question("hello"),
    "/chat": {"message": "hello"},
}


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("path", BODIES)
async def test_a_compressed_request_is_answered_like_a_plain_one(gateway, fake, path, coding):
    body = json.dumps(BODIES[path]).encode()
    plain = await gateway.ask(body, path)
    response = await gateway.ask(CODERS[coding](body), path, {"content-encoding": coding})
    assert (response.status_code, plain.status_code) == (200, 200), response.text
    if fake.requests:
        assert fake.requests[0].body == fake.requests[1].body
        assert "content-encoding" not in fake.requests[1].headers


@pytest.mark.parametrize("path", BODIES)
async def test_another_coding_is_a_415_that_names_it(gateway, fake, path):
    response = await gateway.ask(b"\x0b\x02\x80", path, {"content-encoding": "br"})
    assert response.status_code == 415
    error = response.json()["error"]
    assert "'br'" in error["message"]
    assert "gzip, deflate, zstd" in error["message"]
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd"
    assert response.headers["x-should-retry"] == "false"
    assert not fake.requests


@pytest.mark.parametrize("coding", CODERS)
async def test_a_body_that_is_not_what_it_is_said_to_be_is_a_400_that_says_so(gateway, fake, coding):
    for body in (json.dumps(question()).encode(), CODERS[coding](json.dumps(question()).encode())[:-2]):
        response = await gateway.ask(body, headers={"content-encoding": coding})
        assert response.status_code == 400
        assert f"not valid {coding}" in response.json()["error"]["message"]
    assert not fake.requests


@pytest.mark.parametrize("coding", CODERS)
async def test_the_limit_counts_what_comes_out(make_gateway, fake, coding):
    gateway = await make_gateway([endpoint(fake)], server={"max_request_bytes": 100_000})
    small = json.dumps(question("x" * 90_000)).encode()
    assert (await gateway.ask(CODERS[coding](small), headers={"content-encoding": coding})).status_code == 200
    for large in (json.dumps(question("x" * 101_000)).encode(), bytes(1 << 26)):
        response = await gateway.ask(CODERS[coding](large), headers={"content-encoding": coding})
        assert response.status_code == 413
        assert "100000 bytes" in response.json()["error"]["message"]
    assert len(fake.requests) == 1


async def test_a_compressed_body_may_come_in_chunks(gateway, fake):
    body = zstd.compress(json.dumps(question()).encode())
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: zstd\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert (await talk(gateway.url, head + chunks + b"0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert len(fake.requests) == 1


async def test_the_key_is_checked_first(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]})
    response = await gateway.ask(gzip.compress(bytes(1 << 26)), headers={"content-encoding": "gzip"})
    assert response.status_code == 401
