"""The dialect of the gateway's own requests: a `Conversation` in, a text out, on the path of every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.base import Encoder, Inbound, ModelCatalog
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event, TextDelta
from octoroute.domain.principal import Principal
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError


class InternalInbound(Inbound):
    name = "routing"
    keep_alive = b""
    paths: tuple[str, ...] = ()
    count_path: str | None = None
    id_header = "x-request-id"
    version_header: str | None = None
    model_classes: Mapping[str, Tier] = {}
    answers_json = False
    models: ModelCatalog = OpenAIModels()

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        raise NotImplementedError("no client speaks this dialect")

    def with_model(self, request: Request, model: str) -> bytes:
        raise NotImplementedError("no endpoint speaks this dialect")

    def history(self, request: Request) -> None:
        """Nothing to cut."""

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:  # noqa: ARG002 - takes no endpoint's defaults
        assert isinstance(request.body, Conversation)
        return request.body

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:  # noqa: ARG002 - only the text counts
        return "".join(event.text for event in events if isinstance(event, TextDelta)).encode()

    def encoder(self, request: Request) -> Encoder:
        raise NotImplementedError("internal calls do not stream")

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:  # noqa: ARG002 - the caller gets the exception
        return error.message.encode()

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return self.error(error, request_id)
