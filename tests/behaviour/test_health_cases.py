"""Reports of people who operate gateways, and findings of an audit, by id: what a client gets now.

The ids are those of the case collections: O of the operators, F of the audit, S of the security test.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import structlog

from octoroute.cli.banner import Pen, banner
from octoroute.config import loads
from octoroute.domain.version import __version__
from tests.support.fake import close, completion, error, hang, raw, slowly, stream, tokens, whole
from tests.support.live_gateway import Clock, LiveGateway, dead_port, endpoint, question, until

CODE = question("write a python function that merges two sorted lists", model="auto")
OK = whole(completion())


def said(message: str, http_status: int, headers=None, **fields):
    return whole({"error": {"message": message, **fields}}, http_status, headers)


# O01: a restart


@pytest.mark.parametrize("down", ["refused", "loading", "reset"])
async def test_o01_a_restart_of_one_second_costs_less_than_five(make_gateway, fake, down):
    clock, port = Clock(), fake.port
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"clock": clock, "chance": lambda: 0.0})
    if down == "refused":
        await fake.kill()
    else:
        fake.always(said("Loading model", 503) if down == "loading" else close)
    refused = 0.0
    answered = False
    for step in range(20):
        if step == 2:  # a second later it is back
            fake.port = port
            if down == "refused":
                await fake.start()
            fake.always(OK)
        if (await gateway.ask()).status_code == 200:
            answered = True
            break
        clock.pass_(0.5)
        refused += 0.5
    assert answered
    assert refused <= 5


async def test_o01_three_attempts_of_one_request_are_one_failure(make_gateway, fake):
    fake.always(error(500))
    gateway = await make_gateway([endpoint(fake, id="a")])
    response = await gateway.ask()
    assert (response.status_code, response.headers["x-octoroute-attempts"]) == (502, "3")
    row = await gateway.row("a")
    assert (row["circuit"], row["consecutive_failures"]) == ("closed", 1)


# O03, F3: what probes say and what completions say


@pytest.mark.parametrize("streamed", [False, True])
async def test_o03_f3_completions_that_fail_open_the_circuit_however_well_the_probe_is(make_fake, make_gateway, streamed):
    bad, good = await make_fake("bad"), await make_fake("good")
    bad.always(said("CUDA error", 500))
    good.always(stream(tokens()) if streamed else OK)
    gateway = await make_gateway([endpoint(bad, id="bad", priority=9), endpoint(good, id="good")])
    for _ in range(8):
        assert (await gateway.ask(question(stream=streamed))).status_code == 200
        await gateway.app.runtime.health_check.round()
    assert bad.probes
    assert len(bad.requests) == 3
    row = await gateway.row("bad")
    assert (row["circuit"], row["consecutive_failures"]) == ("open", 3)


async def test_f3_a_key_that_completions_refuse_is_not_brought_back_by_a_public_list(make_gateway, fake):
    fake.always(said("Incorrect API key provided", 401))
    gateway = await make_gateway([endpoint(fake, id="a")])
    assert (await gateway.ask()).status_code == 502
    for _ in range(3):
        await gateway.app.runtime.health_check.round()
        assert (await gateway.ask()).status_code == 503
    assert len(fake.requests) == 1


async def test_o02_an_opening_names_its_cause_in_the_log(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], health={"failure_threshold": 1})
    fake.models = close
    with structlog.testing.capture_logs() as lines:
        gateway.app.runtime.gateway.attempts._events._log = structlog.get_logger()
        await gateway.app.runtime.health_check.round()
        await gateway.ask()
        fake.always(error(500))
        await gateway.ask()
    opened = [(line.get("by", "request"), line["error"]) for line in lines if line["event"] == "breaker.opened"]
    assert opened == [("probe", "upstream_failed"), ("request", "upstream_failed")]


# O05, O08, O09, F5, S02: refusals


AFFORD = said(
    "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 3000.", 402
)
TPM = said(
    "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000.",
    429,
    type="tokens",
    code="rate_limit_exceeded",
)


@pytest.mark.parametrize(("step", "status"), [(AFFORD, 402), (TPM, 429)], ids=["credit", "tokens a minute"])
async def test_o05_one_too_large_request_is_nobody_elses_trouble(make_fake, make_gateway, step, status):
    first = await make_fake()
    gateway = await make_gateway([endpoint(first, id="a")])
    first.then(step)
    response = await gateway.ask(question(max_tokens=65536))
    assert response.status_code == status
    assert "does not allow one request of this size" in response.headers["x-octoroute-hint"]
    assert (await gateway.ask()).status_code == 200
    assert (await gateway.row("a"))["circuit"] == "closed"


async def test_o05_and_moves_on_where_another_endpoint_can_afford_it(make_fake, make_gateway):
    first, second = await make_fake(), await make_fake()
    first.always(AFFORD)
    gateway = await make_gateway([endpoint(first, id="a", priority=9), endpoint(second, id="b")])
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "b"
    assert (await gateway.row("a"))["consecutive_failures"] == 0


NO_MODEL = [
    said("model 'qwen3:8b' not found", 404, type="not_found_error"),
    said("The model `gpt-9` does not exist or you do not have access to it.", 404, code="model_not_found"),
    said("qwen/qwen-99 is not a valid model ID", 400, code=400),
    whole(b"404 page not found", 404, {"content-type": "text/plain"}),
]


@pytest.mark.parametrize("step", NO_MODEL, ids=["ollama", "openai", "openrouter", "address"])
@pytest.mark.parametrize("model", ["auto", "balanced", "m"])
async def test_o08_f5_a_replica_without_the_model_is_passed_over_and_put_aside(make_fake, make_gateway, step, model):
    a, b = await make_fake(), await make_fake()
    a.always(step)
    gateway = await make_gateway([], [endpoint(a, "m", id="a", priority=9), endpoint(b, "m", id="b")])
    for _ in range(6):
        assert (await gateway.ask(question(model=model))).status_code == 200
    assert len(a.requests) == 3
    assert (await gateway.row("a"))["circuit"] == "open"


@pytest.mark.parametrize(("step", "hint"), [(NO_MODEL[0], "check the endpoint's model"), (NO_MODEL[3], "check base_url")])
async def test_o08_alone_it_is_asked_once_and_the_hint_says_what_to_mend(make_gateway, fake, step, hint):
    fake.always(step)
    gateway = await make_gateway([endpoint(fake, id="a")])
    response = await gateway.ask()
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_not_found")
    assert response.headers["x-should-retry"] == "false"
    assert hint in response.headers["x-octoroute-hint"]
    assert len(fake.requests) == 1


CONTEXT = [
    said("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 400,
         code="context_length_exceeded"),
    said("The input (9000 tokens) is longer than the model's context length (8192 tokens).", 400, code=400),
    said("the request exceeds the available context size, try increasing it", 500),
    said("Request body too large for gpt-4o model. Max size: 8000 tokens.", 413, code="tokens_limit_reached"),
]  # fmt: skip


@pytest.mark.parametrize("step", CONTEXT, ids=["openai", "sglang", "llama.cpp", "github"])
@pytest.mark.parametrize("window", [None, 8192], ids=["unknown", "known"])
@pytest.mark.parametrize("model", ["auto", "balanced"])
async def test_o09_f5_a_larger_window_is_asked(make_fake, make_gateway, step, window, model):
    small, big = await make_fake(), await make_fake()
    small.always(step)
    first = endpoint(small, "small", id="small", priority=9, **({"context_window": window} if window else {}))
    gateway = await make_gateway([], [first, endpoint(big, "big", id="big", context_window=200_000)])
    response = await gateway.ask(question(model=model))
    assert (response.status_code, len(small.requests), len(big.requests)) == (200, 1, 1)
    assert (await gateway.row("small"))["consecutive_failures"] == 0


async def test_o09_a_smaller_or_the_same_window_is_not_asked_and_the_refusal_is_relayed(make_fake, make_gateway):
    fakes = [await make_fake() for _ in range(3)]
    fakes[0].always(CONTEXT[1])
    gateway = await make_gateway(
        [],
        [
            endpoint(fakes[0], "m", id="a", priority=9),
            endpoint(fakes[1], "n", id="b", context_window=4096),
            endpoint(fakes[2], "o", id="c", context_window=8192),
        ],
    )
    response = await gateway.ask(question(model="balanced"))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert [len(fake.requests) for fake in fakes] == [1, 0, 0]


async def test_o09_auto_finds_the_larger_window_in_another_tier(make_fake, make_gateway):
    small, big = await make_fake(), await make_fake()
    small.always(CONTEXT[1])
    gateway = await make_gateway([endpoint(small, "s", id="s")], [], [endpoint(big, "b", id="b")])
    assert (await gateway.ask(question("hi", model="auto"))).headers["x-octoroute-endpoint"] == "b"
    assert (await gateway.ask(question("hi", model="fast"))).status_code == 400


ACCOUNT = [
    (said("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing", 400), "credit or quota"),
    (said("Insufficient Balance", 402), "credit or quota"),
    (said("Insufficient credits. Add more using https://openrouter.ai/credits", 402), "credit or quota"),
    (said("You exceeded your current quota", 429, code="insufficient_quota"), "credit or quota"),
    (said("API key not valid. Please pass a valid API key.", 400, status="INVALID_ARGUMENT"), "rejected the API key"),
    (said("API key expired. Please renew the API key.", 400, status="INVALID_ARGUMENT"), "rejected the API key"),
    (said("User location is not supported for the API use.", 400, status="FAILED_PRECONDITION"), "country or region"),
]


@pytest.mark.parametrize(
    ("step", "hint"), ACCOUNT, ids=["anthropic", "deepseek", "openrouter", "openai", "gemini", "expired", "where"]
)
async def test_s02_f5_an_account_that_is_of_no_use_opens_at_once_and_the_next_is_asked(make_fake, make_gateway, step, hint):
    first, second = await make_fake(), await make_fake()
    first.always(step)
    gateway = await make_gateway([endpoint(first, id="1", priority=9), endpoint(second, id="2")])
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "2"
    assert (await gateway.row("1"))["circuit"] == "open"
    alone = await make_gateway([endpoint(first, id="1")])
    response = await alone.ask()
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_misconfigured")
    assert hint in response.headers["x-octoroute-hint"]
    assert response.headers["x-should-retry"] == "false"
    assert "credit balance" not in response.text


FILTERED = [
    said("The response was filtered due to the prompt triggering our content management policy.", 400, code="content_filter"),
    said('requires moderation on OpenAI. Your input was flagged for "violence"', 403),
    whole(b"error code: 1010", 403, {"content-type": "text/plain"}),
]


@pytest.mark.parametrize("step", FILTERED, ids=["azure", "openrouter", "firewall"])
@pytest.mark.parametrize("falls", [False, True])
async def test_a_filtered_prompt_is_relayed_or_moves_on_and_never_opens_a_circuit(make_fake, make_gateway, step, falls):
    first, second = await make_fake(), await make_fake()
    first.always(step)
    retry = {"fallback_on": ["content_filter"]} if falls else {}
    gateway = await make_gateway([endpoint(first, id="1", priority=9), endpoint(second, id="2")], retry=retry)
    for _ in range(5):
        response = await gateway.ask()
        assert response.status_code == (200 if falls else 400 if step is FILTERED[0] else 403)
    assert (await gateway.row("1"))["circuit"] == "closed"
    assert (len(first.requests), len(second.requests)) == (5, 5 if falls else 0)
    if not falls and step is FILTERED[2]:
        assert response.json()["error"]["code"] == "content_filter"


# O07: headers


@pytest.mark.parametrize("transport", ["native", "aiohttp"])
async def test_o07_every_request_upstream_names_octoroute(make_gateway, fake, transport):
    gateway = await make_gateway([endpoint(fake, id="a")], server={"upstream": transport})
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    sent = {"user-agent": "OpenAI/Python 2.0", "x-request-id": "mine-1", "traceparent": parent, "tracestate": "a=1,b=2"}
    await gateway.ask(headers=sent)
    await gateway.app.runtime.health_check.round()
    seen = fake.requests[0].headers
    assert seen["user-agent"] == f"octoroute/{__version__}"
    assert (seen["x-request-id"], seen["traceparent"], seen["tracestate"]) == ("mine-1", parent, "a=1,b=2")
    await gateway.ask(headers={"traceparent": "nonsense", "tracestate": "a=1"})
    assert "traceparent" not in fake.requests[1].headers
    assert "tracestate" not in fake.requests[1].headers
    assert fake.requests[1].headers["x-request-id"] != "mine-1"


async def test_o07_probes_too_and_a_configured_header_overrules_it(make_fake, make_gateway):
    one, two = await make_fake(), await make_fake()
    gateway = await make_gateway(
        [endpoint(one, id="1"), endpoint(two, id="2", headers={"User-Agent": "curl/8", "X-Request-Id": "fixed"})]
    )
    await gateway.app.runtime.health_check.round()
    await gateway.ask(question(model="2"))
    assert one.probes[0].headers["user-agent"] == f"octoroute/{__version__}"
    assert (two.probes[0].headers["user-agent"], two.requests[0].headers["user-agent"]) == ("curl/8", "curl/8")
    assert two.requests[0].headers["x-request-id"] == "fixed"


# O11, O12, F9: rest


@pytest.mark.parametrize(
    ("headers", "rests"),
    [({}, 1), ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17s"}, 17), ({"retry-after": "17"}, 17)],
)
async def test_o11_a_throttled_endpoint_rests_and_the_other_answers(make_fake, make_gateway, headers, rests):
    clock = Clock()
    first, second = await make_fake(), await make_fake()
    first.always(said("rate limit", 429, headers))
    gateway = await make_gateway([endpoint(first, id="a", priority=9), endpoint(second, id="b")], parts={"clock": clock})
    for _ in range(10):
        assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "b"
    assert len(first.requests) == 1
    clock.pass_(rests - 0.1)
    await gateway.ask()
    assert len(first.requests) == 1
    clock.pass_(0.2)
    await gateway.ask()
    assert len(first.requests) == 2


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_o12_a_busy_server_that_says_when_is_left_alone_until_then(make_gateway, fake, status):
    clock = Clock()
    fake.always(said("overloaded", status, {"retry-after": "20"}))
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"clock": clock})
    response = await gateway.ask()
    assert (len(fake.requests), response.headers["retry-after"]) == (1, "20")
    clock.pass_(5)
    response = await gateway.ask()
    assert (response.status_code, response.headers["retry-after"]) == (429, "15"), "a tier that rests is at its rate limit"
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert len(fake.requests) == 1
    assert (await gateway.row("a"))["circuit"] == "closed"
    fake.always(OK)
    clock.pass_(15.1)
    assert (await gateway.ask()).status_code == 200


async def test_f9_the_smallest_wait_is_told_and_none_is_longer_than_an_hour(make_fake, make_gateway):
    clock = Clock()
    fakes = [await make_fake() for _ in range(2)]
    for fake, wait in zip(fakes, ("Fri, 31 Dec 9999 23:59:59 GMT", "999999999999"), strict=True):
        fake.always(said("slow down", 429, {"retry-after": wait}))
    gateway = await make_gateway([endpoint(fake) for fake in fakes], parts={"clock": clock})
    assert (await gateway.ask()).headers["retry-after"] == "3600"
    assert (await gateway.ask()).headers["retry-after"] == "3600"


async def test_s15_a_wait_of_an_answer_is_capped_too(make_gateway, fake):
    fake.then(whole(completion(), 200, {"retry-after": "251606258079"}), whole(completion(), 200, {"retry-after": "7"}))
    gateway = await make_gateway([endpoint(fake)])
    assert (await gateway.ask()).headers["retry-after"] == "3600"
    assert (await gateway.ask()).headers["retry-after"] == "7"


async def test_f9_a_lone_endpoint_with_a_short_wait_is_asked_once_more(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")])
    fake.then(said("slow down", 429, {"retry-after-ms": "200"}))
    response = await gateway.ask()
    assert (response.status_code, response.headers["x-octoroute-attempts"]) == (200, "2")
    assert fake.requests[1].at - fake.requests[0].at >= 0.19


# O30, O31: time


async def test_o30_a_timeout_is_not_generated_again_at_the_same_endpoint(make_gateway, fake):
    fake.always(hang)
    gateway = await make_gateway([endpoint(fake, id="a")], server={"request_timeout_seconds": 1})
    response = await gateway.ask()
    assert (response.status_code, len(fake.requests)) == (504, 1)
    assert (await gateway.row("a"))["circuit"] == "closed"


async def test_o30_but_at_another_one(make_fake, make_gateway):
    slow, good = await make_fake(), await make_fake()
    slow.always(hang)
    gateway = await make_gateway(
        [endpoint(slow, id="a", priority=9), endpoint(good, id="b")], server={"request_timeout_seconds": 1}
    )
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "b"


async def test_o31_a_stream_and_a_whole_answer_have_their_own_limits_and_so_has_an_endpoint(make_fake, make_gateway):
    slow = await make_fake()

    async def late(exchange):
        await asyncio.sleep(0.6)
        await (stream(tokens()) if exchange.seen.json.get("stream") else OK)(exchange)

    slow.always(late)
    gateway = await make_gateway(
        [
            endpoint(slow, "normal", id="normal"),
            endpoint(slow, "patient", id="patient", first_event_timeout_seconds=5),
            endpoint(slow, "hasty", id="hasty", timeout_seconds=0.2),
        ],
        server={"request_timeout_seconds": 30, "first_event_timeout_seconds": 0.2},
    )
    got = {}
    for name in ("normal", "patient", "hasty"):
        for streamed in (False, True):
            got[name, streamed] = (await gateway.ask(question(model=name, stream=streamed))).status_code
    assert got == {
        ("normal", False): 200,
        ("normal", True): 504,
        ("patient", False): 200,
        ("patient", True): 200,
        ("hasty", False): 504,
        ("hasty", True): 504,
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_clients_own_patience_is_for_all_attempts_together(make_fake, make_gateway, path):
    fakes = [await make_fake() for _ in range(3)]
    for fake in fakes:
        fake.always(slowly(error(500), 0.2))
    gateway = await make_gateway([endpoint(fake, id=fake.name + str(n)) for n, fake in enumerate(fakes)])
    body = {**question(model="fast"), "max_tokens": 9}
    response = await gateway.ask(body, path, {"x-octoroute-timeout": "0.3"})
    assert response.status_code == 504
    assert response.json()["error"]["type"] == "timeout_error"
    assert "0.3 s" in response.json()["error"]["message"]
    assert sum(len(fake.requests) for fake in fakes) == 2
    rows = (await gateway.get("/models")).json()["models"]
    assert sum(row["consecutive_failures"] for row in rows) == 1, "the one that was under way is not to blame"
    await gateway.quiet()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e99", ""])
async def test_a_patience_that_is_none_is_refused_by_name(make_gateway, fake, value):
    gateway = await make_gateway([endpoint(fake)])
    response = await gateway.ask(headers={"x-octoroute-timeout": value})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "x-octoroute-timeout")
    assert not fake.requests


async def test_an_answer_in_time_is_not_cut_afterwards(make_gateway, fake):
    fake.then(stream([tokens()[0], 0.5, *tokens()[1:]]))
    gateway = await make_gateway([endpoint(fake)])
    response, data = await gateway.streamed(headers={"x-octoroute-timeout": "0.3"})
    assert (response.status_code, data) == (200, b"".join(tokens()))


# F4: other tiers


@pytest.fixture
async def tiers(make_fake, make_gateway):
    async def opened(**tables):
        fakes = {name: await make_fake(name) for name in ("fast", "balanced", "deep")}
        rows = {name: [endpoint(fake, name + "-model", id=name + "-1")] for name, fake in fakes.items()}
        clock = Clock()
        gateway = await make_gateway(rows["fast"], rows["balanced"], rows["deep"], parts={"clock": clock}, **tables)
        return gateway, fakes, clock

    return opened


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("threshold", [1, 3, 10])
async def test_f4_auto_moves_on_to_the_next_tier_within_the_request(tiers, streamed, threshold):
    gateway, fakes, clock = await tiers(health={"failure_threshold": threshold})
    await fakes["balanced"].kill()
    for name in ("fast", "deep"):
        fakes[name].always(stream(tokens()) if streamed else OK)
    for _ in range(30):
        response = await gateway.ask({**CODE, "stream": streamed})
        assert (response.status_code, response.headers["x-octoroute-tier"]) == (200, "deep")
        clock.pass_(0.6)


@pytest.mark.parametrize("failing", [error(500), error(401), error(429), hang, raw(b"nonsense\r\n\r\n")])
async def test_f4_whatever_the_tier_does_and_through_all_tiers(tiers, failing):
    gateway, fakes, clock = await tiers(server={"request_timeout_seconds": 1})
    fakes["balanced"].always(failing)
    fakes["deep"].always(failing)
    for _ in range(3):
        response = await gateway.ask(CODE)
        assert (response.status_code, response.headers["x-octoroute-tier"]) == (200, "fast")
        clock.pass_(1)


async def test_f4_a_named_tier_stays_its_own_unless_the_operator_says_otherwise(tiers):
    gateway, fakes, _ = await tiers()
    fakes["deep"].always(error(500))
    assert (await gateway.ask(question(model="deep"))).status_code == 502
    gateway, fakes, _ = await tiers(routing={"named_tiers_fall_over": True}, health={"failure_threshold": 1})
    fakes["deep"].always(error(500))
    for _ in range(2):
        assert (await gateway.ask(question(model="deep"))).headers["x-octoroute-tier"] == "balanced"
    assert len(fakes["deep"].requests) == 1, "its circuit is open"
    response = await gateway.ask(question(model="deep-model"))
    assert response.status_code in {502, 503}, "a named model is a model, not a tier"


async def test_f4_a_trial_costs_no_client_its_answer_even_with_one_attempt(make_fake, make_gateway):
    clock = Clock()
    bad, good = await make_fake(), await make_fake()
    bad.always(error(500))
    gateway = await make_gateway(
        [endpoint(bad, id="bad", priority=9), endpoint(good, id="good")],
        retry={"max_attempts": 1},
        health={"failure_threshold": 1},
        parts={"clock": clock},
    )
    assert (await gateway.ask()).status_code == 502, "one attempt is one attempt"
    for _ in range(10):
        clock.pass_(31)
        response = await gateway.ask()
        assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "good")
    assert len(bad.requests) == 11


async def test_f4_a_client_whose_patience_is_limited_gets_no_trial(make_fake, make_gateway):
    clock = Clock()
    bad, good = await make_fake(), await make_fake()
    bad.then(error(500)).always(hang)
    gateway = await make_gateway(
        [endpoint(bad, id="bad", priority=9), endpoint(good, id="good")], health={"failure_threshold": 1}, parts={"clock": clock}
    )
    await gateway.ask()
    clock.pass_(31)
    response = await gateway.ask(headers={"x-octoroute-timeout": "5"})
    assert (response.status_code, len(bad.requests)) == (200, 1)


async def test_the_last_real_cause_is_told_when_no_tier_answers(tiers):
    gateway, fakes, _ = await tiers()
    fakes["balanced"].always(error(429, headers={"retry-after": "9"}))
    fakes["deep"].always(said("Insufficient Balance", 402))
    fakes["fast"].always(error(429, headers={"retry-after": "9"}))
    response = await gateway.ask(CODE)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_misconfigured")
    assert "credit" in response.headers["x-octoroute-hint"]


async def test_a_dead_address_is_502_and_then_503(make_gateway):
    gateway = await make_gateway([endpoint(f"http://127.0.0.1:{dead_port()}/v1", id="a")])
    codes = [(await gateway.ask()).json()["error"]["code"] for _ in range(4)]
    assert codes == ["upstream_unreachable"] * 3 + ["no_endpoint_available"]


async def test_o18_a_server_that_sleeps_is_left_asleep(make_fake, make_gateway):
    asleep, awake = await make_fake(), await make_fake()
    gateway = await make_gateway(
        [endpoint(asleep, id="a", health_check=False), endpoint(awake, id="b")],
        health={"interval_seconds": 0.05},
        parts={"chance": lambda: 0.0},
    )
    await until(lambda: len(awake.probes) >= 3)
    assert not asleep.probes
    assert (await gateway.row("a"))["circuit"] == "closed"
    assert json.loads((await gateway.get("/health")).content)


async def test_f6_health_tells_what_people_can_use_tier_by_tier(tiers):
    gateway, fakes, clock = await tiers(health={"failure_threshold": 1})
    body = (await gateway.get("/health")).json()
    assert (body["status"], body["tiers"]) == ("healthy", {"fast": "healthy", "balanced": "healthy", "deep": "healthy"})
    fakes["deep"].always(said("Incorrect API key provided", 401))
    assert (await gateway.ask(question(model="deep"))).status_code == 502
    body = (await gateway.get("/health")).json()
    assert (body["status"], body["tiers"]["deep"], body["tiers"]["fast"]) == ("degraded", "unhealthy", "healthy")
    assert body["providers"]["openai"]["status"] == "degraded"
    for name in ("fast", "balanced"):
        fakes[name].always(error(500))
        await gateway.ask(question(model=name))
    assert (await gateway.get("/health")).json()["status"] == "unhealthy"
    assert (await gateway.get("/health/ready")).status_code == 503
    clock.pass_(1)
    assert (await gateway.get("/health/ready")).status_code == 200, "a trial may be made"


async def test_f6_priorities_are_shown_as_the_file_has_them(make_fake, started):
    fakes = [await make_fake() for _ in range(3)]
    rows = [
        {"name": f"p{n}", "base_url": fake.url, "api_key": "sk-1234567890", "priority": n, "models": {"big": ["m"]}}
        for n, fake in enumerate(fakes, 1)
    ]
    config = loads(json.dumps({"providers": rows, "health_check_interval": 0}), Path("providers.json"), {})
    gateway = await LiveGateway.open(config)
    started.push_async_callback(gateway.close)
    body = (await gateway.get("/health")).json()
    assert {name: provider["priority"] for name, provider in body["providers"].items()} == {"p1": 1, "p2": 2, "p3": 3}
    assert [line for line in banner(config, Pen(colours=False, plain=True)) if "Priority" in line] == [
        f"[p{n}] Priority: {n}" for n in (1, 2, 3)
    ]
