from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.errors import ConfigError
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.features import NAMES, extract_features
from octoroute.routing.difficulty.model import load, save, shipped_path

SCORER = load()
STORY = "Mia has 3 boxes with 12 pens each and gives away half of them. How many pens remain?"


@given(st.text(max_size=400))
def test_a_score_is_a_chance_and_the_same_every_time(text):
    difficulty = SCORER.difficulty(text)
    assert 0.0 < difficulty < 1.0
    assert difficulty == load().difficulty(text) == SCORER.explain(text).difficulty


@pytest.mark.parametrize(
    ("text", "name", "sign"),
    [
        ("Prove that the sum of two odd numbers is even, and justify each step.", "reasoning", 1),
        ("hi", "very short", -1),
        ("Translate this sentence into French: good night", "small edit", -1),
        ("The service deadlocks under load and crashes; find the root cause.", "fault finding", 1),
    ],
)
def test_the_reasons_are_features_with_a_sign(text, name, sign):
    weights = {reason.name: reason.weight for reason in SCORER.explain(text).reasons}
    assert weights[name] * sign > 0
    assert set(weights) <= {*NAMES, "wording"}


def test_contributions_add_up():
    for text in ("Design a cache that survives a crash.", STORY, "Which?\nA. one\nB. two\nC. three\nAnswer:"):
        reading = extract_features(text)
        share_sum = SCORER.log_odds(reading)
        parts = sum(reason.weight for reason in SCORER.explain(text, limit=999).reasons)
        at_center = sum(share * SCORER.model.heads[name].bias for name, share in SCORER._shares(reading))
        assert abs(share_sum - at_center - parts) < 0.5  # parts below 0.02 are left out, and rounded


def test_the_artefact_is_small_and_says_where_it_comes_from():
    model = SCORER.model
    assert shipped_path().stat().st_size < 500_000
    assert len(model.percentiles) == 101 and model.percentiles == sorted(model.percentiles)
    assert "Apache-2.0" in model.provenance.licence
    assert "sha256:" in model.provenance.data[0]


def test_no_name_has_a_weight():
    words = {word for head in SCORER.model.heads.values() for word in head.words}
    assert len(words) > 500
    assert not words & {"john", "mary", "michael", "james", "maria", "carlos", "tom", "sarah"}
    assert not any(character.isdigit() for word in words for character in word)


@pytest.mark.parametrize(
    "change",
    [{"format": 99}, {"percentiles": [0.5]}, {"heads": {}}, {"heads": "no"}],
)
def test_an_artefact_that_does_not_fit_is_refused(tmp_path, change):
    raw = msgspec.json.decode(shipped_path().read_bytes()) | change
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode(raw))
    with pytest.raises(ConfigError, match=r"train"):
        load(path)


def test_an_unknown_feature_is_refused(tmp_path):
    raw = msgspec.json.decode(shipped_path().read_bytes())
    raw["heads"]["general"]["features"]["charm"] = 1.0
    path = tmp_path / "a.json"
    path.write_bytes(msgspec.json.encode(raw))
    with pytest.raises(ConfigError):
        load(path)


def test_a_missing_artefact_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        load(tmp_path / "nowhere.json")


def test_saving_changes_nothing(tmp_path):
    save(SCORER.model, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == shipped_path().read_bytes()


def test_a_wrong_sum_makes_an_answer_doubtful():
    right = SCORER.answer_difficulty(STORY, ModelAnswer(text="She has 3 * 12 = 36 pens. Half is 36 / 2 = 18. 18 pens remain."))
    wrong = SCORER.answer_difficulty(STORY, ModelAnswer(text="She has 3 * 12 = 46 pens. Half is 46 / 2 = 23. 23 pens remain."))
    assert right < wrong


def test_a_failed_check_makes_any_answer_doubtful():
    prompt = "Write a function that doubles its argument."
    good = SCORER.answer_difficulty(prompt, ModelAnswer(text="```python\ndef f(x):\n    return 2 * x\n```"))
    bad = SCORER.answer_difficulty(prompt, ModelAnswer(text="```python\ndef f(x:\n    return 2 * x\n```"))
    assert good == SCORER.difficulty(prompt)
    assert bad > 0.8
