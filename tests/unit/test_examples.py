"""The files for Prometheus and Grafana agree with the documentation and with the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from octoroute.telemetry.metric_catalog import GAUGES, TABLE

ROOT = Path(__file__).resolve().parents[2]
NAMES = {row.name for row in (*TABLE, *GAUGES)} | {
    row.name + suffix for row in TABLE if row.buckets for suffix in ("_bucket", "_count", "_sum")
}


def rules():
    groups = yaml.safe_load((ROOT / "examples/prometheus/rules.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads((ROOT / "examples/grafana/octoroute.json").read_text("utf-8"))


def test_every_alert_has_a_section_that_says_what_to_do():
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)$", page)}
    for rule in rules():
        if "alert" in rule:
            where, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert (where, anchor in anchors) == ("docs/troubleshooting.md", True), rule["alert"]
            assert f"`{rule['alert']}`" in page


def test_rules_and_panels_ask_for_metrics_that_there_are():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    queries = [rule["expr"] for rule in rules()]
    queries += [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    for query in queries:
        for name in re.findall(r"octoroute[a-z0-9_:]+", query.replace('job="octoroute"', "")):
            assert name in NAMES | recorded, query


def test_the_dashboard_has_the_panels_of_the_page_side_by_side():
    page = (ROOT / "docs/operations.md").read_text("utf-8").split("### Grafana")[1].split("\n## ")[0]
    documented = [
        (title.strip(), [query.replace("\\|", "|") for query in re.findall(r"`([^`]*)`", cell)])
        for title, cell in re.findall(r"(?m)^\| ([^|]+) \| (`.*`) \|$", page)
    ]
    panels = dashboard()["panels"]
    assert [(panel["title"], [target["expr"] for target in panel["targets"]]) for panel in panels] == documented
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
