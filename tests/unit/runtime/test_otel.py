"""OpenTelemetry of an instance: off, it wraps nothing and loads nothing; without its SDK it says what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.config.schema.logging import OtelTable
from octoroute.errors import ConfigError
from octoroute.runtime import otel as module
from octoroute.runtime.otel import OpenTelemetry
from octoroute.telemetry.metrics import Metrics
from tests.support.live_gateway import configured, endpoint, settings


def made(**table):
    return OpenTelemetry(configured(settings([endpoint("http://h/v1")], otel=table)), Metrics(lambda _: ""), lambda: 0.0)


async def test_off_it_is_nowhere():
    otel, part, routes = made(), object(), {"/": object()}
    assert otel.transport(part) is part
    assert otel.sink(part) is part
    assert otel.routes(routes) is routes
    otel.start()
    await otel.stop()
    package = Path(module.__file__).parents[1]
    importers = [path.name for path in package.rglob("*.py") if "from opentelemetry" in path.read_text("utf-8")]
    assert importers == ["otlp.py"]


def test_without_the_sdk_it_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(module, "find_spec", missing)
    with pytest.raises(ConfigError, match=r"install octoroute\[otel\]"):
        made(endpoint="http://127.0.0.1:4318")


def test_defaults():
    assert (OtelTable().endpoint, OtelTable().semconv, OtelTable().sample_ratio) == ("", "1.41", 1.0)
