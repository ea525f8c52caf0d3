"""`octoroute eval`: routers measured next to the baselines."""

from __future__ import annotations

import json

import pytest

from octoroute.cli import eval as evaluate
from octoroute.errors import ConfigError
from tests.support.training import run, write
from tests.unit.routing.training.rows import choices, stories


@pytest.fixture
def data(tmp_path):
    return write(tmp_path / "rows.jsonl", [*choices(250), *stories(150)])


def test_eval_always_shows_what_to_compare_with(data, capsys):
    assert run(evaluate, "--data", data, "--resamples", 100, "--groups") == 0
    out, err = capsys.readouterr()
    for word in (
        "random",
        "length",
        "rule",
        "learned",
        "oracle",
        "made: 250 questions",
        "tales: 150 questions",
        "macro mean",
        "APGR by group",
        "CPT50",
    ):
        assert word in out
    assert "resamples" in err and "learned: 400 questions" in err


def test_eval_as_json(data, capsys):
    assert run(evaluate, "--data", data, "--resamples", 100, "--router", "cascade", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    tales = report["sets"]["tales"]["routers"]
    assert tales["cascade"]["apgr"] > tales["random"]["apgr"] == 0.5
    assert tales["oracle"]["apgr"] > tales["cascade"]["apgr"]
    assert tales["cascade"]["aiq"] is None
    assert tales["cascade"]["better_than_length"]["low"] < tales["cascade"]["better_than_length"]["high"]
    assert set(report["macro"]) == set(tales)


def test_eval_draws_and_writes_scores(data, tmp_path, capsys):
    assert run(evaluate, "--data", data, "--resamples", 100, "--plot", tmp_path / "c.svg", "--scores", tmp_path / "s.jsonl") == 0
    drawing = (tmp_path / "c.svg").read_text()
    assert drawing.startswith("<svg") and drawing.count("<polyline") == 5 and "learned" in drawing
    scores = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len(scores) == 400 and set(scores[0]) == {"id", "score"}


def test_scores_need_no_labels(tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "prompt": "hi"}\n{"id": "b", "prompt": "Prove the theorem rigorously."}\n')
    assert run(evaluate, "--data", path, "--scores", tmp_path / "s.jsonl") == 0
    a, b = (json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines())
    assert a["score"] < b["score"]
    assert run(evaluate, "--data", path) == 1
    assert "labelled" in capsys.readouterr().err


def test_anybodys_router_takes_part(data, tmp_path, capsys, monkeypatch):
    (tmp_path / "theirs_1.py").write_text(
        "def words(prompt):\n    return len(prompt.split())\n\ndef tiers(prompt):\n    return 'deep'\n\ndef broken(prompt):\n    raise KeyError('x')\n\ndef odd(prompt):\n    return float('nan')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert (
        run(evaluate, "--data", data, "--resamples", 100, "--router", "theirs_1:words", "--router", "theirs_1:tiers", "--json") == 0
    )
    made = json.loads(capsys.readouterr().out)["sets"]["tales"]["routers"]
    assert made["theirs_1:tiers"]["apgr"] == 0.5 and made["theirs_1:words"]["apgr"] > 0.5
    for name, word in (
        ("theirs_1:broken", "KeyError"),
        ("theirs_1:odd", "NaN"),
        ("theirs_1:none", "no function"),
        ("no_such_1:f", "imported"),
        ("guess", "no such router"),
    ):
        with pytest.raises(ConfigError, match=word):
            run(evaluate, "--data", data, "--router", name)
