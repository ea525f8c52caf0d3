from __future__ import annotations

import json
from random import Random

import pytest

from octoroute.cli import main
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.errors import ConfigError
from octoroute.routing.affinity import EXPLORED
from octoroute.routing.difficulty.thresholds import Thresholds
from octoroute.routing.strategies.learned import SCORED
from octoroute.routing.training.replay import THRESHOLD_REASONS, DecisionLine, ReplayPolicy, compare, read_decisions, weights_of

FAST, BALANCED, DEEP = CHAT_TIERS
COST = {FAST: 0.1, BALANCED: 0.5, DEEP: 2.0}
TODAY = ReplayPolicy(Thresholds(balanced=0.3, deep=0.7), 0.3, CHAT_TIERS)
OTHER = ReplayPolicy(Thresholds(balanced=0.5, deep=0.9), 0.0, CHAT_TIERS)


def quality(score, tier):
    return 1.0 - score * {FAST: 0.8, BALANCED: 0.4, DEEP: 0.1}[tier]


def logged(n, random, policy=TODAY, **more):
    """As a gateway with that policy would have written it."""
    lines = []
    for _ in range(n):
        score = random.random()
        chances = [policy.chance(score, tier) for tier in CHAT_TIERS]
        tier = random.choices(list(CHAT_TIERS), chances)[0]
        reward = float(random.random() < quality(score, tier))
        lines.append(DecisionLine(score, tier, policy.chance(score, tier), reward=reward, cost_usd=COST[tier] / 1000, **more))
    return lines


def truth(policy, outcome):
    steps = [(at + 0.5) / 2000 for at in range(2000)]
    return sum(policy.chance(s, tier) * outcome(s, tier) for s in steps for tier in CHAT_TIERS) / 2000


def test_chances_add_up_to_one():
    for score in (0.0, 0.29, 0.3, 0.7, 1.0):
        assert sum(TODAY.chance(score, tier) for tier in CHAT_TIERS) == pytest.approx(1.0)
    assert ReplayPolicy(Thresholds(balanced=0.3, deep=0.7), 0.0, (FAST, BALANCED)).chance(0.9, BALANCED) == 1.0


def test_all_three_estimates_find_the_truth_and_the_robust_one_is_narrowest():
    reports = {report.outcome: report for report in compare(logged(4000, Random(3)), OTHER)}
    assert set(reports) == {"quality", "cost_usd"}
    expected = {"quality": truth(OTHER, quality), "cost_usd": truth(OTHER, lambda s, tier: COST[tier] / 1000)}
    for name, report in reports.items():
        for estimate in (report.ips, report.snips, report.doubly_robust):
            assert estimate.low <= expected[name] <= estimate.high
            assert estimate.low < estimate.value < estimate.high
        assert report.doubly_robust.high - report.doubly_robust.low < report.ips.high - report.ips.low
        assert 0 < report.effective < report.decisions
    cost = reports["cost_usd"]
    assert cost.difference.high < 0


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    expected = truth(OTHER, quality)
    covered = 0
    for seed in range(40):
        report = compare(logged(300, Random(seed)), OTHER, seed)[0]
        covered += report.doubly_robust.low <= expected <= report.doubly_robust.high
    assert covered >= 34


def test_the_same_policy_has_weights_of_one():
    lines = logged(500, Random(1))
    assert weights_of(lines, TODAY) == pytest.approx([1.0] * 500)
    report = compare(lines, TODAY)[0]
    assert report.effective == pytest.approx(500)
    assert report.ips.value == pytest.approx(report.today.value)
    assert report.difference.low <= 0 <= report.difference.high


def test_the_same_seed_gives_the_same_report():
    lines = logged(300, Random(1))
    assert compare(lines, OTHER, 5) == compare(lines, OTHER, 5) != compare(lines, OTHER, 6)


def test_decisions_that_no_threshold_makes_stay_as_they_are():
    lines = logged(200, Random(1), why="the conversation keeps its tier")
    report = compare(lines, OTHER)[0]
    assert report.ips.value == report.doubly_robust.value == report.today.value


def test_free_are_those_that_the_router_decides_by_score_alone():
    assert {SCORED, EXPLORED} == THRESHOLD_REASONS


def test_where_the_log_was_certain_and_the_policies_differ_it_refuses():
    certain = ReplayPolicy(Thresholds(balanced=0.3, deep=0.7), 0.0, CHAT_TIERS)
    lines = logged(200, Random(1), certain)
    with pytest.raises(ConfigError, match="explore above 0"):
        compare(lines, OTHER)
    assert compare(lines, certain)


def test_without_outcomes_it_refuses():
    with pytest.raises(ConfigError, match="neither reward nor cost_usd"):
        compare([DecisionLine(0.1, FAST, 0.9)] * 200, OTHER)


def written(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


GOOD = {"event": "request", "score": 0.2, "tier": "fast", "propensity": 0.8, "cost_usd": 0.001, "more": "fields"}


def test_a_log_of_the_gateways_is_read_as_it_is(tmp_path):
    other = {"event": "ready", "url": "http://x"}
    client = {"event": "request", "tier": "deep", "strategy": "client"}
    assert len(read_decisions(written(tmp_path / "log", [other, client] + [GOOD] * 100))) == 100


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({**GOOD, "propensity": None}, "line 101: has no propensity"),
        ({**GOOD, "propensity": 0.0}, "propensity must be above 0"),
        ({**GOOD, "reward": 2}, "reward must be between"),
        ({**GOOD, "tier": "huge"}, "line 101"),
        ([], "line 101"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, says):
    with pytest.raises(ConfigError, match=says):
        read_decisions(written(tmp_path / "log", [GOOD] * 100 + [line]))


def test_too_few_decisions_or_no_file(tmp_path):
    with pytest.raises(ConfigError, match="fewer than 100"):
        read_decisions(written(tmp_path / "log", [GOOD] * 99))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_decisions(tmp_path / "nowhere")


CONFIG = """
[[models.fast]]
name = "a"
base_url = "http://h/v1"
[[models.deep]]
name = "b"
base_url = "http://h/v1"
[routing]
strategy = "{strategy}"
[routing.learned]
thresholds = {{ balanced = 0.5, deep = 0.5 }}
"""


def test_the_command(tmp_path, capsys):
    two = ReplayPolicy(Thresholds(balanced=0.3, deep=0.3), 0.4, (FAST, DEEP))
    rows = [{"score": l.score, "tier": l.tier, "propensity": l.propensity, "reward": l.reward} for l in logged(400, Random(2), two)]  # noqa: E741
    log = written(tmp_path / "log", rows)
    policy = tmp_path / "new.toml"
    policy.write_text(CONFIG.format(strategy="learned"))
    assert main(["replay", "--policy", str(policy), "--log", str(log)]) == 0
    table = capsys.readouterr().out
    assert "doubly robust" in table and "effective sample size" in table and "400 decisions" in table
    assert main(["replay", "--policy", str(policy), "--log", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["outcome"] == "quality"
    policy.write_text(CONFIG.format(strategy="rule"))
    assert main(["replay", "--policy", str(policy), "--log", str(log)]) == 2
    assert "only learned" in capsys.readouterr().err
