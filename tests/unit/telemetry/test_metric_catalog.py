"""Every metric is well named and described, and exposed as what its row says."""

from __future__ import annotations

from octoroute.telemetry.exposition import Exposition
from octoroute.telemetry.metric_catalog import GAUGES, TABLE
from octoroute.telemetry.metrics import Metrics


def test_names_and_labels_are_well_formed_and_described():
    names = [row.name for row in (*TABLE, *GAUGES)]
    assert len(names) == len(set(names))
    for row in (*TABLE, *GAUGES):
        assert row.name.startswith("octoroute_")
        assert not row.help[0].islower()
        assert row.help.endswith(".")
    text = Exposition(Metrics(lambda decision: "because"), list).text().decode()
    for row in TABLE:
        assert f"# TYPE {row.name.removesuffix('_total') if row.buckets else row.name} " in text
