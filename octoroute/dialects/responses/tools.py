"""A client's tools as functions: every kind gets a flat function name that is unique and that every provider accepts. Pure.

A namespace groups tools, so its name is put before theirs. A custom tool takes one text, which becomes the only argument of a
function. `tool_search` finds tools in the client. Tools that run at OpenAI are left out. A `ToolTable` maps names back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from octoroute.dialects.request.ids import hashed_name, safe_name
from octoroute.dialects.responses import schema
from octoroute.domain.conversation import Tool
from octoroute.errors import BadRequest

FUNCTION = "function"
CUSTOM = "custom"
SEARCH = "tool_search"
INPUT = "input"
"""The argument that holds the text for a custom tool."""
_SEPARATOR = "__"
_INPUT_NOTE = "It is called as a function here: pass its whole text, unquoted and unescaped by you, as the string `input`."
_SEARCH_SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


class ToolId(NamedTuple):
    """How the client knows a tool."""

    kind: str
    """FUNCTION, CUSTOM, or SEARCH: it decides the type of the items that call the tool."""
    name: str
    namespace: str | None = None


class ToolTable:
    """The tools of one request. `offer` every list of tools in the order of the request, so that the names are always the same."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        """A text for each tool that is not offered."""
        self._offered: dict[str, Tool] = {}
        self._names: dict[ToolId, str] = {}
        self._ids: dict[str, ToolId] = {}
        self._by_name: dict[tuple[str, str], list[str]] = {}
        """The flat names of the offered tools of one kind and name, whatever their namespace."""

    @property
    def offered(self) -> tuple[Tool, ...]:
        """In the order of the request; a tool that is offered twice stands at its first place, with its last definition."""
        return tuple(self._offered.values())

    def offer(self, tools: Sequence[schema.Tool], where: str) -> list[Tool]:
        """Add tools. Returns those that can be called. Raises BadRequest for a tool without a name."""
        for tool in tools:  # first, so that plain functions keep their names
            if tool.type == FUNCTION and tool.name:
                self.name_of(ToolId(FUNCTION, tool.name))
        added = [tool for at, tool in enumerate(tools) for tool in self._functions(tool, f"{where}[{at}]")]
        for tool in added:
            if tool.name not in self._offered:
                self._by_name.setdefault(self._ids[tool.name][:2], []).append(tool.name)
            self._offered[tool.name] = tool
        return added

    def name_of(self, tool: ToolId) -> str:
        """The flat name. A tool that was never offered, such as one in a history, gets one too."""
        name = self._names.get(tool)
        if name is None:
            wanted = tool.name if tool.namespace is None else f"{tool.namespace}{_SEPARATOR}{tool.name}"
            name = safe_name(wanted)
            for attempt in itertools.count():
                if name not in self._ids:
                    break
                name = hashed_name(wanted, f"{tool!r}{attempt}")
            self._names[tool] = name
            self._ids[name] = tool
        return name

    def id_of(self, name: str) -> ToolId:
        """The tool that a model calls by `name`; a name that was not offered is a function's."""
        return self._ids.get(name) or ToolId(FUNCTION, name)

    def find(self, kind: str, name: str, namespace: str | None) -> str | None:
        """The flat name of an offered tool; None if there is none. A name that only one namespace has is found without it."""
        name_of = self._names.get(ToolId(kind, name, namespace))
        if name_of in self._offered:
            return name_of
        if namespace is not None:
            return None
        found = self._by_name.get((kind, name), ())
        return found[0] if len(found) == 1 else None

    def group(self, namespace: str) -> Iterator[str]:
        """The flat names of the offered tools of a namespace."""
        return (flat for tool, flat in self._names.items() if tool.namespace == namespace and flat in self._offered)

    def _functions(self, tool: schema.Tool, where: str) -> Iterator[Tool]:
        match tool.type:
            case "function" | "custom":
                yield self._function(tool, where, None)
            case "tool_search" if tool.execution == "client":
                yield Tool(
                    name=self.name_of(ToolId(SEARCH, tool.name or SEARCH)),
                    description=tool.description,
                    schema=tool.parameters or _SEARCH_SCHEMA,
                )
            case "tool_search":
                pass  # it hides tools until OpenAI finds them; here all of them are offered
            case "namespace":
                yield from self._namespace(tool, where)
            case other:
                self.left_out.append(f"{where} ({other} does not run here)")

    def _namespace(self, group: schema.Tool, where: str) -> Iterator[Tool]:
        if not group.name:
            raise BadRequest(f"{where}.name: missing; name the namespace", param=f"{where}.name")
        about = f"{group.name}: {group.description}" if group.description else None
        for at, tool in enumerate(group.tools or ()):
            path = f"{where}.tools[{at}]"
            if tool.type not in {FUNCTION, CUSTOM}:
                self.left_out.append(f"{path} ({tool.type} does not run here)")
                continue
            yield self._function(tool, path, group.name, about)
            about = None

    def _function(self, tool: schema.Tool, where: str, namespace: str | None, about: str | None = None) -> Tool:
        """`about`: the description of a namespace; its first tool carries it."""
        if not tool.name:
            raise BadRequest(f"{where}.name: missing; name the tool", param=f"{where}.name")
        name = self.name_of(ToolId(tool.type, tool.name, namespace))
        if tool.type == FUNCTION:
            return Tool(name=name, description=_join(tool.description, about), schema=tool.parameters, strict=tool.strict)
        text = {"type": "string", "description": "The whole text for the tool."}
        return Tool(
            name=name,
            description=_join(tool.description, _INPUT_NOTE, _grammar(tool.format), about),
            schema={"type": "object", "properties": {INPUT: text}, "required": [INPUT], "additionalProperties": False},
        )


def _join(*texts: str | None) -> str | None:
    return "\n\n".join(filter(None, texts)) or None


def _grammar(wanted: schema.Format | None) -> str | None:
    if wanted is None or not wanted.definition:
        return None
    return f"The text must follow this {wanted.syntax or 'formal'} grammar:\n{wanted.definition}"
