"""Assigns the fragments of streamed tool calls to their calls, and emits the events of one call after another. Pure.

Servers identify calls differently. A fragment belongs to the call of its `index`, unless a different id or name shows that the
server reused the index; without an index, to the call of its id; with neither, to the last call. One call is open at a time. While
its arguments are incomplete, other events wait, so that alternating fragments of two calls are put together.

A call is announced when its arguments begin, because until then its name may still grow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from octoroute.dialects.openai.schema import CallDelta
from octoroute.dialects.request.ids import UsedIds, safe_name
from octoroute.dialects.request.json_input import json_text
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, ToolArguments, mend_arguments
from octoroute.domain.conversation import Tool
from octoroute.domain.events import Event, Failed, TextDelta, ToolCallDelta, ToolCallStarted

_LATE_ARGUMENTS = "the upstream sent more arguments for a completed tool call"


class _Call:
    __slots__ = ("arguments", "closed", "id", "indexed", "name", "ordinal", "parts", "queued", "signature")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ToolArguments()
        self.parts: list[str] = []
        """Arguments that have not been emitted yet."""
        self.signature: str | None = None
        self.ordinal = -1
        """Its index among the calls of the response; -1: not yet emitted."""
        self.closed = self.queued = False
        self.indexed = False
        """A fragment of it had an index."""


class CallSorter:
    """One per response; `tools` are those of the request. Methods append events to `out`."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_ids", "_last", "_names", "_open", "_tools", "_waiting")

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools = tools
        self._names: Collection[str] | None = None
        """The names of the tools, once one has been called."""
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids = UsedIds()
        self._last: _Call | None = None
        self._open: _Call | None = None
        self._waiting: deque[_Call | Event] = deque()
        self._calls: list[_Call] = []
        """Those that have been emitted."""

    @property
    def has_calls(self) -> bool:
        return self._last is not None

    def add_event(self, event: Event, out: list[Event]) -> None:
        """Emit text or thinking, unless a call with incomplete arguments is open: then it waits."""
        call = self._open
        if call is not None:
            empty = not call.arguments.begun and not (isinstance(event, TextDelta) and event.text.isspace())
            if self._waiting or not call.name or not (empty or call.arguments.complete):
                self._waiting.append(event)
                return
            self._close(out)
        out.append(event)

    def add(self, delta: CallDelta, out: list[Event]) -> None:
        """Add a fragment. Emits `Failed` for arguments of a call that is already complete."""
        function = delta.function
        name = (function.name if function else None) or ""
        arguments = json_text(function.arguments) if function else ""
        id = delta.id or ""
        call = self._find(delta.index, id, name, arguments)
        if call is None:
            return
        if not call.name and not call.arguments.begun and id != call.id:
            call.id += id  # some servers split the id, too
        call.id = call.id or id
        call.signature = call.signature or delta.signature
        if name and call.ordinal < 0:
            call.name = (self._continued(call.name, name) or call.name) if call.name else name
        passed = call.arguments.feed(arguments) if arguments else ""
        if call.closed:
            if passed:
                out.append(Failed("api_error", _LATE_ARGUMENTS))
            return
        if passed:
            call.parts.append(passed)
        if call is self._open:
            self._emit(call, out)
            if self._waiting and call.name and call.arguments.complete:
                self._close(out)
                self._emit_waiting(out)
        elif not call.queued:
            self._open_or_queue(call, out)

    def finish(self, out: list[Event], *, cut: bool = False) -> None:
        """Emit all waiting events and calls, in order. `cut`: the response was cut short, its last arguments may be incomplete."""
        self._close(out, cut=cut)
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, _Call):
                self._open = item
                self._close(out, cut=cut)
            else:
                out.append(item)
        if any(call.arguments.finish(cut=cut) is None for call in self._calls) and not any(isinstance(e, Failed) for e in out):
            out.append(Failed("api_error", BAD_ARGUMENTS))

    def _find(self, index: int | None, id: str, name: str, arguments: str) -> _Call | None:
        known = self._by_id.get(id) if id else None
        if index is not None:
            call = self._by_index.get(index)
            if call is None and known is not None:
                call = None if name and self._is_another(known, name) else known
            elif call is not None and self._starts_new_call(call, id, name, arguments):
                call = known if known is not call else None
        else:
            call = known if id else self._last
            if not id and call is not None and self._starts_new_call(call, id, name, arguments):
                call = None
        if call is None:
            if not (id or name or arguments):
                return None
            call = _Call()
        if index is not None:
            self._by_index[index] = call
            call.indexed = True
        if id:
            self._by_id.setdefault(id, call)
        self._last = call
        return call

    @staticmethod
    def _is_another(known: _Call, name: str) -> bool:
        """True if a fragment under another index starts a call although `known` has its id: some servers repeat one id."""
        return known.indexed or name != known.name or not known.arguments.partial

    def _starts_new_call(self, call: _Call, id: str, name: str, arguments: str) -> bool:
        """True if a fragment addressed to `call` starts another call.

        A new id alone does not show that once the name is known: some servers generate a new id for every fragment.
        """
        begun = call.arguments.begun
        if id and call.id and id != call.id:
            return bool(name) if call.name else begun
        if id or not name or not call.name:
            return False
        if not begun:
            return self._continued(call.name, name) is None
        if name != call.name:
            return True
        return bool(arguments) and call.arguments.complete and mend_arguments(call.arguments.text + arguments) is None

    def _continued(self, name: str, fragment: str) -> str | None:
        """The name of which `name` and `fragment` are parts; None: `fragment` is the name of another call."""
        tools = self._tool_names()
        whole = name + fragment
        if fragment == name and (name in tools or whole not in tools):
            return name  # repeated
        if whole in tools:
            return whole
        if not tools:
            return fragment if fragment.startswith(name) else whole
        if fragment in tools:
            return fragment if fragment.startswith(name) and name not in tools else None
        return None if name in tools else whole

    def _tool_names(self) -> Collection[str]:
        if self._names is None:
            self._names = frozenset(safe_name(tool.name) for tool in self._tools)
        return self._names

    def _open_or_queue(self, call: _Call, out: list[Event]) -> None:
        if self._open is not None:
            if not self._open.arguments.complete:
                call.queued = True
                self._waiting.append(call)
                return
            self._close(out)
        self._open = call
        self._emit(call, out)

    def _emit_waiting(self, out: list[Event]) -> None:
        """Emit waiting events, up to the first call with incomplete arguments."""
        while self._waiting and self._open is None:
            item = self._waiting.popleft()
            if not isinstance(item, _Call):
                out.append(item)
                continue
            self._open = item
            self._emit(item, out)
            if self._waiting and item.name and item.arguments.complete:
                self._close(out)

    def _emit(self, call: _Call, out: list[Event]) -> None:
        """Emit the arguments so far, and before the first of them the start."""
        if not call.parts or not call.name:
            return
        if call.ordinal < 0:
            self._emit_start(call, out)
        out.append(ToolCallDelta(call.ordinal, "".join(call.parts)))
        call.parts.clear()

    def _emit_start(self, call: _Call, out: list[Event]) -> None:
        call.ordinal = len(self._calls)
        self._calls.append(call)
        id = self._ids.first_use(call.id)
        out.append(ToolCallStarted(call.ordinal, id, tool_name(call.name, self._tool_names()), call.signature))

    def _close(self, out: list[Event], *, cut: bool = False) -> None:
        """Emit what is left of the open call."""
        call, self._open = self._open, None
        if call is None:
            return
        call.closed = True
        if not call.name:
            out.append(Failed("api_error", UNNAMED_TOOL_CALL))
            return
        if call.ordinal < 0:
            self._emit_start(call, out)
        # What follows a complete object may itself be incomplete yet: it is checked at the end of the response.
        rest = "" if call.arguments.complete else call.arguments.finish(cut=cut)
        if rest is None:
            out.append(Failed("api_error", BAD_ARGUMENTS))
        elif rest:
            call.parts.append(rest)
        self._emit(call, out)


def tool_name(name: str, tools: Collection[str]) -> str:
    """The name of the called tool, without what models of some servers add to it; `name` itself if no tool is meant."""
    if not tools or name in tools:
        return name
    plain = name.partition("<|")[0].strip().removeprefix("functions.")
    return next((found for found in (plain, plain.partition(":")[0]) if found in tools), name)
