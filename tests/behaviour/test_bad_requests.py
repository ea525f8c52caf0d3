"""What no client should send: each gets a clear 4xx in the envelope, and the server stands unmoved."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from tests.support.fake import by_wish, hang
from tests.support.live_gateway import complete, endpoint, frames, post, question, talk, until

DEEP = b"[" * 10_000 + b"]" * 10_000
MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


def told(answer: bytes) -> tuple[int, dict]:
    """Status and error of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head, answer[:500]
    return int(head.split()[1]), json.loads(body)["error"]


async def unmoved(gateway, fake) -> None:
    before = len(fake.requests)
    assert (await gateway.ask()).status_code == 200
    assert len(fake.requests) == before + 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"garbage", "JSON", id="garbage"),
        pytest.param(bytes(range(256)) * 4, "UTF-8", id="every byte"),
        pytest.param(b"{" + MESSAGES + b',"model":"\xff\xfe"}', "UTF-8", id="invalid UTF-8"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto","unread":"\xed\xa0\x80"}', "UTF-8", id="invalid UTF-8 where nobody looks"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto","temperature":NaN}', "JSON", id="NaN"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto","x":-Infinity}', "JSON", id="an infinity"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto","x":' + DEEP + b"}", "deep", id="10,000 nested arrays"),
        pytest.param(b'{"model":"auto","messages":' + DEEP + b"}", "deep", id="10,000 nested arrays as messages"),
        pytest.param(
            b'{"model":"auto","messages":[{"role":"user","content":' + DEEP + b"}]}", "deep", id="10,000 nested arrays as content"
        ),
        pytest.param(b'{"a":' * 10_000, "deep", id="10,000 open objects"),
        pytest.param(b"[" + MESSAGES + b"]", "JSON", id="a list that is none"),
        pytest.param(b"[1]", "object", id="a list"),
        pytest.param(b"null", "object", id="null"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto"} {}', "JSON", id="two objects"),
        pytest.param(b"{" + MESSAGES + b',"model":"auto"', "JSON", id="half an object"),
        pytest.param(b'\xef\xbb\xbf{"model":"auto"}', "JSON", id="a byte order mark"),
        pytest.param('{"model":"auto"}'.encode("utf-16"), "UTF-8", id="UTF-16"),
    ],
)
async def test_a_body_that_is_no_json_object_is_a_400(gateway, fake, body, word):
    for path in ("/v1/chat/completions", "/chat", "/v1/route"):
        response = await gateway.ask(body, path)
        assert response.status_code == 400
        assert word in response.json()["error"]["message"], response.text
        assert len(response.content) < 1000
    assert not fake.requests
    await unmoved(gateway, fake)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "  "}, "model"),
        ({"model": ["auto"]}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"frequency_penalty": 2.1}, "frequency_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
    ],
)
async def test_a_bad_field_is_a_400_that_names_it(gateway, fake, changes, param):
    """v1 §10.34, 38: exact bounds, bad types, missing model; bools are no numbers."""
    response = await gateway.ask(
        {key: value for key, value in {**question(), **changes}.items() if changes.get(key, 0) is not None or key not in changes}
    )
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert param.partition("[")[0] in error["message"]
    assert not fake.requests


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0}, {"temperature": 2}, {"temperature": None}, {"top_p": 0}, {"top_p": 1}, {"presence_penalty": -2},
        {"frequency_penalty": 2.0}, {"max_tokens": 1}, {"max_tokens": 100_000}, {"max_tokens": -1}, {"max_tokens": None}, {"stream": None},
        {"stream": False}, {"n": 1}, {"stop": None}, {"octoroute": {}},
        {"messages": [{"role": "user", "content": "x"}] * 101},
        {"messages": [{"role": "user", "content": "x" * 600_000}]},
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}, {"role": "assistant", "content": None}, {"role": "user", "content": "y"}]},
        {"messages": [{"role": "anything", "content": "x"}]},
        {"messages": [{"role": "user"}]},
    ],
)  # fmt: skip
async def test_what_is_right_at_the_bounds_passes(gateway, fake, changes):
    response = await gateway.ask({**question(), **changes})
    assert response.status_code == 200, response.text
    sent = {**question(), **changes, "model": "model-a"}
    sent.pop("octoroute", None)
    assert fake.requests[0].json == sent


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat", "/v1/route"])
@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/vnd.api+json", 200),
        (None, 200),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("+json", 415),
    ],
)
async def test_media_types(gateway, fake, path, media_type, status):
    body = json.dumps({"message": "hi"} if path == "/chat" else question()).encode()
    headers = {} if media_type is None else {"content-type": media_type}
    response = await gateway.client.post(path, content=body, headers=headers)
    assert response.status_code == status
    if status == 415:
        assert response.json()["error"]["code"] == "unsupported_media_type"
        assert not fake.requests


POSTS, GETS = ("/v1/chat/completions", "/chat", "/v1/route"), ("/v1/models", "/v1/models/auto", "/models", "/health", "/health/live", "/health/ready", "/metrics")  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
async def test_methods(gateway, method):
    """v1 §10.35, and HEAD wherever GET is."""
    for path in POSTS + GETS:
        right = method == "POST" if path in POSTS else method in {"GET", "HEAD"}
        if right and path in POSTS:
            continue
        response = await gateway.client.request(method, path)
        assert response.status_code == (200 if right else 405), (method, path)
        assert "x-request-id" in response.headers
        if method == "HEAD":
            assert response.content == b""
        elif not right:
            assert response.json()["error"]["code"] == "method_not_allowed"
        if not right:
            allowed = {word.strip() for word in response.headers["allow"].split(",")}
            assert allowed == ({"POST"} if path in POSTS else {"GET", "HEAD"})


async def test_head_says_what_get_would(gateway):
    for path in GETS:
        head, get = await gateway.client.head(path), await gateway.get(path)
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/v1",
        "/v1/",
        "/v1/chat",
        "/v1/chat/completions/x",
        "/v1/v2/models",
        "/healthy/",
        "//",
        "/%00",
    ],
)
async def test_unknown_routes(gateway, path):
    for method in ("GET", "POST"):
        answer = await talk(
            gateway.url, f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        assert told(answer) == (
            404,
            {"message": told(answer)[1]["message"], "type": "invalid_request_error", "param": None, "code": "unknown_route"},
        )


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1//models", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
        ("/health/", "/health"),
        ("/models/auto", "/v1/models/auto"),
        ("/v1/chat/completions%2f", "/v1/chat/completions"),
        ("//chat/completions/", "/v1/chat/completions"),
    ],
)
async def test_a_path_that_means_a_route_answers_like_it(gateway, path, meant):
    async def ask(path):
        answer = await talk(gateway.url, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0], json.loads(body).keys()

    status, keys = await ask(path)
    assert (status, keys) == await ask(meant)
    assert status != b"HTTP/1.1 404 Not Found"


@pytest.mark.parametrize("framing", ["length", "chunked", "expect", "only announced"])
async def test_a_body_beyond_the_limit_is_a_413(make_gateway, fake, framing):
    gateway = await make_gateway([endpoint(fake)], server={"max_request_bytes": 100_000})
    body = json.dumps(question("x" * 100_000)).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    match framing:
        case "length":
            data = post(body)
        case "chunked":
            data = (
                head
                + b"transfer-encoding: chunked\r\n\r\n"
                + b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 9000]), body[at : at + 9000]) for at in range(0, len(body), 9000))
                + b"0\r\n\r\n"
            )
        case "expect":
            data = head + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
        case _:
            data = head + b"content-length: 99999999999999999999999\r\n\r\n"
    status, error = told(await talk(gateway.url, data))
    assert (status, error["code"]) == (413, "request_too_large") if framing != "only announced" else status in {400, 413}
    exact = json.dumps(question("")).encode()
    fitting = json.dumps(question("x" * (100_000 - len(exact)))).encode()
    assert len(fitting) == 100_000
    assert (await gateway.ask(fitting)).status_code == 200
    assert len(fake.requests) == 1


async def test_64_mb_get_a_413_that_arrives(gateway, fake):
    """The client writes all of it before it reads, as most do: the answer must not be lost in a reset."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 67108864\r\n\r\n"
    )
    for _ in range(64):
        writer.write(b" " * (1 << 20))
        await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    body = await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    assert json.loads(body)["error"]["code"] == "request_too_large"
    writer.close()
    await unmoved(gateway, fake)


async def test_a_connection_goes_on_after_a_refused_body(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"max_request_bytes": 1000})
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for body, status in ((json.dumps(question("x" * 300_000)).encode(), b"413"), (json.dumps(question()).encode(), b"200")):
        writer.write(post(body))
        answer = b""
        while not complete(answer):
            answer += await reader.read(65536)
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    writer.close()


@pytest.mark.parametrize("size", [40_000, 70_000, 400_000, 3_000_000])
@pytest.mark.parametrize("pieces", [1, 50])
async def test_headers_without_measure_are_a_431(gateway, fake, size, pieces):
    for path in ("/v1/chat/completions", "/health", "/nope"):
        data = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-long: ".encode() + b"x" * size + b"\r\n\r\n"
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        step = len(data) // pieces + 1
        answer = b""
        try:
            for at in range(0, len(data), step):
                writer.write(data[at : at + step])
                await writer.drain()
                await asyncio.sleep(0)
            answer = await reader.read(65536)
        except ConnectionError:
            answer = await reader.read(65536)
        finally:
            writer.close()
        status, error = told(answer)
        assert (status, error["code"]) == (431, "headers_too_large")
    await unmoved(gateway, fake)


async def test_many_headers_are_a_431_and_some_are_fine(gateway):
    few = {f"x-{n}": "v" for n in range(200)}
    assert (await gateway.ask(headers=few)).status_code == 200
    many = {f"x-{n}": "v" * 20 for n in range(3000)}
    response = await gateway.ask(headers=many)
    assert (response.status_code, response.json()["error"]["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: five\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health HTTP/1.1\r\nbad header\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_400_in_the_envelope(gateway, fake, data):
    answer = await talk(gateway.url, data)
    assert told(answer)[0] == 400
    assert told(answer)[1]["type"] == "invalid_request_error"
    await unmoved(gateway, fake)


async def test_heads_that_never_end_and_bodies_that_never_come_stop_nobody(gateway, fake):
    host, port = gateway.url.removeprefix("http://").split(":")
    starts = [b"POST /v1/chat/completions HT", b"GET /health HTTP/1.1\r\nx: ", post(b"{}" * 50)[:-40], b""]
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(60)]
    for number, (_, writer) in enumerate(slow):
        writer.write(starts[number % 4])
    answers = await asyncio.gather(*[gateway.ask() for _ in range(20)])
    assert {answer.status_code for answer in answers} == {200}
    for _, writer in slow:
        writer.close()
    assert len(fake.requests) == 20


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_nobodys_failure(gateway, fake):
    for path in ("/v1/chat/completions", "/v1/route", "/chat"):
        host, port = gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(post(b'{"model":' + b" " * 100, path).replace(b"content-length: 109", b"content-length: 5000"))
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()
    await asyncio.sleep(0.05)
    assert not fake.requests
    await unmoved(gateway, fake)


async def test_pipelined_requests_are_answered_in_order(gateway, fake):
    data = (
        post(json.dumps(question(model="fast")).encode())
        + b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
        + post(b"nonsense", headers="connection: close\r\n")
    )
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = await reader.read(-1)
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"400"]


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, "caf\u00e9", "a/b", "<script>", "a\tb"])
async def test_an_unsafe_request_id_is_not_repeated(gateway, offered):
    response = await gateway.client.get("/health", headers=[(b"x-request-id", offered.encode())])
    assert response.headers["x-request-id"] != offered
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_safe_request_id_comes_back_everywhere(gateway, fake):
    sent = {"x-request-id": "Ab1-._:" + "x" * 121}
    for response in (
        await gateway.ask(headers=sent),
        await gateway.ask(b"{", headers=sent),
        (await gateway.streamed(headers=sent))[0],
        await gateway.client.get("/health", headers=sent),
        await gateway.client.get("/nope", headers=sent),
        await gateway.client.get("/chat", headers=sent),
        await gateway.client.get("/metrics", headers=sent),
        await gateway.ask(None, "/v1/route", headers=sent),
    ):
        assert response.headers["x-request-id"] == sent["x-request-id"], response.request.url
    two = {(await gateway.ask()).headers["x-request-id"] for _ in range(2)}
    assert len(two) == 2


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 0\r\n transfer-encoding: chunked\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 5\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "x: a\0b\r\ncontent-length: 5\r\n",
        "x: y\ncontent-length: 5\r\n",
    ],
)
async def test_a_body_that_two_readers_might_measure_differently_is_refused_and_nothing_behind_it_is_read(gateway, fake, framing):
    smuggled = post(json.dumps(question("smuggled")).encode())
    data = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n".encode() + b"0\r\n\r\n" + smuggled
    answer = await talk(gateway.url, data)
    assert told(answer)[0] == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not fake.requests
    await unmoved(gateway, fake)


async def test_what_follows_a_chunked_body_is_no_header(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]})
    body = json.dumps(question()).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = await talk(gateway.url, head + b"%x\r\n%b\r\n0\r\nauthorization: Bearer right\r\n\r\n" % (len(body), body))
    assert told(answer)[0] == 401
    assert not fake.requests


@pytest.mark.parametrize("offer", ["h2c", "websocket", "TLS/1.0"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("pause", [False, True])
async def test_an_offer_to_upgrade_is_not_taken_up_and_the_request_answered(gateway, fake, offer, framing, pause):
    """Some clients (Java's) offer HTTP/2 with every first request. Its body is a body, whatever it looks like."""
    body = post(b"not a request", "/chat").ljust(200) + json.dumps(question()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\nUpgrade: {offer}\r\n"
    if framing == "length":
        data = [f"{head}content-length: {len(body)}\r\n\r\n".encode(), body]
    else:
        data = [f"{head}transfer-encoding: chunked\r\n\r\n".encode(), b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)]
    data.append(post(json.dumps(question()).encode(), headers=f"connection: upgrade, close\r\nupgrade: {offer}\r\n"))
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in data if pause else [b"".join(data)]:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"400", b"200"]
    assert b"not valid JSON" in answer
    await unmoved(gateway, fake)


async def test_no_tunnel_is_made(gateway, fake):
    inner = post(json.dumps(question()).encode())
    for target in ("x:443", "/v1/chat/completions", "http://x/"):
        answer = await talk(gateway.url, f"CONNECT {target} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() + inner)
        assert told(answer)[0] in {400, 401, 404, 405}, target
        assert answer.count(b"HTTP/1.1 ") == 1
    assert not fake.requests


async def test_a_url_in_absolute_form_and_a_request_in_bits(gateway, fake):
    data = post(json.dumps(question()).encode(), "http://elsewhere:80/v1/chat/completions")
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for at in range(0, len(data), 7):
        writer.write(data[at : at + 7])
        await writer.drain()
        await asyncio.sleep(0)
    answer = b""
    while not complete(answer):
        answer += await reader.read(65536)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert fake.requests[0].json["messages"] == question()["messages"]


async def test_http_1_0_gets_a_stream_without_chunks(gateway):
    body = json.dumps(question(stream=True)).encode()
    answer = await talk(gateway.url, post(body).replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, data = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert frames(data)[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("sent", "after_s", "answer"),
    [
        pytest.param(b"POST /v1/chat/completions HT", 31, 408, id="half a line"),
        pytest.param(b"GET /health HTTP/1.1\r\nx: ", 31, 408, id="half a head"),
        pytest.param(post(b"{}" * 50)[:-40], 61, 408, id="half a body"),
        pytest.param(post(b"{}" * 50, "/v1/route")[:-40], 61, 408, id="half a body for a view"),
        pytest.param(b"", 76, None, id="nothing"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", 76, 200, id="nothing more"),
    ],
)
async def test_a_client_that_never_ends_is_not_waited_for(gateway, fake, sent, after_s, answer):
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    got = await reader.readuntil(b"}") if answer == 200 else b""
    await asyncio.sleep(0.05)
    gateway.seconds_pass(after_s - 1)
    await unmoved(gateway, fake)
    gateway.seconds_pass(1)
    got += await asyncio.wait_for(reader.read(), 10)
    writer.close()
    if answer == 408:
        assert told(got) == (408, {**told(got)[1], "code": "request_timeout"})
    else:
        assert got.count(b"HTTP/1.1 ") == (answer == 200)
    await unmoved(gateway, fake)


async def test_a_long_answer_is_waited_for(gateway, fake):
    go = asyncio.Event()

    async def late(exchange):
        await go.wait()
        await by_wish(exchange)

    fake.then(late)
    asking = asyncio.ensure_future(gateway.ask())
    await fake.asked()
    gateway.seconds_pass(10_000)
    go.set()
    assert (await asking).status_code == 200


async def test_every_second_is_told_to_the_connections(gateway):
    """By uvicorn's tick, ten of which make a second."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /")
    await writer.drain()
    await asyncio.sleep(0.05)
    for tick in range(10 * 31):
        await gateway.tick(tick)
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_hang_up_is_noticed_at_once_and_takes_no_task_of_its_own(gateway, fake):
    fake.always(hang)
    host, port = gateway.url.removeprefix("http://").split(":")
    before = len(asyncio.all_tasks())
    clients = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
    for _, writer in clients:
        writer.write(post(json.dumps(question()).encode()))
    await fake.asked(20)
    of_fakes = 20
    assert len(asyncio.all_tasks()) <= before + 20 + of_fakes
    for _, writer in clients:
        writer.close()
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="abandoned") == 20
    await until(lambda: not fake.open_connections)
