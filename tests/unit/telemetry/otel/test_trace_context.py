"""W3C Trace Context: what is read back is what was written, and what is malformed is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.telemetry.otel.trace_context import TraceParent, new_span_id, new_trace_id, read_parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans())
def test_what_is_written_is_read_back(trace_id, span_id, sampled):
    parent = TraceParent(trace_id, span_id, sampled)
    assert read_parent([(b"traceparent", parent.header.encode())]) == parent


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_ignored(value):
    read_parent([(b"traceparent", value), (b"tracestate", value)])


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
        (f"00-{TRACE}-{SPAN}-01-what-comes-later", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{SPAN}", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
    ],
)
def test_versions_zeros_and_lengths(value, taken):
    assert (read_parent([(b"traceparent", value.encode())]) is not None) is taken


def test_two_parents_are_none_and_the_states_of_two_headers_are_one():
    header = (b"traceparent", f"00-{TRACE}-{SPAN}-00".encode())
    assert read_parent([header, header]) is None
    found = read_parent([header, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")])
    assert (found.state, found.sampled) == ("a=1,b=2", False)
    assert read_parent([header, (b"tracestate", b"x" * 600)]).state == ""


def test_ids_are_not_zero_and_differ():
    assert len({new_trace_id() for _ in range(50)} | {new_span_id() for _ in range(50)}) == 100
