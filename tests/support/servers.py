"""Answers in the shapes of eleven servers: field by field as their SDKs' types, documentation, and public logs show them, with the fields
that only they send.

Sources: the types of openai, anthropic, and google-genai; Azure OpenAI, "Chat completions: streaming and content filtering"; OpenRouter,
"Streaming" and "Usage accounting"; DeepSeek, "Create chat completion"; vLLM, entrypoints.openai.chat_completion; llama.cpp, tools/server;
Ollama, "OpenAI compatibility"; SGLang, entrypoints.openai.protocol; Amazon Bedrock,
"ConverseStream" and "CitationsContentBlock".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.support.event_streams import event as aws_event
from tests.support.event_streams import exception
from tests.support.fake import DONE, event
from tests.support.messages import named
from tests.support.vendors import Call


@dataclass(frozen=True)
class Cite:
    """A page that supports the words of the text, which occur once in it."""

    url: str
    title: str
    words: str

    def place(self, text: str) -> tuple[int, int]:
        start = text.index(self.words)
        return start, start + len(self.words)


@dataclass(frozen=True)
class Saying:
    """What a model says, and what it costs."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[Call] = ()
    finish: str = "stop"
    """stop, tools, length, or refusal."""
    refusal: str = ""
    input: int = 100
    cached: int = 40
    output: int = 20
    reasoning: int = 5
    cites: Sequence[Cite] = ()
    """In the order of the text, without overlaps."""

    def pieces(self) -> list[tuple[str, Cite | None]]:
        """The text, cut where a citation begins or ends."""
        found: list[tuple[str, Cite | None]] = []
        at = 0
        for cite in self.cites:
            start, end = cite.place(self.text)
            found += [(self.text[at:start], None), (self.text[start:end], cite)]
            at = end
        return [(text, cite) for text, cite in [*found, (self.text[at:], None)] if text]


def parts(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


class ChatServer:
    """What all servers of OpenAI's format have in common."""

    name: ClassVar[str]
    kind = "openai"
    settings: ClassVar[dict[str, Any]] = {}
    path = "/v1"
    thinks: ClassVar[str | None] = "reasoning_content"
    refuses = False
    """Refuses in a field of its own, and not with a finish reason."""
    finishes: ClassVar[dict[str, str]] = {"stop": "stop", "tools": "tool_calls", "length": "length", "refusal": "content_filter"}
    whole_calls = False
    """Each call comes in one piece."""
    cites = False

    def annotations(self, says: Saying) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for cite in says.cites:
            start, end = cite.place(says.text)
            page = {"url": cite.url, "title": cite.title, "start_index": start, "end_index": end}
            found.append({"type": "url_citation", "url_citation": page})
        return found

    def head(self, object: str) -> dict[str, Any]:
        return {"id": "chatcmpl-9f2", "object": object, "created": 1700000000, "model": "m"}

    def usage(self, says: Saying) -> dict[str, Any]:
        return {
            "prompt_tokens": says.input,
            "completion_tokens": says.output,
            "total_tokens": says.input + says.output,
            "prompt_tokens_details": {"cached_tokens": says.cached},
            "completion_tokens_details": {"reasoning_tokens": says.reasoning},
        }

    def choice(self, **fields: Any) -> dict[str, Any]:
        return {"index": 0, "logprobs": None, **fields}

    def first(self) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": ""}]

    def delta(self, **fields: Any) -> dict[str, Any]:
        return fields

    def thinking(self, text: str) -> dict[str, Any]:
        return {self.thinks: text} if self.thinks else {}

    def call(self, at: int, call: Call) -> list[dict[str, Any]]:
        arguments = json.dumps(call.arguments)
        first = {"index": at, "id": call.id, "type": "function"}
        if self.whole_calls:
            return [{**first, "function": {"name": call.name, "arguments": arguments}}]
        rest = [{"index": at, "function": {"arguments": part}} for part in parts(arguments)]
        return [{**first, "function": {"name": call.name, "arguments": ""}}, *rest]

    def before(self) -> list[bytes]:
        return []

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return event({**self.head("chat.completion.chunk"), "choices": choices, **more})

    def ending(self, says: Saying) -> list[bytes]:
        finish = self.chunk([self.choice(delta=self.delta(), finish_reason=self.finishes[says.finish])])
        return [finish, self.chunk([], usage=self.usage(says))]

    def frames(self, says: Saying) -> list[bytes]:
        deltas = self.first()
        deltas += [self.delta(**self.thinking(part)) for part in parts(says.thinking) if self.thinks]
        deltas += [self.delta(content=part) for part in parts(says.text)]
        deltas += [self.delta(annotations=self.annotations(says))] if says.cites else []
        deltas += [self.delta(refusal=part) for part in parts(says.refusal) if self.refuses]
        deltas += [self.delta(tool_calls=[one]) for at, call in enumerate(says.calls) for one in self.call(at, call)]
        chunks = [self.chunk([self.choice(delta=delta, finish_reason=None)]) for delta in deltas]
        return [*self.before(), *chunks, *self.ending(says), DONE]

    def body(self, says: Saying) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": says.text or None}
        message |= self.thinking(says.thinking) if says.thinking else {}
        if says.cites:
            message["annotations"] = self.annotations(says)
        if self.refuses:
            message["refusal"] = says.refusal or None
        if says.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
                for call in says.calls
            ]
        choice = self.choice(message=message, finish_reason=self.finishes[says.finish])
        return {**self.head("chat.completion"), "choices": [choice], "usage": self.usage(says)}

    def failing(self) -> bytes:
        """A frame that says that the server is overloaded."""
        return event(
            {"error": {"message": "The server is overloaded", "type": "server_error", "param": None, "code": "overloaded"}}
        )


class OpenAI(ChatServer):
    name = "OpenAI"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["openai"]}
    thinks = None
    refuses = True
    cites = True
    finishes: ClassVar[dict[str, str]] = {**ChatServer.finishes, "refusal": "stop"}

    def head(self, object: str) -> dict[str, Any]:
        return {**super().head(object), "service_tier": "default", "system_fingerprint": "fp_1"}

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return super().chunk(choices, **{"usage": None, "obfuscation": "aB3", **more})

    def usage(self, says: Saying) -> dict[str, Any]:
        rejected = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        found = super().usage(says)
        found["prompt_tokens_details"] |= {"audio_tokens": 0}
        found["completion_tokens_details"] |= rejected
        return found


class Azure(OpenAI):
    name = "Azure"
    refuses = False
    settings: ClassVar[dict[str, Any]] = {"quirks": ["azure"]}
    finishes: ClassVar[dict[str, str]] = {**ChatServer.finishes, "refusal": "content_filter"}

    def before(self) -> list[bytes]:
        filtered = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
        return [event({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": filtered})]

    def choice(self, **fields: Any) -> dict[str, Any]:
        return super().choice(content_filter_results={"violence": {"filtered": False, "severity": "safe"}}, **fields)


class OpenRouter(ChatServer):
    name = "OpenRouter"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["openrouter"]}
    thinks = "reasoning"
    cites = True

    def annotations(self, says: Saying) -> list[dict[str, Any]]:
        found = super().annotations(says)
        for one in found:
            one["url_citation"]["content"] = "a passage"
        return found

    def head(self, object: str) -> dict[str, Any]:
        return {**super().head(object), "provider": "Fireworks"}

    def thinking(self, text: str) -> dict[str, Any]:
        return {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}]}

    def delta(self, **fields: Any) -> dict[str, Any]:
        return {"role": "assistant", "content": "", **fields}

    def choice(self, **fields: Any) -> dict[str, Any]:
        return super().choice(native_finish_reason=fields.get("finish_reason"), **fields)

    def before(self) -> list[bytes]:
        return [b": OPENROUTER PROCESSING\n\n"] * 2

    def usage(self, says: Saying) -> dict[str, Any]:
        return {**super().usage(says), "cost": 0.00014, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}

    def failing(self) -> bytes:
        error = {"code": 503, "message": "Provider returned error", "metadata": {"raw": "overloaded", "provider_name": "F"}}
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        return event({**self.head("chat.completion.chunk"), "error": error, "choices": [choice]})


class DeepSeek(ChatServer):
    name = "DeepSeek"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["deepseek"]}

    def delta(self, **fields: Any) -> dict[str, Any]:
        return {"content": None, "reasoning_content": None, **fields}

    def usage(self, says: Saying) -> dict[str, Any]:
        found = super().usage(says)
        return {**found, "prompt_cache_hit_tokens": says.cached, "prompt_cache_miss_tokens": says.input - says.cached}

    def ending(self, says: Saying) -> list[bytes]:
        choice = self.choice(delta={"content": "", "reasoning_content": None}, finish_reason=self.finishes[says.finish])
        return [self.chunk([choice], usage=self.usage(says))]


class Vllm(ChatServer):
    name = "vLLM"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["vllm"]}
    thinks = "reasoning"

    def choice(self, **fields: Any) -> dict[str, Any]:
        return super().choice(stop_reason=None, token_ids=None, **fields)

    def body(self, says: Saying) -> dict[str, Any]:
        found = super().body(says)
        found["choices"][0]["message"] |= {"refusal": None, "annotations": None, "audio": None, "function_call": None}
        return {**found, "service_tier": None, "system_fingerprint": None, "prompt_logprobs": None, "kv_transfer_params": None}

    def failing(self) -> bytes:
        return event(
            {"object": "error", "message": "the engine is overloaded", "type": "ServiceUnavailable", "param": None, "code": 503}
        )


class LlamaCpp(ChatServer):
    name = "llama.cpp"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["llamacpp"]}

    def first(self) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": None}]

    def choice(self, **fields: Any) -> dict[str, Any]:
        return {"finish_reason": None, "index": 0, **fields}

    def ending(self, says: Saying) -> list[bytes]:
        finish, usage = super().ending(says)
        timings = {"cache_n": says.cached, "prompt_n": says.input - says.cached, "prompt_ms": 251.51, "predicted_n": says.output}
        return [finish, usage[:-3] + b', "timings": ' + json.dumps(timings).encode() + b"}\n\n"]

    def failing(self) -> bytes:
        return b'error: {"code":503,"message":"Loading model","type":"unavailable_error"}\n\n'


class Ollama(ChatServer):
    name = "Ollama"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["ollama", "mend-tool-calls"]}
    thinks = "reasoning"
    whole_calls = True

    def head(self, object: str) -> dict[str, Any]:
        return {**super().head(object), "system_fingerprint": "fp_ollama"}

    def choice(self, **fields: Any) -> dict[str, Any]:
        return {"index": 0, **fields}

    def delta(self, **fields: Any) -> dict[str, Any]:
        return {"role": "assistant", "content": "", **fields}

    def call(self, at: int, call: Call) -> list[dict[str, Any]]:
        return super().call(0, call)

    def usage(self, says: Saying) -> dict[str, Any]:
        return {"prompt_tokens": says.input, "completion_tokens": says.output, "total_tokens": says.input + says.output}

    def failing(self) -> bytes:
        return event({"error": "the server is overloaded"})


class SgLang(ChatServer):
    name = "SGLang"
    settings: ClassVar[dict[str, Any]] = {"quirks": ["sglang"]}

    def delta(self, **fields: Any) -> dict[str, Any]:
        return {"role": None, "content": None, "reasoning_content": None, "tool_calls": None, **fields}

    def choice(self, **fields: Any) -> dict[str, Any]:
        return super().choice(matched_stop=None, **fields)

    def call(self, at: int, call: Call) -> list[dict[str, Any]]:
        first, *rest = super().call(at, call)
        more = [{"id": None, "type": "function", **part, "function": {"name": None, **part["function"]}} for part in rest]
        return [first, *more]

    def usage(self, says: Saying) -> dict[str, Any]:
        counts = {"prompt_tokens": says.input, "total_tokens": says.input + says.output, "completion_tokens": says.output}
        return {**counts, "prompt_tokens_details": {"cached_tokens": says.cached}, "reasoning_tokens": says.reasoning}

    def failing(self) -> bytes:
        return event(
            {"error": {"object": "error", "message": "The system is overloaded", "type": "ServiceUnavailable", "code": 503}}
        )


class Anthropic:
    name = "Anthropic"
    kind = "anthropic"
    path = ""
    settings: ClassVar[dict[str, Any]] = {"model": "claude-sonnet-4-5"}
    thinks = "thinking"
    cites = True
    finishes: ClassVar[dict[str, str]] = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}

    def usage(self, says: Saying, output: int) -> dict[str, Any]:
        cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": says.cached, "service_tier": "standard"}
        return {"input_tokens": says.input - says.cached, "output_tokens": output, **cache}

    def message(self, says: Saying, content: list[dict[str, Any]], output: int, reason: str | None) -> dict[str, Any]:
        details = {"type": "refusal", "explanation": says.refusal, "category": None} if says.refusal else None
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": content, "container": None,
            "stop_reason": reason, "stop_sequence": None, "stop_details": details, "usage": self.usage(says, output),
        }  # fmt: skip

    def blocks(self, says: Saying) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if says.thinking:
            found.append({"type": "thinking", "thinking": says.thinking, "signature": "c2ln"})
        for text, cite in says.pieces():
            cited = {"type": "web_search_result_location", "encrypted_index": "Eo8B", "cited_text": "a passage"}
            citations = [{**cited, "url": cite.url, "title": cite.title}] if cite else None
            found.append({"type": "text", "text": text, "citations": citations})
        return [*found, *({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in says.calls)]

    def body(self, says: Saying) -> dict[str, Any]:
        return self.message(says, self.blocks(says), says.output, self.finishes[says.finish])

    def frames(self, says: Saying) -> list[bytes]:
        frames = [named("message_start", message=self.message(Saying(input=says.input, cached=says.cached), [], 1, None))]
        for at, block in enumerate(self.blocks(says)):
            deltas: list[dict[str, Any]] = []
            empty = {**block}
            if block["type"] == "thinking":
                deltas = [{"type": "thinking_delta", "thinking": part} for part in parts(block["thinking"])]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
                empty |= {"thinking": "", "signature": ""}
            elif block["type"] == "text":
                deltas = [{"type": "citations_delta", "citation": citation} for citation in block["citations"] or ()]
                deltas += [{"type": "text_delta", "text": part} for part in parts(block["text"])]
                empty |= {"text": "", "citations": [] if block["citations"] else None}
            else:
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *parts(json.dumps(block["input"]))]]
                empty |= {"input": {}}
            frames.append(named("content_block_start", index=at, content_block=empty))
            frames.append(named("ping"))
            frames += [named("content_block_delta", index=at, delta=delta) for delta in deltas]
            frames.append(named("content_block_stop", index=at))
        last = self.message(says, [], says.output, self.finishes[says.finish])
        delta = {name: last[name] for name in ("stop_reason", "stop_sequence", "stop_details", "container")}
        return [*frames, named("message_delta", delta=delta, usage=last["usage"]), named("message_stop")]

    def failing(self) -> bytes:
        return named("error", error={"type": "overloaded_error", "message": "Overloaded"}, request_id="req_1")


class Gemini:
    name = "Gemini"
    kind = "gemini"
    path = "/v1beta"
    settings: ClassVar[dict[str, Any]] = {"model": "gemini-2.5-pro"}
    thinks = "thought"
    cites = True
    finishes: ClassVar[dict[str, str]] = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}

    def response(self, says: Saying, parts_: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts_}, "index": 0}
        if reason and says.cites:
            candidate["groundingMetadata"] = self.grounding(says)
        if reason:
            candidate |= {"finishReason": reason, "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]}
        usage = {
            "promptTokenCount": says.input,
            "cachedContentTokenCount": says.cached,
            "candidatesTokenCount": says.output - says.reasoning,
            "thoughtsTokenCount": says.reasoning,
            "totalTokenCount": says.input + says.output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": says.input}],
        }
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro", "responseId": "r1"}

    def grounding(self, says: Saying) -> dict[str, Any]:
        """Places count bytes."""
        supports: list[dict[str, Any]] = []
        for at, cite in enumerate(says.cites):
            start = len(says.text[: cite.place(says.text)[0]].encode())
            segment = {"startIndex": start, "endIndex": start + len(cite.words.encode()), "text": cite.words}
            if not start:
                del segment["startIndex"]
            supports.append({"segment": segment, "groundingChunkIndices": [at], "confidenceScores": [0.9]})
        chunks = [{"web": {"uri": cite.url, "title": cite.title}} for cite in says.cites]
        return {
            "searchEntryPoint": {"renderedContent": "<style></style>"}, "webSearchQueries": ["q"],
            "groundingChunks": chunks, "groundingSupports": supports,
        }  # fmt: skip

    def parts(self, says: Saying) -> list[dict[str, Any]]:
        found = [{"text": part, "thought": True} for part in parts(says.thinking)] + [{"text": part} for part in parts(says.text)]
        calls = [{"functionCall": {"name": call.name, "args": call.arguments}} for call in says.calls]
        for call in calls[:1]:
            call["thoughtSignature"] = "c2ln"
        return [*found, *calls]

    def body(self, says: Saying) -> dict[str, Any]:
        return self.response(says, self.parts(says), self.finishes[says.finish])

    def frames(self, says: Saying) -> list[bytes]:
        chunks = [event(self.response(says, [part], None)) for part in self.parts(says)]
        return [*chunks, event(self.response(says, [{"text": ""}], self.finishes[says.finish]))]

    def failing(self) -> bytes:
        return event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})


class Bedrock:
    """Claude at Amazon. Its streams are messages of AWS's own framing."""

    name = "Bedrock"
    kind = "bedrock"
    path = ""
    settings: ClassVar[dict[str, Any]] = {"model": "anthropic.claude-sonnet-4-5-20250929-v1:0", "api_key": "bedrock-api-key"}
    thinks = "reasoningText"
    cites = True
    finishes: ClassVar[dict[str, str]] = {
        "stop": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "guardrail_intervened",
    }  # fmt: skip

    def usage(self, says: Saying) -> dict[str, Any]:
        fresh = says.input - says.cached
        cache = {"cacheReadInputTokens": says.cached, "cacheWriteInputTokens": 0}
        return {"inputTokens": fresh, "outputTokens": says.output, "totalTokens": says.input + says.output, **cache}

    def citation(self, cite: Cite) -> dict[str, Any]:
        return {
            "title": cite.title,
            "sourceContent": [{"text": "a passage"}],
            "location": {"web": {"url": cite.url, "domain": "d"}},
        }

    def body(self, says: Saying) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if says.thinking:
            content.append({"reasoningContent": {"reasoningText": {"text": says.thinking, "signature": "c2ln"}}})
        for text, cite in says.pieces():
            cited = {"citationsContent": {"content": [{"text": text}], "citations": [self.citation(cite)]}} if cite else None
            content.append(cited or {"text": text})
        content += [{"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in says.calls]
        message = {"role": "assistant", "content": content}
        reason = self.finishes[says.finish]
        return {"metrics": {"latencyMs": 9}, "output": {"message": message}, "stopReason": reason, "usage": self.usage(says)}

    def frames(self, says: Saying) -> list[bytes]:
        blocks: list[tuple[dict[str, Any] | None, list[dict[str, Any]]]] = []
        if says.thinking:
            thoughts = [{"reasoningContent": {"text": part}} for part in parts(says.thinking)]
            blocks.append((None, [*thoughts, {"reasoningContent": {"signature": "c2ln"}}]))
        for text, cite in says.pieces():
            cited = [{"citation": self.citation(cite)}] if cite else []
            blocks.append((None, [*({"text": part} for part in parts(text)), *cited]))
        for call in says.calls:
            start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
            blocks.append((start, [{"toolUse": {"input": part}} for part in parts(json.dumps(call.arguments))]))
        frames = [aws_event("messageStart", role="assistant", p="abc")]
        for at, (start, deltas) in enumerate(blocks):
            frames += [aws_event("contentBlockStart", start=start, contentBlockIndex=at)] if start else []
            frames += [aws_event("contentBlockDelta", delta=delta, contentBlockIndex=at, p="abcdefgh") for delta in deltas]
            frames.append(aws_event("contentBlockStop", contentBlockIndex=at, p="ab"))
        frames.append(aws_event("messageStop", stopReason=self.finishes[says.finish]))
        return [*frames, aws_event("metadata", usage=self.usage(says), metrics={"latencyMs": 9})]

    def failing(self) -> bytes:
        return exception("serviceUnavailableException", "The service is overloaded")


SERVERS = {
    server.name: server
    for server in (
        OpenAI(),
        Azure(),
        Anthropic(),
        Gemini(),
        OpenRouter(),
        DeepSeek(),
        Vllm(),
        LlamaCpp(),
        Ollama(),
        SgLang(),
        Bedrock(),
    )
}
