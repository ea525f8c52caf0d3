"""`octoroute calibrate`: thresholds from logged scores."""

from __future__ import annotations

import json
import tomllib

import pytest

from octoroute.cli import calibrate
from octoroute.errors import ConfigError
from tests.support.training import run


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


def test_f9_shares_that_ties_make_impossible_are_told(tmp_path, capsys):
    path = tmp_path / "ties.ndjson"
    path.write_text("".join(f'{{"score": {0.9 if at % 2 else 0.1}}}\n' for at in range(200)))
    assert run(calibrate, "--log", str(path), "--shares", "deep=15%,balanced=35%") == 0
    told = capsys.readouterr().out
    assert told.startswith("# WARNING the shares asked for (fast 50%, balanced 35%, deep 15%) cannot be reached: ")
    assert "100 of 200 have the score" in told
    tomllib.loads(told)
    assert run(calibrate, "--log", str(path), "--shares", "deep=15%,balanced=35%", "--json") == 0
    assert "cannot be reached" in json.loads(capsys.readouterr().out)["warning"]
