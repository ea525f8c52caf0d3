"""Prometheus' text format of one application's metrics, with its gauges; of all workers when there are several.

Gauges are read at each scrape, so that they show the configuration and the health of that moment.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # pyright: ignore[reportUnknownVariableType]
from prometheus_client.values import MutexValue, ValueClass

from octoroute.telemetry.metric_catalog import GAUGES, SUMMED_GAUGES, GaugeSample
from octoroute.telemetry.metrics import Metrics


class Exposition:
    """Adds the gauges to the registry of `metrics`. With several workers, shared files hold what each of them counted."""

    def __init__(self, metrics: Metrics, gauges: Callable[[], Iterable[GaugeSample]]) -> None:
        """`gauges` is called at each scrape, possibly in another thread than the event loop's."""
        self._metrics = metrics
        self._gauges = gauges
        self._worker_gauges: dict[str, Gauge] = {}
        self._written: set[tuple[str, tuple[str, ...]]] = set()
        """Name and labels of the gauges in this worker's file."""
        if ValueClass is MutexValue:
            metrics.registry.register(_GaugeCollector(gauges))
            return
        for row in GAUGES:
            mode = "livesum" if row.name in SUMMED_GAUGES else "livemax"
            self._worker_gauges[row.name] = Gauge(row.name, row.help, row.labels, registry=metrics.registry, multiprocess_mode=mode)

    def text(self) -> bytes:
        """Takes milliseconds: call it in a thread."""
        if not self.is_shared:
            self._metrics.flush()
            return generate_latest(self._metrics.registry)
        self.share()
        registry = CollectorRegistry()
        registry.register(_WorkerCollector())
        return generate_latest(registry)

    @property
    def is_shared(self) -> bool:
        """Whether there are other workers, to which this one must publish its numbers with `share`."""
        return bool(self._worker_gauges)

    def share(self) -> None:
        """Write this worker's counters and gauges to the shared files, so that a scrape of another worker finds them."""
        self._metrics.flush()
        written: set[tuple[str, tuple[str, ...]]] = set()
        for name, labels, value in self._gauges():
            self._set(name, labels, value)
            written.add((name, labels))
        for name, labels in self._written - written:
            self._set(name, labels, _GONE)
        self._written = written

    def _set(self, name: str, labels: tuple[str, ...], value: float) -> None:
        gauge = self._worker_gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)


_GONE = -math.inf
"""The value of a gauge whose endpoint is no longer configured: the shared files cannot be shortened. A sum with it is it, too."""


class _WorkerCollector:
    """What all workers wrote, without the gauges that are gone."""

    def __init__(self) -> None:
        self._all: Any = MultiProcessCollector(None)

    def collect(self) -> Iterator[Metric]:
        for metric in cast("Iterable[Metric]", self._all.collect()):
            metric.samples = [sample for sample in metric.samples if sample.value != _GONE]
            yield metric


class _GaugeCollector:
    def __init__(self, samples: Callable[[], Iterable[GaugeSample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        families = {row.name: GaugeMetricFamily(row.name, row.help, labels=row.labels) for row in GAUGES}
        for name, labels, value in self._samples():
            families[name].add_metric(labels, value)
        yield from families.values()


def worker_died(pid: int) -> None:
    """The gauges of that process are dropped; its counters stay in the sum."""
    mark_process_dead(pid)


class Scraper:
    """Renders the exposition in a thread, at most once in `keep_s` seconds however many scrapes come."""

    def __init__(
        self,
        exposition: Exposition,
        clock: Callable[[], float],
        keep_s: float = 1.0,
        *,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`catch_up` is called first, in the event loop: it records the outcomes that still wait."""
        self.exposition = exposition
        self._catch_up = catch_up
        self._clock = clock
        self._keep_s = keep_s
        self._text = b""
        self._rendered_at = -math.inf
        self._lock = asyncio.Lock()

    async def text(self) -> bytes:
        async with self._lock:
            if self._clock() - self._rendered_at >= self._keep_s:
                self._catch_up()
                self._text = await asyncio.to_thread(self.exposition.text)
                self._rendered_at = self._clock()
            return self._text
