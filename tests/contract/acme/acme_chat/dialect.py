"""A chat format that streams one JSON object a line: `{"say": TEXT}`, then `{"done": REASON, "tokens": [INPUT, OUTPUT]}`.

A whole answer is one object with all of these members. An error is `{"error": TEXT}`, with any status, or as a line of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.base import Framer, Outbound, UsageTap
from octoroute.dialects.response.ndjson import LineSplitter, read_lines
from octoroute.domain.conversation import Conversation, Text
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, Failed, Finished, FinishReason, Started, TextDelta, UsageReported
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, Overloaded, UpstreamError

REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class Line(msgspec.Struct):
    say: str = ""
    done: str | None = None
    tokens: tuple[int, int] | None = None
    error: str | None = None


class Count(msgspec.Struct):
    count: int | None = None


LINE = msgspec.json.Decoder(Line)
COUNT = msgspec.json.Decoder(Count)


class NdjsonOutbound(Outbound):
    name = "acme-ndjson"

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        said = [
            {"who": turn.role, "text": "".join(block.text for block in turn.content if isinstance(block, Text))}
            for turn in conversation.turns
        ]
        return msgspec.json.encode({"model": endpoint.model, "said": said, "stream": stream})

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        return "acme cannot call tools" if conversation.tools else None

    def framer(self) -> Framer:
        return LineSplitter()

    def tap(self) -> UsageTap:
        raise NotImplementedError("no client speaks this format")

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> NdjsonDecoder:
        return NdjsonDecoder()

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        line = decode(body)
        if line.error is not None:
            raise Overloaded("the upstream is overloaded", detail=line.error)
        return NdjsonDecoder().feed(body)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return None

    def count_request(self, body: bytes, endpoint: Endpoint) -> bytes:
        return b'{"count":' + body + b"}"

    def read_count(self, body: bytes) -> int | None:
        try:
            return COUNT.decode(body).count
        except (ValueError, RecursionError):
            return None


class NdjsonDecoder:
    def __init__(self) -> None:
        self._started = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        events: list[Event] = []
        for value in read_lines(frames):
            line = decode(value)
            if line.error is not None:
                events.append(Failed(kind="overloaded_error", message=line.error))
                continue
            if not self._started:
                self._started = True
                events.append(Started())
            if line.say:
                events.append(TextDelta(line.say))
            if line.tokens is not None:
                events.append(UsageReported(Usage(input_tokens=line.tokens[0], output_tokens=line.tokens[1])))
            if line.done is not None:
                events.append(Finished(REASONS.get(line.done, FinishReason.STOP), raw=line.done))
        return events

    def end(self) -> Sequence[Event]:
        return ()


def decode(data: bytes) -> Line:
    try:
        return LINE.decode(data)
    except (ValueError, RecursionError) as error:
        raise BadUpstreamResponse("the upstream's answer is not in its own format", detail=str(error)[:200]) from None
