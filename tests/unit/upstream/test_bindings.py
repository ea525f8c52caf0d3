"""What every request to an endpoint has in common is determined once, and again when the endpoint is another."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.outbound import AnthropicOutbound
from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.dialects.responses.outbound import ResponsesOutbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Secret, Tls
from octoroute.domain.request import Facts, Request
from octoroute.errors import TlsRejected, Unreachable
from octoroute.upstream.bindings import EndpointBindings
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.request import UpstreamRequest
from tests.contract.acme.acme_chat import SigningProvider
from tests.support.spine import make_endpoint

WHOLE = UpstreamRequest(body=b"{}", stream=False)


@pytest.fixture
def bindings():
    providers = {**PROVIDERS, "acme-signed": SigningProvider()}
    formats = (OpenAIOutbound(), ResponsesOutbound(), AnthropicOutbound())
    return EndpointBindings(providers, {outbound.name: outbound for outbound in formats})


def sent(bindings, request, **more):
    return bindings.get(make_endpoint("a", **more), request.api, stream=request.stream).transport_request(request)


def test_the_same_headers_are_sent_as_the_same_object(bindings):
    """The transport validates them once."""
    endpoint = make_endpoint("a")
    one, two = (bindings.get(endpoint, "chat", stream=False).transport_request(WHOLE) for _ in range(2))
    assert one.headers is two.headers


def test_another_endpoint_of_the_same_id_is_bound_anew(bindings):
    urls = [sent(bindings, WHOLE, base_url=url).url for url in ("http://one/v1", "http://two/v1")]
    assert urls == ["http://one/v1/chat/completions", "http://two/v1/chat/completions"]


def test_an_interface_the_kind_has_not_is_unreachable(bindings):
    with pytest.raises(Unreachable, match="kind openai have no count_tokens interface"):
        bindings.get(make_endpoint("a"), "count_tokens", stream=False)


@pytest.mark.parametrize(("conversation", "seen"), [(None, ("b-1", "2024-01-01")), (Conversation(), (None, "2023-06-01"))])
def test_headers_of_a_client_pass_to_servers_of_its_dialect_only(bindings, conversation, seen):
    headers = {"anthropic-beta": "b-1", "anthropic-version": "2024-01-01", "x-secret": "s"}
    request = UpstreamRequest(body=b"{}", stream=False, client_headers=headers, conversation=conversation)
    found = sent(bindings, request, kind="anthropic").headers
    assert (dict(found).get("anthropic-beta"), dict(found)["anthropic-version"]) == seen
    assert len({name for name, _ in found}) == len(found)
    assert "x-secret" not in dict(found)


@pytest.mark.parametrize(("offered", "key"), [({"x-api-key": "mine"}, "mine"), ({}, "ours")])
def test_a_clients_key_takes_the_place_of_ours_where_that_is_forwarded(bindings, offered, key):
    request = UpstreamRequest(body=b"{}", stream=False, client_headers=offered)
    forwarding = sent(bindings, request, api_key=Secret("ours"), forward_client_key=True)
    assert dict(forwarding.headers)["authorization"] == f"Bearer {key}"
    assert dict(sent(bindings, request, api_key=Secret("ours")).headers)["authorization"] == "Bearer ours"


def test_a_signature_takes_the_place_of_a_configured_header_of_its_name(bindings):
    headers = sent(bindings, WHOLE, kind="acme-signed", headers=(("X-Acme-Signature", "forged"),)).headers
    assert [value for name, value in headers if name.lower() == "x-acme-signature"] != ["forged"]
    assert sum(name.lower() == "x-acme-signature" for name, _ in headers) == 1


def test_only_signed_requests_differ_in_their_headers(bindings):
    endpoint = make_endpoint("a", kind="acme-signed", api_key=Secret("s"))
    one, two = (bindings.get(endpoint, "chat", stream=False).transport_request(WHOLE) for _ in range(2))
    assert one.headers != two.headers
    assert bindings.probe(endpoint, 1.0).headers != bindings.probe(endpoint, 1.0).headers


def test_equal_settings_share_one_trust(bindings):
    tls = [Tls(pins_sha256=frozenset({b"p" * 32})) for _ in range(2)]
    trusts = [sent(bindings, WHOLE, id=name, tls=each).trust for name, each in zip("ab", tls, strict=True)]
    assert trusts[0] is trusts[1] is not None


def test_certificate_files_that_are_gone_are_reported_without_their_path(bindings):
    with pytest.raises(TlsRejected) as caught:
        sent(bindings, WHOLE, tls=Tls(ca_file="/nowhere/ca.pem"))
    assert "/nowhere" not in caught.value.message


BOTH = ("responses", "openai")


def asks(dialect, api="chat"):
    return Request(id="r", dialect=dialect, model="m", stream=False, body=None, facts=Facts(), api=api)


@pytest.mark.parametrize(
    ("wires", "request_", "name"),
    [
        ((), None, "openai"),
        ((), asks("responses"), "openai"),
        (("responses",), None, "responses"),
        (("responses",), asks("openai"), "responses"),
        (BOTH, None, "responses"),
        (BOTH, asks("anthropic"), "responses"),
        (BOTH, asks("openai"), "openai"),
        (BOTH, asks("responses"), "responses"),
        (BOTH, asks("openai", "embeddings"), "openai"),
        (("responses",), asks("openai", "embeddings"), "openai"),
    ],
)
def test_an_endpoint_is_asked_in_the_clients_format_if_it_speaks_it(bindings, wires, request_, name):
    endpoint = make_endpoint("a", wires=wires)
    assert bindings.outbound(endpoint, request_).name == name
    assert bindings.dialects(endpoint) == (wires or ("openai",))


@pytest.mark.parametrize(
    ("wires", "api", "dialect", "path", "name"),
    [
        ((), "chat", "openai", "/chat/completions", "openai"),
        (("responses",), "chat", "responses", "/responses", "responses"),
        (BOTH, "chat", "openai", "/chat/completions", "openai"),
        (BOTH, "chat", "", "/responses", "responses"),
        (BOTH, "embeddings", "", "/embeddings", "openai"),
    ],
)
def test_each_format_has_its_address(bindings, wires, api, dialect, path, name):
    binding = bindings.get(make_endpoint("a", wires=wires), api, dialect, stream=False)
    assert (binding.url, binding.outbound.name) == (f"http://a.test/v1{path}", name)
