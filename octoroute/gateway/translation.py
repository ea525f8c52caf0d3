"""Expresses a client's request in an endpoint's dialect. Where both speak the same dialect, the client's bytes are kept.

A request is decoded once for all endpoints that need a translation; only a changed request is decoded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from octoroute.dialects import ADAPTERS
from octoroute.dialects.base import Inbound
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.truncation import strip_thinking
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import CHAT, Request
from octoroute.errors import BadRequest
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.offload import is_large_body, is_large_translation, off_loop
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.request import UpstreamRequest

MAX_MESSAGES, MAX_BLOCKS, MAX_TOOLS = 10_000, 20_000, 2_000
"""Of a request that is translated: each takes time and memory of its own, however small it is."""


def decode(inbound: Inbound, request: Request, endpoint: Endpoint) -> Conversation:
    """Raises BadRequest for what the hub cannot hold, and for more parts than are translated."""
    _check_count("messages", request.facts.messages, MAX_MESSAGES)
    conversation = inbound.conversation(request, endpoint)
    _check_count("messages", len(conversation.turns), MAX_MESSAGES)
    _check_count("messages", sum(len(turn.content) for turn in conversation.turns), MAX_BLOCKS, "parts of content")
    _check_count("tools", len(conversation.tools), MAX_TOOLS)
    return conversation


def try_decode(inbound: Inbound, request: Request, endpoint: Endpoint) -> Conversation | BadRequest:
    """As `decode`; the error is returned."""
    try:
        return decode(inbound, request, endpoint)
    except BadRequest as error:
        return error


def _check_count(field: str, count: int, limit: int, what: str = "items") -> None:
    if count > limit:
        raise BadRequest(
            f"{field}: has {count:,} {what}; the endpoint speaks another format, and at most {limit:,} are translated", param=field
        )


class TranslationCheck:
    """Decides whether endpoints' dialects can express one request; the request is decoded once, when an endpoint needs it."""

    __slots__ = ("_decoded", "_inbound", "_request", "_upstream")

    def __init__(
        self, request: Request, inbound: Inbound, upstream: UpstreamClient, decoded: Conversation | BadRequest | None = None
    ) -> None:
        """`decoded`: the property of an earlier check of `request`."""
        self._request = request
        self._inbound = inbound
        self._upstream = upstream
        self._decoded = decoded

    @property
    def decoded(self) -> Conversation | BadRequest | None:
        """The request for every endpoint that needs a translation, or why no other dialect can express it.

        None: no endpoint has needed a translation, or the result is for one endpoint only. A JSON body says everything itself;
        into a `/chat` message the dialect fills the endpoint's defaults.
        """
        return self._decoded if isinstance(self._request.body, RequestBody) else None

    def unsupported(self, endpoint: Endpoint) -> str | None:
        """Why this endpoint's dialect cannot express the request; None when it can, or is the client's own dialect."""
        request = self._request
        if request.api != CHAT and not self._upstream.serves(endpoint, request.api, stream=request.stream):
            return f"endpoints of kind {endpoint.kind} have no {request.api} interface"
        outbound = self._upstream.outbound(endpoint, request)
        if outbound.name == request.dialect:
            return None
        adapter = ADAPTERS.get((request.api, outbound.name))
        if adapter is not None:
            try:
                return adapter.unsupported(request)
            except BadRequest as error:
                return error.message
        if self._decoded is None:
            self._decoded = try_decode(self._inbound, request, endpoint)
        if isinstance(self._decoded, BadRequest):
            return self._decoded.message
        return self._upstream.unsupported(self._decoded, endpoint)


class Translator:
    def __init__(self, inbound: Mapping[str, Inbound], upstream: UpstreamClient) -> None:
        self._inbound = inbound
        self._upstream = upstream

    def upstream_request(
        self,
        request: Request,
        endpoint: Endpoint,
        cut: TruncatedRequest | None = None,
        conversation: Conversation | None = None,
        *,
        reject_empty: bool = False,
    ) -> UpstreamRequest:
        """The request in the endpoint's dialect. Raises BadRequest for what that dialect cannot express.

        `cut` is where `request` comes from if it was truncated; `conversation` is `request` decoded, None to decode it here.
        """
        inbound = self._inbound[request.dialect]
        outbound = self._upstream.outbound(endpoint, request)
        adapter = None
        notes = [] if cut is None else cut.notes()
        if outbound.name == request.dialect:
            conversation = None
            body = inbound.with_model(request, endpoint.model)
        elif (found := ADAPTERS.get((request.api, outbound.name))) is not None:
            conversation = None
            body, adapter = found.encode_request(request, endpoint, notes), partial(found.decode_response, request)
        else:
            if conversation is None:
                conversation = decode(inbound, request, endpoint)
            if cut is not None and cut.messages_removed and outbound.verifies_thinking:
                conversation = strip_thinking(conversation)
            notes += conversation.notes
            cites = getattr(outbound, "cites_documents", False)  # a plug-in may be older than the attribute
            unread = conversation.ignored if cites else (*conversation.ignored, *conversation.cites)
            notes += [f"{field} is not passed on to this endpoint" for field in unread]
            body = self._upstream.encode_request(conversation, endpoint, stream=request.stream, notes=notes)
        return UpstreamRequest(
            body=body,
            stream=request.stream,
            content_type=request.content_type,
            api=request.api,
            dialect=outbound.name if request.api == CHAT else "",
            conversation=conversation,
            adapter=adapter,
            request_id=request.id,
            client_headers=request.headers,
            timeout_s=request.timeout_s,
            notes=tuple(notes),
            reject_empty=reject_empty and request.api == CHAT,
        )

    def is_slow(self, request: Request, endpoint: Endpoint) -> bool:
        """Whether to make the endpoint's request in a thread."""
        if is_large_body(request):
            return True
        return is_large_translation(request) and self._upstream.outbound(endpoint, request).name != request.dialect

    async def decode_large(self, request: Request, endpoints: Sequence[Endpoint]) -> Conversation | BadRequest | None:
        """A large request decoded in a thread, if one of the endpoints needs a translation; None: it is not worth that."""
        if not is_large_translation(request):
            return None
        endpoint = next((one for one in endpoints if self._upstream.outbound(one, request).name != request.dialect), None)
        return None if endpoint is None else await off_loop(try_decode, self._inbound[request.dialect], request, endpoint)

    def strip_signed_thinking(self, request: Request) -> Request:
        """The request without signed thinking; `request` itself if it has none, or if the client forbids to remove it."""
        return self._inbound[request.dialect].strip_signed_thinking(request) or request
