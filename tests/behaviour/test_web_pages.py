"""Web pages in front of the gateway: another site's are refused while there are no keys, listed ones may call every route."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from tests.support.fake import by_wish, completion, whole
from tests.support.live_gateway import LiveGateway, endpoint, frames, post, question, settings, talk

LISTED = "https://chat.example.com"
EVIL = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
ROUTES = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/metrics"),
    ("GET", "/models"),
    ("GET", "/v1/models"),
    ("GET", "/admin/stats"),
    ("GET", "/nowhere"),
    ("POST", "/chat"),
    ("POST", "/v1/route"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1beta/models/auto:generateContent"),
    ("POST", "/api/chat"),
    ("GET", "/api/tags"),
]


@pytest.fixture
def opened(make_gateway, fake):
    fake.always(by_wish)

    async def open_(**tables) -> LiveGateway:
        return await make_gateway([], [endpoint(fake)], **tables)

    return open_


def access_headers(response: httpx2.Response) -> list[str]:
    return [name for name in response.headers if name.startswith("access-control-")]


def message_of(response: httpx2.Response) -> str:
    error = response.json()["error"]
    return error if isinstance(error, str) else error["message"]  # Ollama's errors are texts


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_page_of_another_site_gets_403_on_every_route_and_costs_nothing(opened, fake, method, path):
    gateway = await opened()
    body = json.dumps(question()).encode()  # a Blob without a type: no content type, hence no preflight
    answer = await gateway.client.request(method, path, content=body if method == "POST" else None, headers=EVIL)
    assert answer.status_code == 403
    assert "server.cors_origins" in message_of(answer)
    assert answer.headers["x-should-retry"] == "false"
    assert not access_headers(answer)
    rebound = await gateway.client.request(method, path, content=body, headers={"host": "evil.example"})
    assert rebound.status_code == 403
    assert "server.allowed_hosts" in message_of(rebound)
    assert not fake.requests


async def test_the_refusal_is_in_the_dialect_of_the_route(opened):
    gateway = await opened()
    answer = (await gateway.ask(path="/v1/messages", headers=EVIL)).json()
    assert (answer["type"], answer["error"]["type"]) == ("error", "permission_error")


async def test_with_keys_only_the_key_decides(opened):
    gateway = await opened(auth={"keys": ["gw-1234567890"]})
    key = {"authorization": "Bearer gw-1234567890"}
    assert (await gateway.ask(headers={**EVIL, **key, "host": "gw.example"})).status_code == 200
    assert (await gateway.ask(headers=EVIL)).status_code == 401


async def test_a_reload_changes_what_is_allowed(opened, fake):
    gateway = await opened()
    hosts = {"server": {"allowed_hosts": ["gw.example"], "cors_origins": [LISTED]}}
    asked = {"host": "gw.example", "origin": LISTED}
    assert (await gateway.ask(headers=asked)).status_code == 403
    await gateway.reload(settings(balanced=[endpoint(fake)], **hosts))
    answer = await gateway.ask(headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, LISTED)
    await gateway.reload(settings(balanced=[endpoint(fake)]))
    assert (await gateway.ask(headers=asked)).status_code == 403


@pytest.mark.parametrize("keys", [[], ["gw-1234567890"]])
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_preflight_of_a_listed_page_needs_no_key_on_any_route(opened, keys, method, path):
    gateway = await opened(server={"cors_origins": [LISTED]}, auth={"keys": keys})
    asked = {
        "origin": LISTED,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
        "sec-fetch-site": "cross-site",
    }
    answer = await gateway.client.options(path, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert method in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_listed_page_may_read_every_answer_errors_included(opened, method, path):
    gateway = await opened(server={"cors_origins": [LISTED]}, auth={"keys": ["gw-1234567890"]})
    for key in ({}, {"authorization": "Bearer gw-1234567890"}):
        answer = await gateway.client.request(method, path, content=b"{}", headers={"origin": LISTED, **key})
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert "x-request-id" in answer.headers["access-control-expose-headers"].split(", ")


async def test_a_listed_page_reads_a_stream_with_our_headers(opened, fake):
    gateway = await opened(server={"cors_origins": [LISTED]})
    answer, body = await gateway.streamed(headers={"origin": LISTED})
    assert (answer.status_code, frames(body)[-1]) == (200, "[DONE]")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-octoroute-tier", "x-octoroute-endpoint", "x-octoroute-attempts", "x-request-id"} <= set(exposed)
    assert answer.headers["vary"] == "origin"


async def test_nothing_of_cors_while_no_origin_is_listed(opened):
    gateway = await opened(auth={"keys": ["gw-1234567890"]})
    asked = {"origin": LISTED, "access-control-request-method": "POST"}
    assert (await gateway.client.options("/v1/chat/completions", headers=asked)).status_code == 401
    answer = await gateway.ask(headers={"origin": LISTED, "x-api-key": "gw-1234567890"})
    assert (answer.status_code, access_headers(answer)) == (200, [])


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_answer_may_be_taken_for_another_type(opened, method, path):
    gateway = await opened()
    answer = await gateway.client.request(method, path, content=b"{}", headers={"content-type": "application/json"})
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"GET /health HTTP/2.0\r\nhost: localhost\r\n\r\n",
        b"GET /health HTTP/0.9\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
async def test_a_head_that_is_not_http_1_1_is_a_400(opened, data):
    gateway = await opened(auth={"keys": []})
    answer = await talk(gateway.url, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"x-content-type-options: nosniff\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize("size", [17_000, 70_000, 200_000])
async def test_a_target_that_is_too_long_is_named_as_that(opened, size):
    gateway = await opened()
    answer = await talk(gateway.url, b"GET /%b HTTP/1.1\r\nhost: localhost\r\n\r\n" % (b"x" * size))
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("blank", [" ", "\t", " \t  "])
async def test_white_space_after_a_header_is_no_part_of_it(opened, blank):
    gateway = await opened(auth={"keys": ["gw-1234567890"]})
    fields = f"x-api-key: gw-1234567890{blank}\r\nx-request-id: mine{blank}\r\n"
    answer = await talk(gateway.url, post(json.dumps(question()).encode(), headers=fields))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-request-id: mine\r\n" in answer


async def test_a_path_below_health_that_is_no_route_needs_a_key(opened):
    gateway = await opened(auth={"keys": ["gw-1234567890"]})
    for path in ("/health", "/health/live", "/health/ready", "/health/"):
        assert (await gateway.get(path)).status_code == 200
    for path in ("/health/nowhere", "/health/live/x", "/healthy"):
        assert (await gateway.get(path)).status_code == 401


@pytest.mark.parametrize("root", ["/llm", "/a/b-c/", "/v1"])
async def test_every_route_is_below_the_root_path_forgiving_as_ever(opened, fake, root):
    gateway = await opened(server={"root_path": root})
    root = root.rstrip("/")
    for path in ("/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "//v1/chat/completions/"):
        assert (await gateway.ask(path=root + path)).status_code == 200, path
    google = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert (await gateway.ask(google, f"{root}/v1beta/models/auto:generateContent")).status_code == 200
    for path in ("", "/", "/api/tags", "/v1beta/models", "/health/live", "/v1/models", "/models/", "/metrics", "/v1/models/auto"):
        assert (await gateway.get(root + path)).status_code == 200, path
    nowhere = await gateway.get(f"{root}/v1/chat/completion")
    assert nowhere.status_code == 404
    assert f"did you mean {root}/v1/chat/completions?" in message_of(nowhere)


async def test_nothing_is_outside_the_root_path(opened, fake):
    gateway = await opened(server={"root_path": "/llm"})
    for path in ("/", "/health", "/v1/models", "/llmx/v1/models", "/x/llm/v1/models"):
        answer = await gateway.get(path)
        assert answer.status_code == 404
        assert "below /llm" in message_of(answer)
    assert (await gateway.ask()).status_code == 404
    assert (await gateway.ask(headers=EVIL)).status_code == 403
    assert not fake.requests
    await gateway.reload(settings(balanced=[endpoint(fake)], auth={"keys": ["gw-1234567890"]}, server={"root_path": "/llm"}))
    assert (await gateway.get("/v1/models")).status_code == 401


async def test_large_headers_of_an_upstream_are_not_passed_on(opened, fake):
    gateway = await opened()
    many = {f"x-ratelimit-limit-{number}": "9" * 200 for number in range(100)}
    fake.then(whole(completion(), headers={**many, "retry-after": "7"}))
    answer = await gateway.ask()
    passed = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit-") or name == "retry-after"}
    assert passed["retry-after"] == "7"
    assert 1 < len(passed) < 25


BROKEN = {
    "not HTTP": (b"", b"bad field\r\n\r\n", 400),
    "headers too large": (b"", b"x: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "an upgrade with a body": (b"connection: upgrade\r\nupgrade: websocket\r\n", b"content-length: 2\r\n\r\n{}", 426),
    "a broken chunk": (b"content-type: application/json\r\ntransfer-encoding: chunked\r\n", b"\r\nzz\r\n", 400),
}
"""By what is wrong: headers before Origin, what follows it, and the status."""


async def refused(url: str, origin: str, broken: tuple[bytes, bytes, int]) -> tuple[int, dict[str, str]]:
    """Status and headers of an error that no route has sent."""
    host, port = url.removeprefix("http://").split(":")
    before, after, _ = broken
    method = b"GET" if b"upgrade" in before else b"POST"
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(method + b" /v1/responses HTTP/1.1\r\nhost: localhost\r\n" + before + f"origin: {origin}\r\n".encode() + after)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    finally:
        writer.close()
    status, *lines = head.splitlines()
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines if line)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_listed_page_may_read_what_is_refused_before_any_route(opened, kind):
    gateway = await opened(server={"cors_origins": [LISTED]}, auth={"keys": ["gw-1234567890"]})
    status, headers = await refused(gateway.url, LISTED, BROKEN[kind])
    assert (status, headers.get("access-control-allow-origin")) == (BROKEN[kind][2], LISTED)
    assert (headers["access-control-allow-credentials"], headers["vary"]) == ("true", "origin")
    status, headers = await refused(gateway.url, "https://evil.example", BROKEN[kind])
    assert (status, [name for name in headers if name.startswith("access-control-")]) == (BROKEN[kind][2], [])


async def test_any_page_may_read_it_if_any_may_call(opened):
    gateway = await opened(server={"cors_origins": ["*"]}, auth={"keys": ["gw-1234567890"]})
    _, headers = await refused(gateway.url, "https://anybody.example", BROKEN["not HTTP"])
    assert headers["access-control-allow-origin"] == "*"
