from __future__ import annotations

import msgspec

from octoroute.routing.difficulty.model import Provenance, Scorer, load
from octoroute.routing.training.metrics import apgr
from octoroute.routing.training.train import train
from tests.unit.routing.training.rows import choices, stories

PROVENANCE = Provenance(made_by="test", octoroute="0", seed=0, data=[])
PRIOR = load()


def quality(scorer, rows):
    return apgr([scorer.difficulty(row.prompt) for row in rows], [row.gain for row in rows])


def test_labels_that_can_be_learned_from_make_it_better():
    training = train(choices(600), PRIOR, PROVENANCE)
    assert training.model is not None and training.recipe == "choices"
    assert training.confidence > 0.95 and training.difference.low > 0
    fresh = choices(400, seed=5)
    assert quality(Scorer(training.model), fresh) > quality(PRIOR, fresh) + 0.03


def test_labels_that_hold_nothing_are_refused():
    assert train(choices(400, learnable=False), PRIOR, PROVENANCE).model is None


def test_force_keeps_it_all_the_same():
    training = train(choices(300, learnable=False), PRIOR, PROVENANCE, force=True)
    assert training.model is not None


def test_the_same_labels_and_seed_give_the_same_bytes():
    rows = choices(300)
    once, again = (msgspec.json.encode(train(rows, PRIOR, PROVENANCE, seed=3, force=True)) for _ in range(2))
    assert once == again


def test_few_labels_cannot_outweigh_the_prior():
    assert train(stories(250), PRIOR, PROVENANCE, force=True).blend <= 250 / 1150


def test_the_shape_of_the_questions_chooses_the_directions():
    assert train(stories(220), PRIOR, PROVENANCE, force=True).recipe == "story"


def test_shares_refer_to_the_users_own_prompts_afterwards():
    rows = choices(600)
    training = train(rows, PRIOR, PROVENANCE, force=True)
    assert training.model is not None
    scores = sorted(Scorer(training.model).difficulty(row.prompt) for row in rows)
    assert abs(training.model.percentiles[50] - scores[300]) < 0.02


def test_what_was_not_in_the_labels_keeps_its_order():
    training = train(choices(600), PRIOR, PROVENANCE, force=True)
    assert training.model is not None
    scorer = Scorer(training.model)
    assert scorer.difficulty("hi") < scorer.difficulty("Prove that the algorithm terminates, and derive its complexity.")
