"""What a wire format must be able to say. Two halves, because clients and endpoints speak different subsets.

`Inbound` is a format clients speak to us, `Outbound` one we speak to endpoints; where both are the same format nothing is
translated: `patched()` bytes go out, and a `Tap` reads along as the answer's bytes pass by. Otherwise a request becomes a
`Conversation` and an answer becomes events (the hub), never one format directly another. All of it is pure: no sockets, no
clock, no shared state between two answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from octoroute.dialects.request.truncation import History
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, UpstreamError


class Progress:
    """How far an answer has come: all that the relay and the ledger need to know of it, in either kind of relay."""

    __slots__ = ("failure", "finished", "output_chars", "over", "reason", "started", "usage")

    def __init__(self) -> None:
        self.started = False
        """An event has arrived: the commit point."""
        self.finished = False
        """The format's own end has been seen; a stream that ends without it is a failure."""
        self.over = False
        """The format's last word has been said: whatever follows is not part of the answer."""
        self.reason: FinishReason | None = None
        self.failure: Failed | None = None
        """An error the upstream reported inside its answer."""
        self.usage: Usage | None = None
        self.output_chars = 0
        """Characters of text, thinking, and arguments; from them usage is estimated when nobody counted."""

    @property
    def has_content(self) -> bool:
        """There is no more to wait for before passing its beginning on."""
        return self.finished or self.output_chars > 0 or self.failure is not None

    def observe(self, events: Iterable[Event]) -> None:
        """Take note of decoded events (the translating relay)."""
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
                case _:
                    self.started = True


class UsageTap(Protocol):
    """Reads the endpoint's own bytes as they are passed on, and notes it in `progress`."""

    progress: Progress

    def feed(self, frames: bytes) -> None:
        """Complete SSE frames. Raises Broke when they are not this format at all."""
        ...

    def feed_body(self, body: bytes) -> None:
        """A whole answer. Raises Broke when it is none."""
        ...


class Decoder(Protocol):
    """An endpoint's stream → events. One per answer."""

    def feed(self, frames: bytes) -> Sequence[Event]:
        """Events of complete SSE frames. Raises Broke on nonsense; an error the upstream reports is a `Failed` event."""
        ...

    def end(self) -> Sequence[Event]:
        """The stream has ended cleanly; what was held back. Without a `Finished` by now the answer is broken."""
        ...


class Encoder(Protocol):
    """Events → the client's stream. One per answer."""

    def encode(self, events: Sequence[Event]) -> bytes: ...

    def fail(self, error: OctorouteError, request_id: str) -> bytes:
        """The failure in the client's dialect: an error event, never assistant text, never a normal end."""
        ...


class Inbound(Protocol):
    name: str
    keep_alive: bytes
    """Sent after silence, between frames, once the answer has begun."""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], key_name: str | None = None) -> Request:
        """Raises BadRequest naming the field. Reads what the gateway needs, facts included, and nothing more."""
        ...

    def with_model(self, request: Request, model: str) -> bytes:
        """The client's bytes with `model` replaced and our own `octoroute` object removed."""
        ...

    def history(self, request: Request) -> History | None:
        """The messages, to be cut when they do not fit; None: there are none to cut."""
        ...

    def strip_signed_thinking(self, request: Request) -> Request | None:
        """Without thinking that its own dialect's servers would verify; None when the client forbids to take it out."""
        ...

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        """For `endpoint`, whose defaults it may fill in. Raises BadRequest for what the hub cannot say and must not drop."""
        ...

    def encoder(self, request: Request) -> Encoder: ...

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        """A whole answer's body."""
        ...

    def status(self, error: OctorouteError) -> int:
        """An error's status; nearly always its own."""
        ...

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        """An error's body."""
        ...

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        """An error inside a stream whose bytes were passed through."""
        ...


class ApiAdapter(Protocol):
    """An interface other than chat, told to endpoints whose format has another one for it. Whole answers only."""

    def unsupported(self, request: Request) -> str | None:
        """Why such an endpoint cannot be asked that, or None."""
        ...

    def encode_request(self, request: Request, endpoint: Endpoint, notes: list[str]) -> bytes:
        """The endpoint's body; `notes` as in `Outbound.write`. Raises BadRequest."""
        ...

    def decode_response(self, request: Request, answer: bytes) -> tuple[bytes, Usage | None]:
        """The endpoint's answer in the client's dialect, and its usage. Raises Broke."""
        ...


class Outbound(Protocol):
    name: str

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        """The request's body. Raises BadRequest for what this format cannot say (`unsayable` asked beforehand).

        `notes` collects what the endpoint will not see though the client said it: words for a warning header.
        """
        ...

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        """Why this endpoint cannot be asked that, or None."""
        ...

    def tap(self) -> UsageTap: ...

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        """For `endpoint`'s answer to what `write` made of `conversation`: tool names are told back as the client wrote them,
        surplus stops enforced. Without them: for an answer to the client's own bytes.
        """
        ...

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        """As `decoder`. Raises Broke when it is no answer, another UpstreamError when it is an error in an answer's place."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        """A more exact error than the status alone tells (context too long, quota, retry delay); None: the status tells all."""
        ...
