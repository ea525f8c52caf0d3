"""One attempt at one endpoint: send the request and commit to its first event. No other module sends requests to endpoints.

Exceptions of a plug-in become failures of its endpoint here, and in `UpstreamResponse.read`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn, cast

import msgspec

from octoroute.dialects.base import Outbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Secret, Tls
from octoroute.domain.outcome import Usage
from octoroute.errors import (
    BadUpstreamResponse,
    Empty,
    OctorouteError,
    TlsRejected,
    TooSlow,
    Unreachable,
    UpstreamError,
    UpstreamRejected,
)
from octoroute.upstream.deadline import DeadlineTimer
from octoroute.upstream.providers.base import FixReader, Headers, Provider, RequestSigner
from octoroute.upstream.providers.plugins import plugin_failure
from octoroute.upstream.readers import AdapterReader, DecodingReader, PassThroughReader, ResponseReader, SingleChunkReader
from octoroute.upstream.response import PreCommitBuffer, UpstreamResponse
from octoroute.upstream.status import error_for_status, forwarded_headers
from octoroute.upstream.transports.base import Transport, TransportRequest, TransportResponse, Trust
from octoroute.upstream.transports.trust import trust as make_trust

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
EMPTY_CHECK_S = 0.05
"""After the first event, wait at most this long for content before committing, if an empty response may still be retried."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to one endpoint, in the endpoint's dialect."""

    body: bytes
    stream: bool
    api: str = "chat"
    conversation: Conversation | None = None
    """What `body` was encoded from; the response is then decoded to events. None: `body` is the client's own, and so are the
    response's bytes."""
    client_headers: Mapping[str, str] = {}
    adapter: Callable[[bytes], tuple[bytes, Usage | None]] | None = None
    """Translates a whole response, where `body` belongs to another interface than chat."""
    timeout_s: float | None = None
    """Until the first event; None: the endpoint's. The shorter one counts."""
    notes: tuple[str, ...] = ()
    """Which of the client's parameters this endpoint does not get."""
    reject_empty: bool = False
    """A response without content raises Empty."""


class _EndpointBinding(NamedTuple):
    """What is the same for all requests to one API of an endpoint; valid as long as `endpoint` is that object."""

    endpoint: Endpoint
    provider: Provider
    outbound: Outbound
    url: str
    headers: Headers
    signer: RequestSigner | None
    trust: Trust | None
    proxy: str | None


class UpstreamClient:
    def __init__(self, transport: Transport, providers: Mapping[str, Provider], outbound: Mapping[str, Outbound]) -> None:
        self.deadlines = DeadlineTimer()
        self._transport = transport
        self._providers = providers
        self._outbound = outbound
        self._outbound_by_kind: dict[str, Outbound] = {}
        self._bindings: dict[tuple[str, str, bool], _EndpointBinding] = {}
        """By endpoint id, API, and whether the response is streamed."""
        self._trusts: dict[Tls, Trust] = {}

    def outbound(self, endpoint: Endpoint) -> Outbound:
        outbound = self._outbound_by_kind.get(endpoint.kind)
        if outbound is None:
            dialect = self._providers[endpoint.kind].dialect
            outbound = self._outbound_by_kind[endpoint.kind] = self._outbound[dialect]
        return outbound

    def serves(self, endpoint: Endpoint, api: str, *, stream: bool) -> bool:
        """Whether the endpoint's kind has this API. False where a plug-in fails to tell."""
        try:
            return isinstance(self._providers[endpoint.kind].url(endpoint, api, stream=stream), str)
        except OctorouteError:
            return False
        except Exception as error:  # noqa: BLE001 - of a plug-in
            plugin_failure(endpoint.kind, error)
            return False

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        """As `Outbound.unsupported`; the failure of a plug-in is a reason, too."""
        try:
            return self.outbound(endpoint).unsupported(conversation, endpoint)
        except UpstreamError as error:
            return error.message
        except OctorouteError:
            raise
        except Exception as error:  # noqa: BLE001 - of a plug-in
            return plugin_failure(endpoint.kind, error).message

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        """As `Outbound.encode_request`. Raises UpstreamError for a plug-in that fails."""
        try:
            return _bytes(self.outbound(endpoint).encode_request(conversation, endpoint, stream=stream, notes=notes))
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    def may_drop_params(self, endpoint: Endpoint, *, stream: bool) -> FixReader | None:
        """As `Provider.may_drop_params`. Raises UpstreamError for a plug-in that fails."""
        try:
            return self._providers[endpoint.kind].may_drop_params(endpoint, stream=stream)
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def open(self, endpoint: Endpoint, request: UpstreamRequest) -> UpstreamResponse:
        """Send `request` and wait for the first event. Raises UpstreamError; then nothing is left open."""
        timeout_s = min(endpoint.first_event_timeout_s, request.timeout_s or endpoint.first_event_timeout_s)
        try:
            binding = self._binding(endpoint, request.api, stream=request.stream)
            with self.deadlines.limit(timeout_s):
                response = await self._transport.send(self._transport_request(binding, request))
                try:
                    if response.status != 200:
                        await self._raise_for_status(binding, request, response)
                    # A server that ignored `stream` sends JSON; its one body is made into a stream.
                    is_whole = request.stream and _is_json(response)
                    reader = _reader(binding.outbound, request, endpoint, unstreamed=is_whole)
                    if request.stream and not is_whole:
                        return await self._first_event(binding, request, response, reader)
                    body = await response.body(MAX_BODY_BYTES)
                    begun = UpstreamResponse(endpoint, response, reader, None, reader.read_body(body))
                    return _checked(begun, binding.outbound, request, framed=False)
                except BaseException:
                    response.close()
                    raise
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def _first_event(
        self, binding: _EndpointBinding, request: UpstreamRequest, response: TransportResponse, reader: ResponseReader
    ) -> UpstreamResponse:
        buffer = PreCommitBuffer(reader, binding.outbound.framer())
        progress = reader.progress
        while not progress.started and not buffer.ended:
            buffer.feed(await response.chunk())
        if request.reject_empty and not (progress.has_content or buffer.ended):
            try:
                with self.deadlines.limit(EMPTY_CHECK_S):
                    while not (progress.has_content or buffer.ended):
                        buffer.feed(await response.chunk())
            except TimeoutError:
                pass  # it has begun, and its content comes later
        framer = None if buffer.ended else buffer.framer
        begun = UpstreamResponse(binding.endpoint, response, reader, framer, buffer.chunk)
        return _checked(begun, binding.outbound, request, framed=True)

    async def count_tokens(self, endpoint: Endpoint, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        """Input tokens of the request `body` as the endpoint counts them; None: it gives no count. Raises UpstreamError."""
        timeout_s = endpoint.first_event_timeout_s
        try:
            binding = self._binding(endpoint, "count_tokens", stream=False)
            outbound = binding.outbound
            body = _bytes(outbound.count_request(body, endpoint))
            request = UpstreamRequest(body=body, stream=False, api="count_tokens", client_headers=client_headers)
            with self.deadlines.limit(timeout_s):
                response = await self._transport.send(self._transport_request(binding, request))
                try:
                    if response.status != 200:
                        await self._raise_for_status(binding, request, response)
                    return outbound.read_count(await response.body(MAX_ERROR_BYTES))
                finally:
                    response.close()
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def probe(self, endpoint: Endpoint, timeout_s: float) -> None:
        """Raises UpstreamError when the endpoint is not alive; a server without a list of models (404, 405) is alive."""
        try:
            provider = self._providers[endpoint.kind]
            request = self._probe_request(endpoint, provider, timeout_s)
            with self.deadlines.limit(timeout_s):
                response = await self._transport.send(request)
                try:
                    await response.body(MAX_BODY_BYTES)
                finally:
                    response.close()
        except TimeoutError:
            raise TooSlow(f"the probe was not answered within {timeout_s:g} s") from None
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error
        alive = {401, 403, 404, 405, 429} if endpoint.forward_client_key and endpoint.api_key is None else {404, 405, 429}
        if not (200 <= response.status < 300 or response.status in alive):
            raise error_for_status(response.status, response.headers, b"", provider.dialect)

    def _probe_request(self, endpoint: Endpoint, provider: Provider, timeout_s: float) -> TransportRequest:
        url, headers = _text(provider.probe_url(endpoint)), _pairs(provider.headers(endpoint))
        if isinstance(provider, RequestSigner):
            headers = _signed(provider, endpoint, "GET", url, headers, b"")
        return TransportRequest(
            method="GET",
            url=url,
            headers=headers,
            connect_timeout_s=timeout_s,
            trust=self._trust(endpoint),
            proxy=endpoint.proxy.reveal() if endpoint.proxy else None,
        )

    def _transport_request(self, binding: _EndpointBinding, request: UpstreamRequest) -> TransportRequest:
        endpoint, headers, provider = binding.endpoint, binding.headers, binding.provider
        signing_endpoint = endpoint
        if endpoint.forward_client_key and (client_key := _client_key(request)):
            signing_endpoint = msgspec.structs.replace(endpoint, api_key=client_key)
            headers = _pairs(provider.headers(signing_endpoint))
        if provider.passes and request.conversation is None:
            passed = tuple((name, request.client_headers[name]) for name in provider.passes if name in request.client_headers)
            if passed:
                headers = _replaced(headers, passed)
        if binding.signer is not None:
            headers = _signed(binding.signer, signing_endpoint, "POST", binding.url, headers, request.body)
        return TransportRequest(
            method="POST",
            url=binding.url,
            headers=headers,
            body=request.body,
            connect_timeout_s=endpoint.connect_timeout_s,
            trust=binding.trust,
            proxy=binding.proxy,
            max_connections=endpoint.max_connections,
        )

    def _binding(self, endpoint: Endpoint, api: str, *, stream: bool) -> _EndpointBinding:
        """Raises Unreachable where the endpoint's kind does not have this API, and TlsRejected."""
        key = (endpoint.id, api, stream)
        binding = self._bindings.get(key)
        if binding is None or binding.endpoint is not endpoint:  # after a reload the same id may mean another address
            provider = self._providers[endpoint.kind]
            url = provider.url(endpoint, api, stream=stream)
            if url is None:
                raise Unreachable(f"endpoints of kind {endpoint.kind} have no {api} interface")
            binding = _EndpointBinding(
                endpoint,
                provider,
                self.outbound(endpoint),
                _text(url),
                _pairs(provider.headers(endpoint)),
                provider if isinstance(provider, RequestSigner) else None,
                self._trust(endpoint),
                endpoint.proxy.reveal() if endpoint.proxy else None,
            )
            self._bindings[key] = binding
        return binding

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

    async def _raise_for_status(self, binding: _EndpointBinding, request: UpstreamRequest, response: TransportResponse) -> NoReturn:
        """Raises the UpstreamError that a status other than 200 stands for."""
        try:
            body = await response.body(MAX_ERROR_BYTES)
        except BadUpstreamResponse:
            body = b""
        headers, status = response.headers, response.status
        error = _read_error(binding, status, headers, body)
        has_client_key = binding.endpoint.forward_client_key and _client_key(request) is not None
        if has_client_key and status in {401, 402, 403, 429}:  # this key's, or its quota's, fault: the endpoint stays in service
            text = "the upstream does not accept your key, or it is over its limit"
            error = UpstreamRejected(text, status=status, body=body, headers=headers, dialect=binding.outbound.name)
        elif error is None:
            error = error_for_status(status, headers, body, binding.outbound.name)
        if isinstance(error, UpstreamRejected):
            error.upstream_headers = forwarded_headers(headers)
            if 400 <= status < 500:
                error.status = status
        error.detail = error.detail or body[:500].decode("utf-8", "replace")
        raise error


def _read_error(binding: _EndpointBinding, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
    """As `Outbound.read_error`; None also where a plug-in fails, because the status tells enough."""
    try:
        error = cast("object", binding.outbound.read_error(status, headers, body))
    except OctorouteError:
        return None
    except Exception as failure:  # noqa: BLE001 - of a plug-in
        plugin_failure(binding.endpoint.kind, failure)
        return None
    return error if isinstance(error, UpstreamError) else None


def _checked(response: UpstreamResponse, outbound: Outbound, request: UpstreamRequest, *, framed: bool) -> UpstreamResponse:
    """Raises the error that the response reports, and Empty."""
    response.raise_failure()
    if request.reject_empty and response.is_empty(outbound, framed=framed):
        raise Empty("the upstream's answer was empty")
    return response


def _client_key(request: UpstreamRequest) -> Secret | None:
    headers = request.client_headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key", "")
    return Secret(key) if key else None


def _signed(signer: RequestSigner, endpoint: Endpoint, method: str, url: str, headers: Headers, body: bytes) -> Headers:
    return _replaced(headers, _pairs(signer.sign(endpoint, method=method, url=url, headers=headers, body=body)))


def _replaced(headers: Headers, others: Headers) -> Headers:
    """`headers` and `others`, which take the place of headers of the same name."""
    names = {name.lower() for name, _ in others}
    return (*(header for header in headers if header[0].lower() not in names), *others)


def _text(value: object) -> str:
    """Raises TypeError: a plug-in's values are not type-checked."""
    if not isinstance(value, str):
        raise TypeError("an address or a header is no text")
    return value


def _bytes(value: object) -> bytes:
    """As `_text`."""
    if not isinstance(value, bytes):
        raise TypeError("its request is no bytes")
    return value


def _pairs(value: Headers) -> Headers:
    """As `_text`, for headers."""
    pairs = tuple((name, text) for name, text in value)
    for pair in pairs:
        for part in pair:
            _text(part)
    return pairs


def _reader(outbound: Outbound, request: UpstreamRequest, endpoint: Endpoint, *, unstreamed: bool) -> ResponseReader:
    if request.adapter is not None:
        return AdapterReader(request.adapter)
    if unstreamed and request.api != "chat":
        return SingleChunkReader(outbound)
    if request.conversation is not None or unstreamed:
        return DecodingReader(outbound, request.conversation, endpoint)
    return PassThroughReader(outbound)


def _is_json(response: TransportResponse) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
