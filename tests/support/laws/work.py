"""Work as a number that does not depend on the machine: the bytecode instructions that a call takes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class Work:
    """Counts the instructions of Python code; what is written in C counts as one."""

    def __init__(self) -> None:
        self.instructions = 0

    def of(self, call: Callable[[], object]) -> int:
        """Raises what `call` raises."""
        self.instructions = 0
        with self._monitored() if sys.version_info >= (3, 12) else self._traced():
            call()
        return self.instructions

    @contextlib.contextmanager
    def _monitored(self) -> Iterator[None]:
        """Tracing misses the first call of a process from Python 3.12 on."""
        monitoring: Any = getattr(sys, "monitoring")  # noqa: B009 - Python 3.11 has none
        tool, instruction = monitoring.OPTIMIZER_ID, monitoring.events.INSTRUCTION
        monitoring.use_tool_id(tool, "work")
        monitoring.register_callback(tool, instruction, self._count)
        monitoring.set_events(tool, instruction)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, instruction, None)
            monitoring.free_tool_id(tool)

    @contextlib.contextmanager
    def _traced(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, *_: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._count

    def _count(self, *_: Any) -> Callable[..., Any]:
        self.instructions += 1
        return self._count
