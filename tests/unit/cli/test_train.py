"""`octoroute train`: an artefact that is better, or none."""

from __future__ import annotations

import json

import pytest

from octoroute.cli import eval as evaluate
from octoroute.cli import train
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load, shipped_path
from tests.support.training import run, write
from tests.unit.routing.training.rows import choices, stories


@pytest.fixture
def data(tmp_path):
    return write(tmp_path / "rows.jsonl", [*choices(250), *stories(150)])


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
