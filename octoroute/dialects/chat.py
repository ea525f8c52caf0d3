"""The dialect of `POST /chat`, for use with curl: one message in, one text out, and always the name of the model that wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.base import Encoder, Inbound, ModelCatalog
from octoroute.dialects.openai.errors import error_event, write_error
from octoroute.dialects.openai.models import OpenAIModels
from octoroute.dialects.request import media
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.facts import FactsBuilder, Hints
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Event, ImageProduced, RefusalDelta, TextDelta
from octoroute.domain.principal import Principal
from octoroute.domain.request import Importance, Request, Task
from octoroute.errors import BadRequest, OctorouteError

MAX_MESSAGE_CHARS = 100_000


_MESSAGE = msgspec.json.Decoder(str)
_IMPORTANCE = msgspec.json.Decoder(Importance | None)
_TASK = msgspec.json.Decoder(Task | None)


class ChatInbound(Inbound):
    name = "simple"
    keep_alive = b""
    paths: tuple[str, ...] = ("/chat",)
    count_path: str | None = None
    id_header = "x-request-id"
    version_header: str | None = None
    model_classes: Mapping[str, Tier] = {}
    answers_json = False
    models: ModelCatalog = OpenAIModels()

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        parsed = RequestBody.parse(body)
        message = parsed.decode("message", _MESSAGE)
        if message is None:
            raise BadRequest("message: is missing; send a string", param="message")
        if not message.strip():
            raise BadRequest("message: must not be empty or only whitespace", param="message")
        if len(message) > MAX_MESSAGE_CHARS:
            raise BadRequest(
                f"message: exceeds the maximum length of {MAX_MESSAGE_CHARS} characters, got {len(message)}", param="message"
            )
        hints = Hints(importance=parsed.decode("importance", _IMPORTANCE), task_type=parsed.decode("task_type", _TASK))
        facts = FactsBuilder()
        facts.message("user", message)
        return Request(
            id=request_id,
            dialect=self.name,
            model="auto",
            stream=False,
            body=message,
            facts=facts.build(hints, output_tokens=None),
            headers=headers,
            principal=principal,
        )

    def with_model(self, request: Request, model: str) -> bytes:
        raise NotImplementedError("no endpoint speaks this dialect")

    def history(self, request: Request) -> None:
        """Nothing to cut."""

    def strip_signed_thinking(self, request: Request) -> Request:
        return request

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        assert isinstance(request.body, str)
        return Conversation(
            turns=(Turn(Role.USER, (Text(request.body),)),), max_tokens=endpoint.max_tokens, temperature=endpoint.temperature
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:  # noqa: ARG002 - only the text counts
        return "".join(map(_text_of, events)).encode()

    def encoder(self, request: Request) -> Encoder:
        raise NotImplementedError("/chat does not stream")

    def status(self, error: OctorouteError) -> int:
        return error.status

    def error(self, error: OctorouteError, request_id: str) -> bytes:
        return write_error(error, request_id)

    def error_event(self, error: OctorouteError, request_id: str) -> bytes:
        return error_event(error, request_id)


def _text_of(event: Event) -> str:
    match event:
        case TextDelta(text=text) | RefusalDelta(text=text):
            return text
        case ImageProduced(media_type=media_type, data=data):
            return media.markdown_image(media_type, data)
        case _:
            return ""
