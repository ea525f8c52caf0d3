from __future__ import annotations

import json

import pytest

from octoroute.errors import ConfigError
from octoroute.routing.difficulty.thresholds import Thresholds
from octoroute.routing.training.calibration import for_budget, for_quality_loss, line_for, read_log, shares_at

SCORES = [(i + 0.5) / 500 for i in range(500)]
PRICES = {"fast": 0.1, "balanced": 1.0, "deep": 5.0}


def cost(thresholds):
    shares = shares_at(SCORES, thresholds)
    return sum(shares[tier] * PRICES[tier] for tier in PRICES)


def test_a_line_holds_no_text():
    line = json.loads(line_for("my secret is hunter2", 0.123456))
    assert line["score"] == 0.1235 and len(line["features_hash"]) == 16
    assert set(line) == {"score", "features_hash"}
    assert json.loads(line_for("other words entirely, and more of them?", 0.1))["features_hash"] != line["features_hash"]


@pytest.mark.parametrize("budget", [0.1, 0.5, 1.0, 2.5, 5.0])
def test_a_budget_is_kept_and_used(budget):
    spent = cost(for_budget(SCORES, PRICES, budget))
    assert spent <= budget + 0.02
    assert spent > budget - 0.15


def test_more_money_never_means_fewer_deep():
    deep = [shares_at(SCORES, for_budget(SCORES, PRICES, budget))["deep"] for budget in (0.2, 1.0, 2.0, 4.0, 5.0)]
    assert deep == sorted(deep) and deep[-1] > 0.98


def test_a_budget_below_the_cheapest_tier_is_refused():
    with pytest.raises(ConfigError, match="fast"):
        for_budget(SCORES, PRICES, 0.05)


def test_no_loss_means_deep_and_any_loss_means_fast():
    assert shares_at(SCORES, for_quality_loss(SCORES, PRICES, 0.0))["deep"] == 1.0
    assert shares_at(SCORES, for_quality_loss(SCORES, PRICES, 1.0))["fast"] == 1.0
    costs = [cost(for_quality_loss(SCORES, PRICES, loss)) for loss in (0.01, 0.05, 0.2)]
    assert costs == sorted(costs, reverse=True)


def test_shares():
    assert shares_at([0.1, 0.5, 0.9, 0.95], Thresholds(balanced=0.4, deep=0.9)) == {"fast": 0.25, "balanced": 0.25, "deep": 0.5}


@pytest.mark.parametrize(
    ("text", "word"), [("nonsense", "line 1"), ('{"score": 2}', "between"), ('{"score": 0.5}', "1 requests"), ('{"x": 1}', "score")]
)
def test_a_bad_log_is_named(tmp_path, text, word):
    path = tmp_path / "log.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=word):
        read_log(path)
