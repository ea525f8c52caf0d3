"""A row comes out of its columns as it went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.sketch import DDSketch
from octoroute.store.base import Labels
from octoroute.store.history import labels_of, row_of
from octoroute.store.rows import columns_of, label_values, labels_from, merge_packed, pack_sketch, unpack
from tests.support.outcomes import OUTCOMES


@given(made=OUTCOMES)
def test_every_row_survives(made):
    row = row_of(made, 5 << 10, labels_of(made, lambda decision: decision.why))
    assert unpack([values[0] for values in columns_of([row])], row.labels) == row


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
