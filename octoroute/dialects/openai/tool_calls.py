"""Which fragment belongs to which tool call; events come out one call after another. Pure.

Identity, on which servers disagree: by `index`, unless a different id or name says that a careless server used the index again;
without an index by id; with neither the last call. Order: one call is open at a time. While its arguments are unfinished everything
else waits, so that fragments of two calls that alternate come out whole.
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
        """Its place among the calls of the answer; -1: not yet told."""
        self.closed = False
        self._scanned = self._depth = 0
        self._in_string = False
        self._cut = ""
        """A backslash whose partner is in the next part."""

    def complete(self) -> bool:
        """Whether the arguments are one JSON object. Each part is looked at once: calls may be long and this asked often."""
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
    """One per answer. `out` is where events go."""

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
        """Text or thinking: at once, unless a call is in the middle of its arguments."""
        call = self._open
        if call is not None:
            silent = not call.parts and not (isinstance(event, TextDelta) and event.text.isspace())
            if self._waiting or not call.name or not (silent or call.complete()):
                self._waiting.append(event)
                return
            self._close()
        out.append(event)

    def add(self, delta: CallDelta, out: list[Event]) -> None:
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
                out.append(Failed("api_error", "the upstream went on with a tool call that was complete"))
        else:
            if arguments:
                call.parts.append(arguments)
            if call.ordinal < 0 and call not in self._waiting:
                self._open_or_queue(call, out)

    def finish(self, out: list[Event]) -> None:
        """Whatever waited, in order."""
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
        """What waited, until a call among it is unfinished too."""
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
    """Whether a fragment that claims `call`'s place is the start of another call.

    A new id alone is not enough once the name is known: some servers make up a new id for every fragment.
    """
    if id and call.id and id != call.id:
        return bool(name) or not call.name
    if id or not name or not call.name:
        return False
    return name != call.name or (bool(arguments) and call.complete())
