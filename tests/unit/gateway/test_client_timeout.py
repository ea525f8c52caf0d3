"""The header by which a client says how long it waits."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from octoroute.gateway.client_timeout import TIMEOUT_HEADER, read_timeout_s


@pytest.mark.parametrize(("value", "seconds"), [("30", 30.0), (" 0.5 ", 0.5), ("1e2", 100.0), ("86400", 86400.0)])
def test_a_number_of_seconds(value, seconds):
    assert read_timeout_s(value) == seconds


@pytest.mark.parametrize("value", ["", "soon", "0", "-3", "nan", "inf", "86401", "30s", "9" * 400])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(BadRequest) as caught:
        read_timeout_s(value)
    assert caught.value.param == TIMEOUT_HEADER
    assert len(caught.value.message) < 200
