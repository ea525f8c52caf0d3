"""One attempt: what is sent, when it is committed to, and what becomes of a plug-in's own exceptions."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.dialects.anthropic.outbound import AnthropicOutbound
from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.errors import (
    BadRequest,
    BadUpstreamResponse,
    Empty,
    Overloaded,
    TooSlow,
    Unreachable,
    UpstreamAuthError,
    UpstreamRejected,
)
from octoroute.upstream.client import EMPTY_CHECK_S, UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.providers.openai import OpenAI
from octoroute.upstream.request import UpstreamRequest
from tests.support.chunks import DONE, chunk, sse
from tests.support.spine import make_endpoint
from tests.support.transport import Script, ScriptedTransport
from tests.support.virtual import run

OUTBOUND = {"openai": OpenAIOutbound(), "anthropic": AnthropicOutbound()}
STREAM = UpstreamRequest(body=b"{}", stream=True)
WHOLE = UpstreamRequest(body=b"{}", stream=False)
COMPLETION = json.dumps({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}).encode()
SILENT = json.dumps({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}).encode()
HELLO = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),))


def client(*scripts, providers=PROVIDERS, outbound=OUTBOUND):
    transport = ScriptedTransport(scripts)
    return UpstreamClient(transport, providers, outbound), transport


def fails(upstream, transport, error, request=STREAM, **more):
    async def story():
        with pytest.raises(error) as caught:
            await upstream.open(make_endpoint("a", **more), request)
        assert all(answer.closed for answer in transport.answers)
        return caught.value

    return run(story())


async def rest_of(response):
    parts = []
    while (part := await response.read()) is not None:
        parts.append(part)
    response.close()
    return parts


# the commit point


def test_a_stream_is_begun_with_its_first_event_and_not_before():
    upstream, transport = client(
        Script(steps=[b": waking up\n\n", chunk(content="one")[:9], chunk(content="one")[9:], chunk("stop"), DONE])
    )

    async def story():
        response = await upstream.open(make_endpoint("a"), STREAM)
        assert response.stream
        first = await response.read()
        assert first == b": waking up\n\n" + chunk(content="one")
        assert b"".join([first, *await rest_of(response)]).endswith(DONE)

    run(story())
    assert transport.answers[0].closed


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([], BadUpstreamResponse),
        ([b": only a comment\n\n"], BadUpstreamResponse),
        ([b"data: {nonsense\n\n"], BadUpstreamResponse),
        ([sse({"error": {"message": "busy", "type": "overloaded_error"}})], Overloaded),
        ([BadUpstreamResponse("cut")], BadUpstreamResponse),
        (["for ever"], TooSlow),
    ],
)
def test_a_failure_before_it_is_the_attempts(steps, error):
    fails(*client(Script(steps=steps)), error)


def test_a_server_that_never_sends_a_head_is_too_slow():
    upstream, transport = client(Script(turns=10**6))

    async def story():
        with pytest.raises(TooSlow, match=r"within 0\.05 s"):
            await upstream.open(make_endpoint("a", first_event_timeout_s=0.05), STREAM)

    asyncio.run(story())
    assert transport.answers == []


def test_the_shorter_time_limit_counts():
    upstream, transport = client(Script(steps=["for ever"]))
    request = UpstreamRequest(body=b"{}", stream=True, timeout_s=2.5)
    assert "2.5 s" in str(fails(upstream, transport, TooSlow, request))


def test_a_whole_answer_to_a_stream_becomes_one():
    upstream, _ = client(Script(content_type="application/json; charset=utf-8", steps=[COMPLETION]))

    async def story():
        response = await upstream.open(make_endpoint("a"), STREAM)
        assert not response.stream
        assert response.translated
        (events,) = await rest_of(response)
        assert any(getattr(event, "text", None) == "hello" for event in events)

    run(story())


# empty answers


@pytest.mark.parametrize("steps", [[chunk("stop"), DONE], [chunk("stop") + DONE]])
def test_an_empty_stream_is_refused_where_that_is_asked_for(steps):
    request = UpstreamRequest(body=b"{}", stream=True, reject_empty=True)
    fails(*client(Script(steps=steps)), Empty, request)
    upstream, _ = client(Script(steps=steps))
    run(upstream.open(make_endpoint("a"), STREAM))


def test_so_is_an_empty_whole_answer():
    request = UpstreamRequest(body=b"{}", stream=False, reject_empty=True)
    fails(*client(Script(content_type="application/json", steps=[SILENT])), Empty, request)


def test_content_that_takes_its_time_is_not_waited_for():
    upstream, _ = client(Script(steps=[chunk(content=""), "for ever"]))

    async def story():
        since = asyncio.get_running_loop().time()
        response = await upstream.open(make_endpoint("a"), UpstreamRequest(body=b"{}", stream=True, reject_empty=True))
        assert asyncio.get_running_loop().time() - since < 2 * EMPTY_CHECK_S + 0.05  # virtual time
        response.close()

    run(story())


# whose fault it is


@pytest.mark.parametrize(("status", "error"), [(401, UpstreamRejected), (429, UpstreamRejected), (500, BadUpstreamResponse)])
def test_what_is_wrong_with_a_clients_key_is_not_the_endpoints_fault(status, error):
    request = UpstreamRequest(body=b"{}", stream=False, client_headers={"x-api-key": "mine"})
    fails(*client(Script(status=status, steps=[b"{}"])), error, request, forward_client_key=True)
    if status == 401:
        fails(*client(Script(status=status, steps=[b"{}"])), UpstreamAuthError, WHOLE, forward_client_key=True)


def test_an_interface_the_kind_has_not_is_unreachable():
    upstream, transport = client(Script())
    assert not upstream.serves(make_endpoint("a"), "count_tokens", stream=False)
    fails(upstream, transport, Unreachable, UpstreamRequest(body=b"{}", stream=False, api="count_tokens"))


# counting, probing


def test_tokens_are_counted_by_servers_that_can():
    upstream, transport = client(Script(content_type="application/json", steps=[b'{"input_tokens": 7}']))
    assert run(upstream.count_tokens(make_endpoint("a", kind="anthropic"), b"{}", {})) == 7
    assert transport.calls[0].url.endswith("/messages/count_tokens")
    upstream, _ = client(Script(content_type="application/json", steps=[b"no JSON"]))
    assert run(upstream.count_tokens(make_endpoint("a", kind="anthropic"), b"{}", {})) is None


@pytest.mark.parametrize(
    ("status", "body", "against"),
    [
        *[(status, b"", None) for status in (200, 204, 301, 404, 405, 429, 500, 501, 507)],
        (400, b"no such parameter", None),
        (400, b'{"error": {"message": "API key not valid."}}', UpstreamAuthError),
        (401, b"", UpstreamAuthError),
        (403, b"", UpstreamAuthError),
        (403, b"error code: 1010", UpstreamAuthError),
        (502, b"", BadUpstreamResponse),
        (503, b"", Overloaded),
        (504, b"", TooSlow),
    ],
)
def test_a_probe_needs_a_server_and_no_list_of_models(status, body, against):
    upstream, transport = client(Script(status=status, steps=[body]))
    found = run(upstream.probe(make_endpoint("a"), 1.0))
    assert type(found) is (against or type(None))
    if found is not None:
        assert found.detail == f"status {status}"
    assert transport.calls[0].method == "GET"
    assert transport.answers[0].closed


def test_a_server_that_gets_the_clients_keys_only_cannot_be_asked_about_ours():
    upstream, _ = client(Script(status=401, steps=[b""]))
    assert run(upstream.probe(make_endpoint("a", forward_client_key=True), 1.0)) is None


# plug-ins


class Plugin(OpenAI):
    kind = "plug"

    def __init__(self, **broken):
        for name, value in broken.items():
            setattr(self, name, value)


class BadFormat(OpenAIOutbound):
    def __init__(self, *broken):
        for name in broken:
            setattr(self, name, boom)


def boom(*args, **more):
    raise ZeroDivisionError("boom")


def plugged(*scripts, outbound=OUTBOUND["openai"], **broken):
    return client(*scripts, providers={"plug": Plugin(**broken)}, outbound={"openai": outbound})


@pytest.mark.parametrize(
    "broken",
    [
        {"url": boom},
        {"headers": boom},
        {"url": lambda *_, **__: 17},
        {"headers": lambda _: 3},
        {"headers": lambda _: (("a", 1),)},
        {"sign": boom},
    ],
)
def test_what_a_plugs_provider_raises_is_its_endpoints_failure(broken):
    error = fails(*plugged(Script(), **broken), BadUpstreamResponse, kind="plug")
    assert error.message == "the plug-in plug failed"
    assert "boom" not in error.message + error.detail


@pytest.mark.parametrize(
    ("request_", "broken"),
    [(STREAM, "tap"), (STREAM, "framer"), (UpstreamRequest(body=b"{}", stream=True, conversation=HELLO), "decoder")],
)
def test_so_is_what_its_format_raises(request_, broken):
    fails(*plugged(Script(steps=[chunk("stop"), DONE]), outbound=BadFormat(broken)), BadUpstreamResponse, request_, kind="plug")


def test_a_plugs_error_reader_that_fails_leaves_the_statuss_meaning():
    fails(*plugged(Script(status=401, steps=[b"{}"]), outbound=BadFormat("read_error")), UpstreamAuthError, kind="plug")


def test_its_encoder_its_reasons_and_its_counts_are_guarded_too():
    upstream, _ = plugged(Script(), outbound=BadFormat("encode_request", "unsupported", "count_request"), may_drop_params=boom)
    endpoint = make_endpoint("a", kind="plug")
    with pytest.raises(BadUpstreamResponse):
        upstream.encode_request(HELLO, endpoint, stream=False)
    with pytest.raises(BadUpstreamResponse):
        upstream.may_drop_params(endpoint, stream=False)
    assert upstream.unsupported(HELLO, endpoint) == "the plug-in plug failed"
    assert not plugged(url=boom)[0].serves(endpoint, "chat", stream=False)


def test_its_refusals_are_its_own():
    def refuses(*args, **more):
        raise BadRequest("not that")

    upstream, _ = plugged(Script(), outbound=type("Picky", (OpenAIOutbound,), {"encode_request": refuses})())
    with pytest.raises(BadRequest, match="not that"):
        upstream.encode_request(HELLO, make_endpoint("a", kind="plug"), stream=False)


def test_a_defect_of_our_own_is_no_endpoints_failure():
    upstream, transport = client(Script(steps=[chunk("stop"), DONE]), outbound={"openai": BadFormat("tap")})
    fails(upstream, transport, ZeroDivisionError)
