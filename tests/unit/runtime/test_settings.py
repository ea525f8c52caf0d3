"""The settings of the pipeline say what the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.domain.endpoint import Tier
from octoroute.gateway.settings import QueueSettings
from octoroute.runtime.assembly import Runtime
from octoroute.runtime.settings import dry_router

BASE = """
[[models.balanced]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
[[models.embedding]]
name = "vectors"
base_url = "http://127.0.0.1:2/v1"
{more}
"""


def config(more=""):
    return loads(BASE.format(more=more), Path("test.toml"), {})


def settings(more=""):
    return Runtime(config(more), transport=object()).gateway.settings


def test_embeddings_are_endpoints_of_a_tier_of_their_own():
    assert [(endpoint.name, endpoint.tier) for endpoint in settings().endpoints] == [
        ("one", Tier.BALANCED),
        ("vectors", Tier.EMBEDDING),
    ]


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ("[queue]\nmax_waiting = 7\nmax_wait_seconds = 9", "queue", QueueSettings(max_waiting=7, max_wait_s=9.0)),
        ("[selection]\nmax_cost_usd = 0.5", "max_cost_usd", 0.5),
        ("[routing]\nallow_provider_prefix = false", "allow_provider_prefix", False),
    ],
)
def test_a_table_becomes_a_setting(more, field, value):
    assert getattr(settings(), field) != value
    assert getattr(settings(more), field) == value


def test_a_rule_that_is_disabled_is_left_out_and_one_with_a_policy_brings_it():
    rules = """
[[routing.rules]]
name = "off"
tier = "balanced"
enabled = false
[[routing.rules]]
name = "on"
tier = "balanced"
policy = "least_busy"
"""
    made = settings(rules)
    assert [rule.name for rule in made.rules] == ["on"]
    assert list(made.policies) == ["least_busy"]
    assert made.policies["least_busy"] is not made.policy


@pytest.mark.parametrize(("strategy", "cascades"), [("rule", False), ("learned", False), ("cascade", True)])
def test_only_the_strategy_of_that_name_cascades(strategy, cascades):
    assert (settings(f'[routing]\nstrategy = "{strategy}"').cascade is not None) is cascades


async def test_the_router_for_explanations_asks_no_model():
    made = Runtime(config('[routing]\nstrategy = "llm"'), transport=object())
    request = made.inbound["openai"].read(
        b'{"model": "auto", "messages": [{"role": "user", "content": "hello"}]}', request_id="r", headers={}
    )
    decision = await dry_router(made.config).route(request.facts)
    assert decision.tier in set(Tier)
