"""Settings are one frozen snapshot: what follows from them is computed once and never survives a change."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.gateway.settings import Settings
from tests.support.spine import Always, make_endpoint

FAST = make_endpoint("f", tier=Tier.FAST, provider="p")
REPLICAS = [make_endpoint("r1", name="replica"), make_endpoint("r2", name="replica", provider="p")]
EMBEDDER = make_endpoint("e", tier=Tier.EMBEDDING, provider="p")


def settings(*endpoints) -> Settings:
    return Settings(endpoints=endpoints or (FAST, *REPLICAS, EMBEDDER), router=Always())


def test_embeddings_share_no_endpoint_with_other_interfaces():
    made = settings()
    assert list(made.serving("embeddings")) == [EMBEDDER]
    assert list(made.serving("chat")) == list(made.serving("completions")) == [FAST, *REPLICAS]
    assert made.tier(Tier.EMBEDDING) == (EMBEDDER,)
    assert made.tier(Tier.DEEP) == ()


def test_a_name_comes_before_an_id():
    made = settings()
    assert made.named("replica") == tuple(REPLICAS)
    assert made.named("r2") == (REPLICAS[1],)
    assert made.named("e") == ()
    assert made.named("e", "embeddings") == (EMBEDDER,)
    clash = make_endpoint("x", name="r1")
    assert settings(*REPLICAS, clash).named("r1") == (clash,)


def test_a_providers_endpoints_are_those_of_the_interface():
    made = settings()
    assert made.of_provider("p") == (FAST, REPLICAS[1])
    assert made.of_provider("p", "embeddings") == (EMBEDDER,)


def test_a_changed_copy_computes_anew():
    made = settings()
    made.pool_matches[Tier.FAST, None, None, None, "openai", False, False, False] = None
    made.named_decisions["f"] = Decision(tier=Tier.FAST, by="client", why="because")
    assert made.tier(Tier.FAST) == (FAST,)
    changed = msgspec.structs.replace(made, endpoints=())
    assert (changed.tier(Tier.FAST), changed.pool_matches, changed.named_decisions) == ((), {}, {})


def test_they_are_frozen():
    with pytest.raises(AttributeError):
        settings().endpoints = ()


def test_an_explanation_uses_another_router_and_makes_no_random_choice():
    made, router = settings(), Always()
    dry = made.for_explanation(router)
    assert (dry.router, dry.dry_run, made.dry_run) == (router, True, False)
    assert dry.endpoints == made.endpoints
