"""What operators ask the history about many requests, over HTTP."""

from __future__ import annotations

import csv
import io

import pytest

from tests.support.fake import completion, error, whole
from tests.support.live_gateway import endpoint, question

AUTH = {"clients": [{"name": name, "key": f"key-of-{name}", "role": role} for name, role in (("ann", "user"), ("eve", "user"), ("ops", "viewer"))]}  # fmt: skip
PRICE = {"price": {"input": 2.0, "output": 10.0}}


@pytest.fixture(params=["memory", "sqlite"])
async def asked(request, make_gateway, make_fake, tmp_path):
    """A gateway after four requests of two keys: two were answered by a model with a price, one without one, one failed."""
    fast, deep = await make_fake(), await make_fake()
    rows = [endpoint(fast, "small", id="s", **PRICE)], [], [endpoint(deep, "large", id="l")]
    parts = {"state_directory": tmp_path} if request.param == "sqlite" else {}
    gateway = await make_gateway(*rows, auth=AUTH, retry={"max_attempts": 1}, parts=parts)
    fast.always(whole(completion()))
    for _ in range(2):
        assert (await gateway.ask(question(model="small"), headers=key("ann"))).status_code == 200
    assert (await gateway.ask(question(model="large"), headers=key("eve"))).status_code == 200
    deep.always(error(500))
    assert (await gateway.ask(question(model="large"), headers=key("eve"))).status_code == 502
    return gateway


def key(name):
    return {"x-api-key": f"key-of-{name}"}


async def stats(gateway, name="ops", **parameters):
    return await gateway.client.get("/admin/stats", params=parameters, headers=key(name))


async def test_requests_errors_tokens_cost_and_times_by_any_list_of_groups(asked):
    answer = await stats(asked, by="key,model,hour", **{"from": "1h"})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["bucket"], found["by"]) == ("hour", ["key", "model"])
    groups = {(row["key"], row["model"]): row for row in found["groups"]}
    ann, eve = groups["ann", "small"], groups["eve", "large"]
    assert (ann["requests"], ann["errors"], ann["answered"], ann["input_tokens"], ann["output_tokens"]) == (2, 0, 2, 14, 6)
    assert (ann["cost_micros"], ann["cost_usd"], ann["priced"]) == (88, "0.000088", 2)
    assert 0 < ann["first_token_p50_ms"] <= ann["latency_p50_ms"] <= ann["latency_p99_ms"]
    assert (eve["requests"], eve["errors"], eve["failed"], eve["priced"]) == (2, 1, 1, 0)
    assert (found["total"]["requests"], found["total"]["cost_micros"]) == (4, 88)
    assert sum(row["requests"] for row in found["buckets"]) == sum(row["requests"] for row in found["times"]) == 4


async def test_reasons_errors_and_filters(asked):
    found = (await stats(asked, by="error", key="eve")).json()
    assert {row["error"]: row["requests"] for row in found["groups"]} == {"": 1, "upstream_failed": 1}
    found = (await stats(asked, by="reason,endpoint", ending="answered")).json()
    assert {row["endpoint"]: row["requests"] for row in found["groups"]} == {"s": 2, "l": 1}
    assert all(row["reason"] for row in found["groups"])


async def test_csv_by_parameter_or_media_type(asked):
    for answer in (
        await stats(asked, by="key", format="csv", bucket="all"),
        await asked.client.get("/admin/stats?by=key&bucket=all", headers={**key("ops"), "accept": "text/csv"}),
    ):
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["key"], row["requests"], row["errors"]) for row in rows] == [("ann", "2", "0"), ("eve", "2", "1")]


async def test_a_key_that_only_asks_sees_no_statistics(asked):
    assert (await stats(asked, name="ann", by="key")).status_code == 403
    assert (await stats(asked, name="nobody", by="key")).status_code == 401


async def test_without_parameters_it_is_what_this_process_has_counted(asked):
    assert (await stats(asked)).json()["total_requests"] == 4


async def test_an_analysis_says_what_costs_and_what_is_unused(asked):
    answer = await asked.client.get("/admin/analysis", headers=key("ops"))
    assert answer.status_code == 200
    found = answer.json()
    assert sum(row["requests"] for row in found["cost_by_reason"]) == 4
    assert (found["unused_endpoints"], found["cheaper_tier"], found["anomalies"]["has_week_before"]) == ([], [], False)
    assert (await asked.client.get("/admin/analysis", headers=key("ann"))).status_code == 403
    unused = (await asked.client.get("/admin/analysis", params={"key": "ann"}, headers=key("ops"))).json()["unused_endpoints"]
    assert [row["endpoint"] for row in unused] == ["l"]
    wrong = await asked.client.get("/admin/analysis", params={"by": "key"}, headers=key("ops"))
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "by")
