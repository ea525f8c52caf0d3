"""How long an answer may be."""

import msgspec

from octoroute.access import output_estimate as module
from octoroute.access.output_estimate import UNKNOWN, OutputEstimate
from tests.support.parts import endpoint

E = endpoint("a")


def test_the_clients_limit_counts_first_and_the_models_own_caps_it():
    outputs = OutputEstimate()
    assert outputs.tokens(E, 77) == 77
    assert outputs.tokens(E, None) == UNKNOWN
    assert outputs.tokens(msgspec.structs.replace(E, max_output_tokens=50), 77) == 50
    assert outputs.tokens(msgspec.structs.replace(E, max_tokens=300), None) == 300


def test_without_a_limit_it_is_the_95th_percentile_of_the_models_last_answers():
    outputs = OutputEstimate()
    for length in range(1, 101):
        outputs.add(E, length)
    assert outputs.tokens(E, None) == 96
    for _ in range(200):
        outputs.add(E, 7)
    assert outputs.tokens(E, None) == 7


def test_models_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_MODELS", 3)
    outputs = OutputEstimate()
    for number in range(9):
        outputs.add(msgspec.structs.replace(E, name=f"m{number}"), 1)
    assert len(outputs._models) == 3
