"""Whole answers and refusals: events, or one of our errors; and what the client is sent is the JSON of its dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from octoroute.dialects import ADAPTERS
from octoroute.dialects.response import sse
from octoroute.dialects.response.upstream_error import error_from_event, read_failed_event
from octoroute.domain.events import Finished
from octoroute.errors import UpstreamError, UpstreamRejected
from octoroute.upstream.readers import DecodingReader, PassThroughReader, SingleChunkReader
from tests.support.laws.setup import ASKED, ENDPOINTS, INBOUND, OUTBOUND

WORDS = (
    b'"choices":[{"index":0,"message":{', b'"content":"', b'"content":[', b'"role":"assistant"', b'"tool_calls":[', b'"function":{"name":"f","arguments":"',
    b'"finish_reason":"stop"', b'"usage":{', b'"prompt_tokens":', b'"input_tokens":', b'"error":{', b'"message":"', b'"code":', b'"type":"tool_use"',
    b'"type":"thinking"', b'"input":{', b'"stop_reason":"end_turn"', b'"candidates":[{', b'"parts":[{', b'"functionCall":{', b'"finishReason":"STOP"',
    b'"promptFeedback":{"blockReason":', b'"retryDelay":"3s"', b'"embeddings":[{"values":[', b'"reasoning_content":"', b"<think>", b"</think>", b"null",
    b'"output":[', b'"type":"function_call"', b'"type":"output_text"', b'"type":"reasoning"', b'"status":"incomplete"', b'"call_id":', b'"object":"response"',
    b"context_length_exceeded", b"insufficient_quota", b"maximum context length is 8192 tokens", b"overloaded_error", b"\\ud83d", b"1e999", b"NaN", b"\xff",
)  # fmt: skip
CLIENTS = ("openai", "anthropic", "responses", "gemini", "ollama")
WORDED_AS = {"openai": "openai", "responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}
STATUSES = (400, 401, 404, 413, 429, 500, 503, 529)
EMBEDDING = INBOUND["openai"].read(
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"input":["a","b"],"encoding_format":"base64"}',
    request_id="r",
    headers={},
)


def check(data: bytes) -> None:
    """The first byte selects the dialects of endpoint and client, and the status of a rejection."""
    if data:
        at = data[0]
        endpoint = ENDPOINTS[at % len(ENDPOINTS)]
        _whole(data[1:], endpoint, CLIENTS[at // len(ENDPOINTS) % len(CLIENTS)])
        _refusal(data[1:], endpoint, STATUSES[at % 8])


def seeds() -> Iterator[bytes]:
    for at in range(len(ENDPOINTS) * len(CLIENTS)):
        for answer in ANSWERS:
            yield bytes([at]) + json.dumps(answer).encode()
    yield from (b"", b"\0", b"\0<html>", b"\x01not json", b"\x02[]")


def _whole(body: bytes, endpoint: Any, client: str) -> None:
    inbound, outbound, request = INBOUND[client], OUTBOUND[endpoint.kind], ASKED[client]
    readers = [DecodingReader(outbound, inbound.conversation(request, endpoint), endpoint)]
    if client == outbound.name:
        readers += [PassThroughReader(outbound), SingleChunkReader(outbound)]
    for reader in readers:
        try:
            part = reader.read_body(body)
        except UpstreamError as error:
            _in_words(error)
            continue
        if not isinstance(part, bytes):
            assert isinstance(part[-1], Finished)
            answer = json.loads(inbound.encode_response(request, part))
            assert answer["modelVersion" if client == "gemini" else "model"] == request.model
            encoder = inbound.encoder(request)
            assert encoder.encode(part)
    interpreter = ADAPTERS.get(("embeddings", endpoint.kind))
    if interpreter is not None:
        try:
            json.loads(interpreter.decode_response(EMBEDDING, body)[0])
        except UpstreamError as error:
            _in_words(error)


def _refusal(body: bytes, endpoint: Any, status: int) -> None:
    headers = {"retry-after": body[:12].decode("latin-1"), "x-should-retry": "true", "content-type": "application/json"}
    error = OUTBOUND[endpoint.kind].read_error(status, headers, body)
    for found in (error, error_from_event(read_failed_event(body))):
        if found is not None:
            _in_words(found)


def _in_words(error: UpstreamError) -> None:
    assert error.message
    for inbound in (INBOUND[name] for name in CLIENTS):
        assert 400 <= inbound.status(error) < 600
        if not (
            isinstance(error, UpstreamRejected) and error.dialect == WORDED_AS.get(inbound.name)
        ):  # which the upstream itself has worded
            json.loads(inbound.error(error, "r"))
        frame = inbound.error_event(error, "r")
        events = [frame] if inbound.name == "ollama" else [event for _, event in sse.read_frames(frame)]
        assert events
        for event in events:
            json.loads(event)


_ERROR = {
    "error": {
        "message": "maximum context length is 8192 tokens",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
        "param": "messages",
    }
}
ANSWERS: tuple[Any, ...] = (
    {
        "id": "c-1",
        "model": "up",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "<think>hm</think>hello END more",
                    "reasoning_content": "r",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"x"}'}}],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}},
    },
    {
        "choices": [
            {
                "message": {
                    "content": [{"type": "text", "text": "x"}, {"type": "thinking", "thinking": [{"text": "t"}]}],
                    "refusal": "no",
                }
            }
        ]
    },
    {
        "type": "message",
        "id": "msg_1",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "hello"},
            {"type": "tool_use", "id": "t", "name": "read_file", "input": {"path": "x"}},
        ],
        "stop_reason": "tool_use",
        "stop_details": {"explanation": "because"},
        "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 1},
    },
    {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "hm", "thought": True, "thoughtSignature": "s"},
                        {"text": "hello"},
                        {"functionCall": {"name": "read_file", "args": {"path": "x"}}},
                    ]
                },
                "finishReason": "STOP",
            }
        ],
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 1},
    },
    {
        "object": "response",
        "status": "completed",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
            {"type": "message", "content": [{"type": "output_text", "text": "hello"}, {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "call_id": "t", "name": "read_file", "arguments": '{"path":"x"}', "status": "completed"},
            {"type": "custom_tool_call", "call_id": "u", "name": "patch", "input": "x"},
            {"type": "image_generation_call", "result": "AA=="},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}},
    },
    {"object": "response", "status": "failed", "output": [], "error": {"code": "server_error", "message": "busy"}},
    {"object": "response", "status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": [{"type": "x"}]},
    {"embeddings": [{"values": [0.5, 1]}, {"values": [2, 3e-5]}]},
    _ERROR,
    [
        {
            "error": {
                "code": 429,
                "message": "quota",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}],
            }
        }
    ],
    {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "x"},
    {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]},
    {"error": "out of memory"},
    {"error": {"code": "²", "message": "x"}},
)
