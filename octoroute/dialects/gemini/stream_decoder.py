"""Decodes Gemini's responses into events, streaming or not. Pure; one decoder per response.

Each chunk is a response object with new parts. Tool calls are complete in one chunk and are numbered over the whole response. Usage
is cumulative. There is no end marker: the response ends with the stream, after a finish reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.gemini.sources import CitationMetadata, GroundingMetadata, GroundingReader
from octoroute.dialects.request.ids import NewId, UsedIds, random_id
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.sse import read_frames
from octoroute.dialects.response.stop_reasons import GEMINI_FAILURES, from_gemini, resolve_reason
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, mend_arguments
from octoroute.dialects.response.upstream_error import (
    OUT_OF_BAND,
    error_from_event,
    find_failure,
    out_of_band_failure,
    read_event,
    read_failed_event,
)
from octoroute.dialects.response.usage import GeminiUsage
from octoroute.domain.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.errors import BadUpstreamResponse


class _Call(msgspec.Struct):
    id: str | None = None
    name: str = ""
    args: msgspec.Raw = msgspec.Raw()


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Blob | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    citation_metadata: CitationMetadata | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Response(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: GeminiUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_CHUNK = msgspec.json.Decoder(_Response)
_WHOLE = msgspec.json.Decoder(_Response | list[_Response])
_UNFINISHED = "the upstream's response has no finished candidate"
KeepSignature = Callable[[str, str], None]


def _keep_nothing(call_id: str, signature: str) -> None:
    del call_id, signature


class GeminiDecoder:
    """`names` maps the upstream's tool names to the client's; `keep` is called with the id and signature of each tool call."""

    __slots__ = ("_calls", "_finish", "_ids", "_keep", "_names", "_new_id", "_over", "_sources", "_started")

    def __init__(
        self, names: Mapping[str, str] | None = None, *, keep: KeepSignature = _keep_nothing, new_id: NewId = random_id
    ) -> None:
        self._names = names or {}
        self._keep = keep
        self._new_id = new_id
        self._calls = 0
        self._ids = UsedIds()
        self._sources = GroundingReader()
        self._finish: str | None = None
        self._started = False
        self._over = False

    def feed(self, frames: bytes) -> Sequence[Event]:
        out: list[Event] = []
        for name, data in read_frames(frames):
            if self._over:
                break
            if name in OUT_OF_BAND:
                self._report(out_of_band_failure(name, data), out)
            else:
                response = read_event(_CHUNK, data)
                if response.error:
                    self._report(read_failed_event(data), out)
                elif response.candidates or response.prompt_feedback or response.usage_metadata:
                    self._response(response, out)
                else:
                    self._report(find_failure(data), out)
        return out

    def end(self) -> Sequence[Event]:
        if self._over or self._finish is None:
            return ()
        self._over = True
        if self._finish in GEMINI_FAILURES:
            return (Failed("api_error", f"the model produced an invalid tool call ({self._finish})"),)
        reason = resolve_reason(from_gemini(self._finish), called_tools=self._calls > 0)
        return (*self._sources.citations(), Finished(reason, None, self._finish))

    def decode_body(self, body: bytes) -> list[Event]:
        """Decode a non-streaming response. Raises BadUpstreamResponse, or the UpstreamError of an error in its place."""
        decoded = read_response(_WHOLE, body, "response")
        out: list[Event] = []
        responses = [decoded] if isinstance(decoded, _Response) else decoded
        for response in responses:
            if response.error:
                raise error_from_event(read_failed_event(body))
            self._response(response, out)
        out += self.end()
        last = out[-1] if out else None
        if isinstance(last, Failed):
            raise BadUpstreamResponse(last.message)
        if not isinstance(last, Finished):
            failed = None if self._started else find_failure(body)
            raise BadUpstreamResponse(_UNFINISHED) if failed is None else error_from_event(failed)
        return out

    def _report(self, failed: Failed | None, out: list[Event]) -> None:
        if failed is not None:
            self._over = True
            out.append(failed)

    def _response(self, response: _Response, out: list[Event]) -> None:
        if not self._started and (response.candidates or response.prompt_feedback):
            self._started = True
            out.append(Started(response.response_id or "", response.model_version or ""))
        for candidate in response.candidates or ():
            if candidate.index:
                continue  # other dialects have one choice only: the first
            for part in (candidate.content.parts if candidate.content else None) or ():
                self._part(part, out)
            self._sources.grounding = candidate.grounding_metadata or self._sources.grounding
            self._sources.recited = candidate.citation_metadata or self._sources.recited
            self._finish = candidate.finish_reason or self._finish
        if response.usage_metadata is not None:
            out.append(UsageReported(response.usage_metadata.usage()))
        blocked = response.prompt_feedback.block_reason if response.prompt_feedback else None
        if blocked and not response.candidates and self._finish is None and not self._over:
            self._over = True
            out.append(Finished(FinishReason.REFUSAL, None, blocked))

    def _part(self, part: _Part, out: list[Event]) -> None:
        shown = part.text if part.function_call is None and not part.thought and part.inline_data is None else None
        self._sources.add_part(shown or "")
        if part.function_call is not None:
            self._call(part.function_call, part.thought_signature, out)
        elif part.thought:
            if part.text:
                out.append(ThinkingDelta(part.text))
            if part.thought_signature:
                out.append(ThinkingSigned(part.thought_signature, "gemini"))
        elif part.inline_data is not None:
            self._image(part.inline_data, out)
        elif shown:
            out.append(TextDelta(shown))

    def _image(self, blob: _Blob, out: list[Event]) -> None:
        if not blob.mime_type.startswith("image/"):
            kind = blob.mime_type[:40] or "a file"
            raise BadUpstreamResponse(f"the model answered with {kind}; only text and images can be passed on")
        out.append(ImageProduced(blob.mime_type, blob.data))

    def _call(self, call: _Call, signature: str | None, out: list[Event]) -> None:
        if not call.name:
            raise BadUpstreamResponse(UNNAMED_TOOL_CALL)
        id = self._ids.first_use(call.id) or self._new_id("call_")
        if signature:
            self._keep(id, signature)
        out.append(ToolCallStarted(self._calls, id, self._names.get(call.name, call.name), signature))
        arguments = _compact(bytes(call.args))
        if arguments:
            out.append(ToolCallDelta(self._calls, arguments))
        self._calls += 1


def _compact(arguments: bytes) -> str:
    """Raises BadUpstreamResponse."""
    try:
        mended = mend_arguments(msgspec.json.format(arguments, indent=-1).decode()) if arguments else ""
    except (ValueError, RecursionError):
        mended = None
    if mended is None:
        raise BadUpstreamResponse(BAD_ARGUMENTS)
    return mended
