"""What an endpoint answers, and what the client gets for it: the contract's table, row by row, streamed and whole."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.fake import close, completion, error, hang, raw, reset, slowly, stream, tokens, whole
from tests.support.live_gateway import Clock, dead_port, endpoint, question

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def envelope(response) -> dict:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


def good(streamed):
    return stream(tokens()) if streamed else whole(completion())


@STREAMED
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 501, 502, 503, 504, 507, 529, 599])
async def test_statuses_that_move_on_to_the_next_endpoint(make_fake, make_gateway, status, streamed):
    first, second = await make_fake("first"), await make_fake("second")
    first.always(error(status))
    second.always(good(streamed))
    gateway = await make_gateway([endpoint(first, id="1", priority=2), endpoint(second, id="2")])
    response = await gateway.ask(question(stream=streamed))
    assert response.status_code == 200
    assert response.headers["x-octoroute-endpoint"] == "2"
    assert response.headers["x-octoroute-attempts"] == "2"
    assert (len(first.requests), len(second.requests)) == (1, 1)
    failures = (await gateway.row("1"))["consecutive_failures"]
    assert failures == (0 if status == 429 else 1)


@STREAMED
@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        pytest.param(error(500), 502, "upstream_failed", id="500"),
        pytest.param(error(408), 502, "upstream_failed", id="408"),
        pytest.param(error(503), 502, "upstream_overloaded", id="503"),
        pytest.param(error(504), 504, "upstream_timeout", id="504"),
        pytest.param(error(429), 429, "upstream_rate_limited", id="429"),
        pytest.param(error(301), 502, "upstream_failed", id="a redirect"),
        pytest.param(error(204), 502, "upstream_failed", id="no content"),
        pytest.param(hang, 504, "upstream_timeout", id="silence"),
        pytest.param(reset, 502, "upstream_failed", id="a reset"),
        pytest.param(close, 502, "upstream_failed", id="an end"),
        pytest.param(raw(b"garbage\r\n\r\n"), 502, "upstream_failed", id="no HTTP"),
        pytest.param(raw(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"cho'), 502, "upstream_failed", id="half an answer"),
        pytest.param(whole(b"<html>", headers={"content-type": "text/html"}), 502, "upstream_failed", id="a page"),
        pytest.param(whole({"error": {"message": "at 10.1.2.3"}}), 502, "upstream_failed", id="an error with status 200"),
        pytest.param(whole(b""), 502, "upstream_failed", id="an empty body"),
    ],
)  # fmt: skip
async def test_what_the_client_is_told_when_nobody_answers(make_gateway, fake, step, status, code, streamed):
    fake.always(step)
    gateway = await make_gateway([endpoint(fake, id="a")], retry={"max_attempts": 1}, server={"request_timeout_seconds": 1})
    response = await gateway.ask(question(stream=streamed))
    assert response.status_code == status
    told = envelope(response)
    assert told["code"] == code
    assert "127.0.0.1" not in response.text
    assert "10.1.2.3" not in response.text
    assert str(fake.port) not in response.text
    assert response.headers["x-octoroute-attempts"] == "1"
    assert response.headers["x-octoroute-endpoint"] == "a"


@STREAMED
async def test_nobody_listens(make_gateway, streamed):
    gateway = await make_gateway([endpoint(f"http://127.0.0.1:{dead_port()}/v1")])
    response = await gateway.ask(question(stream=streamed))
    assert response.status_code == 502
    assert envelope(response)["code"] == "upstream_unreachable"
    assert response.headers["x-octoroute-attempts"] == "3"


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_our_credentials_are_our_fault(make_fake, make_gateway, status):
    """The endpoint opens at once, the next one is tried, the client sees 502 and never the upstream's 401."""
    first, second = await make_fake(), await make_fake()
    first.always(error(status, "bad key sk-secret"))
    gateway = await make_gateway([endpoint(first, id="1", priority=2), endpoint(second, id="2")])
    assert (await gateway.ask()).status_code == 200
    assert (await gateway.row("1"))["circuit"] == "open"
    assert (await gateway.row("1"))["healthy"] is False
    second.always(error(status))
    response = await gateway.ask()
    assert response.status_code == 502
    assert envelope(response)["code"] == "upstream_misconfigured"
    assert "sk-secret" not in response.text
    assert len(first.requests) == 1


@STREAMED
@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 413, 415, 422, 431, 451])
async def test_a_refusal_of_this_request_is_relayed_not_retried_and_not_held_against_the_endpoint(
    make_fake, make_gateway, status, streamed
):
    first, second = await make_fake(), await make_fake()
    first.always(error(status, "about your request"))
    gateway = await make_gateway([endpoint(first, id="1", priority=2), endpoint(second, id="2")])
    for _ in range(5):
        response = await gateway.ask(question(stream=streamed))
        assert response.status_code == status
        assert response.json()["error"]["message"] == "about your request"
    row = await gateway.row("1")
    assert (row["consecutive_failures"], row["circuit"]) == (0, "closed")
    assert (len(first.requests), len(second.requests)) == (5, 0)
    assert gateway.metric("octoroute_outcomes_total", endpoint="1", outcome="refused") == 5


async def test_every_attempt_was_429_the_smallest_wait_is_told(make_fake, make_gateway):
    fakes = [await make_fake() for _ in range(3)]
    for fake, wait in zip(fakes, ("30", "7", None), strict=True):
        fake.always(error(429, headers={"retry-after": wait} if wait else {}))
    gateway = await make_gateway([endpoint(fake, id=str(n)) for n, fake in enumerate(fakes)])
    response = await gateway.ask()
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert envelope(response)["type"] == "rate_limit_error"


async def test_one_real_failure_among_429s_is_the_cause(make_fake, make_gateway):
    limited, broken = await make_fake(), await make_fake()
    limited.always(error(429, headers={"retry-after": "30"}))
    broken.always(error(500))
    for first, second in ((limited, broken), (broken, limited)):
        gateway = await make_gateway([endpoint(first, priority=2), endpoint(second)], retry={"max_attempts": 2})
        response = await gateway.ask()
        assert (response.status_code, envelope(response)["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("headers", [{"retry-after": "40"}, {"retry-after-ms": "40000"}, {"retry-after": "40.0"}])
async def test_a_throttled_endpoint_rests_as_long_as_it_asked_for(make_fake, make_gateway, headers):
    clock = Clock()
    first, second = await make_fake(), await make_fake()
    first.then(error(429, headers=headers))
    gateway = await make_gateway([endpoint(first, id="1", priority=2), endpoint(second, id="2")], parts={"clock": clock})
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "2"
    clock.pass_(39.5)
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "2"
    assert (await gateway.row("1"))["circuit"] == "closed"
    assert (await gateway.row("1"))["consecutive_failures"] == 0
    clock.pass_(1)
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "1"


async def test_neither_an_older_answer_nor_a_probe_ends_a_rest(make_fake, make_gateway):
    clock = Clock()
    first, second = await make_fake(), await make_fake()
    go = asyncio.Event()

    async def later(exchange):
        await go.wait()
        await whole(completion())(exchange)

    first.then(later, error(429, headers={"retry-after": "60"}))
    gateway = await make_gateway([endpoint(first, id="1", priority=2), endpoint(second, id="2")], parts={"clock": clock})
    older = asyncio.ensure_future(gateway.ask())
    await first.asked()
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "2"
    go.set()
    assert (await older).headers["x-octoroute-endpoint"] == "1"
    await gateway.app.runtime.health_check.round()
    assert first.probes
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "2"


async def test_503_at_once_with_the_wait_until_the_next_chance(make_fake, make_gateway):
    """v1 §10.2, 4: with every endpoint out there is an error at once, and it is selectable again afterwards."""
    clock = Clock()
    fakes = [await make_fake(), await make_fake()]
    for fake in fakes:
        fake.always(error(500))
    gateway = await make_gateway(
        [endpoint(fake, id=str(n)) for n, fake in enumerate(fakes)],
        health={"failure_threshold": 1, "recovery_seconds": 30},
        parts={"clock": clock},
    )
    assert (await gateway.ask()).status_code == 502
    clock.pass_(0.25)
    for path, body in (
        ("/v1/chat/completions", question()),
        ("/v1/chat/completions", question(stream=True)),
        ("/chat", {"message": "hi"}),
    ):
        response = await gateway.ask(body, path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.headers["x-octoroute-attempts"] == "0"
        assert envelope(response)["code"] == "no_endpoint_available"
    assert sum(len(fake.requests) for fake in fakes) == 2
    assert (await gateway.get("/health/ready")).status_code == 503
    assert (await gateway.get("/health")).status_code == 200
    assert (await gateway.get("/health/live")).status_code == 200
    clock.pass_(0.75)
    assert (await gateway.get("/health/ready")).status_code == 200
    fakes[0].always(whole(completion()))
    fakes[1].always(whole(completion()))
    assert (await gateway.ask()).status_code == 200


async def test_a_full_house_is_503_and_soon_over(make_gateway, fake):
    go = asyncio.Event()

    async def wait(exchange):
        await go.wait()
        await whole(completion())(exchange)

    fake.always(wait)
    gateway = await make_gateway([endpoint(fake, id="a", max_in_flight=2)])
    asking = [asyncio.ensure_future(gateway.ask()) for _ in range(2)]
    await fake.asked(2)
    assert (await gateway.row("a"))["in_flight"] == 2
    response = await gateway.ask()
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    go.set()
    assert [r.status_code for r in await asyncio.gather(*asking)] == [200, 200]
    assert (await gateway.ask()).status_code == 200
    assert fake.most_in_flight == 2


async def test_max_in_flight_holds_under_load_and_the_rest_goes_elsewhere(make_fake, make_gateway):
    narrow, wide = await make_fake(), await make_fake()
    for fake in (narrow, wide):
        fake.always(slowly(whole(completion()), 0.03))
    gateway = await make_gateway([endpoint(narrow, id="n", priority=5, max_in_flight=3), endpoint(wide, id="w")])
    answers = await asyncio.gather(*[gateway.ask() for _ in range(40)])
    assert {answer.status_code for answer in answers} == {200}
    assert narrow.most_in_flight == 3
    assert len(wide.requests) + len(narrow.requests) == 40
    assert (await gateway.row("n"))["in_flight"] == 0


async def test_a_stream_occupies_its_endpoint_until_it_ends(make_gateway, fake):
    fake.then(stream(tokens()[:2], end="hang"))
    gateway = await make_gateway([endpoint(fake, id="a", max_in_flight=1)])
    async with gateway.stream() as response:
        assert response.status_code == 200
        assert (await gateway.ask()).status_code == 503
    await gateway.quiet()
    assert (await gateway.ask()).status_code == 200


@pytest.mark.parametrize(
    ("attempts", "endpoints", "asked"), [(3, 1, 3), (1, 3, 1), (2, 3, 2), (3, 2, 3), (0, 3, 3), (0, 1, 1), (5, 2, 5)]
)
async def test_max_attempts_counts_tries_over_the_plan(make_fake, make_gateway, attempts, endpoints, asked):
    """v1 §10.42: different endpoints across retries, failures recorded."""
    fakes = [await make_fake() for _ in range(endpoints)]
    for fake in fakes:
        fake.always(error(500))
    gateway = await make_gateway(
        [endpoint(fake, id=str(n)) for n, fake in enumerate(fakes)],
        retry={"max_attempts": attempts, "backoff": "fixed"},
        health={"failure_threshold": 100},
    )
    response = await gateway.ask()
    assert response.status_code == 502
    assert response.headers["x-octoroute-attempts"] == str(asked)
    counts = [len(fake.requests) for fake in fakes]
    assert sum(counts) == asked
    assert max(counts) - min(counts) <= 1


async def test_only_the_same_endpoint_is_waited_for(make_fake, make_gateway):
    fakes = [await make_fake() for _ in range(2)]
    for fake in fakes:
        fake.always(error(500))
    gateway = await make_gateway(
        [endpoint(fake) for fake in fakes], retry={"max_attempts": 3, "backoff": "fixed"}, parts={"chance": lambda: 0.999}
    )
    await gateway.ask()
    times = sorted(seen.at for fake in fakes for seen in fake.requests)
    assert times[1] - times[0] < 0.09
    assert times[2] - times[1] > 0.09


@STREAMED
async def test_each_tier_has_its_own_timeout(make_fake, make_gateway, streamed):
    """v1 §10.50: the tier's limit is the one that holds, the connect phase and the wait for the first event included."""
    quick, patient = await make_fake(), await make_fake()
    quick.always(slowly(good(streamed), 1.4))
    patient.always(slowly(good(streamed), 1.4))
    gateway = await make_gateway(
        [endpoint(quick, "q")], [], [endpoint(patient, "p")], timeouts={"fast": 1}, retry={"max_attempts": 1}
    )
    late, fine = await asyncio.gather(
        gateway.ask(question(model="fast", stream=streamed)), gateway.ask(question(model="deep", stream=streamed))
    )
    assert (late.status_code, fine.status_code) == (504, 200)
    assert "1 s" in envelope(late)["message"]


async def test_an_address_that_does_not_answer_is_given_up_in_time(make_gateway):
    """A listener whose queue is full neither accepts nor refuses."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            gateway = await make_gateway(
                [endpoint(f"http://127.0.0.1:{port}/v1")], retry={"max_attempts": 1}, server={"request_timeout_seconds": 1}
            )
            response = await gateway.ask()
            assert response.status_code == 504
        finally:
            for one in waiting:
                one.close()
