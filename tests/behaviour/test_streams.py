"""A stream begins with its first event, is relayed byte for byte, and ends as it ended: well, or with an error event."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest

from tests.support.fake import DONE, chunk, completion, error, event, hang, slowly, stream, tokens, whole
from tests.support.live_gateway import endpoint, frames, question, until

ROLE = chunk({"role": "assistant", "content": ""})
ONE = chunk({"content": "one"})
STOP = chunk({}, "stop")
ERROR = event({"error": {"message": "secret 10.0.0.7 broke", "type": "server_error", "code": None}})


@pytest.fixture
async def pair(make_fake, make_gateway):
    """`first` is asked first, `second` only when it fails."""
    first, second = await make_fake("first"), await make_fake("second")
    second.always(stream(tokens(["second"])))
    gateway = await make_gateway(
        [endpoint(first, id="first", priority=2), endpoint(second, id="second", priority=1)], server={"request_timeout_seconds": 1}
    )
    return gateway, first, second


def broken(data: bytes) -> dict:
    """The error event a stream ended with; it is the last thing in it, and there is no [DONE]."""
    assert b"[DONE]" not in data
    last = frames(data)[-1]
    assert set(last) == {"error"}
    assert set(last["error"]) == {"message", "type", "param", "code"}
    return last["error"]


# the commit point


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(error(500), id="status 500"),
        pytest.param(error(429, headers={"retry-after": "9"}), id="status 429"),
        pytest.param(stream([ERROR]), id="an error as first event"),
        pytest.param(stream([event({"message": "x"}, "error")]), id="an event named error"),
        pytest.param(stream([b": ping\n\n", ERROR]), id="an error after a comment"),
        pytest.param(stream([ERROR[:9], 0.01, ERROR[9:30], 0.01, ERROR[30:]]), id="an error in three pieces"),
        pytest.param(stream([b": ping\n\n", b": ping\n\n"]), id="comments and an end"),
        pytest.param(stream([]), id="nothing"),
        pytest.param(stream([b": ping\n\n"], end="cut"), id="a comment and a cut"),
        pytest.param(stream([b'data: {"cho'], end="cut"), id="half a frame and a cut"),
        pytest.param(stream([b'data: {"cho']), id="half a frame and an end"),
        pytest.param(stream([b"data: garbage\n\n"]), id="an event that is no JSON"),
        pytest.param(stream([b"data: 17\n\n"]), id="an event that is no object"),
        pytest.param(stream([b"<html>502</html>"], content_type="text/html"), id="a page"),
        pytest.param(whole({"error": {"message": "x", "type": "server_error"}}), id="an error as JSON"),
        pytest.param(whole({"detail": "x"}), id="JSON that is no answer"),
        pytest.param(hang, id="silence"),
        pytest.param(stream([], end="hang"), id="a head and silence"),
        pytest.param(stream([b": ping\n\n"] + [0.2, b": ping\n\n"] * 6, end="hang"), id="comments instead of an answer"),
        pytest.param(stream([b"x" * 65536] * 20, end="hang"), id="a megabyte of no event"),
    ],
)  # fmt: skip
async def test_until_the_first_event_a_failure_moves_on(pair, failing):
    """v1 weakness 11: no retry in streaming, even before the first byte."""
    gateway, first, second = pair
    first.then(failing)
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-octoroute-endpoint"] == "second"
    assert response.headers["x-octoroute-attempts"] == "2"
    assert data == b"".join(tokens(["second"]))
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_an_error_in_one_packet_with_the_first_event_may_move_on_but_never_ends_well(pair):
    gateway, first, _ = pair
    first.then(stream([ROLE + ONE + ERROR]))
    response, data = await gateway.streamed()
    if response.headers["x-octoroute-endpoint"] == "second":
        assert b"one" not in data
    else:
        broken(data)


async def test_comments_before_the_first_event_are_relayed_with_it(gateway, fake):
    sent = [b": hello\n\n", b"retry: 100\n\n", *tokens()]
    fake.then(stream([sent[0], 0.02, *sent[1:]]))
    _, data = await gateway.streamed()
    assert data == b"".join(sent)


async def test_no_status_line_leaves_before_the_first_event(gateway, fake):
    go = asyncio.Event()

    async def late(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(b": still thinking\n\n")
        await go.wait()
        for frame in tokens():
            exchange.chunk(frame)
        exchange.write(b"0\r\n\r\n")

    fake.then(late)
    asking = asyncio.ensure_future(gateway.streamed())
    await fake.asked()
    done, _ = await asyncio.wait({asking}, timeout=0.15)
    assert not done
    assert gateway.metric("octoroute_inflight_requests") == 1
    go.set()
    response, data = await asking
    assert response.status_code == 200
    assert frames(data)[-1] == "[DONE]"


async def test_the_first_event_is_sent_on_when_it_comes_and_not_later(gateway, fake):
    go = asyncio.Event()

    async def two(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(ONE)
        await go.wait()
        exchange.chunk(STOP + DONE)
        exchange.write(b"0\r\n\r\n")

    fake.then(two)
    async with gateway.stream() as response:
        pieces = response.aiter_raw()
        assert await anext(pieces) == ONE
        go.set()
        assert b"".join([piece async for piece in pieces]) == STOP + DONE


# the relay


def plain(ends: bytes) -> bytes:
    lines = b"".join(
        [
            b": ping\n\n",
            ROLE,
            *[chunk({"content": word}) for word in ("a", "caf\u00e9", "\U0001f600", "\u2028 \r\n x")],
            STOP,
            b"id: 3\nevent: x\n\n",
            DONE,
        ]
    )
    return lines.replace(b"\n", ends)


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_any_chunking_is_relayed_byte_for_byte(gateway, fake, ends):
    chance = random.Random(ends)
    sent = plain(ends)
    cuts = [
        [],
        list(range(1, len(sent), 7)),
        *[sorted(chance.sample(range(1, len(sent)), chance.randrange(1, 30))) for _ in range(25)],
    ]
    for cut in cuts:
        pieces = [sent[a:b] for a, b in zip([0, *cut], [*cut, len(sent)], strict=True)]
        how = chance.choice(["chunked", "close"])
        fake.then(stream(pieces, end=how))
        response, data = await gateway.streamed()
        assert response.status_code == 200
        assert data == sent, (how, cut)
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == len(cuts)


async def test_a_stream_without_done_ends_well_when_its_choice_has_finished(gateway, fake):
    fake.then(stream([ROLE, ONE, STOP]), stream([ROLE, ONE, STOP.rstrip(b"\n")], end="close"))
    for last in (STOP, STOP.rstrip(b"\n")):
        _, data = await gateway.streamed()
        assert data == ROLE + ONE + last
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == 2


async def test_usage_passes_and_is_counted_whether_asked_for_or_not(gateway, fake):
    fake.always(stream(tokens(usage=True)))
    _, data = await gateway.streamed(stream_options={"include_usage": True})
    assert data == b"".join(tokens(usage=True))
    assert fake.requests[0].json["stream_options"] == {"include_usage": True}
    assert gateway.metric("octoroute_tokens_total", kind="input") == 7
    assert gateway.metric("octoroute_tokens_total", kind="output") == 3


async def test_a_server_that_ignores_stream_is_made_into_a_stream(gateway, fake):
    fake.then(whole(completion("all at once")))
    response, data = await gateway.streamed()
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = frames(data)
    assert done == "[DONE]"
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "all at once"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert all(c["object"] == "chat.completion.chunk" for c in chunks)


async def test_a_long_stream_arrives_whole(gateway, fake):
    many = [chunk({"content": f"{n} " + "x" * 500}) for n in range(4000)]
    fake.then(stream([b"".join(many[at : at + 50]) for at in range(0, 4000, 50)] + [STOP, DONE]))
    _, data = await gateway.streamed()
    assert data == b"".join(many) + STOP + DONE


async def test_a_slow_reader_slows_the_endpoint_and_does_not_fill_the_memory(gateway, fake):
    """Back-pressure: 60 MB are offered, and the endpoint cannot get rid of them while the client does not read."""
    sent = 0
    frame = chunk({"content": "x" * 60_000})

    async def endless(exchange):
        nonlocal sent
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        while sent < 1000 and not exchange.gone.is_set():
            exchange.chunk(frame)
            sent += 1
            await exchange.flushed()

    fake.then(endless)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]), limit=1024)
    body = json.dumps(question(stream=True)).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    await reader.readexactly(15)
    before = -1
    while before != sent:
        before = sent
        await asyncio.sleep(0.1)
    assert sent < 500
    writer.close()
    await fake.hung_up_on()


# the end


@pytest.mark.parametrize("end", ["cut", "reset", "chunked", "close"])
@pytest.mark.parametrize(
    "rest",
    [b"", ONE[:20], b": comm", b"\n", b"data: {}"],
    ids=["between frames", "in a frame", "in a comment", "after an empty line", "an empty object"],
)
async def test_an_answer_cut_in_the_middle_ends_with_an_error_event(gateway, fake, end, rest):
    """v1 §10.37, 48; v1 weakness 8: stream errors came as assistant text with a clean end."""
    fake.then(stream([ROLE, 0.02, ONE, 0.02, *([rest] if rest else []), 0.02], end=end))
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert data.startswith(ROLE + ONE)
    told = broken(data)
    assert told["code"] == "upstream_failed"
    assert str(fake.port) not in told["message"]
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="broken") == 1
    assert gateway.metric("octoroute_mid_stream_failures_total", endpoint="a") == 1
    assert (await gateway.row("a"))["consecutive_failures"] == 1


@pytest.mark.parametrize("end", ["cut", "reset"])
@pytest.mark.parametrize("last", [DONE, STOP, STOP + DONE[:9]], ids=["done", "a finish reason", "half a done"])
async def test_a_cut_after_everything_is_said_is_no_failure(gateway, fake, end, last):
    fake.then(stream([ROLE, ONE, 0.02, last, 0.02], end=end))
    _, data = await gateway.streamed()
    assert data == ROLE + ONE + (STOP if last == STOP + DONE[:9] else last)
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == 1


async def test_one_choice_of_two_unfinished_is_an_unfinished_answer(gateway, fake):
    both = [chunk({"content": "a"}), event({"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]}), STOP]
    fake.then(
        stream(both, end="close"),
        stream([*both, event({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]})], end="close"),
    )
    _, data = await gateway.streamed(n=2)
    broken(data)
    _, data = await gateway.streamed(n=2)
    assert b"error" not in data


@pytest.mark.parametrize("together", [False, True], ids=["in packets of their own", "in one packet"])
@pytest.mark.parametrize("bad", [ERROR, b"data: {broken\n\n"], ids=["an error event", "garbage"])
async def test_what_came_before_a_failure_is_delivered_before_it(gateway, fake, bad, together):
    more = chunk({"content": "two"})
    tail = [more + bad] if together else [more, 0.02, bad]
    fake.then(stream([ROLE + ONE, 0.05, *tail, DONE]))
    _, data = await gateway.streamed()
    assert data.startswith(ROLE + ONE + more)
    told = broken(data)
    assert "10.0.0.7" not in told["message"]


async def test_silence_in_the_middle_ends_with_an_error_event_after_the_idle_timeout(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], server={"stream_idle_timeout_seconds": 0.2})
    fake.then(stream([ROLE, ONE], end="hang"))
    since = time.monotonic()
    _, data = await gateway.streamed()
    assert data.startswith(ROLE + ONE)
    assert broken(data)["code"] == "upstream_timeout"
    assert time.monotonic() - since >= 0.2
    await fake.hung_up_on()
    assert gateway.metric("octoroute_outcomes_total", outcome="broken") == 1


async def test_an_answer_may_take_longer_than_any_timeout_while_it_goes_on(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"stream_idle_timeout_seconds": 0.3, "request_timeout_seconds": 1})
    words = [chunk({"content": str(n)}) for n in range(14)]
    fake.then(stream([part for word in words for part in (word, 0.1)] + [STOP, DONE]))
    _, data = await gateway.streamed()
    assert data == b"".join(words) + STOP + DONE


async def test_silence_is_filled_with_comments_between_frames(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], parts={"keep_alive_s": 0.1})
    fake.then(stream([ROLE, 0.25, ONE[:9], 0.15, ONE[9:], STOP, DONE]))
    _, data = await gateway.streamed()
    assert data.replace(b": keep-alive\n\n", b"") == ROLE + ONE + STOP + DONE
    assert 2 <= data.count(b": keep-alive\n\n") <= 4
    assert data.startswith(ROLE + b": keep-alive\n\n")


async def test_keep_alive_comments_do_not_put_off_the_idle_timeout(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"stream_idle_timeout_seconds": 1.0}, parts={"keep_alive_s": 0.4})
    fake.then(stream([ROLE], end="hang"))
    since = time.monotonic()
    _, data = await gateway.streamed()
    assert data.count(b": keep-alive\n\n") == 2
    broken(data)
    assert time.monotonic() - since >= 1.0


# the client hangs up


async def hang_up_after(gateway, wanted: bytes | None, fake, body=None) -> None:
    """A raw client that leaves when it has read `wanted`; None: as soon as the endpoint has been asked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    data = json.dumps(body or question(stream=True)).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data))
    if wanted is None:
        await fake.asked()
    else:
        await reader.readuntil(wanted)
    writer.close()


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        pytest.param(hang, None, id="before the head"),
        pytest.param(stream([], end="hang"), None, id="after the head"),
        pytest.param(stream([b": ping\n\n"], end="hang"), None, id="after a comment"),
        pytest.param(stream([ROLE, ONE], end="hang"), b"one", id="after the first token"),
        pytest.param(stream([ROLE, *[part for _ in range(300) for part in (ONE, 0.01)]], end="hang"), b"one", id="in full flow"),
    ],
)
async def test_a_client_that_hangs_up_closes_the_upstream_within_a_second_and_nobody_is_blamed(gateway, fake, step, wanted):
    fake.then(step)
    await hang_up_after(gateway, wanted, fake)
    since = time.monotonic()
    await fake.hung_up_on(within_s=1.0)
    assert time.monotonic() - since < 1.0
    await gateway.quiet()
    row = await gateway.row("a")
    assert (row["consecutive_failures"], row["circuit"], row["in_flight"]) == (0, "closed", 0)
    assert gateway.metric("octoroute_outcomes_total", endpoint="a", outcome="abandoned") == 1
    assert gateway.metric("octoroute_outcomes_total") == 1
    assert len(fake.requests) == 1


async def test_hanging_up_on_a_whole_answer_closes_the_upstream_too(gateway, fake):
    fake.then(hang)
    await hang_up_after(gateway, None, fake, question())
    await fake.hung_up_on(within_s=1.0)
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="abandoned") == 1


async def test_a_client_that_leaves_during_the_pause_between_two_tries_ends_the_trying(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake)], retry={"max_attempts": 50, "backoff": "fixed"}, health={"failure_threshold": 1000}
    )
    fake.always(error(500))
    await hang_up_after(gateway, None, fake)
    await gateway.quiet()
    await asyncio.sleep(0.3)
    asked = len(fake.requests)
    await asyncio.sleep(0.2)
    assert len(fake.requests) == asked < 10


async def test_a_hundred_clients_that_hang_up_leave_nothing_behind(gateway, fake):
    fake.always(slowly(stream([ROLE, ONE], end="hang"), 0.05))
    await asyncio.gather(*[hang_up_after(gateway, chance, fake) for chance in [b"one", None] * 50])
    await fake.hung_up_on(within_s=3.0)
    await gateway.quiet()
    await until(
        lambda: gateway.metric("octoroute_outcomes_total", outcome="abandoned") == gateway.metric("octoroute_requests_total")
    )
    assert (await gateway.row("a"))["in_flight"] == 0
    fake.always(whole(completion()))
    assert (await gateway.ask()).status_code == 200
