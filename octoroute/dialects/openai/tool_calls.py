"""Assigns the fragments of streamed tool calls to their calls, and emits the events of one call after another. Pure.

Servers identify calls differently. A fragment belongs to the call of its `index`, unless a different id or name shows that the
server reused the index; without an index, to the call of its id; with neither, to the last call. One call is open at a time. While
its arguments are incomplete, other events wait, so that alternating fragments of two calls are put together.
"""

from __future__ import annotations

import re
from collections import deque

from octoroute.dialects.openai.schema import CallDelta, arguments_text
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL, is_json_object
from octoroute.domain.events import Event, Failed, TextDelta, ToolCallDelta, ToolCallStarted

_MARK = re.compile(r'["{}\[\]]|\\.', re.DOTALL)


class _Call:
    __slots__ = ("_cut", "_depth", "_in_string", "_scanned", "closed", "id", "name", "ordinal", "parts", "signature")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.parts: list[str] = []
        self.signature: str | None = None
        self.ordinal = -1
        """Its index among the calls of the response; -1: not yet emitted."""
        self.closed = False
        self._scanned = self._depth = 0
        self._in_string = False
        self._cut = ""
        """A backslash at the end of the last part, whose escape continues in the next one."""

    def complete(self) -> bool:
        """True if the arguments are one JSON object. Each part is scanned once, because this is called for every fragment."""
        text = self._cut + "".join(self.parts[self._scanned :])
        self._scanned = len(self.parts)
        self._cut = "\\" if (len(text) - len(text.rstrip("\\"))) % 2 else ""
        for mark in _MARK.findall(text):
            if mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string and len(mark) == 1:
                self._depth += 1 if mark in "{[" else -1
        return not (self._depth or self._in_string) and is_json_object("".join(self.parts))


class CallSorter:
    """One per response. Methods append events to `out`."""

    __slots__ = ("_by_id", "_by_index", "_count", "_last", "_open", "_waiting")

    def __init__(self) -> None:
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._last: _Call | None = None
        self._open: _Call | None = None
        self._waiting: deque[_Call | Event] = deque()
        self._count = 0

    @property
    def has_calls(self) -> bool:
        return self._last is not None

    def add_event(self, event: Event, out: list[Event]) -> None:
        """Emit text or thinking, unless a call with incomplete arguments is open: then it waits."""
        call = self._open
        if call is not None:
            empty = not call.parts and not (isinstance(event, TextDelta) and event.text.isspace())
            if self._waiting or not call.name or not (empty or call.complete()):
                self._waiting.append(event)
                return
            self._close()
        out.append(event)

    def add(self, delta: CallDelta, out: list[Event]) -> None:
        """Add a fragment. Emits `Failed` for a fragment of a call that is already complete."""
        function = delta.function
        name = (function.name if function else None) or ""
        arguments = arguments_text(function.arguments) if function else ""
        call = self._find(delta.index, delta.id or "", name, arguments)
        if call is None:
            return
        call.id = call.id or delta.id or ""
        call.signature = call.signature or delta.signature
        named_now = bool(name) and not call.name
        call.name = call.name or name
        if call is self._open:
            self._extend(call, arguments, out, start=named_now)
        elif call.closed:
            if arguments.strip():
                out.append(Failed("api_error", "the upstream sent more arguments for a completed tool call"))
        else:
            if arguments:
                call.parts.append(arguments)
            if call.ordinal < 0 and call not in self._waiting:
                self._open_or_queue(call, out)

    def finish(self, out: list[Event]) -> None:
        """Emit all waiting events and calls, in order."""
        self._finish_open(out)
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, _Call):
                self._open = item
                if item.name:
                    self._emit_start(item, out)
                self._finish_open(out)
            else:
                out.append(item)

    def _finish_open(self, out: list[Event]) -> None:
        if self._open is not None and self._open.ordinal < 0:
            out.append(Failed("api_error", UNNAMED_TOOL_CALL))
        self._close()

    def _find(self, index: int | None, id: str, name: str, arguments: str) -> _Call | None:
        known = self._by_id.get(id) if id else None
        if index is not None:
            call = self._by_index.get(index)
            if call is None and known is not None:
                call = None if name and known.complete() else known
            elif call is not None and _starts_new_call(call, id, name, arguments):
                call = known if known is not call else None
        else:
            call = known if id else self._last
            if not id and call is not None and _starts_new_call(call, id, name, arguments):
                call = None
        if call is None:
            if not (id or name or arguments):
                return None
            call = _Call()
        if index is not None:
            self._by_index[index] = call
        if id:
            self._by_id.setdefault(id, call)
        self._last = call
        return call

    def _open_or_queue(self, call: _Call, out: list[Event]) -> None:
        if self._open is not None:
            if not self._open.complete():
                self._waiting.append(call)
                return
            self._close()
        self._open = call
        if call.name:
            self._emit_start(call, out)

    def _extend(self, call: _Call, arguments: str, out: list[Event], *, start: bool) -> None:
        if arguments:
            call.parts.append(arguments)
        if start:
            self._emit_start(call, out)
        elif arguments and call.ordinal >= 0:
            out.append(ToolCallDelta(call.ordinal, arguments))
        if self._waiting and call.name and call.complete():
            self._close()
            self._emit_waiting(out)

    def _emit_waiting(self, out: list[Event]) -> None:
        """Emit waiting events, up to the first call with incomplete arguments."""
        while self._waiting and self._open is None:
            item = self._waiting.popleft()
            if not isinstance(item, _Call):
                out.append(item)
                continue
            self._open = item
            if item.name:
                self._emit_start(item, out)
                if self._waiting and item.complete():
                    self._close()

    def _emit_start(self, call: _Call, out: list[Event]) -> None:
        call.ordinal = self._count
        self._count += 1
        out.append(ToolCallStarted(call.ordinal, call.id, call.name, call.signature))
        if call.parts:
            out.append(ToolCallDelta(call.ordinal, "".join(call.parts)))

    def _close(self) -> None:
        if self._open is not None:
            self._open.closed = True
            self._open = None


def _starts_new_call(call: _Call, id: str, name: str, arguments: str) -> bool:
    """True if a fragment addressed to `call` starts another call.

    A new id alone does not show that once the name is known: some servers generate a new id for every fragment.
    """
    if id and call.id and id != call.id:
        return bool(name) or not call.name
    if id or not name or not call.name:
        return False
    return name != call.name or (bool(arguments) and call.complete())
