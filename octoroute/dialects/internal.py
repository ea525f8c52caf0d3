"""The dialect of our own questions: the routing model is asked on the same path as everybody's model, and answers in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.base import Encoder
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, TextDelta
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError


class InternalInbound:
    name = "routing"
    keep_alive = b""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], key_name: str | None = None) -> Request:
        raise NotImplementedError("nobody sends us this dialect")

    def with_model(self, request: Request, model: str) -> bytes:
        raise NotImplementedError("no endpoint speaks this dialect")

    def history(self, request: Request) -> None:
        """Nothing to cut."""

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:  # noqa: ARG002 - nothing is its default
        assert isinstance(request.body, Conversation)
        return request.body

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:  # noqa: ARG002 - the text is all there is
        return "".join(event.text for event in events if isinstance(event, TextDelta)).encode()

    def encoder(self, request: Request) -> Encoder:
        raise NotImplementedError("routing answers are whole")

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:  # noqa: ARG002 - they are raised to the router
        return error.message.encode()

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return self.error(error, request_id)
