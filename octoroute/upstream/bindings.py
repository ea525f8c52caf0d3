"""What stays the same from request to request to an endpoint: its address, headers, trust, and wire format, determined once.

The values of a plug-in are checked here (TypeError), because its author's types are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from octoroute.dialects.base import Outbound
from octoroute.domain.endpoint import Endpoint, Tls
from octoroute.domain.request import CHAT, Request
from octoroute.errors import TlsRejected, Unreachable
from octoroute.upstream.providers.base import Headers, Provider, RequestSigner
from octoroute.upstream.request import UpstreamRequest
from octoroute.upstream.transports.base import TransportRequest, Trust
from octoroute.upstream.transports.trust import trust as make_trust

_CORRELATION = frozenset({"x-request-id", "traceparent", "tracestate"})


class EndpointBinding(NamedTuple):
    """For one API of an endpoint; valid as long as `endpoint` is that object."""

    endpoint: Endpoint
    provider: Provider
    outbound: Outbound
    url: str
    headers: Headers
    signer: RequestSigner | None
    """The provider, if it signs each request."""
    trust: Trust | None
    proxy: str | None
    sends_ids: bool = True
    """False: the configured headers have an `x-request-id` or a `traceparent` of their own."""
    mends: bool = False
    """As `Outbound.mends`, of chat; then responses are decoded."""

    def transport_request(self, request: UpstreamRequest) -> TransportRequest:
        endpoint, headers, provider = self.endpoint, self.headers, self.provider
        if endpoint.forward_client_key and (client_key := request.client_key):
            endpoint = msgspec.structs.replace(endpoint, api_key=client_key)
            headers = _pairs(provider.headers(endpoint))
        if provider.passes and request.conversation is None:
            passed = tuple((name, request.client_headers[name]) for name in provider.passes if name in request.client_headers)
            if passed:
                headers = _replaced(headers, passed)
        if request.content_type is not None:
            headers = _replaced(headers, (("content-type", request.content_type),))
        if self.signer is not None:
            headers = _signed(self.signer, endpoint, "POST", self.url, headers, request.body)
        return TransportRequest(
            method="POST",
            url=self.url,
            headers=headers,
            extra=request.correlation if self.sends_ids else (),
            body=request.body,
            connect_timeout_s=endpoint.connect_timeout_s,
            trust=self.trust,
            host=endpoint.host,
            proxy=self.proxy,
            max_connections=endpoint.max_connections,
        )


class EndpointBindings:
    def __init__(self, providers: Mapping[str, Provider], outbound: Mapping[str, Outbound]) -> None:
        """`providers`: by kind. `outbound`: by dialect."""
        self.providers = providers
        self._outbound = outbound
        self._outbound_by_kind: dict[str, Outbound] = {}
        self._bindings: dict[tuple[str, str, str, bool], EndpointBinding] = {}
        """By endpoint id, API, wire format of chat, and whether the response is streamed."""
        self._trusts: dict[Tls, Trust] = {}

    def dialects(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The wire formats in which the endpoint is asked for chat, preferred first."""
        return endpoint.wires or (self.providers[endpoint.kind].dialect,)

    def outbound(self, endpoint: Endpoint, request: Request | None = None) -> Outbound:
        """The wire format in which the endpoint is asked: the client's own if the endpoint speaks it, else the preferred one.

        `request`: None stands for a client of another format.
        """
        wires = endpoint.wires
        if wires and (request is None or request.api == CHAT):
            return self._outbound[request.dialect if request is not None and request.dialect in wires else wires[0]]
        return self._outbound_of_kind(endpoint)

    def _outbound_of_kind(self, endpoint: Endpoint) -> Outbound:
        outbound = self._outbound_by_kind.get(endpoint.kind)
        if outbound is None:
            dialect = self.providers[endpoint.kind].dialect
            outbound = self._outbound_by_kind[endpoint.kind] = self._outbound[dialect]
        return outbound

    def get(self, endpoint: Endpoint, api: str, dialect: str = "", *, stream: bool) -> EndpointBinding:
        """`dialect`: of chat; "": the preferred one.

        Raises Unreachable where the endpoint's kind does not have this API, and TlsRejected.
        """
        key = (endpoint.id, api, dialect, stream)
        binding = self._bindings.get(key)
        if binding is None or binding.endpoint is not endpoint:  # after a reload the same id may mean another address
            provider = self.providers[endpoint.kind]
            outbound, address = self._outbound_of_kind(endpoint), api
            if api == CHAT:
                outbound = self._outbound[dialect] if dialect else self.outbound(endpoint)
                address = provider.chat_apis.get(outbound.name, api)
            url = provider.url(endpoint, address, stream=stream)
            if url is None:
                raise Unreachable(f"endpoints of kind {endpoint.kind} have no {api} interface")
            binding = self._bindings[key] = EndpointBinding(
                endpoint,
                provider,
                outbound,
                _text(url),
                _pairs(provider.headers(endpoint)),
                provider if isinstance(provider, RequestSigner) else None,
                self._trust(endpoint),
                endpoint.proxy.reveal() if endpoint.proxy else None,
                not any(name.lower() in _CORRELATION for name, _ in endpoint.headers),
                api == CHAT and _mends(outbound, endpoint),
            )
        return binding

    def probe(self, endpoint: Endpoint, connect_timeout_s: float) -> TransportRequest:
        """The health check's request. Raises TlsRejected."""
        provider = self.providers[endpoint.kind]
        url, headers = _text(provider.probe_url(endpoint)), _pairs(provider.headers(endpoint))
        if isinstance(provider, RequestSigner):
            headers = _signed(provider, endpoint, "GET", url, headers, b"")
        return TransportRequest(
            method="GET",
            url=url,
            headers=headers,
            connect_timeout_s=connect_timeout_s,
            trust=self._trust(endpoint),
            host=endpoint.host,
            proxy=endpoint.proxy.reveal() if endpoint.proxy else None,
        )

    def _trust(self, endpoint: Endpoint) -> Trust | None:
        """The same object for the same settings: connections are shared by its identity. Raises TlsRejected."""
        if endpoint.tls is None:
            return None
        trust = self._trusts.get(endpoint.tls)
        if trust is None:
            try:
                trust = self._trusts[endpoint.tls] = make_trust(endpoint.tls)
            except OSError as error:
                raise TlsRejected("the gateway's certificate files for this endpoint cannot be read", detail=str(error)) from error
        return trust


def _signed(signer: RequestSigner, endpoint: Endpoint, method: str, url: str, headers: Headers, body: bytes) -> Headers:
    return _replaced(headers, _pairs(signer.sign(endpoint, method=method, url=url, headers=headers, body=body)))


def _replaced(headers: Headers, others: Headers) -> Headers:
    """`headers` and `others`, which take the place of headers of the same name."""
    names = {name.lower() for name, _ in others}
    return (*(header for header in headers if header[0].lower() not in names), *others)


def _mends(outbound: Outbound, endpoint: Endpoint) -> bool:
    mends = getattr(outbound, "mends", None)  # a plug-in may be older than the method
    return mends is not None and mends(endpoint)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("an address or a header is no text")
    return value


def _pairs(headers: Headers) -> Headers:
    pairs = tuple((name, text) for name, text in headers)
    for pair in pairs:
        for part in pair:
            _text(part)
    return pairs
