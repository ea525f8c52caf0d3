"""`octoroute check --live`: the report. That endpoints are asked for what they can do is in tests/behaviour."""

from __future__ import annotations

from octoroute.cli.live import LiveCheck, check_endpoints, report
from octoroute.domain.endpoint import Endpoint, Tier
from tests.support.live_gateway import configured, settings

ENDPOINT = Endpoint(id="fast-a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m")


def test_an_answer_has_its_time_and_a_failure_its_reason_and_address():
    assert report([LiveCheck(ENDPOINT, 0.0123, None), LiveCheck(ENDPOINT, 1.0, "no connection")]) == [
        "  answers    fast  fast-a  in 12 ms",
        "  FAILS      fast  fast-a  no connection (http://h/v1)",
    ]


async def test_results_are_in_the_order_of_the_configuration_whichever_fails_first():
    rows = [{"name": f"m{number}", "id": f"e{number}", "base_url": "http://127.0.0.1:1/v1"} for number in range(12)]
    checks = await check_endpoints(configured(settings(rows)))
    assert [check.endpoint.id for check in checks] == [row["id"] for row in rows]
    assert all(check.problem for check in checks)
