"""One attempt at one endpoint: send the request and commit to its first event. No other module sends requests to endpoints.

Exceptions of a plug-in become failures of its endpoint here, and in `UpstreamResponse.read`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, cast

from octoroute.dialects.base import Framer, Outbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint
from octoroute.errors import (
    BadUpstreamResponse,
    Empty,
    OctorouteError,
    TooSlow,
    UpstreamError,
    UpstreamRejected,
)
from octoroute.upstream.bindings import EndpointBinding, EndpointBindings
from octoroute.upstream.deadline import DeadlineTimer
from octoroute.upstream.oauth2 import AccessTokens
from octoroute.upstream.own_secrets import mask_error, mask_secrets
from octoroute.upstream.providers.base import FixReader, Provider
from octoroute.upstream.providers.plugins import plugin_failure
from octoroute.upstream.readers import (
    AdapterReader,
    DecodingReader,
    PassedReader,
    PassThroughReader,
    ResponseReader,
    SingleChunkReader,
    UnframedBytes,
)
from octoroute.upstream.request import UpstreamRequest
from octoroute.upstream.response import PreCommitBuffer, UpstreamResponse
from octoroute.upstream.status import error_for_status, forwarded_headers
from octoroute.upstream.transports.base import Transport, TransportRequest, TransportResponse

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
MAX_PROBE_BYTES = 64 * 1024
"""A longer list of models is not read: the connection is closed instead."""
EMPTY_CHECK_S = 0.05
"""After the first event, wait at most this long for content before committing, if an empty response may still be retried."""


class UpstreamClient:
    def __init__(self, transport: Transport, providers: Mapping[str, Provider], outbound: Mapping[str, Outbound]) -> None:
        """`providers`: by kind. `outbound`: by dialect."""
        self.deadlines = DeadlineTimer()
        self._transport = transport
        self.tokens = AccessTokens(transport)
        self._bindings = EndpointBindings(providers, outbound)
        self.outbound = self._bindings.outbound
        self.dialects = self._bindings.dialects

    def serves(self, endpoint: Endpoint, api: str, *, stream: bool) -> bool:
        """Whether the endpoint's kind has this API. False where a plug-in fails to tell."""
        try:
            return isinstance(self._bindings.providers[endpoint.kind].url(endpoint, api, stream=stream), str)
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
            return self._bindings.providers[endpoint.kind].may_drop_params(endpoint, stream=stream)
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def open(self, endpoint: Endpoint, request: UpstreamRequest) -> UpstreamResponse:
        """Send `request` and wait for the first event. Raises UpstreamError; then nothing is left open."""
        timeout_s = endpoint.first_event_timeout_s
        if request.stream and endpoint.stream_start_timeout_s is not None:
            timeout_s = endpoint.stream_start_timeout_s
        if request.timeout_s is not None and request.timeout_s < timeout_s:
            timeout_s = request.timeout_s
        try:
            binding = self._bindings.get(endpoint, request.api, request.dialect, stream=request.stream)
            with self.deadlines.limit(timeout_s):
                out, grant = binding.transport_request(request), endpoint.oauth2
                response = await (self._transport.send(out) if grant is None else self.tokens.send(grant, out))
                try:
                    if response.status != 200:
                        await self._raise_for_status(binding, request, response)
                    if request.api in PASSED_TIERS and not _is_json(response):
                        framer = binding.outbound.framer() if _is_event_stream(response) else UnframedBytes()
                        return await self._first_event(binding, request, response, PassedReader(), framer)
                    # A server that ignored `stream` sends JSON; its one body is made into a stream.
                    is_whole = request.stream and _is_json(response)
                    reader = _reader(binding, request, unstreamed=is_whole)
                    if request.stream and not is_whole:
                        return await self._first_event(binding, request, response, reader, binding.outbound.framer())
                    body = await response.body(MAX_BODY_BYTES)
                    begun = UpstreamResponse(endpoint, response, reader, None, reader.read_body(body))
                    return _checked(begun, binding.outbound, request, framed=False)
                except BaseException:
                    response.close()
                    raise
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None
        except OctorouteError as error:
            mask_error(error, endpoint)
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def _first_event(
        self,
        binding: EndpointBinding,
        request: UpstreamRequest,
        response: TransportResponse,
        reader: ResponseReader,
        framer: Framer,
    ) -> UpstreamResponse:
        buffer = PreCommitBuffer(reader, framer)
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
        begun = UpstreamResponse(binding.endpoint, response, reader, None if buffer.ended else framer, buffer.chunk)
        return _checked(begun, binding.outbound, request, framed=True)

    async def count_tokens(self, endpoint: Endpoint, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        """Input tokens of the request `body` as the endpoint counts them; None: it gives no count. Raises UpstreamError."""
        timeout_s = endpoint.first_event_timeout_s
        try:
            binding = self._bindings.get(endpoint, "count_tokens", stream=False)
            outbound = binding.outbound
            body = _bytes(outbound.count_request(body, endpoint))
            request = UpstreamRequest(body=body, stream=False, api="count_tokens", client_headers=client_headers)
            with self.deadlines.limit(timeout_s):
                response = await self._send(endpoint, binding.transport_request(request))
                try:
                    if response.status != 200:
                        await self._raise_for_status(binding, request, response)
                    return outbound.read_count(await response.body(MAX_ERROR_BYTES))
                finally:
                    response.close()
        except TimeoutError:
            raise TooSlow(f"the upstream did not answer within {timeout_s:g} s") from None
        except OctorouteError as error:
            mask_error(error, endpoint)
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error

    async def probe(self, endpoint: Endpoint, timeout_s: float) -> UpstreamError | None:
        """What the server says against itself when it is asked for its models; None: it is alive, whatever its list is like.

        Only the status is read, and the body of a 400, which some vendors send for a wrong key. Raises UpstreamError when there is
        no answer.
        """
        try:
            request = self._bindings.probe(endpoint, timeout_s)
            with self.deadlines.limit(timeout_s):
                response = await self._send(endpoint, request)
                try:
                    status, body = response.status, b""
                    if status == 400:
                        body = await response.body(MAX_ERROR_BYTES)
                    elif "content-length" in response.headers and _is_short(response.headers["content-length"]):
                        await response.body(MAX_PROBE_BYTES)  # so that the connection can be used again
                finally:
                    response.close()
        except TimeoutError:
            raise TooSlow(f"the probe was not answered within {timeout_s:g} s") from None
        except OctorouteError:
            raise
        except Exception as error:
            raise plugin_failure(endpoint.kind, error) from error
        has_no_key = endpoint.forward_client_key and endpoint.api_key is None
        if status not in ({502, 503, 504} if has_no_key else {400, 401, 403, 502, 503, 504}):
            return None
        error = error_for_status(status, response.headers, body, self.outbound(endpoint).name)
        if not error.blames_endpoint:
            return None
        error.detail = f"status {status}"
        return error

    async def _send(self, endpoint: Endpoint, request: TransportRequest) -> TransportResponse:
        grant = endpoint.oauth2
        return await (self._transport.send(request) if grant is None else self.tokens.send(grant, request))

    async def _raise_for_status(self, binding: EndpointBinding, request: UpstreamRequest, response: TransportResponse) -> NoReturn:
        """Raises the UpstreamError that a status other than 200 stands for."""
        try:
            body = mask_secrets(await response.body(MAX_ERROR_BYTES), binding.endpoint)
        except BadUpstreamResponse:
            body = b""
        headers, status = response.headers, response.status
        error = _read_error(binding, status, headers, body)
        has_client_key = binding.endpoint.forward_client_key and request.client_key is not None
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


def _is_short(length: str) -> bool:
    return length.isdecimal() and len(length) < 9 and int(length) <= MAX_PROBE_BYTES


def _read_error(binding: EndpointBinding, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
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


def _bytes(value: object) -> bytes:
    """Raises TypeError: a plug-in's values are not type-checked."""
    if not isinstance(value, bytes):
        raise TypeError("a request is no bytes")
    return value


def _reader(binding: EndpointBinding, request: UpstreamRequest, *, unstreamed: bool) -> ResponseReader:
    outbound = binding.outbound
    if request.adapter is not None:
        return AdapterReader(request.adapter)
    if request.api in PASSED_TIERS:
        return PassedReader()
    if unstreamed and request.api != "chat":
        return SingleChunkReader(outbound)
    if request.conversation is not None or unstreamed or binding.mends:
        return DecodingReader(outbound, request.conversation, binding.endpoint)
    return PassThroughReader(outbound)


def _is_json(response: TransportResponse) -> bool:
    return _media_type(response).endswith(("/json", "+json"))


def _is_event_stream(response: TransportResponse) -> bool:
    return _media_type(response) == "text/event-stream"


def _media_type(response: TransportResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
