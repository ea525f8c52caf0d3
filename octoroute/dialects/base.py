"""What a wire format must provide: `Inbound` for clients, `Outbound` for endpoints; no module outside it names the format.

Where client and endpoint speak the same format nothing is translated: the client's bytes go out with another model in them, and a
`UsageTap` reads the response's bytes as they pass. Otherwise a request becomes a `Conversation` and a response becomes events (the
hub), never one format directly another. Formats are pure: no sockets, no clock, no state shared by two responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from octoroute.dialects.local_routes import LocalRoute, ModelCard
from octoroute.dialects.request.truncation import History
from octoroute.dialects.response.progress import Progress
from octoroute.dialects.response.sse import KEEP_ALIVE, FrameSplitter
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event
from octoroute.domain.outcome import Usage
from octoroute.domain.principal import Principal
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, UpstreamError


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

    def entry(self, card: ModelCard) -> Mapping[str, object]: ...

    def listing(self, cards: Sequence[ModelCard], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        """`aliases`: further names of octoroute's own models. `query`: the URL's, for paging.

        Raises BadRequest for a query that is not valid.
        """
        ...


class StreamWrapper(Protocol):
    """Puts a stream of server-sent events into another form. One per response."""

    media_type: str
    keep_alive: bytes

    def wrap(self, frames: bytes) -> bytes:
        """Complete frames in the other form; b"" for comments."""
        ...

    def end(self) -> bytes:
        """The bytes after the last frame."""
        ...


class Inbound(Protocol):
    """Members with a value or a body here have that default."""

    name: str
    keep_alive: bytes
    """Sent after silence, between frames, once the response has begun."""
    silence: bytes = KEEP_ALIVE
    """Sent after silence before the first event: not even a keep-alive event may come before it."""
    stream_type: str = "text/event-stream; charset=utf-8"
    """The content type of a stream."""
    paths: tuple[str, ...]
    """Where the HTTP service accepts its requests; none: it is spoken inside the process only. A path with `{model}` is a template;
    `read` then finds the request's own path in the pseudo-header `:path`.
    """
    prefixes: tuple[str, ...] = ()
    """Beginnings of other paths that only its clients ask for, so that their errors are in its format."""
    count_path: str | None
    """Where its clients ask how many tokens a request has; may be a template."""
    key_parameter: str | None = None
    """The parameter of the URL in which its clients may send the API key."""
    any_media_type: bool = False
    """Its clients may send JSON under any content type."""
    default_tag: str = ""
    """The end of a model's name that may be left out or added without another meaning, such as `:latest`."""
    greeting: str = ""
    """What its servers say at `/`, by which some clients know that one is alive."""
    takes_forms: bool = False
    """Its requests may be multipart/form-data instead of JSON."""
    id_header: str
    """The response header in which its clients look for the request's id."""
    version_header: str | None
    """A request header that only its clients send; it tells the format where the path does not."""
    model_classes: Mapping[str, Tier]
    """Words in its vendor's model names, each with the tier that serves a name unknown to the configuration."""
    answers_json: bool
    """Its responses are JSON objects, so that fields can be added to them."""
    models: ModelCatalog

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
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

    def encode_count(self, tokens: int) -> bytes:
        """The response at `count_path`."""
        return msgspec.json.encode({"input_tokens": tokens})

    def wrapper(self, request: Request) -> StreamWrapper | None:
        """For a stream that the client wants in another form than server-sent events; only asked of a format with templates."""
        del request

    def preset(self, body: bytes) -> bytes | None:
        """The whole response to a request that asks no model, such as one that only loads it; None: every other request.

        Only asked of a format that overrides this.
        """
        del body

    def present(self, request: Request, body: bytes) -> bytes:
        """The whole response in this format, of the body in the format of `request.dialect`."""
        del request
        return body

    def local_routes(self) -> Sequence[LocalRoute]:
        """Routes of its API that ask no model."""
        return ()


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

    cites_documents: bool = False
    """Its models can cite the documents of a request."""

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

    def mends(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's chat responses are decoded and encoded anew even for clients of this format, to mend them."""
        del endpoint
        return False

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
