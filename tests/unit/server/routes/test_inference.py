"""One inference route: what is checked before the gateway is asked, and that every request is settled and closed."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.dialects import inbound
from octoroute.errors import OverLimit
from octoroute.server.guard import AccessRules
from octoroute.server.routes.inference import InferenceEndpoint, inference_routes
from octoroute.upstream.transports.native import NativeTransport
from octoroute.upstream.web_client import WebClient
from tests.support.asgi import row, serving
from tests.support.live_gateway import configured, settings

DIALECT = inbound(lambda: 0.0)["openai"]
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()


class FakeReply:
    """An answer that notes what becomes of it."""

    def __init__(self, request, pieces=None) -> None:
        self.request = request
        self.stream = pieces is not None
        self.translated = False
        self.headers = {"x-octoroute-tier": "fast"}
        self.body = b'{"a": 1}'
        self._pieces = pieces
        self.events: list[str] = []

    async def pieces(self, keep_alive_s, write):
        for piece in self._pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def delivered(self) -> None:
        self.events.append("delivered")

    def close(self) -> None:
        self.events.append("closed")


class FakeGateway:
    def __init__(self, pieces=None, error: BaseException | None = None) -> None:
        self.replies: list[FakeReply] = []
        self.requests = []
        self.rejections = []
        self._pieces = pieces
        self._error = error

    async def answer(self, request):
        self.requests.append(request)
        if self._error:
            raise self._error
        self.replies.append(FakeReply(request, self._pieces))
        return self.replies[-1]

    def rejected(self, dialect, request_id, error) -> None:
        self.rejections.append((dialect, request_id, error.code))


def rules_of(keys=(), limit=1000, **server):
    auth = {"keys": list(keys)} if keys else {}
    return AccessRules(
        configured(settings([row()], auth=auth, server={"max_request_bytes": limit, **server})), WebClient(NativeTransport())
    )


async def ask(gateway, *, body=BODY, method="POST", headers=(), keys=(), limit=1000, present=None, receive=None):
    rules = rules_of(keys, limit)
    route = InferenceEndpoint(gateway, DIALECT, rules=rules, present=present)
    sent = []

    async def send(message):
        sent.append(message)

    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def from_client():
        return messages.pop(0) if messages else await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": method,
        "path": "/v1/chat/completions",
        "headers": [(b"content-type", b"application/json"), *headers],
    }
    await route(scope, receive or from_client, send)
    if not sent:
        return None
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in rest)


async def test_a_whole_answer_is_delivered_and_closed():
    gateway = FakeGateway()
    status, headers, body = await ask(gateway, headers=[(b"x-request-id", b"mine")])
    assert (status, body) == (200, b'{"a": 1}')
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-octoroute-tier"] == b"fast"
    assert headers[b"x-request-id"] == b"mine"
    assert gateway.replies[0].events == ["delivered", "closed"]


async def test_a_route_may_present_an_answer_in_its_own_way():
    assert (await ask(FakeGateway(), present=lambda reply: reply.body.upper()))[2] == b'{"A": 1}'


async def test_a_stream_is_sent_piece_by_piece_and_closed():
    gateway = FakeGateway([b"a", b"b"])
    status, headers, body = await ask(gateway)
    assert (status, body) == (200, b"ab")
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-cache"
    assert gateway.replies[0].events == ["closed"]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"keys": ["k"]}, 401, "invalid_api_key"),
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"headers": [(b"content-type", b"text/plain")]}, 415, "unsupported_media_type"),
        ({"headers": [(b"origin", b"https://evil.example")]}, 403, "permission_denied"),
        ({"headers": [(b"host", b"a"), (b"host", b"b")]}, 400, "invalid_request"),
        ({"limit": 5}, 413, "request_too_large"),
        ({"body": b"{"}, 400, "invalid_request"),
    ],
)
async def test_what_is_refused_never_reaches_the_gateway_and_is_counted_once(given, status, code):
    gateway = FakeGateway()
    answered, _, body = await ask(gateway, **given)
    assert (answered, json.loads(body)["error"]["code"]) == (status, code)
    assert gateway.requests == []
    assert [(dialect, found) for dialect, _, found in gateway.rejections] == [("openai", code)]


async def test_an_error_of_the_gateways_is_settled_there():
    gateway = FakeGateway(error=OverLimit("busy", retry_after_s=3))
    status, headers, body = await ask(gateway)
    assert (status, headers[b"retry-after"], json.loads(body)["error"]["message"]) == (429, b"3", "busy")
    assert gateway.rejections == []


async def test_a_bug_is_a_500_that_tells_nothing():
    status, headers, body = await ask(FakeGateway(error=ZeroDivisionError("secret")))
    assert status == 500
    assert b"secret" not in body
    assert headers[b"x-request-id"].startswith(b"req_")


async def test_a_bug_in_the_middle_of_a_stream_sends_no_second_head_and_closes_the_reply():
    gateway = FakeGateway([b"a", ZeroDivisionError()])
    status, _, body = await ask(gateway)
    assert (status, body) == (200, b"a")
    assert gateway.replies[0].events == ["closed"]


async def test_a_client_that_leaves_before_its_body_is_here_is_sent_nothing():
    async def gone():
        return {"type": "http.disconnect"}

    gateway = FakeGateway()
    assert await ask(gateway, receive=gone) is None
    assert gateway.requests == []


async def test_a_cancellation_from_outside_is_not_swallowed():
    with pytest.raises(asyncio.CancelledError):
        await ask(FakeGateway(error=asyncio.CancelledError()))


async def test_there_is_a_route_for_every_interface():
    async with serving() as (app, _):
        routes = inference_routes(app.runtime, app._rules, app._kept.responses, 1.0)
        paths = {path for inbound in app.runtime.interfaces.values() for path in inbound.paths}
        assert set(routes) == {*paths, "/v1/responses/compact"}
        assert {"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions", "/v1/embeddings", "/chat"} <= set(
            routes
        )
