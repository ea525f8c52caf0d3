"""Decodes the items of a Responses request into turns. Pure.

Calls and results of every kind of tool become the hub's tool calls and results. What has no counterpart is left out and noted. The
type of an item is never an error, because agents send their whole history with every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from octoroute.dialects.request import media
from octoroute.dialects.request.json_input import json_text
from octoroute.dialects.request.thinking_signatures import REDACTED, parse_signature
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.tools import CUSTOM, FUNCTION, INPUT, SEARCH, ToolId, ToolTable
from octoroute.domain.conversation import (
    Audio,
    Block,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_Parts: TypeAlias = "str | Sequence[schema.Part] | None"

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_CALLS: Mapping[str, str] = {"function_call": FUNCTION, "custom_tool_call": CUSTOM, "tool_search_call": SEARCH}
"""Calls of tools that are offered: the type of the item, and the kind of the tool."""
_HOSTED: Mapping[str, tuple[str, str]] = {
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
    "computer_call": ("computer", "action"),
    "code_interpreter_call": ("code_interpreter", "code"),
    "file_search_call": ("file_search", "queries"),
    "mcp_call": ("mcp", "arguments"),
}
"""Calls of tools that are not offered here: the name of the tool, and the field with what it was asked."""
_HOSTED_RESULTS: Mapping[str, str] = {"code_interpreter_call": "outputs", "file_search_call": "results", "mcp_call": "output"}
"""Those whose item has the result too, and its field."""
LOADERS = frozenset({"tool_search_output", "additional_tools"})
"""Items that bring tools."""
_OUTPUT = "_output"


class ItemDecoder:
    """For one request, whose tools `tools` has. `notes`: it appends what it leaves out."""

    def __init__(self, tools: ToolTable, notes: list[str]) -> None:
        self._tools = tools
        self._notes = notes

    def turns(self, items: Sequence[schema.Item]) -> Iterator[Turn]:
        """Offers the tools that the items load, too. Raises BadRequest that names the field."""
        offer_loaded(self._tools, items)
        for at, item in enumerate(items):
            yield from self._turns(item, f"input[{at}]")

    def _turns(self, item: schema.Item, where: str) -> Iterator[Turn]:
        kind = item.type
        if kind == "message":
            role = _ROLES.get(item.role or "")
            if role is None:
                raise BadRequest(f"{where}.role: must be one of {', '.join(_ROLES)}, not '{item.role}'", param=f"{where}.role")
            yield Turn(role, tuple(self._parts(item.content, f"{where}.content")))
        elif kind == "reasoning":
            yield Turn(Role.ASSISTANT, tuple(self._reasoning(item)))
        elif kind in _CALLS:
            yield from self._call(item, where)
        elif kind == "tool_search_output":
            yield from self._search_output(item, where)
        elif kind in {"additional_tools", "compaction_trigger"}:
            pass  # read before, and after all items
        elif kind == "agent_message":
            sender = [Text(f"(message from the agent {item.author})")] if item.author else []
            yield Turn(Role.USER, (*sender, *self._parts(item.content, f"{where}.content")))
        elif kind == "item_reference":
            raise BadRequest(f"{where}: the item is not stored; send the item itself", param=where)
        elif kind == "image_generation_call" and isinstance(item.result, str) and item.result:
            yield Turn(Role.ASSISTANT, (Image(media_type="image/png", data=item.result),))
        elif kind in _HOSTED:
            yield from self._hosted_call(item, where)
        elif kind.endswith(_OUTPUT) and (call_id := item.call_id or item.id):
            yield Turn(Role.USER, (ToolResult(call_id, tuple(self._output(item.output, f"{where}.output"))),))
        elif kind == "function_call_output":
            yield Turn(Role.USER, tuple(self._output(item.output, f"{where}.output")))
        else:
            self._note(f"input items of type {kind}")

    def _call(self, item: schema.Item, where: str) -> Iterator[Turn]:
        kind = _CALLS[item.type]
        if kind == SEARCH:
            if item.call_id is None:
                return  # searched at OpenAI: the tools that it found are loaded, which is all that counts
            name, arguments = SEARCH, json_text(item.arguments)
        else:
            if item.name is None or item.call_id is None:
                raise BadRequest(f"{where}: call_id or name is missing; send both", param=where)
            name = item.name
            arguments = json_text({INPUT: json_text(item.input)}) if kind == CUSTOM else json_text(item.arguments)
        flat = self._tools.find(kind, name, item.namespace) or self._tools.name_of(ToolId(kind, name, item.namespace))
        yield Turn(Role.ASSISTANT, (ToolCall(item.call_id, flat, arguments),))

    def _search_output(self, item: schema.Item, where: str) -> Iterator[Turn]:
        """The model reads the names of the tools."""
        found = _offer_tools(self._tools, item, where)
        if item.call_id is not None:
            text = "\n".join(f"{name}: can be called now" for name in found) or "(no tools found)"
            yield Turn(Role.USER, (ToolResult(item.call_id, (Text(text),)),))

    def _hosted_call(self, item: schema.Item, where: str) -> Iterator[Turn]:
        tool, asked = _HOSTED[item.type]
        call_id = item.call_id or item.id
        if call_id is None:
            self._note(f"input items of type {item.type}")
            return
        value = getattr(item, asked)
        arguments = json_text(value if isinstance(value, dict) or asked == "arguments" else {asked: value})
        if item.name:
            tool = item.name if item.server_label is None else f"{item.server_label}__{item.name}"
        yield Turn(Role.ASSISTANT, (ToolCall(call_id, self._tools.name_of(ToolId(item.type, tool)), arguments),))
        result = _HOSTED_RESULTS.get(item.type)
        if result is not None:
            output = getattr(item, result)
            output = item.error if output is None else output
            yield Turn(Role.USER, (ToolResult(call_id, tuple(self._output(output, f"{where}.{result}"))),))

    def _reasoning(self, item: schema.Item) -> Iterator[Block]:
        """Decode thinking. `encrypted_content` holds the provider's signature if octoroute wrote it; OpenAI's own is unreadable."""
        content = item.content
        text = content if isinstance(content, str) else "".join(part.text or "" for part in content or ())
        text = text or "".join(part.text or "" for part in item.summary or ())
        signed = parse_signature(item.encrypted_content or "")
        if signed is not None and signed[0] == REDACTED:
            yield RedactedThinking(signed[1])
        elif signed is not None:
            yield Thinking(text, signature=signed[1], origin=signed[0])
        elif text:
            yield Thinking(text)
        elif item.encrypted_content:
            self._note("encrypted reasoning in input")

    def _output(self, value: Any, where: str) -> Iterator[Text | Image | Document]:
        """What a tool returned: a text, parts, or another shape, which is passed on as JSON."""
        if not isinstance(value, list):
            yield from self._output_part(value, where)
            return
        for at, part in enumerate(cast("list[Any]", value)):
            yield from self._output_part(part, f"{where}[{at}]")

    def _output_part(self, value: Any, where: str) -> Iterator[Text | Image | Document]:
        if isinstance(value, dict) and "type" in value:
            try:
                part = msgspec.convert(value, schema.Part)
            except msgspec.ValidationError:
                pass
            else:
                block = self._known_part(part, where)
                if block is not None and not isinstance(block, Audio):
                    yield block
                    return
        text = json_text(value)
        if text:
            yield Text(text)

    def _parts(self, content: _Parts, where: str) -> Iterator[Text | Image | Document | Audio]:
        if isinstance(content, str):
            yield from [Text(content)] if content else []
            return
        for at, part in enumerate(content or ()):
            block = self._known_part(part, f"{where}[{at}]")
            if part.annotations:
                self._note("annotations in input")
            if block is None:
                self._note(f"parts of type {part.type} in input")
            else:
                yield block

    def _known_part(self, part: schema.Part, where: str) -> Text | Image | Document | Audio | None:
        """None: a part of another type, or one without its content."""
        match part.type:
            case "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" if part.text is not None:
                return Text(part.text)
            case "refusal" if part.refusal is not None:
                return Text(part.refusal)
            case "input_image" | "computer_screenshot" if part.image_url is not None:
                return media.image_from_url(part.image_url, f"{where}.image_url", part.detail)
            case "input_file" if part.file_data is not None:
                return media.document_from_file(part.file_data, part.filename, f"{where}.file_data")
            case "input_file" if part.file_url is not None:
                media.check_web_url(part.file_url, f"{where}.file_url")
                return Document(url=part.file_url, title=part.filename)
            case "input_audio" if part.input_audio is not None:
                return Audio(part.input_audio.data, part.input_audio.format)
            case "input_image" | "input_file" | "computer_screenshot":
                raise BadRequest(f"{where}: stored files are not supported by this endpoint; send the data itself", param=where)
            case _:
                return None

    def _note(self, what: str) -> None:
        self._notes.append(what)  # `ignored` has each once


def offer_loaded(tools: ToolTable, items: Sequence[schema.Item]) -> None:
    """Offer the tools that items load. First of all, so that the names do not depend on the calls in the history."""
    for at, item in enumerate(items):
        if item.type in LOADERS:
            _offer_tools(tools, item, f"input[{at}]")


def _offer_tools(tools: ToolTable, item: schema.Item, where: str) -> list[str]:
    loaded = [tool for tool in schema.read_tools(item.tools or ()) if tool.name or tool.type not in {FUNCTION, CUSTOM}]
    return [tool.name for tool in tools.offer(loaded, f"{where}.tools")]
