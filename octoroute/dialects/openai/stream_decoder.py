"""Decodes the stream of an OpenAI-compatible server into events. Pure; one decoder per response.

It tolerates known deviations of servers (see `tool_calls`) but is strict about the end: only `[DONE]`, or the end of the stream
after a finish reason, ends a response.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from octoroute.dialects.openai import schema
from octoroute.dialects.openai.annotations import decode_annotations, decode_source_list
from octoroute.dialects.openai.reasoning_details import ORIGIN, DetailCollector, detail_text, pack_details
from octoroute.dialects.openai.tool_calls import CallSorter
from octoroute.dialects.request import media
from octoroute.dialects.response.errors import NO_RESPONSE
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import openai_reason, resolve_reason
from octoroute.dialects.response.upstream_error import OUT_OF_BAND, find_failure, out_of_band_failure, read_event, read_failed_event
from octoroute.domain.conversation import Tool
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import BadUpstreamResponse

_CHUNK = msgspec.json.Decoder(schema.ChatCompletion)
_DONE = b"[DONE]"


class OpenAIDecoder:
    """`names` maps the upstream's tool names to the client's, where they differ; `tools` are those of the request."""

    __slots__ = (
        "_annotated", "_calls", "_details", "_finish_reason", "_names", "_over", "_sources", "_started", "_stop_sequence",
    )  # fmt: skip

    def __init__(self, names: Mapping[str, str] | None = None, tools: Sequence[Tool] = ()) -> None:
        self._names = names or {}
        self._calls = CallSorter(tools)
        self._details: DetailCollector | None = None
        """Of the thinking whose signature has not been sent."""
        self._sources: schema.ChatCompletion | None = None
        """The last chunk with a list of sources, which is cumulative."""
        self._annotated = False
        """The text has annotations, which say more than a list of sources."""
        self._started = False
        self._over = False
        self._finish_reason: str | None = None
        self._stop_sequence: str | None = None

    def feed(self, frames: bytes) -> Sequence[Event]:
        out: list[Event] = []
        for name, data in read_frames(frames):
            if self._over:
                break
            if data.startswith(_DONE):
                if not self._started:
                    raise BadUpstreamResponse(NO_RESPONSE)
                self._finish(out)
            elif name in OUT_OF_BAND:
                self._report(out_of_band_failure(name, data), out)
            else:
                self._chunk(read_event(_CHUNK, data), data, out)
        return self._restore_names(out)

    def end(self) -> Sequence[Event]:
        out: list[Event] = []
        if self._finish_reason is not None and not self._over:
            self._finish(out)
        return self._restore_names(out)

    def _chunk(self, chunk: schema.ChatCompletion, data: bytes, out: list[Event]) -> None:
        if (chunk.error is not None or chunk.base_resp is not None) and schema.has_failed(chunk):
            self._report(read_failed_event(data), out)
            return
        for choice in chunk.choices or ():
            if choice.index:
                continue  # other dialects have one choice only: the first
            if choice.error:
                self._report(read_failed_event(data), out)
                return
            if not self._started:
                self._started = True
                out.append(Started(str(chunk.id or ""), str(chunk.model or "")))
            delta = choice.delta or choice.message
            if delta is not None:
                self._delta(delta, out)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
                self._stop_sequence = choice.stop_reason if isinstance(choice.stop_reason, str) else None
        if chunk.citations or chunk.search_results:
            self._sources = chunk
        if chunk.usage is not None:
            if not chunk.usage.is_empty:
                out.append(UsageReported(chunk.usage.usage()))
        elif not chunk.choices:
            self._report(find_failure(data), out)
        if any(isinstance(event, Failed) for event in out):
            self._over = True

    def _report(self, failed: Failed | None, out: list[Event]) -> None:
        if failed is not None:
            out.append(failed)
            self._over = True

    def _delta(self, delta: schema.Delta, out: list[Event]) -> None:
        content = delta.content
        if self._details is not None or delta.reasoning_details or delta.images or delta.annotations:
            self._rich_delta(delta, out)
        elif isinstance(content, str) and content and not self._calls.has_calls and not delta.reasoning_content:
            out.append(TextDelta(content))  # fast path for nearly every chunk
        else:
            for event in decode_text(delta):
                self._calls.add_event(event, out)
        for call in delta.tool_calls or ():
            self._calls.add(call, out)
        if delta.function_call is not None:
            self._calls.add(schema.CallDelta(function=delta.function_call), out)

    def _rich_delta(self, delta: schema.Delta, out: list[Event]) -> None:
        """A delta with details of thinking, or after one; their signature ends the thinking."""
        if delta.reasoning_details:
            self._details = self._details or DetailCollector()
            self._details.add(delta.reasoning_details)
        self._annotated = self._annotated or bool(delta.annotations)
        for event in decode_text(delta):
            if not isinstance(event, ThinkingDelta):
                self._sign(out)
            self._calls.add_event(event, out)
        if delta.tool_calls:
            self._sign(out)

    def _sign(self, out: list[Event]) -> None:
        signature = self._details.pack() if self._details is not None else None
        self._details = None
        if signature is not None:
            self._calls.add_event(ThinkingSigned(signature, ORIGIN), out)

    def _finish(self, out: list[Event]) -> None:
        self._over = True
        self._sign(out)
        reason = openai_reason(self._finish_reason)
        if reason is None:
            out.append(Failed("api_error", f"the upstream ended its response with finish_reason '{self._finish_reason}'"))
            return
        self._calls.finish(out, cut=reason in {FinishReason.LENGTH, FinishReason.REFUSAL})
        if not any(isinstance(event, Failed) for event in out):
            if self._sources is not None and not self._annotated:
                out += decode_source_list(self._sources.search_results, self._sources.citations)
            reason = resolve_reason(reason, called_tools=self._calls.has_calls)
            out.append(Finished(reason, self._stop_sequence, self._finish_reason))

    def _restore_names(self, out: list[Event]) -> list[Event]:
        if not self._names:
            return out
        return [
            ToolCallStarted(event.index, event.id, self._names.get(event.name, event.name), event.signature)
            if isinstance(event, ToolCallStarted)
            else event
            for event in out
        ]


def decode_text(delta: schema.Delta, *, complete: bool = False) -> Iterator[Event]:
    """Events for the thinking, text, images, refusal, and citations of a delta or message, in this order.

    `complete`: it is a whole message, so its details of thinking can be signed.
    """
    thinking = schema.text_within(delta.reasoning_content) or schema.text_within(delta.reasoning)
    if not thinking and delta.reasoning_details:
        thinking = detail_text(delta.reasoning_details)
    if thinking:
        yield ThinkingDelta(thinking)
    if complete and (signature := pack_details(delta.reasoning_details or ())) is not None:
        yield ThinkingSigned(signature, ORIGIN)
    if isinstance(delta.content, str):
        if delta.content:
            yield TextDelta(delta.content)
    else:
        for part in delta.content or ():
            yield from _decode_part(part)
    if delta.audio is not None and delta.audio.transcript and not delta.content:
        yield TextDelta(delta.audio.transcript)
    for image in delta.images or ():
        yield from _decode_image(image)
    if delta.refusal:
        yield RefusalDelta(delta.refusal)
    if delta.annotations:
        yield from decode_annotations(delta.annotations)


def _decode_image(part: schema.Part) -> Iterator[Event]:
    """An image in OpenRouter's form. One that is not in the response itself is told by its address."""
    url = part.image_url if isinstance(part.image_url, str) else part.image_url.url if part.image_url is not None else ""
    media_type, mark, data = url.removeprefix("data:").partition(";base64,")
    if url.startswith("data:image/") and mark:
        yield ImageProduced(media.media_type_name(media_type), data)
    elif url:
        yield TextDelta(f"![image]({url})")


def _decode_part(part: schema.Part) -> Iterator[Event]:
    """Decode a typed content part, as Mistral and others send them."""
    if part.type in {"thinking", "reasoning"}:
        text = schema.text_within(part.thinking) or part.text
        if text:
            yield ThinkingDelta(text)
    elif part.refusal:
        yield RefusalDelta(part.refusal)
    elif part.text:
        yield TextDelta(part.text)
