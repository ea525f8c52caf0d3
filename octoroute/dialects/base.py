"""What a wire format must provide: `Inbound` for clients, `Outbound` for endpoints; no module outside it names the format.

Where client and endpoint speak the same format nothing is translated: the client's bytes go out with another model in them, and a
`UsageTap` reads the response's bytes as they pass. Otherwise a request becomes a `Conversation` and a response becomes events (the
hub), never one format directly another. Formats are pure: no sockets, no clock, no state shared by two responses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from octoroute.dialects.request.truncation import History
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    Ping,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, UpstreamError


class Progress:
    """How far a response has come; the relay and the outcome sink read it, whether the response is translated or not."""

    __slots__ = ("failure", "finished", "output_chars", "over", "reason", "started", "usage")

    def __init__(self) -> None:
        self.started = False
        """An event has arrived: the commit point."""
        self.finished = False
        """The format's own end has been seen; a stream that ends without it is a failure."""
        self.over = False
        """The format's last event has been seen: bytes that follow are not part of the response."""
        self.reason: FinishReason | None = None
        self.failure: Failed | None = None
        """An error that the endpoint reported inside its response."""
        self.usage: Usage | None = None
        self.output_chars = 0
        """Characters of text, thinking, and arguments; usage is estimated from them when the endpoint reports none."""

    @property
    def has_content(self) -> bool:
        """The response has text, has finished, or has failed: waiting longer would not tell more about its beginning."""
        return self.finished or self.output_chars > 0 or self.failure is not None

    def observe(self, events: Iterable[Event]) -> None:
        """Update from decoded events (the translating relay). Raises TypeError for an object that is not an event."""
        for event in events:
            match event:
                case TextDelta(text=text) | ThinkingDelta(text=text) | ToolCallDelta(arguments=text):
                    self.started = True
                    self.output_chars += len(text)
                case UsageReported(usage=usage):
                    self.usage = usage
                case Finished(reason=reason):
                    self.started = self.finished = self.over = True
                    self.reason = reason
                case Failed():
                    self.started = True
                    self.failure = event
                case Started(usage=usage):
                    self.started = True
                    self.usage = usage or self.usage
                case ToolCallStarted() | ThinkingSigned() | ThinkingRedacted() | RefusalDelta() | Ping():
                    self.started = True
                case _:  # a plug-in's decoder is not type-checked here
                    raise TypeError(f"{type(event).__name__} is not an event")


class Framer(Protocol):
    """Cuts a streamed response into frames, so that a relay never passes on half of one. One per response."""

    @property
    def rest(self) -> bytes:
        """The unfinished frame at the end of the bytes fed so far."""
        ...

    def feed(self, data: bytes) -> bytes:
        """All frames that `data` completes, byte for byte; b"" when it completes none. Raises BadUpstreamResponse for a frame
        without a plausible end.
        """
        ...

    def split(self, frames: bytes) -> Iterator[bytes]:
        """Each of several complete frames by itself, with its own end."""
        ...


class UsageTap(Protocol):
    """Reads the endpoint's own bytes as they are passed on, and records them in `progress`. One per response."""

    progress: Progress

    def feed(self, frames: bytes) -> None:
        """Complete frames. Raises BadUpstreamResponse when they are not of this format."""
        ...

    def feed_body(self, body: bytes) -> None:
        """A whole response. Raises BadUpstreamResponse when it is not of this format."""
        ...


class Decoder(Protocol):
    """An endpoint's stream → events. One per response."""

    def feed(self, frames: bytes) -> Sequence[Event]:
        """Events of complete frames; an error that the endpoint reports is a `Failed`. Raises BadUpstreamResponse for others."""
        ...

    def end(self) -> Sequence[Event]:
        """The stream has ended cleanly: the events held back. Without a `Finished` by now the response is broken."""
        ...


class Encoder(Protocol):
    """Events → the client's stream. One per response."""

    def encode(self, events: Sequence[Event]) -> bytes: ...

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        """The failure in the client's dialect: an error event, never assistant text, never a normal end."""
        ...


class ModelCatalog(Protocol):
    """How a format describes models to its clients: the bodies of `GET /v1/models` and `GET /v1/models/{name}`."""

    def entry(self, name: str, owner: str) -> Mapping[str, object]: ...

    def listing(self, owners: Mapping[str, str], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        """`owners`: owner by model name. `aliases`: further names of octoroute's own models. `query`: the URL's, for paging.

        Raises BadRequest for a query that is not valid.
        """
        ...


class Inbound(Protocol):
    name: str
    keep_alive: bytes
    """Sent after silence, between frames, once the response has begun."""
    paths: tuple[str, ...]
    """Where the HTTP service accepts its requests; none: it is spoken inside the process only."""
    count_path: str | None
    """Where its clients ask how many tokens a request has."""
    id_header: str
    """The response header in which its clients look for the request's id."""
    version_header: str | None
    """A request header that only its clients send; it tells the format where the path does not."""
    model_classes: Mapping[str, Tier]
    """Words in its vendor's model names, each with the tier that serves a name unknown to the configuration."""
    answers_json: bool
    """Its responses are JSON objects, so that fields can be added to them."""
    models: ModelCatalog

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], key_name: str | None = None) -> Request:
        """Reads the fields that the gateway needs, facts included, and no others. Raises BadRequest naming the field."""
        ...

    def with_model(self, request: Request, model: str) -> bytes:
        """The client's bytes with `model` replaced and the gateway's own `octoroute` object removed."""
        ...

    def history(self, request: Request) -> History | None:
        """The messages, to be cut when they do not fit; None: there are none to cut."""
        ...

    def strip_signed_thinking(self, request: Request) -> Request | None:
        """Without thinking that the format's own servers would verify; None when the client forbids to remove it."""
        ...

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        """For `endpoint`, whose defaults it may fill in. Raises BadRequest for what the hub cannot hold and must not drop."""
        ...

    def encoder(self, request: Request) -> Encoder: ...

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        """A whole response's body."""
        ...

    def status(self, error: OctorouteError) -> int:
        """An error's HTTP status; nearly always `error.status`."""
        ...

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        """An error's body."""
        ...

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        """An error inside a stream whose bytes were passed through."""
        ...


class ApiAdapter(Protocol):
    """An interface other than chat, translated for endpoints whose format has its own counterpart. Whole responses only."""

    def unsupported(self, request: Request) -> str | None:
        """Why such an endpoint cannot serve the request, or None."""
        ...

    def encode_request(self, request: Request, endpoint: Endpoint, notes: list[str]) -> bytes:
        """The endpoint's body; `notes` as in `Outbound.encode_request`. Raises BadRequest."""
        ...

    def decode_response(self, request: Request, answer: bytes) -> tuple[bytes, Usage | None]:
        """The endpoint's response in the client's dialect, and its usage. Raises BadUpstreamResponse."""
        ...


class Outbound(Protocol):
    """Members with a value or a body here are optional for plug-ins."""

    name: str
    verifies_thinking: bool = False
    """Its servers verify signed thinking against all that came before it, so a shortened history must not hold any."""

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        """The request's body. Raises BadRequest for content this format cannot express, unless `unsupported` says so before.

        `notes` collects which of the client's parameters the endpoint will not see: texts for a warning header.
        """
        ...

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        """Why this endpoint cannot serve the conversation, or None."""
        ...

    def framer(self) -> Framer:
        """For one streamed response; server-sent events unless the format says otherwise."""
        return FrameSplitter()

    def tap(self) -> UsageTap: ...

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        """For `endpoint`'s response to `encode_request(conversation)`: tool names become the client's again, and stop sequences
        that the endpoint does not take are enforced. Without them: for a response to the client's own bytes.
        """
        ...

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        """As `decoder`, for a whole response. Raises BadUpstreamResponse when it is not of this format, another UpstreamError when
        it reports an error.
        """
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        """A more exact error than the status alone tells (context too long, quota, retry delay); None: the status tells all."""
        ...

    def count_request(self, body: bytes, endpoint: Endpoint) -> bytes:
        """The body that asks how many tokens the request `body` has, for the provider's `count_tokens` address."""
        del endpoint
        return body

    def read_count(self, body: bytes) -> int | None:
        """Input tokens in the response to `count_request`, by default `{"input_tokens": N}`; None: it holds no count."""
        try:
            return _COUNT.decode(body).input_tokens
        except (ValueError, RecursionError):
            return None


class _Count(msgspec.Struct):
    input_tokens: int | None = None


_COUNT = msgspec.json.Decoder(_Count)
