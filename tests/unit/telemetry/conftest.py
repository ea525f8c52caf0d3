"""`write`: configure logging, log, and give back what was written; the process is as it was afterwards."""

from __future__ import annotations

import logging

import pytest
import structlog

from octoroute.telemetry import logging as telemetry_logging
from tests.support.log_output import Screen


@pytest.fixture
def write():
    """Configure, log, and give back what was written."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level

    def written(*, style="auto", terminal=False, env=None, level="info", say=None, providers=("one", "two")) -> str:
        screen = Screen(terminal=terminal)
        telemetry_logging.configure(level=level, style=style, providers=providers, out=screen, env=env)
        (say or (lambda log: log.info("request", provider="one", status=200)))(structlog.stdlib.get_logger("x"))
        return screen.text

    yield written
    structlog.configure(**before)
    root.handlers, root.level = handlers, level
