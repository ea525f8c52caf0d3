"""Send one attempt and commit to its first event. The only module that asks endpoints anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from octoroute.dialects.base import Outbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Secret, Tls
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, Empty, TlsRejected, TooSlow, Unreachable, UpstreamError, UpstreamRejected
from octoroute.upstream.deadline import DeadlineTimer
from octoroute.upstream.providers.base import Provider
from octoroute.upstream.readers import AdapterReader, DecodingReader, PassThroughReader, ResponseReader, SingleChunkReader
from octoroute.upstream.response import PreCommitBuffer, UpstreamResponse
from octoroute.upstream.status import error_for_status, forwarded_headers
from octoroute.upstream.transports.base import Transport, TransportRequest, TransportResponse, Trust
from octoroute.upstream.transports.trust import trust as make_trust

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
EMPTY_CHECK_S = 0.05
"""How long an answer that has begun may take to its first word before its beginning is passed on without it."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to one endpoint."""

    body: bytes
    stream: bool
    api: str = "chat"
    conversation: Conversation | None = None
    """What `body` says, when the client speaks another dialect: the answer is wanted as events, not as bytes."""
    client_headers: Mapping[str, str] = {}
    adapter: Callable[[bytes], tuple[bytes, Usage | None]] | None = None
    """How a whole answer becomes the client's, where `body` is of another interface than chat."""
    timeout_s: float | None = None
    """If shorter than the endpoint's."""
    notes: tuple[str, ...] = ()
    """What the client said and this endpoint is not told."""
    reject_empty: bool = False
    """An answer that says nothing is raised as Empty."""


class _EndpointBinding(NamedTuple):
    """Where an endpoint's interface is and how it is spoken to: worked out once, for as long as `endpoint` is that object."""

    endpoint: Endpoint
    url: str
    headers: tuple[tuple[str, str], ...]
    passes: tuple[str, ...]
    trust: Trust | None
    proxy: str | None
    outbound: Outbound


class UpstreamClient:
    def __init__(self, transport: Transport, providers: Mapping[str, Provider], outbound: Mapping[str, Outbound]) -> None:
        self.deadlines = DeadlineTimer()
        self._transport = transport
        self._providers = providers
        self._outbound = outbound
        self._spoken: dict[str, Outbound] = {}
        """By kind of endpoint."""
        self._bindings: dict[tuple[str, str, bool], _EndpointBinding] = {}
        self._trusts: dict[Tls, Trust] = {}

    def provider(self, endpoint: Endpoint) -> Provider:
        return self._providers[endpoint.kind]

    def serves(self, endpoint: Endpoint, api: str, *, stream: bool) -> bool:
        """Whether its kind has such an interface; a plug-in that cannot even say has not."""
        try:
            return self.provider(endpoint).url(endpoint, api, stream=stream) is not None
        except UpstreamError:
            return False

    def outbound(self, endpoint: Endpoint) -> Outbound:
        spoken = self._spoken.get(endpoint.kind)
        if spoken is None:
            spoken = self._spoken[endpoint.kind] = self._outbound[self.provider(endpoint).dialect]
        return spoken

    async def open(self, endpoint: Endpoint, question: UpstreamRequest) -> UpstreamResponse:
        """Ask, and wait for the first event. Raises UpstreamError; then nothing is left open."""
        timeout_s = min(endpoint.first_event_timeout_s, question.timeout_s or endpoint.first_event_timeout_s)
        line = self._binding(endpoint, question)
        try:
            with self.deadlines.limit(timeout_s):
                answer = await self._transport.send(self._call(line, question))
                try:
                    return await self._commit(line, question, answer)
                except BaseException:
                    answer.close()
                    raise
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None

    async def ask(self, endpoint: Endpoint, api: str, body: bytes, client_headers: Mapping[str, str]) -> bytes:
        """A side question (how many tokens?), answered whole. Raises UpstreamError."""
        question = UpstreamRequest(body=body, stream=False, api=api, client_headers=client_headers)
        line = self._binding(endpoint, question)
        try:
            with self.deadlines.limit(endpoint.first_event_timeout_s):
                answer = await self._transport.send(self._call(line, question))
                try:
                    if answer.status != 200:
                        raise await self._rejection(line, question, answer)
                    return await answer.body(MAX_ERROR_BYTES)
                finally:
                    answer.close()
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {endpoint.first_event_timeout_s:g} s") from None

    async def probe(self, endpoint: Endpoint, timeout_s: float) -> None:
        """Is it alive? Raises UpstreamError when it is not; a server without a list of models (404, 405) is."""
        provider = self.provider(endpoint)
        call = TransportRequest(
            method="GET",
            url=provider.probe_url(endpoint),
            headers=provider.headers(endpoint),
            connect_timeout_s=timeout_s,
            trust=self._trust(endpoint),
            proxy=endpoint.proxy.reveal() if endpoint.proxy else None,
        )
        try:
            with self.deadlines.limit(timeout_s):
                answer = await self._transport.send(call)
                try:
                    await answer.body(MAX_BODY_BYTES)
                finally:
                    answer.close()
        except TimeoutError:
            raise TooSlow(f"the probe was not answered within {timeout_s:g} s") from None
        alive = {401, 403, 404, 405, 429} if endpoint.forward_client_key and endpoint.api_key is None else {404, 405, 429}
        if not (200 <= answer.status < 300 or answer.status in alive):
            raise error_for_status(answer.status, answer.headers, b"", provider.dialect)

    def _call(self, line: _EndpointBinding, question: UpstreamRequest) -> TransportRequest:
        endpoint, headers = line.endpoint, line.headers
        if endpoint.forward_client_key and (key_of_client := _clients_key(question)):
            headers = self.provider(endpoint).headers(msgspec.structs.replace(endpoint, api_key=key_of_client))
        if line.passes and question.conversation is None:
            passed = tuple((name, question.client_headers[name]) for name in line.passes if name in question.client_headers)
            names = {name for name, _ in passed}
            if passed:
                headers = (*(header for header in headers if header[0] not in names), *passed)
        return TransportRequest(
            method="POST",
            url=line.url,
            headers=headers,
            body=question.body,
            connect_timeout_s=endpoint.connect_timeout_s,
            trust=line.trust,
            proxy=line.proxy,
            max_connections=endpoint.max_connections,
        )

    def _binding(self, endpoint: Endpoint, question: UpstreamRequest) -> _EndpointBinding:
        """Raises Unreachable where the endpoint's kind has no such interface, and Untrusted."""
        key = (endpoint.id, question.api, question.stream)
        line = self._bindings.get(key)
        if line is None or line.endpoint is not endpoint:  # after a reload the same id may mean another address
            provider = self.provider(endpoint)
            url = provider.url(endpoint, question.api, stream=question.stream)
            if url is None:
                raise Unreachable(f"endpoints of kind {endpoint.kind} have no {question.api} interface")
            proxy = endpoint.proxy.reveal() if endpoint.proxy else None
            headers, trust = provider.headers(endpoint), self._trust(endpoint)
            line = _EndpointBinding(endpoint, url, headers, provider.passes, trust, proxy, self.outbound(endpoint))
            self._bindings[key] = line
        return line

    def _trust(self, endpoint: Endpoint) -> Trust | None:
        """The same object for the same settings: connections are shared by its identity. Raises Untrusted."""
        if endpoint.tls is None:
            return None
        found = self._trusts.get(endpoint.tls)
        if found is None:
            try:
                found = self._trusts[endpoint.tls] = make_trust(endpoint.tls)
            except OSError as error:
                raise TlsRejected("the gateway's certificate files for this endpoint cannot be read", detail=str(error)) from error
        return found

    async def _commit(self, line: _EndpointBinding, question: UpstreamRequest, answer: TransportResponse) -> UpstreamResponse:
        endpoint, outbound = line.endpoint, line.outbound
        if answer.status != 200:
            raise await self._rejection(line, question, answer)
        unstreamed = question.stream and _is_json(answer)  # it ignored `stream`: its one piece is made into a stream
        reader = _reader(outbound, question, endpoint, unstreamed=unstreamed)
        framed = question.stream and not unstreamed
        if framed:
            opened = await self._first_event(endpoint, question, answer, reader)
        else:
            body = await answer.body(MAX_BODY_BYTES)
            opened = UpstreamResponse(endpoint, answer, reader, None, reader.read_body(body))
        opened.raise_failure()
        if question.reject_empty and opened.is_empty(outbound, framed=framed):
            raise Empty("the upstream's answer was empty")
        return opened

    async def _first_event(
        self, endpoint: Endpoint, question: UpstreamRequest, answer: TransportResponse, reader: ResponseReader
    ) -> UpstreamResponse:
        opening = PreCommitBuffer(answer, reader)
        while not reader.progress.started:
            if not await opening.more():
                return UpstreamResponse(endpoint, answer, reader, None, opening.chunk)
        if question.reject_empty:
            try:
                with self.deadlines.limit(EMPTY_CHECK_S):
                    while not reader.progress.has_content:
                        if not await opening.more():
                            return UpstreamResponse(endpoint, answer, reader, None, opening.chunk)
            except TimeoutError:
                pass  # it has begun, and takes its time
        return UpstreamResponse(endpoint, answer, reader, opening.cutter, opening.chunk)

    async def _rejection(self, line: _EndpointBinding, question: UpstreamRequest, answer: TransportResponse) -> UpstreamError:
        """What a status other than 200 means; the contract's table. What is wrong with a client's own key, or its quota, is
        nobody else's concern.
        """
        outbound = line.outbound
        try:
            body = await answer.body(MAX_ERROR_BYTES)
        except BadUpstreamResponse:
            body = b""
        headers = answer.headers
        error = outbound.read_error(answer.status, headers, body)
        is_about_the_client = line.endpoint.forward_client_key and _clients_key(question) is not None
        if is_about_the_client and answer.status in {401, 402, 403, 429}:
            text = "the upstream does not accept your key, or it is over its limit"
            error = UpstreamRejected(text, status=answer.status, body=body, headers=headers, dialect=outbound.name)
        elif error is None:
            error = error_for_status(answer.status, headers, body, outbound.name)
        if isinstance(error, UpstreamRejected):
            error.upstream_headers = forwarded_headers(headers)
            if 400 <= answer.status < 500:
                error.status = answer.status
        error.detail = error.detail or body[:500].decode("utf-8", "replace")
        return error


def _clients_key(question: UpstreamRequest) -> Secret | None:
    headers = question.client_headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = (token.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key", "")
    return Secret(key) if key else None


def _reader(outbound: Outbound, question: UpstreamRequest, endpoint: Endpoint, *, unstreamed: bool) -> ResponseReader:
    if question.adapter is not None:
        return AdapterReader(question.adapter)
    if unstreamed and question.api != "chat":
        return SingleChunkReader(outbound)
    if question.conversation is not None or unstreamed:
        return DecodingReader(outbound, question.conversation, endpoint)
    return PassThroughReader(outbound)


def _is_json(answer: TransportResponse) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
