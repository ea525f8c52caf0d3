"""`octoroute eval`, `train`, and `calibrate` as a user runs them."""

from __future__ import annotations

import argparse
import json

import pytest

from octoroute.cli import calibrate, train
from octoroute.cli import eval as evaluate
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load, shipped_path
from tests.unit.routing.training.rows import choices, stories

FIELDS = ("id", "set", "group", "prompt", "strong", "weak", "weak_answer")


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def write(path, rows):
    path.write_text("\n".join(json.dumps({name: getattr(row, name) for name in FIELDS}) for row in rows), encoding="utf-8")
    return path


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


def test_train_writes_what_eval_can_use(tmp_path, capsys):
    data, out = write(tmp_path / "rows.jsonl", choices(600)), tmp_path / "router.json"
    assert run(train, "--data", data, "-o", out) == 0
    text = capsys.readouterr().out
    assert "cross-validated" in text and "artefact" in text
    provenance = load(out).model.provenance
    assert provenance.seed == 0 and "sha256:" in provenance.data[0] and "sha256:" in (provenance.prior or "")
    assert run(evaluate, "--data", data, "--artefact", out, "--resamples", 100, "--json") == 0


def test_train_refuses_too_few_and_warns_of_few(tmp_path, capsys):
    with pytest.raises(ConfigError, match="199 labelled"):
        run(train, "--data", write(tmp_path / "few.jsonl", choices(199)), "-o", tmp_path / "r.json")
    run(train, "--data", write(tmp_path / "some.jsonl", choices(300)), "-o", tmp_path / "r.json", "--force")
    assert "warning: only 300 labels" in capsys.readouterr().err


def test_train_installs_nothing_that_is_not_better(tmp_path, capsys):
    out = tmp_path / "router.json"
    assert run(train, "--data", write(tmp_path / "rows.jsonl", choices(500, learnable=False)), "-o", out) == 1
    assert not out.exists() and "not better" in capsys.readouterr().err


def test_train_overwrites_nothing(tmp_path):
    data, out = write(tmp_path / "rows.jsonl", choices(300)), tmp_path / "router.json"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="exists"):
        run(train, "--data", data, "-o", out)
    with pytest.raises(ConfigError, match="shipped"):
        run(train, "--data", data, "-o", shipped_path(), "--force")
    with pytest.raises(ConfigError, match="no directory"):
        run(train, "--data", data, "-o", tmp_path / "no" / "router.json")


def test_train_base_makes_a_whole_artefact(tmp_path):
    data, out = write(tmp_path / "rows.jsonl", [*choices(250), *stories(150)]), tmp_path / "base.json"
    assert run(train, "--base", "--data", data, "-o", out) == 0
    assert set(load(out).model.heads) == {"general", "choices", "quiz", "story"}


def test_labels_without_a_gap_teach_nothing(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"q{i}", "strong": 1, "weak": 1}) for i in range(250)))
    with pytest.raises(ConfigError, match="not better"):
        run(train, "--data", path, "-o", tmp_path / "r.json")


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(json.dumps({"score": (i + 0.5) / 400, "features_hash": str(i % 200)}) for i in range(400)))
    return path


def test_calibrate_prints_what_goes_into_the_configuration(log, capsys):
    assert run(calibrate, "--log", log, "--shares", "deep=15%,balanced=35%") == 0
    out = capsys.readouterr().out
    assert "fast 50." in out and "[routing.learned]" in out and "thresholds = { balanced = 0.50" in out
    assert run(calibrate, "--log", log, "--shares", "fast=0.2,balanced=0.3,deep=0.5", "--json", "--unique") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 200 and abs(found["shares"]["deep"] - 0.5) < 0.02


def test_calibrate_by_money_and_by_quality(log, capsys):
    prices = ("--prices", "fast=0.1,balanced=1,deep=5")
    assert run(calibrate, "--log", log, "--budget", 1.5, *prices, "--json") == 0
    assert run(calibrate, "--log", log, "--max-quality-loss", "5%", *prices, "--json") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares", "fast=50%"], "at least two"),
        (["--shares", "quick=1"], "tiers are"),
        (["--shares", "fast=x,deep=1"], "not a number"),
        (["--shares", "fast=80%,deep=40%"], "sum must not exceed 1"),
        (["--budget", "1"], "--prices"),
        (["--budget", "1", "--prices", "fast=1,deep=2"], "missing"),
        (["--budget", "1", "--prices", "fast=3,balanced=2,deep=1"], "cost more"),
        (["--max-quality-loss", "200%", "--prices", "fast=1,balanced=2,deep=3"], "between"),
    ],
)
def test_calibrate_names_what_is_wrong(log, words, said):
    with pytest.raises(ConfigError, match=said):
        run(calibrate, "--log", log, *words)
