from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.domain.endpoint import Tier
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.thresholds import LearnedOptions, Thresholds

ENDPOINT = '[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\n'


def routing(text: str):
    return loads(f"{ENDPOINT}{text}", Path("config.toml"), {}).routing


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("shares = { quick = 1.0 }", "shares.quick", "not a known key"),
        ("shares = { fast = 2.0, deep = -1.0 }", "shares.fast", "from 0 to 1"),
        ("thresholds = { balanced = 0.6 }", "thresholds.deep", "missing"),
        ("thresholds = { balanced = 0.6, deep = 1.5 }", "thresholds.deep", "from 0 to 1"),
        ("thresholds = { balanced = 0.6, deep = 0.5 }", "thresholds", "above"),
        ("quality = 1.1", "quality", "from 0 to 1"),
        ("quality = 0.5\nshares = { fast = 1.0 }", "", "one of"),
        ("shares = { fast = 0.9 }", "shares", "add up"),
    ],
)
def test_bad_options_of_the_learned_score_name_their_key(text, path, word):
    with pytest.raises(ConfigError) as caught:
        routing(f"[routing.learned]\n{text}\n")
    assert caught.value.problems[0].startswith(f"routing.learned{path and '.'}{path}: ")
    assert word in caught.value.problems[0]


def test_the_options_of_a_strategy_are_read_into_the_struct_that_it_obeys():
    read = routing(
        "[routing.learned]\nthresholds = { balanced = 0.2, deep = 0.9 }\n"
        "[routing.cascade]\nhold_seconds = 3\n[routing.sticky]\nttl_seconds = 60\n"
        '[[routing.rules]]\nname = "r"\nstream = true\ntier = "fast"\n'
    )
    assert read.learned == LearnedOptions(thresholds=Thresholds(balanced=0.2, deep=0.9))
    assert (read.cascade.hold_s, read.sticky.ttl_s) == (3.0, 60.0)
    assert (read.rules[0].stream, read.rules[0].tier, read.rules[0].enabled) == (True, Tier.FAST, True)


def test_the_time_limit_of_the_routing_request_is_the_router_tiers():
    assert routing('[routing]\nrouter_tier = "deep"\n[routing.router_timeouts]\ndeep = 7\n').router_timeout_s == 7.0
