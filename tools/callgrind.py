"""Read what callgrind writes, and name the Python functions in it.

The format is that of https://valgrind.org/docs/manual/cl-format.html, with one event (instructions, Ir). A Python that was
started with PYTHONPERFSUPPORT=1 (3.12 and newer, https://docs.python.org/3/howto/perf_profiling.html) enters each Python function
through machine code of its own, a trampoline. callgrind knows it by its address only; Python's perf map, `/tmp/perf-PID.map`, has
the names.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"(?P<kind>fn|cfn|fl|fi|fe|cfi|cfl|ob|cob)=\((?P<id>\d+)\)(?: (?P<name>.*))?$")
_MAP_LINE = re.compile(r"(?P<start>[0-9a-f]+) (?P<size>[0-9a-f]+) py::(?P<function>[^:]+):(?P<file>.*)$")
_SPACE: Mapping[str, str] = {"fn": "fn", "cfn": "fn", "ob": "ob", "cob": "ob"}
"""Names are numbered in three spaces: functions, objects, and files (every other kind)."""


class Malformed(Exception):
    """A line that is not callgrind's, with its number."""


@dataclass
class Function:
    """A function's costs in instructions, over the whole profile."""

    own: int = 0
    below: int = 0
    """What its calls cost, with all that they call."""
    calls: int = 0
    """How often it was called."""

    @property
    def inclusive(self) -> int:
        return self.own + self.below


@dataclass
class Profile:
    """One dump: (object file, function) -> its costs. Functions without a name have their address in hexadecimal."""

    functions: dict[tuple[str, str], Function] = field(default_factory=lambda: defaultdict(Function))
    total: int = 0
    """All instructions that were collected."""

    def inclusive(self, name: str) -> int:
        """Of the functions whose name begins so: compilers append to the names of the copies that they make."""
        return sum(costs.inclusive for (_, function), costs in self.functions.items() if function.startswith(name))


def _numbers(line: str, number: int) -> int:
    """The cost of `position cost`; a line without a cost costs nothing."""
    parts = line.split()
    try:
        return int(parts[1]) if len(parts) > 1 else 0
    except ValueError:
        raise Malformed(f"line {number}: {line[:80]!r}") from None


def parse(lines: Iterator[str]) -> Profile:
    """The whole of one dump. Raises Malformed for a line that the format does not have."""
    profile = Profile()
    names: dict[tuple[str, str], str] = {}
    here, callee_object, callee = ("", ""), "", ("", "")
    called = 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\n")
        if not line or line[0] == "#":
            continue
        if line[0].isdigit() or line[0] in "+-*":
            cost = _numbers(line, number)
            profile.total += 0 if called else cost
            costs = profile.functions[here]
            if called:
                costs.below += cost
                profile.functions[callee].calls += called
            else:
                costs.own += cost
            called = 0
        elif line.startswith("calls="):
            called = int(line[6:].split()[0])
        elif named := _NAME.match(line):
            kind = named["kind"]
            key = _SPACE.get(kind, "fl"), named["id"]
            if named["name"] is not None:
                names[key] = named["name"]
            name = names.get(key, "")
            if kind == "ob":
                here = name, here[1]
            elif kind == "cob":
                callee_object = name
            elif kind == "fn":
                here, callee_object = (here[0], name), here[0]
            elif kind == "cfn":
                callee, callee_object = (callee_object, name), here[0]
        elif "=" not in line and ":" not in line:
            raise Malformed(f"line {number}: {line[:80]!r}")
    return profile


def python_functions(profile: Profile, perf_map: Iterator[str]) -> dict[str, Function]:
    """`file:function` -> the costs of its trampolines, `below` with all that it calls.

    A function that calls itself has the inner calls in its inclusive cost more than once.
    """
    starts, ends, labels = [], [], []
    for line in sorted(perf_map, key=lambda line: int(line.split(" ", 1)[0], 16)):
        if found := _MAP_LINE.match(line.rstrip("\n")):
            start = int(found["start"], 16)
            starts.append(start)
            ends.append(start + int(found["size"], 16))
            labels.append(f"{found['file']}:{found['function']}")
    functions: dict[str, Function] = defaultdict(Function)
    for (_, name), costs in profile.functions.items():
        if not name.startswith("0x"):
            continue
        address = int(name[2:].split("'")[0], 16)
        at = bisect.bisect_right(starts, address) - 1
        if at >= 0 and address < ends[at]:
            function = functions[labels[at]]
            function.own += costs.own
            function.below += costs.below
            function.calls += costs.calls
    return dict(functions)
