"""Requests: read or refused in words, and what goes on to an endpoint of the same format is the client's own JSON with another model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from benches.payloads import PAYLOADS
from octoroute import dialects
from octoroute.dialects.anthropic.token_estimate import MAX_IMAGE_TOKENS, document_tokens, estimate_tokens, image_tokens
from octoroute.dialects.base import Inbound
from octoroute.dialects.request.media import PDF
from octoroute.dialects.request.thinking_signatures import MARK
from octoroute.dialects.request.truncation import select_messages
from octoroute.domain.conversation import Document, Image
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError
from tests.support.laws.cuts import nested
from tests.support.laws.setup import ENDPOINTS, HEADERS, INBOUND, OUTBOUND, QUESTIONS, golden

WORDS = (
    b'"model":', b'"messages":[', b'{"role":"user","content":', b'{"role":"assistant","content":', b'"role":"system"', b'"role":"tool","tool_call_id":"a"',
    b'"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]', b'"tools":[', b'"type":"text"', b'"type":"image_url"',
    b'"type":"tool_use"', b'"type":"tool_result"', b'"type":"thinking"', b'"signature":', b'"type":"document"', b'"source":{"type":"base64"',
    b'"input_schema":', b'"parameters":{"type":"object"', b'"$ref":"#/$defs/a"', b'"$defs":', b'"anyOf":[', b'"additionalProperties":false', b'"enum":[',
    b'"response_format":{"type":"json_schema","json_schema":', b'"tool_choice":', b'"stream_options":', b'"stop":', b'"max_tokens":', b'"temperature":',
    b'"input":[', b'"type":"message"', b'"type":"function_call"', b'"type":"function_call_output"', b'"instructions":', b'"reasoning":{"effort":',
    b'"contents":[', b'"parts":[{"text":', b'"functionCall":{"name":"f","args":{', b'"functionResponse":{"name":"f","response":{', b'"inlineData":{',
    b'"functionDeclarations":[', b'"parametersJsonSchema":', b'"generationConfig":{', b'"thoughtSignature":', b'"type":"OBJECT"', b'"images":[', b'"tool_name":',
    b'"type":"custom_tool_call"', b'"type":"namespace"', b'"type":"custom"', b'"type":"compaction"', b'"namespace":', b'"options":{', b'"format":{',
    b'"octoroute":{', b'"thinking":{"type":"enabled"', b'"encoding_format":"base64"', b'"prompt":', b'"message":', b'"importance":', b"null", b"true",
    b"1e400", b"-0", b"99999999999999999999", b"\\ud83d", b"\\u0000", b"\xff", b"\xe2\x80\xa8", b'"model":"auto",', b'"cache_control":{"type":"ephemeral"}',
)  # fmt: skip
_INTERFACES = dialects.interfaces(lambda: 1e9)
READERS: tuple[Inbound, ...] = (
    INBOUND["openai"],
    INBOUND["anthropic"],
    INBOUND["responses"],
    INBOUND["simple"],
    _INTERFACES["completions"],
    _INTERFACES["embeddings"],
    INBOUND["gemini"],
    INBOUND["ollama"],
    _INTERFACES["gemini embedContent"],
    _INTERFACES["gemini batchEmbedContents"],
    _INTERFACES["ollama embed"],
    _INTERFACES["images/edits"],
)
OWN = frozenset({"openai", "anthropic"})
"""The dialects with byte-for-byte relay."""
RESPONSES = {
    "model": "auto",
    "instructions": "be brief",
    "max_output_tokens": 99,
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}}
    },
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}, {"type": "web_search"}],
    "tool_choice": {"type": "function", "name": "f"},
    "input": [
        {"role": "developer", "content": "d"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:image/png;base64,AA"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}]},
    ],
}
RESPONSES_OF_CODEX = {
    "model": "auto",
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "tools": [
        {"type": "namespace", "name": "mcp", "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}]},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "tool_search", "execution": "client"},
        {"type": "local_shell"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "apply_patch"}]},
    "input": [
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call", "call_id": "c2", "namespace": "mcp", "name": "look", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c2", "output": "r"},
        {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["ls"]}, "status": "completed"},
        {"type": "local_shell_call_output", "call_id": "c3", "output": "a"},
        {"type": "web_search_call", "id": "w", "action": {"type": "search", "query": "q"}, "status": "completed"},
        {"type": "image_generation_call", "id": "i", "result": "AA=="},
        {"type": "mcp_call", "id": "m", "name": "look", "arguments": "{}", "server_label": "s", "output": "o"},
        {"type": "code_interpreter_call", "id": "k", "code": "1", "outputs": [{"type": "logs", "logs": "1"}]},
        {"type": "item_reference", "id": "x"},
    ],
}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": "AA=="},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "AA=="},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "c1",
                        "name": "f",
                        "response": {"result": "r"},
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}],
                    }
                },
                {"fileData": {"fileUri": "gs://a/b.pdf", "mimeType": "application/pdf"}},
            ],
        },
    ],
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "f",
                    "parameters": {"type": "OBJECT", "nullable": True, "properties": {"a": {"type": "STRING", "minLength": "1"}}},
                },
                {"name": "g", "parametersJsonSchema": {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}},
            ]
        },
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "maxOutputTokens": 9,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}},
        "thinkingConfig": {"thinkingBudget": -1},
    },
}
OLLAMA = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "x", "images": ["AA=="]},
        {"role": "assistant", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_name": "f", "content": "r"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}],
    "format": {"type": "object", "properties": {"a": {"type": "string"}}},
    "think": "high",
    "options": {"num_predict": -1, "stop": ["a"], "temperature": 0.5},
}
NEW_MODEL = 'the "new" model\u2028'


def check(data: bytes) -> None:
    """The first byte: which reader, for which endpoint, and how many times nested what stands between NUL bytes is."""
    if not data:
        return
    inbound = READERS[data[0] % len(READERS)]
    endpoint = ENDPOINTS[data[0] // len(READERS) % len(ENDPOINTS)]
    _sizes(data[1:])
    body = nested(data[1:])
    try:
        request = inbound.read(body, request_id="r", headers={**HEADERS, "x-octoroute-tier": "deep"})
    except OctorouteError as error:
        _in_words(inbound, error)
        return
    _known(request)
    for step in STEPS:
        try:
            step(inbound, request, body, endpoint)
        except OctorouteError as error:
            _in_words(inbound, error)


def seeds() -> Iterator[bytes]:
    for payload in PAYLOADS.values():
        if len(payload.body) < 4000:
            yield bytes([1 if "messages" in payload.path else 0]) + payload.body
    for question in golden("questions", ".json"):
        for endpoint in range(len(ENDPOINTS)):
            for reader in (0, 1):
                yield bytes([reader + endpoint * len(READERS)]) + question
    for at, name in ((0, "openai"), (1, "anthropic"), (2, "responses"), (6, "gemini"), (7, "ollama")):
        for endpoint in range(len(ENDPOINTS)):
            yield bytes([at + endpoint * len(READERS)]) + json.dumps(QUESTIONS[name]).encode()
    for endpoint in range(len(ENDPOINTS)):
        for at, body in ((2, RESPONSES), (2, RESPONSES_OF_CODEX), (6, GEMINI), (7, OLLAMA)):
            yield bytes([at + endpoint * len(READERS)]) + json.dumps(body).encode()
    for picture in (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0",
        b"GIF89a\1\0\1\0",
        b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\1\x2a\1\0\1\0",
    ):
        yield b"\0" + picture
    yield b"\0\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\1\0\1\0\3"
    yield b'\x03{"message":"hi","importance":"high","task_type":"code"}'
    yield b'\x04{"model":"m","prompt":["a",[1,2]],"max_tokens":3}'
    yield b'\x05{"model":"m","input":["a","b"],"dimensions":3,"encoding_format":"base64"}'
    yield b'\x08{"content":{"parts":[{"text":"a"}]},"output_dimensionality":3}'
    yield b'\x09{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}'
    yield b'\x0a{"model":"m:latest","input":["a","b"],"dimensions":3}'
    yield b'\x0b{"prompt":"a","octoroute":{}}'
    yield b'\x07{"model":"m","prompt":"x","images":["AA=="],"suffix":"y","format":"json","options":{"num_predict":3,"stop":"z"}}'
    yield b'\x06{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":\0{"items":\0{}\0}\0}]}]}'
    yield b'\x01{"model":"m","messages":[{"role":"user","content":\0{"content":\0"x"\0}\0}]}'
    yield b'\x00{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":\0{"items":\0{}\0}\0}}]}'
    yield b'\x02{"model":"m","input":"x","text":{"format":\0{"a":\0{}\0}\0}}'


def _sizes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert 0 < image_tokens(Image(media_type="image/png", data=text)) <= MAX_IMAGE_TOKENS
    assert document_tokens(Document(media_type=PDF, data=text)) > 0


def _in_words(inbound: Inbound, error: OctorouteError) -> None:
    assert error.message
    assert 400 <= inbound.status(error) < 600
    if inbound.name != "routing":
        json.loads(inbound.error(error, "r"))


def _known(request: Request) -> None:
    facts = request.facts
    assert facts.tokens >= 0
    assert facts.context_tokens >= 0
    assert request.model.strip() or request.api.startswith("images/")
    request.model.encode()


def _passed_on(inbound: Inbound, request: Request, body: bytes, endpoint: Any) -> None:
    if inbound.name not in OWN:
        return
    patched = _exactly(inbound.with_model(request, NEW_MODEL))
    given = _exactly(body)
    assert patched.pop("model") == NEW_MODEL
    given.pop("model", None)
    given.pop("octoroute", None)
    if inbound.name == "anthropic" and MARK.encode() in body:  # thinking that was not Anthropic's is taken out
        assert patched.keys() == given.keys()
        for name in ("messages", "thinking"):
            patched.pop(name, None)
            given.pop(name, None)
    assert patched == given


def _exactly(body: bytes) -> dict[str, Any]:
    """Numbers as they are written."""
    try:
        return json.loads(body, parse_int=_Written, parse_float=_Written, parse_constant=_refuse)
    except RecursionError:  # not the gateway's
        return {"model": NEW_MODEL}


class _Written(str):
    __slots__ = ()


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _shortened(inbound: Inbound, request: Request, body: bytes, endpoint: Any) -> None:
    history = inbound.history(request)
    if history is None:
        return
    assert len(history.raw_messages) == len(history.messages)
    for drop in (0, 1, sum(message.chars for message in history.messages) // 2):
        places = select_messages(history.messages, drop)
        if places is not None:
            assert places == sorted(set(places))
            assert all(0 <= place < len(history.raw_messages) for place in places)


def _unsigned(inbound: Inbound, request: Request, body: bytes, endpoint: Any) -> None:
    plain = inbound.strip_signed_thinking(request)
    if plain is not None and inbound.name in OWN:
        patched, given = _exactly(inbound.with_model(plain, "m")), _exactly(body)
        assert patched.keys() - {"model"} == given.keys() - {"octoroute", "model"}


def _translated(inbound: Inbound, request: Request, body: bytes, endpoint: Any) -> None:
    outbound = OUTBOUND[endpoint.kind]
    if request.api != "chat":
        return
    conversation = inbound.conversation(request, endpoint)
    assert estimate_tokens(conversation) > 0
    if outbound.unsupported(conversation, endpoint) is None:
        notes: list[str] = []
        written = outbound.encode_request(conversation, endpoint, stream=request.stream, notes=notes)
        assert isinstance(json.loads(written), dict)
        "; ".join(notes).encode()
    outbound.decoder(conversation, endpoint)
    if inbound.name != "simple":
        encoder = inbound.encoder(request)
        assert encoder.fail(OctorouteError("x"), "r")


def _interpreted(inbound: Inbound, request: Request, body: bytes, endpoint: Any) -> None:
    interpreter = dialects.ADAPTERS.get((request.api, endpoint.kind))
    if interpreter is not None and interpreter.unsupported(request) is None:
        assert isinstance(json.loads(interpreter.encode_request(request, endpoint, [])), dict)


STEPS = (_passed_on, _shortened, _unsigned, _translated, _interpreted)
