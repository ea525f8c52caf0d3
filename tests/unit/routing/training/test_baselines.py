"""The routers that `octoroute eval` compares."""

from __future__ import annotations

import sys

import pytest

from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load
from octoroute.routing.training.baselines import NAMES, REFERENCES, scores_of
from octoroute.routing.training.metrics import apgr
from tests.unit.routing.training.rows import choices, stories

SCORER = load()
ROWS = [*choices(60), *stories(60)]
GAINS = [row.gain for row in ROWS]


@pytest.mark.parametrize("name", NAMES)
def test_every_router_scores_every_row(name):
    messages = []
    assert len(scores_of(name, ROWS, SCORER, messages.append)) == len(ROWS)
    assert messages == [f"{name}: 120 questions"]


def test_the_oracle_is_the_best_and_random_is_a_half():
    best = apgr(scores_of("oracle", ROWS, SCORER), GAINS)
    assert all(apgr(scores_of(name, ROWS, SCORER), GAINS) <= best for name in NAMES)
    assert apgr(scores_of("random", ROWS, SCORER), GAINS) == pytest.approx(0.5)
    assert set(REFERENCES) <= set(NAMES)


def test_the_cascade_scores_the_answer_where_there_is_one():
    learned, cascade = (scores_of(name, ROWS, SCORER) for name in ("learned", "cascade"))
    assert learned[:60] == cascade[:60]
    assert learned[60:] != cascade[60:]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the working directory, and returns the name of its function `f`."""

    def written(body, name="own_router"):
        (tmp_path / f"{name}.py").write_text(f"def f(prompt):\n    {body}\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return f"{name}:f"

    return written


def test_a_function_of_ones_own_gives_numbers_or_tiers(module):
    assert scores_of(module("return len(prompt)"), ROWS, SCORER) == scores_of("length", ROWS, SCORER)
    path = module("return ('fast', 'balanced', 'deep')[len(prompt) % 3]", "own_tiers")
    assert set(scores_of(path, ROWS, SCORER)) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise KeyError('x')", "failed on question '0': KeyError"),
        ("return 'huge'", "failed on question '0': ValueError"),
        ("return float('nan')", "gave NaN for question '0'"),
    ],
)
def test_a_function_that_fails_is_named_with_its_question(module, body, problem):
    with pytest.raises(ConfigError, match=problem):
        scores_of(module(body), ROWS, SCORER)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("guess", "no such router; must be one of random, length"),
        (":f", "no such router"),
        ("no_such_module_here:f", "no_such_module_here cannot be imported"),
        ("math:no_such", "math has no function no_such"),
    ],
)
def test_a_router_that_does_not_exist_is_named(name, problem):
    before = list(sys.path)
    with pytest.raises(ConfigError, match=problem):
        scores_of(name, ROWS, SCORER)
    assert sys.path == before
