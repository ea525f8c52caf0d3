"""A row comes out of its columns as it went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.sketch import DDSketch
from octoroute.store.base import AttemptRow, Labels
from octoroute.store.history import labels_of, row_of
from octoroute.store.rows import label_values, labels_from, merge_packed, pack, pack_sketch, unpack
from tests.support.history import entry
from tests.support.outcomes import OUTCOMES


@given(made=OUTCOMES)
def test_every_row_survives(made):
    row = row_of(made, 5 << 10, labels_of(made, lambda decision: decision.why))
    assert unpack(pack(row, 1), row.labels) == row


def test_one_plain_attempt_needs_no_list():
    assert pack(entry().row, 1)[-1] is None
    failed = entry(attempts=(AttemptRow(endpoint="a", took_us=1, error="timeout"),)).row
    assert pack(failed, 1)[-1] is not None
    assert pack(entry(attempts=()).row, 1)[-1] is None


@given(
    labels=st.builds(Labels, ending=st.text(), status=st.just("200"), key=st.text(), stream=st.booleans(), estimated=st.booleans())
)
def test_labels_survive(labels):
    assert labels_from(label_values(labels)) == labels


@given(times=st.lists(st.floats(0, 1e4)))
def test_sketches_survive(times):
    sketch, read = DDSketch(), DDSketch()
    for time in times:
        sketch.add(time)
    merge_packed(read, pack_sketch(sketch))
    assert (read.count, read.sum_s, dict(read.buckets)) == (sketch.count, sketch.sum_s, dict(sketch.buckets))
