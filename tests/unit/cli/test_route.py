"""`octoroute route`: the explanation, as text or as JSON; nothing is sent."""

from __future__ import annotations

import io
import json

import pytest

from octoroute.cli import main
from octoroute.cli.route import lines
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.gateway.explain import Explanation

CONFIG = """
routing.strategy = "rule"
[[models.fast]]
name = "small"
id = "fast-a"
base_url = "http://127.0.0.1:1/v1"
[[models.deep]]
name = "large"
id = "deep-a"
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    return str(path)


def test_it_names_tier_reason_and_endpoint(config, capsys):
    assert main(["-c", config, "route", "hello there"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("tier      fast\ndecided   rule: ")
    assert "  -> fast-a  (fast, small)" in text


def test_the_prompt_may_come_from_standard_input(config, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hello there"))
    assert main(["-c", config, "route", "-", "--json"]) == 0
    piped = json.loads(capsys.readouterr().out)
    assert main(["-c", config, "route", "hello there", "--json"]) == 0
    assert piped == json.loads(capsys.readouterr().out)
    assert piped["tier"] == "fast"


def test_a_model_that_is_asked_for_is_explained_too(config, capsys):
    assert main(["-c", config, "route", "hello there", "--model", "deep"]) == 0
    assert capsys.readouterr().out.startswith("tier      deep\ndecided   client: ")
    assert main(["-c", config, "route", "hello there", "--model", "nope"]) == 1
    assert capsys.readouterr().err.startswith("octoroute: ")


def test_a_score_a_rejection_and_a_cascade_have_lines_of_their_own():
    decision = Decision(
        tier=Tier.FAST,
        by="learned",
        why="w",
        confidence=0.25,
        reject="no",
        then=Tier.DEEP,
        features=(("code", 1.5), ("short", -0.5)),
    )
    explanation = Explanation(decision=decision, **{name: () for name in Explanation.__struct_fields__ if name != "decision"})
    text = "\n".join(lines(explanation))
    assert "rejected  no" in text
    assert "score     0.25, " in text
    assert "          +1.50 code\n          -0.50 short" in text
    assert "then      deep, " in text


def test_it_says_when_the_decided_tier_has_no_endpoint(config, capsys):
    assert main(["-c", config, "route", "--model", "balanced", "hello there"]) == 0
    text = capsys.readouterr().out
    assert "balanced has no endpoint; tried instead: deep, then fast" in text
    assert main(["-c", config, "route", "--model", "large", "hello there"]) == 0
    assert "has no endpoint" not in capsys.readouterr().out
