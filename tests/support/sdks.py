"""A conversation held through each official SDK, with one set of words for all three: say, give results, hear.

Streamed answers are taken from the SDK's own accumulating helpers, so that what they believe is what is asserted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anthropic
import httpx2
import ollama
import openai
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.support.vendors import Call, Image

TOOLS: dict[str, dict[str, Any]] = {
    "add": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
    "weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class City(BaseModel):
    """What structured output is asked for."""

    name: str
    inhabitants: int


@dataclass
class Heard:
    text: str
    calls: list[Call]
    stop: str
    """stop, tools, length, or refusal."""
    refusal: str
    usage: tuple[int, int, int]
    """Input with the cached, cached, output."""
    model: str
    parsed: City | None = None
    thought: str = ""
    citations: Sequence[tuple[str, str, str]] = ()
    """(URL, title, the words of the text that it supports)."""


class Talk(Protocol):
    """One conversation. `answer` keeps what was heard in the history, as the SDK gave it."""

    def say(self, text: str, image: Image | None = None) -> None: ...
    def give(self, results: Sequence[tuple[Call, str]]) -> None: ...
    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard: ...


_FINISH = {"stop": "stop", "tool_calls": "tools", "length": "length", "content_filter": "refusal"}
_STOPS = {"end_turn": "stop", "tool_use": "tools", "max_tokens": "length", "refusal": "refusal"}
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "refusal"}


class ChatTalk:
    def __init__(
        self,
        url: str,
        *,
        model: str = "auto",
        system: str = "",
        tools: Sequence[str] = (),
        max_tokens: int = 500,
        thinks: bool = False,
    ) -> None:
        self.sdk = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0, http_client=client_without_tls())
        self.messages: list[Any] = [{"role": "system", "content": system}] if system else []
        self._asked: dict[str, Any] = {"model": model, "max_completion_tokens": max_tokens}
        if thinks:
            self._asked["reasoning_effort"] = "medium"
        if tools:
            self._asked["tools"] = [{"type": "function", "function": {"name": name, "parameters": TOOLS[name]}} for name in tools]

    def say(self, text: str, image: Image | None = None) -> None:
        parts: list[Any] = [{"type": "text", "text": text}]
        if image is not None:
            parts.append({"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{image.data}"}})
        self.messages.append({"role": "user", "content": parts if image else text})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self.messages += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]

    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard:
        asked = {**self._asked, "messages": self.messages, **({"response_format": City} if structured else {})}
        completions = self.sdk.chat.completions
        if streamed:
            async with completions.stream(**asked, stream_options={"include_usage": True}) as stream:
                try:
                    completion: Any = await stream.get_final_completion()
                except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
                    completion = stream.current_completion_snapshot  # the helper's way of saying so
        else:
            completion = await (completions.parse(**asked) if structured else completions.create(**asked))
        (choice,) = completion.choices
        message, usage = choice.message, completion.usage
        self.messages.append(_replayed(message))
        calls = [Call(call.function.name, json.loads(call.function.arguments), call.id) for call in message.tool_calls or ()]
        return Heard(
            text=message.content or "",
            calls=calls,
            stop="refusal" if message.refusal else _FINISH[choice.finish_reason],
            refusal=message.refusal or "",
            usage=(usage.prompt_tokens, getattr(usage.prompt_tokens_details, "cached_tokens", 0) or 0, usage.completion_tokens),
            model=completion.model,
            parsed=message.parsed if structured else None,
            thought=getattr(message, "reasoning_content", None) or "",
            citations=[
                (page.url, page.title, message.content[page.start_index : page.end_index])
                for page in (annotation.url_citation for annotation in message.annotations or ())
            ],
        )


def _replayed(message: Any) -> dict[str, Any]:
    """As a request takes it: the streaming helper leaves its own marks in the calls."""
    calls = {"__all__": {"index": True, "function": {"parsed_arguments"}}}
    return message.model_dump(exclude_none=True, exclude={"parsed": True, "reasoning_content": True, "tool_calls": calls})


class ResponsesTalk:
    def __init__(
        self,
        url: str,
        *,
        model: str = "auto",
        system: str = "",
        tools: Sequence[str] = (),
        max_tokens: int = 500,
        thinks: bool = False,
    ) -> None:
        self.sdk = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0, http_client=client_without_tls())
        self.items: list[Any] = []
        self._asked: dict[str, Any] = {"model": model, "max_output_tokens": max_tokens, "store": False}
        if thinks:
            self._asked |= {"reasoning": {"effort": "medium", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        if system:
            self._asked["instructions"] = system
        if tools:
            self._asked["tools"] = [
                {"type": "function", "name": name, "parameters": TOOLS[name], "strict": False} for name in tools
            ]

    def say(self, text: str, image: Image | None = None) -> None:
        parts: list[Any] = [{"type": "input_text", "text": text}]
        if image is not None:
            url = f"data:{image.media_type};base64,{image.data}"
            parts.append({"type": "input_image", "detail": "auto", "image_url": url})
        self.items.append({"role": "user", "content": parts if image else text})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self.items += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in results]

    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard:
        asked = {**self._asked, "input": self.items, **({"text_format": City} if structured else {})}
        if streamed:
            async with self.sdk.responses.stream(**asked) as stream:
                last: Any = None
                async for event in stream:
                    last = event
                response: Any = await stream.get_final_response() if last.type == "response.completed" else last.response
        else:
            response = await (self.sdk.responses.parse(**asked) if structured else self.sdk.responses.create(**asked))
        self.items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
        parts = [part for item in response.output if item.type == "message" for part in item.content]
        calls = [
            Call(item.name, json.loads(item.arguments), item.call_id) for item in response.output if item.type == "function_call"
        ]
        refusal = "".join(part.refusal for part in parts if part.type == "refusal")
        stop = "tools" if calls else "stop"
        if response.status == "incomplete":
            stop = _INCOMPLETE[response.incomplete_details.reason]
        usage = response.usage
        return Heard(
            text="".join(part.text for part in parts if part.type == "output_text"),
            calls=calls,
            stop="refusal" if refusal else stop,
            refusal=refusal,
            usage=(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens),
            model=response.model,
            parsed=response.output_parsed if structured else None,
            thought="".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary),
            citations=[
                (page.url, page.title, part.text[page.start_index : page.end_index])
                for part in parts
                if part.type == "output_text"
                for page in part.annotations
            ],
        )


class MessagesTalk:
    def __init__(
        self,
        url: str,
        *,
        model: str = "auto",
        system: str = "",
        tools: Sequence[str] = (),
        max_tokens: int = 500,
        thinks: bool = False,
    ) -> None:
        self.sdk = anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0, http_client=client_without_tls())
        self.messages: list[Any] = []
        self._asked: dict[str, Any] = {"model": model, "max_tokens": max_tokens}
        if thinks:
            self._asked["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        if system:
            self._asked["system"] = system
        if tools:
            self._asked["tools"] = [{"name": name, "input_schema": TOOLS[name]} for name in tools]

    def say(self, text: str, image: Image | None = None) -> None:
        parts: list[Any] = [{"type": "text", "text": text}]
        if image is not None:
            source = {"type": "base64", "media_type": image.media_type, "data": image.data}
            parts.append({"type": "image", "source": source})
        self.messages.append({"role": "user", "content": parts if image else text})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in results]
        self.messages.append({"role": "user", "content": blocks})

    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard:
        asked = {**self._asked, "messages": self.messages, **({"output_format": City} if structured else {})}
        if streamed:
            async with self.sdk.messages.stream(**asked) as stream:
                message: Any = await stream.get_final_message()
        else:
            message = await (self.sdk.messages.parse(**asked) if structured else self.sdk.messages.create(**asked))
        self.messages.append({"role": "assistant", "content": [_block(block) for block in message.content]})
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        return Heard(
            text="".join(block.text for block in message.content if block.type == "text"),
            calls=[Call(block.name, block.input, block.id) for block in message.content if block.type == "tool_use"],
            stop=_STOPS[message.stop_reason],
            refusal=message.stop_details.explanation if message.stop_details else "",
            usage=(usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), cached, usage.output_tokens),
            model=message.model,
            parsed=message.parsed_output if structured else None,
            thought="".join(block.thinking for block in message.content if block.type == "thinking"),
            citations=[
                (page.url, page.title, block.text)
                for block in message.content
                if block.type == "text"
                for page in block.citations or ()
            ],
        )


def _block(block: Any) -> dict[str, Any]:
    return block.model_dump(exclude_none=True, exclude={"parsed_output"})


_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "refusal"}


class GenerateTalk:
    """Google's SDK; its chunks are put together as its own chats do it."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "auto",
        system: str = "",
        tools: Sequence[str] = (),
        max_tokens: int = 500,
        thinks: bool = False,
    ) -> None:
        options = types.HttpOptions(base_url=url, retry_options=types.HttpRetryOptions(attempts=1))
        options.httpx_async_client = self._client = client_without_tls()
        self.sdk = genai.Client(api_key="k", http_options=options).aio
        self.contents: list[Any] = []
        self._model = model
        config: dict[str, Any] = {"max_output_tokens": max_tokens, "automatic_function_calling": {"disable": True}}
        if system:
            config["system_instruction"] = system
        if thinks:
            config["thinking_config"] = {"thinking_budget": 2000, "include_thoughts": True}
        if tools:
            declared = [{"name": name, "parameters_json_schema": TOOLS[name]} for name in tools]
            config["tools"] = [{"function_declarations": declared}]
        self._config = config

    async def close(self) -> None:
        await self.sdk.aclose()
        await self._client.aclose()

    def say(self, text: str, image: Image | None = None) -> None:
        parts = [types.Part(text=text)]
        if image is not None:
            parts.append(types.Part.from_bytes(data=base64.b64decode(image.data), mime_type=image.media_type))
        self.contents.append(types.Content(role="user", parts=parts))

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call.id or None, name=call.name, response={"output": text}))
            for call, text in results
        ]
        self.contents.append(types.Content(role="user", parts=parts))

    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard:
        config = {**self._config}
        if structured:
            config |= {"response_mime_type": "application/json", "response_json_schema": City.model_json_schema()}
        asked: Any = {"model": self._model, "contents": self.contents, "config": config}
        if streamed:
            chunks = [chunk async for chunk in await self.sdk.models.generate_content_stream(**asked)]
        else:
            chunks = [await self.sdk.models.generate_content(**asked)]
        contents = [chunk.candidates[0].content for chunk in chunks if chunk.candidates and chunk.candidates[0].content]
        parts = [part for content in contents for part in content.parts or ()]
        self.contents.append(types.Content(role="model", parts=parts))
        last = chunks[-1]
        usage: Any = last.usage_metadata
        calls = [part.function_call for part in parts if part.function_call]
        text = "".join(part.text or "" for part in parts if not part.thought)
        reason: Any = last.candidates[0].finish_reason if last.candidates else types.FinishReason.SAFETY
        return Heard(
            text=text,
            calls=[Call(call.name or "", call.args or {}, call.id or "") for call in calls],
            stop="tools" if calls else _REASONS[reason.value],
            refusal="",
            usage=(
                usage.prompt_token_count,
                usage.cached_content_token_count or 0,
                usage.candidates_token_count + (usage.thoughts_token_count or 0),
            ),
            model=last.model_version or "",
            parsed=City.model_validate_json(text) if structured else None,
            thought="".join(part.text or "" for part in parts if part.thought),
            citations=_grounding(last.candidates[0].grounding_metadata if last.candidates else None, text.encode()),
        )


def _grounding(metadata: Any, text: bytes) -> list[tuple[str, str, str]]:
    """Its places count bytes."""
    found: list[tuple[str, str, str]] = []
    for support in (metadata.grounding_supports or ()) if metadata else ():
        segment = support.segment
        words = text[segment.start_index or 0 : segment.end_index].decode()
        assert words == segment.text
        pages = [metadata.grounding_chunks[at].web for at in support.grounding_chunk_indices]
        found += [(page.uri, page.title, words) for page in pages]
    return found


class OllamaTalk:
    """Ollama's SDK. Its calls have no ids, and its answers neither a refusal nor cached tokens."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "auto",
        system: str = "",
        tools: Sequence[str] = (),
        max_tokens: int = 500,
        thinks: bool = False,
    ) -> None:
        self.sdk = ollama.AsyncClient(host=url, trust_env=False, verify=False, timeout=30)
        self.messages: list[Any] = [{"role": "system", "content": system}] if system else []
        self._asked: dict[str, Any] = {"model": model, "options": {"num_predict": max_tokens}}
        if thinks:
            self._asked["think"] = True
        if tools:
            self._asked["tools"] = [{"type": "function", "function": {"name": name, "parameters": TOOLS[name]}} for name in tools]

    async def close(self) -> None:
        await self.sdk.close()

    def say(self, text: str, image: Image | None = None) -> None:
        self.messages.append({"role": "user", "content": text, **({"images": [image.data]} if image else {})})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self.messages += [{"role": "tool", "tool_name": call.name, "content": text} for call, text in results]

    async def answer(self, *, streamed: bool, structured: bool = False) -> Heard:
        asked: Any = {**self._asked, "messages": self.messages}
        if structured:
            asked["format"] = City.model_json_schema()
        if streamed:
            parts: list[Any] = [part async for part in await self.sdk.chat(**asked, stream=True)]
        else:
            parts = [await self.sdk.chat(**asked)]
        messages, last = [part.message for part in parts], parts[-1]
        assert last.done and not any(part.done for part in parts[:-1])
        text = "".join(message.content or "" for message in messages)
        thought = "".join(message.thinking or "" for message in messages)
        made = [call for message in messages for call in message.tool_calls or ()]
        self.messages.append({"role": "assistant", "content": text, "thinking": thought, "tool_calls": made})
        return Heard(
            text=text,
            calls=[Call(call.function.name, dict(call.function.arguments)) for call in made],
            stop="tools" if made else last.done_reason,
            refusal="",
            usage=(last.prompt_eval_count, 0, last.eval_count),
            model=last.model,
            parsed=City.model_validate_json(text) if structured else None,
            thought=thought,
        )


def client_without_tls() -> httpx2.AsyncClient:
    """No TLS, no proxies: a context of either costs more than the test."""
    return httpx2.AsyncClient(trust_env=False, verify=False, timeout=30)


TALKS: dict[str, type[ChatTalk | ResponsesTalk | MessagesTalk | GenerateTalk | OllamaTalk]] = {
    "chat": ChatTalk,
    "responses": ResponsesTalk,
    "messages": MessagesTalk,
    "generate": GenerateTalk,
    "ollama": OllamaTalk,
}
RAISES: dict[str, tuple[type[Exception], str]] = {
    "chat": (openai.APIError, "status_code"),
    "responses": (openai.APIError, "status_code"),
    "messages": (anthropic.APIError, "status_code"),
    "generate": (errors.APIError, "code"),
    "ollama": (ollama.ResponseError, "status_code"),
}
"""What each SDK raises, and where the status is."""
