"""`tools/callgrind.py`, which reads callgrind's output and names Python's functions in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("callgrind", Path(__file__).parents[2] / "tools" / "callgrind.py")
callgrind = importlib.util.module_from_spec(_spec)
sys.modules["callgrind"] = callgrind  # dataclasses look their module up
_spec.loader.exec_module(callgrind)

DUMP = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 7
cmd:  python -m octoroute
positions: line
events: Ir
summary: 1000

ob=(1) /usr/lib/libpython.so
fl=(1) Python/ceval.c
fn=(1) eval
10 100
+2 20
* 5
cob=(2) ???
cfi=(2) ???
cfn=(2) 0x000000000547d730
calls=3 0
-4 400
fi=(3) Include/object.h
11 7

ob=(2)
fl=(2)
fn=(2)
0 12
cob=(1)
cfi=(1)
cfn=(1)
calls=2 10
0 90
cfn=(3) 0x547d746
calls=1 0
0 30

fn=(3)
0 30
fe=(1)
0 1

ob=(1)
fn=(4) gc_collect_main.constprop.0
5
6 40
"""


def parsed():
    return callgrind.parse(iter(DUMP.splitlines(keepends=True)))


def test_own_costs_costs_below_and_calls():
    found = parsed().functions
    eval_, first, second = found["/usr/lib/libpython.so", "eval"], found["???", "0x000000000547d730"], found["???", "0x547d746"]
    assert (eval_.own, eval_.below, eval_.calls, eval_.inclusive) == (132, 400, 2, 532)
    assert (first.own, first.below, first.calls) == (12, 120, 3)
    assert (second.own, second.below, second.calls) == (31, 0, 1)


def test_the_total_counts_no_call_twice():
    profile = parsed()
    assert profile.total == 132 + 12 + 31 + 40
    assert profile.total == sum(costs.own for costs in profile.functions.values())


def test_a_function_is_found_whatever_the_compiler_appended_to_its_name():
    assert parsed().inclusive("gc_collect_main") == 40
    assert parsed().inclusive("gc_freeze") == 0


def test_trampolines_have_the_names_of_pythons_perf_map():
    perf_map = ["547d746 b py::Reply.pieces:/x/relay.py\n", "547d730 b py::answer:/x/gateway.py\n", "547d800 b other\n"]
    found = callgrind.python_functions(parsed(), iter(perf_map))
    assert {name: (row.inclusive, row.calls) for name, row in found.items()} == {
        "/x/gateway.py:answer": (132, 3),
        "/x/relay.py:Reply.pieces": (31, 1),
    }


def test_an_address_outside_every_trampoline_has_no_python_name():
    assert callgrind.python_functions(parsed(), iter(["547d700 30 py::early:/x.py", "547d747 b py::late:/x.py"])) == {}
    assert callgrind.python_functions(parsed(), iter([])) == {}


def test_an_address_inside_a_trampoline_is_its_function():
    found = callgrind.python_functions(parsed(), iter(["547d72c 5 py::answer:/x.py"]))
    assert found["/x.py:answer"].calls == 3


def test_costs_of_two_trampolines_with_one_name_are_added():
    found = callgrind.python_functions(parsed(), iter(["547d730 b py::<genexpr>:/x.py", "547d746 b py::<genexpr>:/x.py"]))
    assert found["/x.py:<genexpr>"].own == 43


@pytest.mark.parametrize("line", ["fn=(1) f\n0 many", "ob=(1)\n<html>", "nonsense"])
def test_a_line_that_is_not_callgrinds_is_named(line):
    with pytest.raises(callgrind.Malformed, match=r"line \d"):
        callgrind.parse(iter(line.splitlines()))


def test_nothing_was_collected():
    assert callgrind.parse(iter(["# callgrind format", "events: Ir", "summary: 0"])).total == 0
