"""Connections that a test left open are closed: from Python 3.13 on, one that is not is a warning."""

from __future__ import annotations

import pytest

from tests.support.databases import Setting


@pytest.fixture(autouse=True)
def connections_are_closed():
    yield
    while Setting.made:
        Setting.made.pop().batches.close()
