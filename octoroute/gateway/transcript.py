"""The transcript of one answer: its parts, bytes or events, decoded into text, tool calls, and a finish reason. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.dialects.base import Decoder, Outbound
from octoroute.dialects.openai.logprobs import read_margins
from octoroute.domain.conversation import Conversation
from octoroute.domain.events import Event, Finished, FinishReason, RefusalDelta, TextDelta, ToolCallDelta, ToolCallStarted
from octoroute.errors import UpstreamError
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.upstream.readers import Chunk


class Transcript:
    """`stream`: bytes are frames; otherwise they are one whole body. Bytes that cannot be decoded set `readable` to False."""

    def __init__(self, outbound: Outbound, *, stream: bool) -> None:
        self._outbound = outbound
        self._stream = stream
        self._decoder: Decoder | None = None
        self._text: list[str] = []
        self._calls: dict[int, tuple[str, list[str]]] = {}
        self._reason: FinishReason | None = None
        self._refused = False
        self._margins: list[float] = []
        self.characters = 0
        self.readable = True

    def feed(self, part: Chunk) -> None:
        if not isinstance(part, bytes):
            self._add(part)
            return
        if not self.readable:
            return
        try:
            if self._stream and self._decoder is None:
                self._decoder = self._outbound.decoder()
            self._add(self._outbound.decode_response(part) if self._decoder is None else self._decoder.feed(part))
        except UpstreamError:
            self.readable = False
            return
        self._margins += read_margins(part, stream=self._stream)

    def end(self) -> None:
        """The answer is complete: take what the decoder has held back."""
        if self._decoder is not None and self.readable and self._reason is None:
            try:
                self._add(self._decoder.end())
            except UpstreamError:
                self.readable = False

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def finished(self) -> bool:
        return self._reason is not None

    def answer(self, conversation: Conversation | None, *, json_wanted: bool) -> ModelAnswer:
        """`conversation`: the request, for its schemas of answer and tools; None: not known."""
        wanted = conversation.format if conversation is not None else None
        offered = conversation.tools if conversation is not None else ()
        return ModelAnswer(
            text=self.text,
            finish_reason="refusal" if self._refused else self._reason.value if self._reason is not None else None,
            json_wanted=json_wanted,
            schema=wanted.schema or None if wanted is not None else None,
            tool_calls=[(name, "".join(pieces)) for name, pieces in self._calls.values()],
            tools={tool.name: tool.schema for tool in offered} if offered else None,
            top_margins=self._margins or None,
        )

    def _add(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case TextDelta(text=text):
                    self._add_text(text)
                case RefusalDelta(text=text):
                    self._refused = True
                    self._add_text(text)
                case ToolCallStarted(index=index, name=name):
                    self._calls[index] = (name, [])
                case ToolCallDelta(index=index, arguments=arguments) if index in self._calls:
                    self._calls[index][1].append(arguments)
                    self.characters += len(arguments)
                case Finished(reason=reason):
                    self._reason = reason
                case _:
                    pass

    def _add_text(self, text: str) -> None:
        self._text.append(text)
        self.characters += len(text)
