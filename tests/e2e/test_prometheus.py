"""Prometheus' own tool reads our metrics and the alerts we recommend."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.runtime.gauges import gauge_samples
from octoroute.telemetry.exposition import Exposition
from octoroute.telemetry.metric_catalog import GAUGES, TABLE
from octoroute.telemetry.metrics import Metrics

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt install prometheus)")
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
PROMETHEUS = Path(__file__).parents[2] / "examples" / "prometheus"
ODD = Endpoint(id='odd "id"\\', name="m", tier=Tier.FAST, kind="openai", provider="openai", base_url="http://h/v1", model="m")


def promtool(*words: str, text: bytes | None = None) -> tuple[int, str]:
    done = subprocess.run([PROMTOOL, *words], input=text, capture_output=True, timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_the_exposition_is_sound():
    health = HealthRegistry(failure_threshold=3, recovery_s=30, clock=lambda: 0, wall=lambda: 0)
    metrics = Metrics(lambda _: "model")
    exposition = Exposition(metrics, lambda: gauge_samples(health, [ODD], 0))
    for row in TABLE:
        if row.buckets is None:
            metrics.count(row.name, *(ODD.id for _ in row.labels))
        else:
            metrics.observe(row.name, 0.1, *(ODD.id for _ in row.labels))
    code, said = promtool("check", "metrics", text=exposition.text())
    # Its taste in names: v1's duration is in milliseconds, and keeps its name.
    complaints = [line for line in said.splitlines() if line and not line.startswith("octoroute_routing_duration_ms ")]
    assert complaints == []
    assert code in {0, 3}


def test_the_alerts_are_rules_and_pass_their_own_tests():
    code, said = promtool("check", "rules", str(PROMETHEUS / "rules.yml"))
    assert code == 0, said
    assert "15 rules" in said
    code, said = promtool("test", "rules", str(PROMETHEUS / "rules_test.yml"))
    assert code == 0, said


def test_the_queries_of_the_panels_parse(tmp_path):
    rows = re.findall(r"(?m)^\| [^|]+ \| `(.*)` \|$", OPERATIONS.read_text("utf-8").split("### Grafana")[1])
    queries = [query.replace("\\|", "|") for row in rows for query in re.split(r"`[^`]*`", row)]
    assert len(queries) > len(rows) > 8
    rules = [f"      - record: panel_{at}\n        expr: '{query}'" for at, query in enumerate(queries)]
    (tmp_path / "panels.yml").write_text("groups:\n  - name: panels\n    rules:\n" + "\n".join(rules) + "\n", "utf-8")
    code, said = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert code == 0, said
    assert all(row.name in OPERATIONS.read_text("utf-8") for row in GAUGES)
