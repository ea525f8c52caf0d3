"""Every provider keeps the Protocol's promises: the registered ones, and those of the plug-in package. Registering one tests it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.domain.endpoint import Secret, SigningKey
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.providers.base import RequestSigner
from octoroute.upstream.providers.bedrock import Bedrock
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.request import origin_and_head
from tests.contract.acme.acme_chat import NdjsonProvider, SigningProvider
from tests.support.spine import make_endpoint

SECONDS = count()
TICKING = Bedrock(lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(SECONDS)))
ALL = {**PROVIDERS, **{provider.kind: provider for provider in (NdjsonProvider(), SigningProvider(), TICKING)}}
APIS = ("chat", "embeddings", "completions", "count_tokens")
KEY = "k-0123456789abcdef"
pytestmark = pytest.mark.parametrize("provider", ALL.values(), ids=ALL)


def endpoint(provider, **more):
    return make_endpoint("e", **{"kind": provider.kind, "base_url": "http://h:1/v1", "api_key": Secret(KEY), **more})


def urls(provider, at):
    found = [provider.url(at, api, stream=stream) for api, stream in product(APIS, (False, True))]
    return [url for url in found if url is not None]


def test_its_dialect_is_known(provider):
    known = dialects.outbound(lambda: 0.0)
    assert provider.dialect in known or provider.outbound.name == provider.dialect


def test_it_serves_chat_whole_and_streamed(provider):
    assert all(provider.url(endpoint(provider), "chat", stream=stream) for stream in (False, True))


def test_it_says_so_when_it_has_no_such_api(provider):
    assert provider.url(endpoint(provider), "no-such-api", stream=False) is None


@given(model=st.text(min_size=1, max_size=40))
def test_a_transport_takes_its_addresses_and_headers_whatever_the_models_name_is(provider, model):
    at = endpoint(provider, model=model)
    headers = provider.headers(at)
    for url in [*urls(provider, at), provider.probe_url(at)]:
        origin, _ = origin_and_head(TransportRequest(method="POST", url=url, headers=headers, body=b"{}"))
        assert (origin.host, origin.port) == ("h", 1)
        assert KEY not in url


def test_the_key_is_sent_in_a_credential_header_or_signs(provider):
    carriers = {name.lower() for name, value in provider.headers(endpoint(provider)) if KEY in value}
    if isinstance(provider, RequestSigner):
        assert not carriers
    elif provider.kind != NdjsonProvider.kind:  # a server without keys
        assert len(carriers) == 1
        assert carriers <= provider.credential_headers


def test_a_configured_credential_takes_the_place_of_the_key(provider):
    for name in provider.credential_headers:
        headers = provider.headers(endpoint(provider, headers=((name, "by hand"),)))
        assert [value for key, value in headers if key.lower() == name] == ["by hand"]
        if not isinstance(provider, RequestSigner):
            assert not any(KEY in value for _, value in headers)


def test_without_a_key_none_is_sent(provider):
    headers = provider.headers(endpoint(provider, api_key=None))
    assert not {name.lower() for name, _ in headers} & provider.credential_headers


def test_header_names_it_declares_are_lower_case(provider):
    for name in (*provider.passes, *provider.credential_headers):
        assert name == name.lower()


def test_it_is_a_function_of_the_endpoint(provider):
    one, same = endpoint(provider), endpoint(provider)
    assert provider.headers(one) == provider.headers(same)
    assert urls(provider, one) == urls(provider, same)


def test_what_may_be_dropped_is_read_from_an_error_or_nothing_is(provider):
    from octoroute.dialects.response.errors import UpstreamErrorBody

    for stream in (False, True):
        read = provider.may_drop_params(endpoint(provider), stream=stream)
        assert read is None or read(UpstreamErrorBody(message="the model is on fire")) is None


def test_a_signature_depends_on_all_that_it_signs(provider):
    if not isinstance(provider, RequestSigner):
        return

    def signed(**change):
        call = {"method": "POST", "url": "http://h:1/v1/x", "headers": (), "body": json.dumps({}).encode(), **change}
        key = Secret(call.pop("key", KEY))
        kept = {"api_key": key} if provider.kind == SigningProvider.kind else {"signing_key": SigningKey(id="AKID", secret=key)}
        added = provider.sign(endpoint(provider, **{"api_key": None, **kept}), **call)
        assert KEY not in str(added)
        return next(value for name, value in added if name in provider.credential_headers)

    changes = [{}, {"method": "GET"}, {"url": "http://h:1/v1/y"}, {"body": b"{ }"}, {"key": "other"}, {}]
    assert len({signed(**change) for change in changes}) == len(changes)  # the date, too: no two are alike
