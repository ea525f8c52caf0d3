"""The exposition: rendered at most once a second, off the event loop, with gauges of that moment."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.metrics import Metrics
from tests.support.live_gateway import ROOT, samples


def test_gauges_are_read_at_each_scrape():
    depth = [1.0]
    exposition = Exposition(Metrics(lambda decision: "because"), lambda: [("octoroute_queue_depth", (), depth[0])])
    assert not exposition.is_shared
    assert samples(exposition.text().decode())["octoroute_queue_depth", frozenset()] == 1
    depth[0] = 2.0
    assert samples(exposition.text().decode())["octoroute_queue_depth", frozenset()] == 2


async def test_however_many_scrape_it_is_made_once_a_second():
    now, made_times = [0.0], 0

    class Slow:
        def text(self) -> bytes:
            nonlocal made_times
            made_times += 1
            return b"%d" % made_times

    scraper = Scraper(Slow(), lambda: now[0])
    assert await asyncio.gather(*[scraper.text() for _ in range(20)]) == [b"1"] * 20
    now[0] = 0.9
    assert await scraper.text() == b"1"
    now[0] = 1.0
    assert await scraper.text() == b"2"


async def test_waiting_outcomes_are_recorded_before_the_text_is_rendered():
    steps = []

    class Renderer:
        def text(self) -> bytes:
            steps.append("render")
            return b""

    await Scraper(Renderer(), lambda: 0.0, catch_up=lambda: steps.append("catch up")).text()
    assert steps == ["catch up", "render"]


WORKER = """
from octoroute.telemetry.exposition import Exposition
from octoroute.telemetry.metrics import Metrics

metrics = Metrics(lambda decision: "because")
exposition = Exposition(metrics, lambda: [("octoroute_queue_depth", (), 3.0), ("octoroute_circuit_state", ("a",), 2.0)])
assert exposition.is_shared
metrics.count("octoroute_cache_total", "hit")
exposition.share()
print("shared", flush=True)
input()
print(exposition.text().decode())
"""


def test_with_several_workers_a_scrape_adds_up_counts_and_takes_the_worst_circuit(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "shared\n"
    text, _ = workers[0].communicate("\n", timeout=30)
    workers[1].communicate("\n", timeout=30)
    found = samples(text)
    assert found["octoroute_cache_total", frozenset({("result", "hit")})] == 2
    assert found["octoroute_queue_depth", frozenset()] == 6
    assert found["octoroute_circuit_state", frozenset({("endpoint", "a")})] == 2
