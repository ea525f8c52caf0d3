"""Work as a number that does not depend on the machine: the bytecode instructions that a call takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Work:
    """Counts the instructions of Python code; what is written in C counts as one."""

    def __init__(self) -> None:
        self.instructions = 0

    def of(self, call: Callable[[], object]) -> int:
        """Raises what `call` raises."""
        before, self.instructions = sys.gettrace(), 0
        sys.settrace(self._enter)
        try:
            call()
        finally:
            sys.settrace(before)
        return self.instructions

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Callable[[FrameType, str, Any], Any]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._count

    def _count(self, frame: FrameType, event: str, arg: Any) -> Callable[[FrameType, str, Any], Any]:
        self.instructions += 1
        return self._count
