"""The round trip matrix of docs/dialects.md: what a conversation loses from a client's format to an endpoint and back.

Every sample is really decoded and encoded. A cell is empty if all of the sample arrives and nothing is warned of. Otherwise it has
the numbers of the warnings. A sample that neither arrives nor is named is an error.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octoroute import dialects
from octoroute.dialects.anthropic.request_decoder import decode_request as decode_messages
from octoroute.dialects.gemini.request_decoder import decode_request as decode_gemini
from octoroute.dialects.gemini.stream_encoder import GeminiEncoder
from octoroute.dialects.openai.request_decoder import decode_request as decode_chat
from octoroute.dialects.responses.request_decoder import decode_request as decode_responses
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadRequest

Json = dict[str, Any]
Sample = tuple[Json, tuple[str, ...]]
"""Fields of a request, and strings of which all must be in the endpoint's request."""

PNG, PDF, WAV = "iVBORw0KGgo=", "JVBERi0xLjQ=", "UklGRgAAAAA="
SCHEMA: Json = {
    "type": "object",
    "properties": {"finding": {"type": "string"}},
    "required": ["finding"],
    "additionalProperties": False,
}
TOOL: Json = {"type": "object", "properties": {"q": {"type": "string"}}}
SHORT: Json = {"type": "ephemeral"}

ENDPOINTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Anthropic": ("anthropic", "claude-sonnet-4-5", ()),
    "Gemini": ("gemini", "gemini-2.5-pro", ()),
    "Bedrock": ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", ()),
    "OpenAI": ("openai", "gpt-4.1", ("openai",)),
    "Responses": ("responses", "gpt-4.1", ("openai",)),
    "OpenRouter": ("openai", "anthropic/claude-sonnet-4.5", ("openrouter",)),
    "DeepSeek": ("openai", "deepseek-v4", ("deepseek",)),
    "vLLM": ("openai", "some-model", ("vllm",)),
    "other": ("openai", "some-model", ()),
}
"""Columns: kind, model, presets of quirks."""


def _user(content: object) -> Json:
    return {"role": "user", "content": content}


def _said(content: object = None, **more: object) -> Json:
    return {"role": "assistant", "content": content, **more}


def _text(text: str, **more: object) -> Json:
    return {"type": "text", "text": text, **more}


def _of_chat(*messages: Json, **more: object) -> Json:
    return {"messages": [*messages, _user("END")], **more}


_CHAT_CALL: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"q":"ARGUMENT"}'}}
_CHAT_TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": TOOL}}
_CHAT_IMAGE: Json = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


PAGE = "https://cited.example"
_CITED: Json = {"url": PAGE, "title": "T", "start_index": 0, "end_index": 6}
_CHAT_CITATION: Json = {"type": "url_citation", "url_citation": _CITED}
_URL_CITATION: Json = {"type": "url_citation", **_CITED}
_SIGNED: Json = {"type": "reasoning.text", "text": "THOUGHT", "signature": "SIGNATURE", "format": "anthropic-claude-v1", "index": 0}


def _chat_loop(result: object, **said: object) -> Json:
    return _of_chat(_user("a"), _said(tool_calls=[_CHAT_CALL], **said), {"role": "tool", "tool_call_id": "c1", "content": result})


CHAT: Mapping[str, Sample] = {
    "system text": (_of_chat({"role": "system", "content": "SYSTEM"}), ("SYSTEM",)),
    "system text later on": (_of_chat(_user("a"), {"role": "developer", "content": "LATER"}), ("LATER",)),
    "image": (_of_chat(_user([_CHAT_IMAGE])), (PNG,)),
    "image by address": (
        _of_chat(_user([{"type": "image_url", "image_url": {"url": "https://a.org/i.png"}}])),
        ("https://a.org/i.png",),
    ),
    "image of the assistant": (_of_chat(_user("a"), _said("b", images=[_CHAT_IMAGE])), (PNG,)),
    "PDF": (
        _of_chat(_user([{"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}])),
        (PDF,),
    ),
    "sound": (_of_chat(_user([{"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}])), (WAV,)),
    "tool call and result": (_chat_loop("RESULT"), ("ARGUMENT", "RESULT")),
    "image in a tool result": (_chat_loop([_CHAT_IMAGE]), (PNG,)),
    "thinking (`reasoning_content`)": (_chat_loop("r", reasoning_content="THOUGHT"), ("THOUGHT",)),
    "signed thinking (`thinking_blocks`)": (
        _chat_loop("r", thinking_blocks=[{"type": "thinking", "thinking": "THOUGHT", "signature": "sig=="}]),
        ("THOUGHT", "sig=="),
    ),
    "signed thinking (`reasoning_details`)": (_chat_loop("r", reasoning_details=[_SIGNED]), ("THOUGHT", "SIGNATURE")),
    "encrypted thinking (`reasoning_details`)": (
        _chat_loop("r", reasoning_details=[{"type": "reasoning.encrypted", "data": "SECRET", "format": "openai-responses-v1"}]),
        ("SECRET",),
    ),
    "sound of the assistant": (_of_chat(_user("a"), _said(audio={"id": "audio_1"})), ("audio_1",)),
    "sound of the assistant, with its transcript": (
        _of_chat(_user("a"), _said(audio={"id": "audio_1", "transcript": "WORDS"})),
        ("WORDS", "audio_1"),
    ),
    "citations (`annotations`)": (_of_chat(_user("a"), _said("b", annotations=[_CHAT_CITATION])), (PAGE,)),
    "participant's name": (_of_chat(_user("a") | {"name": "Ada"}), ("Ada",)),
    "cache marks": (_of_chat(_user([_text("a", cache_control=SHORT)])), ("ephemeral",)),
    "prefill": ({"messages": [_user("a"), _said("PREFILL")]}, ("PREFILL",)),
    "temperature and top_p": (_of_chat(temperature=0.123, top_p=0.987), ("0.123", "0.987")),
    "top_k": (_of_chat(top_k=77), ("77",)),
    "penalties and seed": (_of_chat(presence_penalty=0.456, frequency_penalty=0.457, seed=424_242), ("0.456", "0.457", "424242")),
    "stop sequences": (_of_chat(stop=["HALT"]), ("HALT",)),
    "forced tool": (_of_chat(tools=[_CHAT_TOOL], tool_choice="required"), ("any",)),
    "one call at a time": (_of_chat(tools=[_CHAT_TOOL], parallel_tool_calls=False), ("parallel",)),
    "JSON schema": (
        _of_chat(response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA}}),
        ("finding",),
    ),
    "effort of thinking": (_of_chat(reasoning_effort="high"), ("hinking",)),
}


def _of_messages(*messages: Json, **more: object) -> Json:
    return {"max_tokens": 4000, "messages": [*messages, _user("END")], **more}


_USE: Json = {"type": "tool_use", "id": "c1", "name": "f", "input": {"q": "ARGUMENT"}}
_IMAGE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
_PDF: Json = {"type": "document", "title": "a", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
_MESSAGES_TOOL: Json = {"name": "f", "input_schema": TOOL}


def _loop(result: object, *before: Json, **more: object) -> Json:
    answer = {"type": "tool_result", "tool_use_id": "c1", "content": result, **more}
    return _of_messages(_user("a"), _said([*before, _USE]), _user([answer]))


_SEARCHED: Sequence[Json] = (
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "QUERY"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{"type": "web_search_result", "title": "TITLE", "url": "https://a.org", "encrypted_content": "x"}],
    },
)
MESSAGES: Mapping[str, Sample] = {
    "system text": (_of_messages(system="SYSTEM"), ("SYSTEM",)),
    "system text later on": (_of_messages(_user("a"), {"role": "system", "content": "LATER"}), ("LATER",)),
    "image": (_of_messages(_user([_IMAGE])), (PNG,)),
    "image by address": (
        _of_messages(_user([{"type": "image", "source": {"type": "url", "url": "https://a.org/i.png"}}])),
        ("https://a.org/i.png",),
    ),
    "PDF": (_of_messages(_user([_PDF])), (PDF,)),
    "text document": (_of_messages(_user([{"type": "document", "source": {"type": "text", "data": "PAPER"}}])), ("PAPER",)),
    "search result": (
        _of_messages(_user([{"type": "search_result", "source": "https://a.org", "title": "T", "content": [_text("FOUND")]}])),
        ("https://a.org", "FOUND"),
    ),
    "tool call and result": (_loop("RESULT"), ("ARGUMENT", "RESULT")),
    "failed tool": (_loop("RESULT", is_error=True), ("RESULT", "error")),
    "image in a tool result": (_loop([_IMAGE]), (PNG,)),
    "PDF in a tool result": (_loop([_PDF]), (PDF,)),
    "thinking of another model": (
        _loop("r", {"type": "thinking", "thinking": "THOUGHT", "signature": "octo.1.openai.x"}),
        ("THOUGHT",),
    ),
    "Anthropic's thinking": (_loop("r", {"type": "thinking", "thinking": "THOUGHT", "signature": "sig=="}), ("THOUGHT",)),
    "redacted thinking": (_loop("r", {"type": "redacted_thinking", "data": "SECRET"}), ("SECRET",)),
    "summary of a compaction": (_of_messages(_said([{"type": "compaction", "content": "SUMMARY"}])), ("SUMMARY",)),
    "tool that ran at Anthropic": (_of_messages(_user("a"), _said([*_SEARCHED])), ("QUERY", "TITLE", "https://a.org")),
    "citations": (_of_messages(_user("a"), _said([_text("b", citations=[{"cited_text": "CITED"}])])), ("CITED",)),
    "citations of a document": (
        _of_messages(_user([{**_PDF, "citations": {"enabled": True}}])),
        (PDF, "enabled"),
    ),
    "unknown role": (_of_messages(_user("a"), {"role": "ctx", "content": "CONTEXT"}), ("CONTEXT",)),
    "cache marks": (_of_messages(system=[_text("s", cache_control=SHORT)]), ("ephemeral",)),
    "prefill": ({"max_tokens": 10, "messages": [_user("a"), _said("PREFILL")]}, ("PREFILL",)),
    "temperature and top_p": (_of_messages(temperature=0.123, top_p=0.987), ("0.123", "0.987")),
    "top_k": (_of_messages(top_k=77), ("77",)),
    "stop sequences": (_of_messages(stop_sequences=["HALT"]), ("HALT",)),
    "hosted tool": (_of_messages(tools=[{"type": "web_search_20250305", "name": "web_search"}]), ("web_search_20250305",)),
    "forced tool": (_of_messages(tools=[_MESSAGES_TOOL], tool_choice={"type": "tool", "name": "f"}), ("hoice",)),
    "one call at a time": (
        _of_messages(tools=[_MESSAGES_TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        ("parallel",),
    ),
    "JSON schema": (_of_messages(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}), ("finding",)),
    "thinking budget": (_of_messages(thinking={"type": "enabled", "budget_tokens": 2000}), ("2000",)),
    "`context_management`": (_of_messages(context_management={"edits": []}), ("edits",)),
}


def _of_responses(*items: Json, **more: object) -> Json:
    return {"input": [*items, {"role": "user", "content": "END"}], **more}


_FUNCTION_CALL: Json = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"q":"ARGUMENT"}'}
_INPUT_IMAGE: Json = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}


def _responses_loop(output: object, *before: Json) -> Json:
    return _of_responses(
        {"role": "user", "content": "a"},
        *before,
        _FUNCTION_CALL,
        {"type": "function_call_output", "call_id": "c1", "output": output},
    )


_RESPONSES_TOOL: Json = {"type": "function", "name": "f", "parameters": TOOL}
RESPONSES: Mapping[str, Sample] = {
    "instructions": (_of_responses(instructions="SYSTEM"), ("SYSTEM",)),
    "developer message later on": (
        _of_responses({"role": "user", "content": "a"}, {"role": "developer", "content": "LATER"}),
        ("LATER",),
    ),
    "image": (_of_responses({"role": "user", "content": [_INPUT_IMAGE]}), (PNG,)),
    "PDF": (
        _of_responses(
            {
                "role": "user",
                "content": [{"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}],
            }
        ),
        (PDF,),
    ),
    "picture that a model made": (
        _of_responses({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}),
        (PNG,),
    ),
    "citations (`annotations`)": (
        _of_responses({"role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": [_URL_CITATION]}]}),
        (PAGE,),
    ),
    "tool call and result": (_responses_loop("RESULT"), ("ARGUMENT", "RESULT")),
    "image in a tool result": (_responses_loop([_INPUT_IMAGE]), (PNG,)),
    "thinking (summary)": (
        _responses_loop("r", {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "THOUGHT"}]}),
        ("THOUGHT",),
    ),
    "OpenAI's encrypted thinking": (
        _responses_loop("r", {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAAA"}),
        ("gAAAA",),
    ),
    "temperature and top_p": (_of_responses(temperature=0.123, top_p=0.987), ("0.123", "0.987")),
    "hosted tool": (_of_responses(tools=[{"type": "web_search"}]), ("web_search",)),
    "forced tool": (_of_responses(tools=[_RESPONSES_TOOL], tool_choice="required"), ("hoice",)),
    "one call at a time": (_of_responses(tools=[_RESPONSES_TOOL], parallel_tool_calls=False), ("parallel",)),
    "JSON schema": (_of_responses(text={"format": {"type": "json_schema", "name": "r", "schema": SCHEMA}}), ("finding",)),
    "effort of thinking": (_of_responses(reasoning={"effort": "high"}), ()),
}


def _of_gemini(*contents: Json, **more: object) -> Json:
    return {"contents": [*contents, {"role": "user", "parts": [{"text": "END"}]}], **more}


def _gemini_loop(*before: Json, **response: object) -> Json:
    call = {"functionCall": {"id": "c1", "name": "f", "args": {"q": "ARGUMENT"}}}
    answer = {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "RESULT"}, **response}}
    return _of_gemini(
        {"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [*before, call]}, {"role": "user", "parts": [answer]}
    )


_BLOB: Json = {"inlineData": {"mimeType": "image/png", "data": PNG}}
GEMINI: Mapping[str, Sample] = {
    "systemInstruction": (_of_gemini(systemInstruction={"parts": [{"text": "SYSTEM"}]}), ("SYSTEM",)),
    "image": (_of_gemini({"role": "user", "parts": [_BLOB]}), (PNG,)),
    "image of the model": (_of_gemini({"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [_BLOB]}), (PNG,)),
    "PDF": (_of_gemini({"role": "user", "parts": [{"inlineData": {"mimeType": "application/pdf", "data": PDF}}]}), (PDF,)),
    "sound": (_of_gemini({"role": "user", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": WAV}}]}), (WAV,)),
    "function call and response": (_gemini_loop(), ("ARGUMENT", "RESULT")),
    "image in a response": (_gemini_loop(parts=[_BLOB]), (PNG,)),
    "Gemini's thinking": (_gemini_loop({"text": "THOUGHT", "thought": True, "thoughtSignature": "CiQB"}), ("THOUGHT",)),
    "temperature and topP": (_of_gemini(generationConfig={"temperature": 0.123, "topP": 0.987}), ("0.123", "0.987")),
    "penalties and seed": (
        _of_gemini(generationConfig={"presencePenalty": 0.456, "frequencyPenalty": 0.457, "seed": 424_242}),
        ("0.456", "0.457", "424242"),
    ),
    "stopSequences": (_of_gemini(generationConfig={"stopSequences": ["HALT"]}), ("HALT",)),
    "hosted tool": (_of_gemini(tools=[{"googleSearch": {}}]), ("googleSearch",)),
    "responseJsonSchema": (
        _of_gemini(generationConfig={"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
        ("finding",),
    ),
    "thinkingBudget": (_of_gemini(generationConfig={"thinkingConfig": {"thinkingBudget": 2000}}), ()),
}
AUTOMATIC = frozenset({"cache marks"})
"""Rows that are no loss where the sample does not arrive: those endpoints cache without marks."""


def _thinking_wish(client: str) -> Json:
    """What makes a client be shown thinking."""
    match client:
        case "Messages":
            return {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        case "Gemini":
            return {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
        case _:
            return {}


_CALL: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"q":"ARGUMENT"}'}}


def _completion(**message: object) -> Json:
    return {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", **message}}]}


def _answer(endpoint: str) -> Json:
    """An endpoint's answer with all that its format can hold; the words in capitals must come back to it."""
    match ENDPOINTS[endpoint]:
        case ("anthropic", _, _):
            thinking = {"type": "thinking", "thinking": "THOUGHT", "signature": "SIGNATURE"}
            cited = {"type": "web_search_result_location", "url": PAGE, "title": "T", "cited_text": "c", "encrypted_index": "E"}
            return {"content": [thinking, _text("ANSWER", citations=[cited]), _USE], "stop_reason": "tool_use"}
        case ("bedrock", _, _):
            thinking = {"reasoningContent": {"reasoningText": {"text": "THOUGHT", "signature": "SIGNATURE"}}}
            use = {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"q": "ARGUMENT"}}}
            citation = {"title": "T", "location": {"web": {"url": PAGE}}}
            answer = {"citationsContent": {"content": [{"text": "ANSWER"}], "citations": [citation]}}
            message = {"role": "assistant", "content": [thinking, answer, use]}
            return {"output": {"message": message}, "stopReason": "tool_use"}
        case ("gemini", _, _):
            thought = {"text": "THOUGHT", "thought": True, "thoughtSignature": "SIGNATURE"}
            call = {"functionCall": {"id": "c1", "name": "f", "args": {"q": "ARGUMENT"}}, "thoughtSignature": "CALLSIGN"}
            parts = [thought, {"text": "ANSWER"}, _BLOB, call]
            segment = {"segment": {"endIndex": 6, "text": "ANSWER"}, "groundingChunkIndices": [0]}
            grounding = {"groundingChunks": [{"web": {"uri": PAGE, "title": "T"}}], "groundingSupports": [segment]}
            content = {"role": "model", "parts": parts}
            return {"candidates": [{"content": content, "finishReason": "STOP", "groundingMetadata": grounding}]}
        case ("responses", _, _):
            summary = [{"type": "summary_text", "text": "THOUGHT"}]
            reasoning = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "SIGNATURE"}
            part = {"type": "output_text", "text": "ANSWER", "annotations": [_URL_CITATION]}
            message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
            call = {"id": "fc_1", "status": "completed", **_FUNCTION_CALL}
            return {"id": "resp_1", "object": "response", "status": "completed", "output": [reasoning, message, call]}
        case (_, _, ("openrouter",)):
            details = {
                "reasoning": "THOUGHT",
                "reasoning_details": [_SIGNED],
                "images": [_CHAT_IMAGE],
                "annotations": [_CHAT_CITATION],
            }
            return _completion(content="ANSWER", tool_calls=[_CALL], **details)
        case (_, _, ("openai",)):
            annotations = [_CHAT_CITATION]
            return _completion(content="ANSWER", tool_calls=[_CALL], reasoning_content="THOUGHT", annotations=annotations)
        case _:
            return _completion(content="ANSWER", tool_calls=[_CALL], reasoning_content="THOUGHT")


ANSWERS: Mapping[str, str] = {
    "text": "ANSWER",
    "tool call": "ARGUMENT",
    "thinking": "THOUGHT",
    "signature of thinking": "SIGNATURE",
    "signature of a call": "CALLSIGN",
    "picture": PNG,
    "citation": PAGE,
}
"""Rows of the round trip: what an answer holds, and its word."""


_OF_HISTORY, _OF_PAGE = ("earlier", "eligible"), ("annotations", "citations")
"""Words of the warnings about what does not come back."""


class Matrix:
    """The tables of all clients, with one list of warnings."""

    def __init__(self) -> None:
        self._outbound = dialects.outbound(lambda: 0.0)
        self._inbound = dialects.inbound(lambda: 0.0)
        self.notes: list[str] = []

    def table(self, client: str, samples: Mapping[str, Sample], columns: Sequence[str]) -> str:
        lines = [f"| {client} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for row, sample in samples.items():
            lines.append(f"| {row} | {' | '.join(self._cell(client, row, sample, column) for column in columns)} |")
        trips = {column: self._round_trip(client, column) for column in columns}
        for row, word in ANSWERS.items():
            cells = [trips[column].get(word, "·") for column in columns]
            if any(cell != "·" for cell in cells):
                lines.append(f"| *back and again:* {row} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _cell(self, client: str, row: str, sample: Sample, column: str) -> str:
        body, words = sample
        sent, notes = self._send(DECODERS[client](json.dumps(body).encode()), column)
        if sent is not None and not notes and row not in AUTOMATIC:
            missing = [word for word in words if word not in sent and b64encode(word.encode()).decode() not in sent]
            assert not missing or self._enforced(row), f"{client} to {column}: {row} is lost without a word: {missing} in {sent}"
        return self._numbers(notes)

    @staticmethod
    def _enforced(row: str) -> bool:
        """Not in the request, because octoroute does it itself, or says it in another way."""
        return row in {"stop sequences", "stopSequences", "forced tool", "thinking budget", "effort of thinking"}

    def _send(self, conversation: Conversation, column: str) -> tuple[str | None, list[str]]:
        """(the endpoint's request, warnings); None where the endpoint is not eligible."""
        outbound, endpoint = self._endpoint(column)
        reason = outbound.unsupported(conversation, endpoint)
        if reason is not None:
            return None, [f"not eligible: {reason}"]
        unread = (*conversation.ignored, *(() if outbound.cites_documents else conversation.cites))
        notes = [*conversation.notes, *(f"{field} is not passed on to this endpoint" for field in unread)]
        return outbound.encode_request(conversation, endpoint, stream=False, notes=notes).decode(), notes

    def _endpoint(self, column: str) -> tuple[Any, Endpoint]:
        kind, model, quirks = ENDPOINTS[column]
        endpoint = Endpoint(
            id=column, name=column, tier=Tier.DEEP, kind=kind, provider=kind, base_url="https://a.org", model=model, quirks=quirks
        )
        return self._outbound[kind], endpoint

    def _round_trip(self, client: str, column: str) -> dict[str, str]:
        """The cell of each word of the endpoint's answer, after the client has sent the answer back."""
        outbound, endpoint = self._endpoint(column)
        answer = json.dumps(_answer(column))
        first = {**FIRST[client], **_thinking_wish(client)}
        conversation = DECODERS[client](json.dumps(first).encode())
        events = outbound.decode_response(answer.encode(), conversation, endpoint)
        if client == "Gemini":
            said = json.loads(GeminiEncoder(model="m", show_thinking=True).body(events))
        else:
            inbound = self._inbound[NAMES[client]]
            request = inbound.read(json.dumps({"model": "m", **first}).encode(), request_id="r", headers={})
            said = json.loads(inbound.encode_response(request, events))
        try:
            sent, notes = self._send(DECODERS[client](json.dumps(AGAIN[client](first, said)).encode()), column)
        except BadRequest as error:
            sent, notes = None, [f"not eligible: {error.message}"]
        cells: dict[str, str] = {}
        for word in ANSWERS.values():
            if word in answer:
                arrived = sent is not None and word in sent
                if word == PAGE:
                    assert word in json.dumps(said), f"{client} from {column}: the citation does not reach the client"
                    arrived = arrived or client == "Gemini"  # beside the content, so its clients do not send it back
                named = (
                    []
                    if arrived
                    else [note for note in notes if any(about in note for about in (_OF_PAGE if word == PAGE else _OF_HISTORY))]
                )
                assert arrived or named, f"{client} from {column}: {word} does not come back: {sent} {notes}"
                cells[word] = "" if arrived else self._numbers(named)
        return cells

    def _numbers(self, notes: Sequence[str]) -> str:
        for note in notes:
            if note not in self.notes:
                self.notes.append(note)
        return ", ".join(str(self.notes.index(note) + 1) for note in dict.fromkeys(notes))


def _again_chat(first: Json, said: Json) -> Json:
    result = {"role": "tool", "tool_call_id": said["choices"][0]["message"]["tool_calls"][0]["id"], "content": "r"}
    return {**first, "messages": [*first["messages"], said["choices"][0]["message"], result]}


def _again_messages(first: Json, said: Json) -> Json:
    use = next(block for block in said["content"] if block["type"] == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "r"}
    return {**first, "messages": [*first["messages"], _said(said["content"]), _user([result])]}


def _again_responses(first: Json, said: Json) -> Json:
    call = next(item for item in said["output"] if item["type"] == "function_call")
    return {
        **first,
        "input": [*first["input"], *said["output"], {"type": "function_call_output", "call_id": call["call_id"], "output": "r"}],
    }


def _again_gemini(first: Json, said: Json) -> Json:
    content = said["candidates"][0]["content"]
    call = next(part["functionCall"] for part in content["parts"] if "functionCall" in part)
    response = {"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": "r"}}}
    return {**first, "contents": [*first["contents"], content, {"role": "user", "parts": [response]}]}


FIRST: Mapping[str, Json] = {
    "Chat Completions": {"messages": [_user("a")]},
    "Messages": {"max_tokens": 4000, "messages": [_user("a")]},
    "Responses": {"input": [{"role": "user", "content": "a"}]},
    "Gemini": {"contents": [{"role": "user", "parts": [{"text": "a"}]}]},
}
AGAIN: Mapping[str, Callable[[Json, Json], Json]] = {
    "Chat Completions": _again_chat,
    "Messages": _again_messages,
    "Responses": _again_responses,
    "Gemini": _again_gemini,
}
DECODERS: Mapping[str, Callable[[bytes], Conversation]] = {
    "Chat Completions": decode_chat,
    "Messages": decode_messages,
    "Responses": decode_responses,
    "Gemini": decode_gemini,
}
NAMES: Mapping[str, str] = {"Chat Completions": "openai", "Messages": "anthropic", "Responses": "responses"}
_COMPATIBLE = ("OpenAI", "OpenRouter", "DeepSeek", "vLLM", "other")


def losses() -> str:
    """The generated part of the page: a table for each client's format, and the warnings that its cells number."""
    matrix = Matrix()
    tables = [
        matrix.table("Chat Completions", CHAT, ("Anthropic", "Bedrock", "Gemini", "Responses")),
        matrix.table("Messages", MESSAGES, ("Bedrock", "Gemini", "Responses", *_COMPATIBLE)),
        matrix.table("Responses", RESPONSES, ("Anthropic", "Bedrock", "Gemini", *_COMPATIBLE)),
        matrix.table("Gemini", GEMINI, ("Anthropic", "Bedrock", "Responses", *_COMPATIBLE)),
    ]
    notes = [f"{number}. {note}" for number, note in enumerate(matrix.notes, 1)]
    return "\n\n".join((*tables, "\n".join(notes)))
