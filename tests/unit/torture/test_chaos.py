"""A part of the chaos table; all of it is `python tests/torture/chaos.py --runs 10000`."""

from collections import Counter

import pytest

from tests.torture import chaos


@pytest.mark.parametrize("block", range(10))
def test_whatever_goes_wrong_the_client_gets_a_right_answer_or_a_right_error(block):
    seen: Counter[str] = Counter()
    for seed in range(block * 50, block * 50 + 50):
        chaos.one(seed, seen)
    assert {"200", "200 broken", "502", "504"} <= set(seen)


def test_the_model_is_not_blind():
    """A gateway that tried everybody twice, or forgot a failure, would be found."""
    seen: Counter[str] = Counter()

    class Deaf(chaos.State):
        def failed(self, how, at):
            super().failed("500", at)

    original, chaos.State = chaos.State, Deaf
    try:
        with pytest.raises(AssertionError, match="seed"):
            for seed in range(1, 200, 2):
                chaos.one(seed, seen)
    finally:
        chaos.State = original
