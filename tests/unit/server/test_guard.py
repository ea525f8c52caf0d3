"""The checks before every route."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects import inbound
from octoroute.domain.principal import Principal
from octoroute.errors import (
    ContextTooLong,
    HeadersTooLarge,
    OverLimit,
    TooLarge,
    Unauthorized,
    UpstreamRejected,
    WrongMediaType,
    WrongMethod,
)
from octoroute.server.downstream import ClientGone
from octoroute.server.guard import (
    MAX_HEADER_BYTES,
    AccessRules,
    check_json,
    check_method,
    headers_of,
    id_headers,
    read_body,
    request_id,
    send_error,
)
from octoroute.upstream.transports.native import NativeTransport
from octoroute.upstream.web_client import WebClient
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings

DIALECTS = inbound(lambda: 0.0)


def name(principal: Principal | None) -> str | None:
    return None if principal is None else principal.name


# headers


def test_the_last_of_a_repeated_header_counts():
    assert headers_of({"headers": [(b"a", b"1"), (b"b", b"\xe9"), (b"a", b"2")]}) == {"a": "2", "b": "é"}


def test_headers_have_a_limit_for_all_of_them_together():
    field = (b"x", b"y" * (MAX_HEADER_BYTES // 2 - 5))
    assert headers_of({"headers": [field, field]})
    with pytest.raises(HeadersTooLarge, match=f"the limit is {MAX_HEADER_BYTES} bytes"):
        headers_of({"headers": [field, field, (b"z", b"")]})


@pytest.mark.parametrize("given", ["a", "A-1.b_c:d", "x" * 128])
def test_a_safe_request_id_is_kept(given):
    assert request_id({"x-request-id": given}) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\nb", "é", "a/b"])
def test_any_other_is_replaced(given):
    made = request_id({} if given is None else {"x-request-id": given})
    assert made.startswith("req_")
    assert made != given


def test_anthropics_clients_find_the_id_under_their_name_unless_the_upstream_gave_one():
    assert id_headers("x-request-id", "i", {}) == {"x-request-id": "i"}
    assert id_headers("request-id", "i", {}) == {"x-request-id": "i", "request-id": "i"}
    assert id_headers("request-id", "i", {"request-id": "theirs"}) == {"x-request-id": "i"}


def test_rules_are_those_of_the_newest_configuration():
    rules = AccessRules(
        configured(settings([row()], auth={"keys": ["a"]}, server={"max_request_bytes": 5})), WebClient(NativeTransport())
    )
    assert (name(rules.keys.check({"x-api-key": "a"})), rules.max_request_bytes) == ("key-1", 5)
    rules.apply(configured(settings([row()], server={"max_request_bytes": 6})))
    assert (rules.keys.check({}), rules.max_request_bytes) == (None, 6)


# method, media type, body


def test_another_method_is_told_which_ones_there_are():
    check_method({"method": "PUT", "path": "/p"}, "GET", "PUT")
    with pytest.raises(WrongMethod, match="/p does not allow POST; use GET, PUT") as raised:
        check_method({"method": "POST", "path": "/p"}, "GET", "PUT")
    assert raised.value.allow == "GET, PUT"


@pytest.mark.parametrize(
    "given", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json", ""]
)
def test_json_by_any_of_its_names_or_none(given):
    check_json({"content-type": given} if given else {})


@pytest.mark.parametrize("given", ["text/plain", "application/xml", "text/json", "x+json"])
def test_what_is_not_json(given):
    with pytest.raises(WrongMediaType):
        check_json({"content-type": given})


def receiving(*messages):
    left = list(messages)

    async def receive():
        return left.pop(0)

    receive.left = left
    return receive


def piece(body: bytes, *, more: bool = False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_put_together():
    assert await read_body(receiving(piece(b"a", more=True), piece(b"b")), {}, 2) == b"ab"


async def test_a_body_that_announces_too_much_is_not_read():
    receive = receiving(piece(b"abc"))
    with pytest.raises(TooLarge, match="has 3 bytes; the limit is 2 bytes"):
        await read_body(receive, {"content-length": "3"}, 2)
    assert receive.left


@pytest.mark.parametrize("announced", ["2", "", "x", "²"])
async def test_a_body_that_lies_is_read_up_to_the_limit(announced):
    receive = receiving(piece(b"ab", more=True), piece(b"c", more=True), piece(b"d"))
    with pytest.raises(TooLarge, match="exceeds the limit of 2 bytes"):
        await read_body(receive, {"content-length": announced}, 2)
    assert receive.left


async def test_a_client_that_leaves_while_its_body_is_read():
    with pytest.raises(ClientGone):
        await read_body(receiving(piece(b"a", more=True), {"type": "http.disconnect"}), {}, 9)


# errors


async def sent(error, dialect: str = "openai"):
    messages = []

    async def send(message):
        messages.append(message)

    await send_error(send, error, DIALECTS[dialect], "req_1")
    start, body = messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert headers["content-length"] == str(len(body["body"]))
    return start["status"], headers, body["body"]


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (OverLimit("x", retry_after_s=1.2), "retry-after", "2"),
        (OverLimit("x", retry_after_s=0.0), "retry-after", "1"),
        (Unauthorized("x"), "www-authenticate", "Bearer"),
        (WrongMethod("x", allow="GET"), "allow", "GET"),
    ],
)
async def test_an_error_has_the_header_of_its_kind(error, name, value):
    status, headers, _ = await sent(error)
    assert status == error.status
    assert headers[name] == value
    assert headers["x-request-id"] == "req_1"


async def test_an_error_is_written_in_the_clients_dialect():
    _, _, openai = await sent(ContextTooLong(2, 1))
    _, headers, anthropic = await sent(ContextTooLong(2, 1), "anthropic")
    assert json.loads(openai)["error"]["code"] == "context_length_exceeded"
    assert json.loads(anthropic)["type"] == "error"
    assert headers["request-id"] == "req_1"


async def test_a_rejection_of_the_same_dialect_is_relayed_as_it_came():
    error = UpstreamRejected(
        "x", status=422, body=b"<theirs>", headers={"content-type": "text/html", "x-theirs": "1"}, dialect="openai"
    )
    assert (await sent(error))[0] == 422
    status, headers, body = await sent(error)
    assert (status, body) == (422, b"<theirs>")
    assert (headers["content-type"], headers["x-theirs"]) == ("text/html", "1")
    _, headers, body = await sent(error, "anthropic")
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["type"] == "error"
