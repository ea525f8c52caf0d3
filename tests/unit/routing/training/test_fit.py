from __future__ import annotations

import json
import subprocess
import sys

import pytest

from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.model import Provenance, Scorer, load
from octoroute.routing.training.datasets import DatasetRow
from octoroute.routing.training.fit import broken_groups, fit_model, main
from octoroute.routing.training.generic import generic_prompts
from octoroute.routing.training.metrics import apgr
from tests.unit.routing.training.rows import choices, stories

PROVENANCE = Provenance(made_by="test", octoroute="0", seed=0, data=[])
ROWS = [*choices(400), *stories(250)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    fields = ("id", "set", "group", "prompt", "strong", "weak", "weak_answer")
    path.write_text("\n".join(json.dumps({name: getattr(row, name) for name in fields}) for row in ROWS), encoding="utf-8")
    return path


def test_the_same_data_gives_the_same_bytes_whatever_the_hash_seed(data, tmp_path):
    written = []
    for seed in ("1", "77"):
        out = tmp_path / f"{seed}.json"
        command = [sys.executable, "-m", "octoroute.routing.training.fit", "--data", str(data), "--output", str(out)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)})
        written.append(out.read_bytes())
    assert written[0] == written[1]
    assert load(out).model.provenance.data[0].startswith("rows.jsonl sha256:")


def test_what_can_be_learned_is_learned():
    scorer = Scorer(fit_model(ROWS, generic_prompts(), PROVENANCE))
    fresh = choices(300, seed=9)
    assert apgr([scorer.difficulty(row.prompt) for row in fresh], [row.gain for row in fresh]) > 0.57
    tales = stories(200, seed=9)
    gains = [row.gain for row in tales]
    asked = apgr([scorer.difficulty(row.prompt) for row in tales], gains)
    answered = apgr([scorer.answer_difficulty(row.prompt, ModelAnswer(text=row.weak_answer)) for row in tales], gains)
    assert answered > asked > 0.55


def test_a_group_on_which_the_strong_model_does_worse_than_guessing_is_left_out():
    rows = [DatasetRow(id=str(i), prompt="x", set="s", group="bad", strong=0.0, weak=1.0) for i in range(40)]
    assert broken_groups([*rows, *choices(50)]) == {("s", "bad")}
    assert broken_groups(rows[:10]) == set()


def test_a_missing_file_is_one_clear_line(tmp_path, capsys):
    assert main(["--data", str(tmp_path / "no.jsonl"), "--output", str(tmp_path / "a.json")]) == 1
    assert "no.jsonl" in capsys.readouterr().err
