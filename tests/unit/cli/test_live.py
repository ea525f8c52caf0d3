"""`octoroute check --live`: the report. That endpoints are asked for what they can do is in tests/behaviour."""

from __future__ import annotations

import pytest

from octoroute.cli.live import LiveCheck, _remedy, check_endpoints, report
from octoroute.dialects.response.error_hints import KEY, LIMIT, MODEL
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import (
    BadUpstreamResponse,
    NotServed,
    OctorouteError,
    Throttled,
    TlsRejected,
    TooSlow,
    UpstreamAuthError,
    UpstreamRejected,
)
from tests.support.live_gateway import configured, settings

ENDPOINT = Endpoint(id="fast-a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m")


def test_an_answer_has_its_time_and_a_failure_its_reason_and_address():
    assert report([LiveCheck(ENDPOINT, 0.0123, None), LiveCheck(ENDPOINT, 1.0, "no connection", "start it")]) == [
        "  answers    fast  fast-a  in 12 ms",
        "  FAILS      fast  fast-a  no connection (http://h/v1); start it",
    ]


async def test_f9_a_failure_has_its_remedy():
    (check,) = await check_endpoints(configured(settings([{"name": "m", "base_url": "http://127.0.0.1:1/v1"}])))
    assert "check that the server runs" in check.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (UpstreamAuthError("no", detail="invalid_api_key"), KEY),
        (NotServed("no"), MODEL),
        (UpstreamRejected("no", status=400, body=b"odd", headers={}, dialect="openai"), "check the endpoint's model"),
        (Throttled("slow down"), LIMIT),
        (TlsRejected("no"), "check tls"),
        (TooSlow("no"), "loading the model"),
        (BadUpstreamResponse("no"), "base_url is the root"),
        (OctorouteError("no"), "see the log"),
    ],
)
def test_every_error_has_a_remedy(error, remedy):
    assert remedy in _remedy(error)


async def test_results_are_in_the_order_of_the_configuration_whichever_fails_first():
    rows = [{"name": f"m{number}", "id": f"e{number}", "base_url": "http://127.0.0.1:1/v1"} for number in range(12)]
    checks = await check_endpoints(configured(settings(rows)))
    assert [check.endpoint.id for check in checks] == [row["id"] for row in rows]
    assert all(check.problem for check in checks)
