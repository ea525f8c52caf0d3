"""A vendor with a framing of its own and one that signs each request, from another package, through the whole gateway."""

from __future__ import annotations

import json

import pytest

from tests.contract.acme.acme_chat.provider import signature
from tests.contract.conftest import ACME
from tests.support.fake import by_wish, completion, error, stream, whole
from tests.support.live_gateway import ROOT, endpoint, frames, question

pytestmark = pytest.mark.usefixtures("acme")
SECRET = "s3cret-of-acme"
NDJSON = {"content_type": "application/x-ndjson"}


def lines(*values) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def text_of(data: bytes) -> str:
    return "".join(
        frame["choices"][0]["delta"].get("content") or "" for frame in frames(data) if frame != "[DONE]" and frame["choices"]
    )


DONE = {"done": "stop", "tokens": [11, 4]}


# newline-delimited JSON


async def test_a_whole_answer(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(whole({"say": "hello.", **DONE}))
    answer = (await gateway.ask()).json()
    assert answer["choices"][0]["message"]["content"] == "hello."
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (11, 4)
    assert fake.requests[0].json == {"model": "model-a", "said": [{"who": "user", "text": "hello there"}], "stream": False}


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_of_lines_however_it_is_cut(make_gateway, fake, size):
    recorded = (ACME / "stream.ndjson").read_bytes()
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(stream([recorded[at : at + size] for at in range(0, len(recorded), size)], **NDJSON))
    response, data = await gateway.streamed(stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert text_of(data) == "Grüße, wörld\ndata: not SSE\n\n"
    assert frames(data)[-1] == "[DONE]"
    assert frames(data)[-2]["usage"]["prompt_tokens"] == 11


async def test_the_last_line_needs_no_end(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(stream([lines({"say": "one"}), lines(DONE).rstrip()], **NDJSON))
    _, data = await gateway.streamed()
    assert text_of(data) == "one"
    assert frames(data)[-1] == "[DONE]"


async def test_an_anthropic_client_gets_its_own_events(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(stream([lines({"say": "one"}, DONE)], **NDJSON))
    body = {"model": "auto", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.client.post("/v1/messages", json=body)
    assert b'"text":"one"' in answer.content
    assert b"event: message_stop" in answer.content


@pytest.mark.parametrize(
    "broken",
    [
        stream([lines({"error": "too busy"})], **NDJSON),
        stream([b'{"say":\n'], **NDJSON),
        stream([b""], **NDJSON),
        stream([b'{"say": "never fin'], end="cut", **NDJSON),
        whole({"error": "too busy"}),
        error(500),
    ],
    ids=["error line", "no JSON", "nothing", "cut before the first line's end", "error body", "status"],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_before_the_first_event_the_next_endpoint_answers(make_gateway, make_fake, broken, streamed):
    one, two = (await make_fake("one")).always(broken), (await make_fake("two")).always(by_wish)
    gateway = await make_gateway(
        [endpoint(one, id="acme", provider="acme-ndjson", priority=2), endpoint(two, id="good", priority=1)]
    )
    answer = await gateway.ask(stream=streamed)
    assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "good")
    assert len(one.requests) == 1
    await gateway.quiet()


@pytest.mark.parametrize("ending", [[lines({"error": "too busy"})], [b"not JSON\n"], []], ids=["error line", "no JSON", "no end"])
async def test_after_it_a_failure_is_an_error_event(make_gateway, fake, ending):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(stream([lines({"say": "one "}), 0.05, *ending], **NDJSON))
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert b'"one "' in data
    assert "error" in frames(data)[-1]
    assert "[DONE]" not in frames(data)
    await gateway.quiet()


async def test_text_in_the_same_read_as_a_failure_is_delivered_before_it(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(stream([lines({"say": "one "}), 0.05, lines({"say": "two "}, {"error": "too busy"})], **NDJSON))
    _, data = await gateway.streamed()
    assert b'"two "' in data
    assert "error" in frames(data)[-1]


async def test_tokens_are_counted_in_its_own_words(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    fake.then(whole({"count": 42}))
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.client.post("/v1/messages/count_tokens", json=body)
    assert answer.json() == {"input_tokens": 42}
    assert answer.headers["x-octoroute-token-count"] == "upstream"
    assert (fake.requests[0].path, fake.requests[0].json["count"]["model"]) == ("/v1/count", "model-a")


async def test_tools_it_cannot_call_are_refused_before_it_is_asked(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-ndjson")])
    answer = await gateway.ask(tools=[{"type": "function", "function": {"name": "f"}}])
    assert answer.status_code == 400
    assert fake.requests == []


# a signature for each request


def verifying(step, key=SECRET):
    """A server that answers with `step` only when the signature is right."""

    async def verify(exchange):
        seen = exchange.seen
        wanted = signature(key, seen.headers.get("x-acme-date", ""), seen.method, seen.path, seen.body)
        right = seen.headers.get("x-acme-signature") == wanted
        await (step if right else error(401, "the signature is wrong"))(exchange)

    return verify


@pytest.fixture
async def signed(make_gateway, fake):
    fake.always(verifying(by_wish))
    return await make_gateway([endpoint(fake, id="a", provider="acme-signed", api_key=SECRET)])


@pytest.mark.parametrize("streamed", [False, True])
async def test_each_request_carries_its_own_signature(signed, fake, streamed):
    answers = [await signed.ask(question(text), stream=streamed) for text in ("one", "two", "two")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({seen.headers["x-acme-signature"] for seen in fake.requests}) == 3
    assert not any(SECRET in value for seen in fake.requests for value in seen.headers.values())


async def test_bytes_still_pass_through_and_what_is_passed_is_signed_with_them(signed, fake):
    body = b'{"model": "auto",   "messages":[{"role":"user","content":"h\\u00e4"}], "unknown_field": 1.50}'
    answer = await signed.ask(body, headers={"x-acme-trace": "t-1"})
    assert answer.json() == completion("one two three")
    assert fake.requests[0].body == body.replace(b'"auto"', b'"model-a"')
    assert fake.requests[0].headers["x-acme-trace"] == "t-1"


async def test_a_translated_request_is_signed(signed):
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    answer = await signed.client.post("/v1/messages", json=body)
    assert answer.json()["content"][0]["text"] == "one two three"


async def test_the_health_checks_probe_is_signed(signed, fake):
    fake.models = verifying(whole({"data": []}))
    await signed.app.runtime.health_check.round()
    assert (await signed.row("a"))["consecutive_failures"] == 0
    assert len(fake.probes) == 1


async def test_a_wrong_secret_is_the_endpoints_failure(make_gateway, make_fake):
    one, two = (await make_fake("one")).always(verifying(by_wish, key="another")), (await make_fake("two")).always(by_wish)
    gateway = await make_gateway(
        [endpoint(one, id="a", provider="acme-signed", api_key=SECRET, priority=2), endpoint(two, id="b", priority=1)]
    )
    assert (await gateway.ask()).headers["x-octoroute-endpoint"] == "b"
    assert len(one.requests) == 1


async def test_a_retry_is_signed_anew(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="acme-signed", api_key=SECRET)])
    fake.then(error(500)).always(verifying(by_wish))
    assert (await gateway.ask()).status_code == 200
    assert len({seen.headers["x-acme-date"] for seen in fake.requests}) == 2


async def test_a_clients_own_key_signs_where_it_is_forwarded(make_gateway, fake):
    fake.always(verifying(by_wish, key="the-clients"))
    gateway = await make_gateway(
        [endpoint(fake, provider="acme")],
        providers={"acme": {"kind": "acme-signed", "base_url": fake.url, "forward_client_key": True}},
    )
    assert (await gateway.ask(headers={"authorization": "Bearer the-clients"})).status_code == 200


async def test_both_run_in_the_real_process(make_process, make_fake, acme_site):
    import httpx2

    one, two = (await make_fake("one")).always(error(503)), (await make_fake("two")).always(verifying(whole(completion("signed"))))
    process = await make_process(
        [
            endpoint(one, id="a", provider="acme-ndjson", priority=2),
            endpoint(two, id="b", provider="acme-signed", api_key=SECRET, priority=1),
        ],
        env={"PYTHONPATH": f"{ROOT}:{ACME}:{acme_site}"},
    )
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{process.url}/v1/chat/completions", json=question())
    assert answer.json()["choices"][0]["message"]["content"] == "signed"
    assert (len(one.requests), len(two.requests)) == (1, 1)
