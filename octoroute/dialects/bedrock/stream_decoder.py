"""Decodes ConverseStream, and Converse's whole response, into events. Pure; one decoder per response.

`messageStop` names the reason, and `metadata` with the usage follows it as the last event; a stream that ends between them is
complete.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.bedrock import schema
from octoroute.dialects.bedrock.errors import read_exception
from octoroute.dialects.bedrock.event_stream import EventMessage, read_messages
from octoroute.dialects.request.ids import UsedIds
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.citations import BlockCitations
from octoroute.dialects.response.errors import NO_RESPONSE
from octoroute.dialects.response.stop_reasons import BEDROCK_FAILURES, FROM_BEDROCK, resolve_reason
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, ToolArguments, mend_arguments
from octoroute.dialects.response.upstream_error import error_from_event, find_failure, read_event
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import BadUpstreamResponse

_WHOLE = msgspec.json.Decoder(schema.ConverseResponse)
_EVENT = msgspec.json.Decoder(schema.ConverseEvent)
_FRAGMENT = msgspec.json.Decoder(str)
_NO_INPUT = b"null"


class _OpenBlock:
    """The block whose deltas arrive: a tool call, an image, or one of another kind."""

    __slots__ = ("arguments", "image", "image_format", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.arguments: ToolArguments | None = None
        """Of a tool call; None: it is none."""
        self.image: list[bytes] = []
        self.image_format = "png"


class ConverseDecoder:
    """`names` maps the upstream's tool names to the client's."""

    __slots__ = ("_block", "_broken", "_calls", "_cites", "_ids", "_names", "_over", "_reason", "_started", "_stopped_by")

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._block: _OpenBlock | None = None
        self._calls = 0
        self._cites = BlockCitations()
        self._ids = UsedIds()
        self._reason: str | None = None
        self._stopped_by: str | None = None
        self._started = self._over = self._broken = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        """Events that precede a damaged message are returned before a `Failed`."""
        out: list[Event] = []
        try:
            for message in read_messages(frames):
                if self._over:
                    break
                self._message(message, out)
        except BadUpstreamResponse as error:
            if not out:
                raise
            self._report(Failed("api_error", error.message), out)
        return out

    def end(self) -> Sequence[Event]:
        out: list[Event] = []
        if self._reason is not None and not self._over:
            self._finish(out)
        return out

    def decode_body(self, body: bytes) -> list[Event]:
        """Decode a whole response. Raises BadUpstreamResponse, or the UpstreamError of an error in its place."""
        response = read_response(_WHOLE, body, "response")
        content = response.output.message.content if response.output is not None and response.output.message is not None else None
        if content is None or not response.stop_reason:
            failed = find_failure(body)
            raise BadUpstreamResponse("the upstream's response has no content") if failed is None else error_from_event(failed)
        out: list[Event] = [Started()]
        for block in content:
            self._whole_block(block, out)
        if response.usage is not None:
            out.append(UsageReported(response.usage.usage()))
        self._stop_reason(response.stop_reason, response.additional_model_response_fields)
        self._finish(out)
        last = out[-1]
        if isinstance(last, Failed):
            raise BadUpstreamResponse(last.message)
        return out

    def _message(self, message: EventMessage, out: list[Event]) -> None:
        kind = message.headers.get(":message-type", "event")
        if kind == "event":
            self._event(message.headers.get(":event-type", ""), message.payload, out)
            return
        word = message.headers.get(":exception-type") or message.headers.get(":error-code") or kind
        text = message.headers.get(":error-message") or (read_event(_EVENT, message.payload).message if message.payload else "")
        self._report(read_exception(word, text or ""), out)

    def _event(self, name: str, payload: bytes, out: list[Event]) -> None:
        event = read_event(_EVENT, payload)
        match name:
            case "contentBlockDelta" if event.delta is not None:
                self._start(out)
                self._delta(event.content_block_index, event.delta, out)
            case "contentBlockStart" if event.start is not None:
                self._start(out)
                self._open(event.content_block_index, event.start, out)
            case "contentBlockStop":
                if self._block is not None and self._block.index == event.content_block_index:
                    self._close(out)
            case "messageStart":
                self._start(out)
            case "messageStop":
                if not self._started:
                    raise BadUpstreamResponse(NO_RESPONSE)
                self._close(out)
                self._stop_reason(event.stop_reason or "", event.additional_model_response_fields)
            case "metadata":
                if event.usage is not None:
                    out.append(UsageReported(event.usage.usage()))
                if self._reason is not None:
                    self._finish(out)
            case _:
                self._report(find_failure(payload), out)

    def _start(self, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(Started())

    def _report(self, failed: Failed | None, out: list[Event]) -> None:
        if failed is not None:
            self._over = True
            out.append(failed)

    def _open(self, index: int, block: schema.ConverseBlock, out: list[Event]) -> None:
        self._close(out)
        self._block = _OpenBlock(index)
        if block.tool_use is not None and block.tool_use.type is None:
            if self._call(block.tool_use, out):
                self._block.arguments = ToolArguments()
        elif block.image is not None:
            self._block.image_format = block.image.format

    def _delta(self, index: int, delta: schema.ConverseBlock, out: list[Event]) -> None:
        block = self._block
        if block is None or block.index != index:  # only tool calls and images have a start
            self._close(out)
            block = self._block = _OpenBlock(index)
        if delta.text:
            self._text(delta.text, out)
        elif delta.tool_use is not None:
            if block.arguments is not None:
                self._add_arguments(block.arguments.feed(_fragment(delta.tool_use.input)), out)
        elif delta.reasoning_content is not None:
            _reasoning(delta.reasoning_content, out)
        elif delta.citation is not None:
            self._cites.add(delta.citation.cited())
        elif delta.image is not None and delta.image.source is not None:
            block.image.append(_bytes(delta.image.source.bytes))

    def _whole_block(self, block: schema.ConverseBlock, out: list[Event]) -> None:
        if block.text:
            self._text(block.text, out)
        elif block.tool_use is not None and block.tool_use.type is None:
            if not self._call(block.tool_use, out):
                return
            arguments = mend_arguments(bytes(block.tool_use.input).decode("utf-8", "replace"))
            self._broken = self._broken or arguments is None
            self._add_arguments(arguments or "", out)
        elif block.reasoning_content is not None:
            _reasoning(block.reasoning_content, out)
        elif block.citations_content is not None:
            for part in block.citations_content.content or ():
                self._text(part.text or "", out)
            for citation in block.citations_content.citations or ():
                self._cites.add(citation.cited())
        elif block.image is not None and block.image.source is not None and block.image.source.bytes:
            out.append(ImageProduced(f"image/{block.image.format}", block.image.source.bytes))
        out += self._cites.close()

    def _text(self, text: str, out: list[Event]) -> None:
        if text:
            self._cites.chars += len(text)
            out.append(TextDelta(text))

    def _call(self, call: schema.ToolUse, out: list[Event]) -> bool:
        """Start a tool call. False: it has no name, which is a failure."""
        if not call.name:
            self._report(Failed("api_error", UNNAMED_TOOL_CALL), out)
            return False
        id = self._ids.first_use(call.tool_use_id)
        out.append(ToolCallStarted(self._calls, id, self._names.get(call.name, call.name)))
        self._calls += 1
        return True

    def _add_arguments(self, text: str, out: list[Event]) -> None:
        if text:
            out.append(ToolCallDelta(self._calls - 1, text))

    def _close(self, out: list[Event]) -> None:
        out += self._cites.close()
        block, self._block = self._block, None
        if block is None:
            return
        if block.image:
            data = base64.b64encode(b"".join(block.image)).decode()
            out.append(ImageProduced(f"image/{block.image_format}", data))
        if block.arguments is None:
            return
        rest = block.arguments.finish()
        if rest is None:
            self._broken = True
            rest = block.arguments.finish(cut=True) or ""
        self._add_arguments(rest, out)

    def _stop_reason(self, word: str, fields: schema.ModelFields | None) -> None:
        self._reason = word
        self._stopped_by = fields.stopped_by if fields is not None else None

    def _finish(self, out: list[Event]) -> None:
        if self._over:  # it has failed
            return
        self._close(out)
        self._over = True
        word = self._reason or ""
        reason = FROM_BEDROCK.get(word)
        if word in BEDROCK_FAILURES:
            out.append(Failed("api_error", f"the model's answer is malformed ({word})"))
        elif self._broken and reason is not FinishReason.LENGTH:
            out.append(Failed("api_error", BAD_ARGUMENTS))
        else:
            out.append(Finished(resolve_reason(reason, called_tools=self._calls > 0), self._stopped_by, word))


def _reasoning(reasoning: schema.Reasoning, out: list[Event]) -> None:
    text, signature = reasoning.text, reasoning.signature
    if reasoning.reasoning_text is not None:
        text, signature = reasoning.reasoning_text.text, reasoning.reasoning_text.signature
    if text:
        out.append(ThinkingDelta(text))
    if signature:
        out.append(ThinkingSigned(signature))
    if reasoning.redacted_content:
        out.append(ThinkingRedacted(reasoning.redacted_content))


def _fragment(value: msgspec.Raw) -> str:
    """A fragment of arguments; other JSON than a string is taken as the text of the arguments."""
    raw = bytes(value)
    if raw[:1] != b'"':
        return "" if raw in {b"", _NO_INPUT} else raw.decode("utf-8", "replace")
    return _FRAGMENT.decode(raw)


def _bytes(data: str | None) -> bytes:
    try:
        return base64.b64decode(data or "", validate=True)
    except (binascii.Error, ValueError):
        raise BadUpstreamResponse("the upstream sent an image that is not in base64") from None
