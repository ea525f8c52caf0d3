"""Both databases have the same tables and the same versions."""

from __future__ import annotations

import re

from octoroute.store.schema import POSTGRESQL, SQLITE

OF_POSTGRESQL = {"requests", "records", "bodies"}
"""SQLite makes them for each day."""


def test_every_version_has_the_same_tables():
    assert len(SQLITE) == len(POSTGRESQL)
    for ours, theirs in zip(SQLITE, POSTGRESQL, strict=True):
        one, two = ({name for sql in some for name in re.findall(r"^CREATE TABLE (\w+)", sql)} for some in (ours, theirs))
        assert one == two - OF_POSTGRESQL
