"""The scores of past requests."""

from __future__ import annotations

from octoroute.gateway.decision_record.scores import scored_requests
from octoroute.store.base import HistoryFilter
from tests.support.live_gateway import endpoint, question

BOSS = {"x-api-key": "boss"}
PRICE = {"input": 1.0, "output": 2.0}


async def test_each_request_that_a_score_decided_is_told_with_what_other_tiers_would_have_cost(make_gateway, make_fake):
    cheap, dear = await make_fake(), await make_fake()
    gateway = await make_gateway(
        [endpoint(cheap, id="a", price=PRICE)],
        [],
        [endpoint(dear, "model-d", id="d", price={"input": 10.0, "output": 20.0})],
        routing={"strategy": "learned", "learned": {"thresholds": {"balanced": 0.3, "deep": 0.6}}},
        auth={"admin_keys": ["boss"]},
    )
    for text in ("hi", "Prove that there are infinitely many primes, and generalise the argument step by step."):
        assert (await gateway.ask(question(text), headers=BOSS)).status_code == 200
    assert (await gateway.ask(question("hi", model="deep"), headers=BOSS)).status_code == 200
    told = (await gateway.get("/admin/scores", headers=BOSS)).json()
    assert told["thresholds"] == {"balanced": 0.3, "deep": 0.6}
    newest, oldest = told["requests"]
    assert (oldest["tier"], newest["tier"]) == ("fast", "deep")
    assert oldest["score"] < 0.3 < newest["score"]
    # seven tokens of the prompt and three of the answer
    assert (oldest["cost_micros"], newest["cost_micros"]) == (13, 130)
    assert oldest["elsewhere"] == newest["elsewhere"] == {"fast": 13, "deep": 130}
    entries = await gateway.app.runtime.history.records(HistoryFilter(), limit=2)
    assert [entry.row.labels.strategy for entry in entries] == ["client", "learned"], "the newest first"
    assert len(list(scored_requests(entries))) == 1, "a tier that the client named has no score"


async def test_without_a_history_it_is_said(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"admin_keys": ["boss"]}, store={"url": "none"})
    answer = await gateway.get("/admin/scores", headers=BOSS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_stored")
