"""Streams of events: however they are cut, the same comes out, and a strict client can read what we make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from octoroute.dialects.response import sse
from octoroute.domain.events import Event, Failed, Finished, ToolCallStarted, UsageReported
from octoroute.errors import BadUpstreamResponse, UpstreamError
from octoroute.upstream.readers import DecodingReader, PassThroughReader, ResponseReader
from tests.support import anthropic_stream, responses_stream
from tests.support.chunks import openai_message
from tests.support.laws.cuts import cut, singly
from tests.support.laws.setup import ASKED, ENDPOINTS, INBOUND, OUTBOUND, TAGGED, golden

WORDS = (
    b"data: ", b"event: ", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"[DONE]", b'"choices":[{"index":0,"delta":{', b'"content":"', b'"tool_calls":[',
    b'"finish_reason":"stop"', b'"usage":{', b'"error":{', b'"type":"', b"message_start", b"content_block_start", b"content_block_delta",
    b"content_block_stop", b"message_delta", b"message_stop", b'"candidates":[{', b'"parts":[{', b'"functionCall":{', b'"finishReason":"STOP"',
    b"response.output_item.added", b"response.output_item.done", b"response.output_text.delta", b"response.completed", b'"output_index":',
    b"response.function_call_arguments.delta", b"response.reasoning_summary_text.delta", b'"item":{"type":"function_call"', b'"response":{"output":[',
    b"input_json_delta", b"thinking_delta", b"signature_delta", b'"reasoning_content":"', b"<think>", b"</think>", b"null", b"\\ud83d", b"1e999",
)  # fmt: skip
VENDORS = ("openai", "anthropic", "gemini", "responses")
CLIENTS = ("openai", "anthropic", "responses", "gemini", "ollama")
THINK_TAGS = 128
"""From this first byte on, an endpoint of OpenAI's format writes its thinking as tags in its text."""


def check(data: bytes) -> None:
    """The first byte selects the dialects of endpoint and client, and the place of the cut."""
    if data:
        _cutting(data[1:], data[0])
        _reading(data[1:], data[0])


def seeds() -> Iterator[bytes]:
    for stream in golden("streams", ".sse"):
        for layout in (*range(len(VENDORS) * len(CLIENTS)), THINK_TAGS, THINK_TAGS + len(VENDORS)):
            yield bytes([layout]) + stream


def _cutting(stream: bytes, seed: int) -> None:
    whole = _events([stream])
    for reads in (cut(stream, seed), singly(stream)):
        cutter = sse.FrameSplitter()
        assert b"".join(map(cutter.feed, reads)) + cutter.rest == stream
        assert _events(reads) == whole
    assert b"".join(sse.split(stream)) == stream


def _events(reads: Sequence[bytes]) -> list[tuple[str, bytes]]:
    cutter = sse.FrameSplitter()
    found = [event for read in reads for event in sse.read_frames(cutter.feed(read))]
    return [*found, *sse.read_frames(cutter.rest)]


def _reading(stream: bytes, layout: int) -> None:
    at = layout % THINK_TAGS
    outbound = OUTBOUND[VENDORS[at % len(VENDORS)]]
    name = CLIENTS[at // len(VENDORS) % len(CLIENTS)]
    request = ASKED[name]
    tags = layout >= THINK_TAGS and outbound.name == "openai"
    endpoint = TAGGED if tags else next(one for one in ENDPOINTS if one.kind == outbound.name)
    conversation = INBOUND[name].conversation(request, endpoint)
    reads = ([stream], cut(stream, layout), singly(stream))
    if outbound.name == name:
        finest = _relayed(PassThroughReader(outbound), list(sse.split(stream)))
        for each in reads:
            _agree(_relayed(PassThroughReader(outbound), each), finest, b"".join)
    finest = _relayed(DecodingReader(outbound, conversation, endpoint), list(sse.split(stream)))
    _told(name, finest)
    for each in reads:
        _agree(_relayed(DecodingReader(outbound, conversation, endpoint), each), finest, _meaning)


class Relayed:
    """What a relay has passed on of an answer, and how that ended."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.fault: UpstreamError | None = None
        self.progress: tuple[object, ...] = ()


def _relayed(reader: ResponseReader, reads: Sequence[bytes]) -> Relayed:
    """As octoroute.opened does it."""
    found = Relayed()
    cutter = sse.FrameSplitter()
    try:
        for read in reads:
            if frames := cutter.feed(read):
                try:
                    part = reader.feed(frames)
                    _raise_failure(reader)
                except UpstreamError:
                    found.parts.append(reader.before_failure(frames))
                    raise
                found.parts.append(part)
        rest = reader.end(cutter.rest)
        _raise_failure(reader)
        if not reader.progress.finished:
            raise BadUpstreamResponse("stopped before its end")
        found.parts.append(rest)
    except UpstreamError as error:
        found.fault = error
    progress = reader.progress
    found.parts = [part for part in found.parts if part]
    found.progress = (progress.started, progress.finished, progress.reason, progress.usage, progress.output_chars)
    return found


def _raise_failure(reader: ResponseReader) -> None:
    if reader.progress.failure is not None:
        raise BadUpstreamResponse("the upstream said so")


def _agree(one: Relayed, finest: Relayed, join: Any) -> None:
    """A failure may take with it what came in the same read, and no more than that."""
    assert (one.fault is None) == (finest.fault is None), (one.fault, finest.fault)
    said, also = join(one.parts), join(finest.parts)
    if one.fault is None:
        assert said == also
        assert one.progress == finest.progress
    else:
        if isinstance(said, bytes):
            said = said.rstrip(b"\r\n")  # a blank line too many belongs to the frame before it or to the one after
        assert also[: len(said)] == said


def _flat(parts: Sequence[Sequence[Event]]) -> list[Event]:
    return [event for part in parts for event in part]


def _meaning(parts: Sequence[Sequence[Event]]) -> list[Event]:
    """Without ids, which may be made up, and usage, which `progress` has and which may come after the end."""
    return [
        msgspec.structs.replace(event, id="") if isinstance(event, ToolCallStarted) else event
        for event in _flat(parts)
        if not isinstance(event, UsageReported)
    ]


def _told(name: str, relayed: Relayed) -> None:
    encoder = INBOUND[name].encoder(ASKED[name])
    wrapper = INBOUND[name].wrapper(ASKED[name])
    raw = b"".join(encoder.encode(part) for part in relayed.parts)
    if relayed.fault is not None:
        raw += encoder.fail(relayed.fault, "r")
    events = _flat(relayed.parts)
    assert not any(isinstance(event, Failed) for event in events)
    finished = any(isinstance(event, Finished) for event in events)
    READ_BACK[name](raw, finished, relayed.fault is not None)
    if wrapper is not None:
        listed = json.loads(b"".join(map(wrapper.wrap, sse.split(raw))) + wrapper.end())
        assert listed == [json.loads(data) for _, data in sse.read_frames(raw)]


def _as_anthropic(raw: bytes, finished: bool, failed: bool) -> None:
    message = anthropic_stream.check(raw, complete=False)
    assert ("message_stop" in message["events"]) == (finished and not failed) or failed
    assert "error" in message or not failed or finished


def _as_openai(raw: bytes, finished: bool, failed: bool) -> None:
    message = openai_message(raw)
    assert message["done"] or message["error"] is not None
    assert failed or finished == message["done"]


def _as_responses(raw: bytes, finished: bool, failed: bool) -> None:
    events = responses_stream.events_of(raw)
    assert events
    if finished and not failed:
        responses_stream.check(raw)


def _as_gemini(raw: bytes, finished: bool, failed: bool) -> None:
    """Every frame is a response with parts, the last one has the reason and the usage, or it is an error."""
    said = [json.loads(data) for _, data in sse.read_frames(raw)]
    ends = [one for one in said if "error" in one or "finishReason" in one["candidates"][0]]
    assert ends == said[-1:] if finished or failed else not ends
    for one in said:
        if "error" in one:
            assert one["error"]["message"] and one["error"]["code"] >= 400 and one["error"]["status"]
            continue
        (candidate,) = one["candidates"]
        assert ("usageMetadata" in one) == ("finishReason" in candidate)
        assert candidate["content"]["role"] == "model"
        for part in candidate["content"]["parts"]:
            assert part.keys() - {"thought", "thoughtSignature"} in ({"text"}, {"functionCall"}, {"inlineData"})
            call = part.get("functionCall")
            assert call is None or (call["id"] and isinstance(call["name"], str) and isinstance(call["args"], dict))


def _as_ollama(raw: bytes, finished: bool, failed: bool) -> None:
    """Every line is a JSON object, and only the last one says that it is."""
    said = [json.loads(line) for line in raw.splitlines()]
    ends = [one for one in said if one.get("done", True)]
    assert ends == said[-1:] if finished or failed else not ends
    for one in said:
        assert ("error" in one) != ("message" in one)
        for call in one.get("message", {}).get("tool_calls", ()):
            assert call["id"] and isinstance(call["function"]["name"], str) and isinstance(call["function"]["arguments"], dict)


READ_BACK = {
    "anthropic": _as_anthropic,
    "openai": _as_openai,
    "responses": _as_responses,
    "gemini": _as_gemini,
    "ollama": _as_ollama,
}
