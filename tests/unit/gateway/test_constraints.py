"""Hard constraints: no path of the pipeline leads out of what a key, a header, or a rule allows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from octoroute.access.restrictions import in_region
from octoroute.domain.endpoint import Tier
from octoroute.domain.principal import Principal, Restrictions
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.constraints import restrictions_of
from octoroute.gateway.explain import explain, tell
from octoroute.gateway.privacy import PRIVACY_HEADER, inherit, inherited
from octoroute.routing.rules import Rule
from octoroute.runtime.assembly import Runtime
from tests.support import virtual
from tests.support.live_gateway import configured
from tests.support.spine import BEHAVIOURS, FakeTransport, Spine, make_endpoint, now

REGIONS = ("", "eu", "eu-west-1", "us", "local")
CLASSES = ("eu", "local", "home", "mars")
HOME = ("local", "eu-west-1")
"""What `[privacy]` defines as `home` in these tests."""

rows = st.lists(
    st.tuples(st.sampled_from(["fast", "balanced", "deep", "embedding"]), st.sampled_from(REGIONS), st.sampled_from(["p", "q"])),
    min_size=1,
    max_size=7,
)
worlds = st.fixed_dictionaries(
    {
        "rows": rows,
        "strategy": st.sampled_from(["rule", "llm", "hybrid", "learned", "cascade"]),
        "behaviours": st.lists(st.sampled_from(["ok", "ok", "ok", *BEHAVIOURS]), min_size=7, max_size=7),
        "falls_over": st.booleans(),
        "cache": st.booleans(),
        "policy": st.sampled_from(["reject", "truncate", "summarize"]),
        "ruled": st.sampled_from([None, *CLASSES]),
    }
)
askers = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["auto", "fast", "balanced", "deep", "m0", "m1", "m2", "p/m0", "q/auto", "big", "nothing"]),
            "api": st.sampled_from(["openai", "openai", "anthropic", "embeddings", "count", "explain"]),
            "header": st.sampled_from([None, "off", "strict", *CLASSES, "eu, local"]),
            "regions": st.sets(st.sampled_from(["eu", "us", "local"]), max_size=2),
            "providers": st.sets(st.sampled_from(["p", "q"]), max_size=1),
            "privacy": st.sampled_from([None, *CLASSES]),
            "stream": st.booleans(),
            "long": st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)


def tree(world: dict[str, Any]) -> dict[str, Any]:
    models: dict[str, list[dict[str, Any]]] = {}
    for at, (tier, region, provider) in enumerate(world["rows"]):
        row = {"name": f"m{at}", "id": f"m{at}", "provider": provider, "region": region, "context_window": 3000}
        models.setdefault(tier, []).append(row)
    rules = [{"name": "private", "model": "*", "user": "ruled", "privacy": world["ruled"]}] if world["ruled"] else []
    return {
        "providers": {name: {"base_url": f"http://{name}.test/v1"} for name in ("p", "q")},
        "models": models,
        "aliases": {"big": "deep"},
        "privacy": {"home": list(HOME)},
        "routing": {
            "strategy": world["strategy"],
            "rules": rules,
            "named_tiers_fall_over": world["falls_over"],
            "shadow": {"share": 1.0, "judge_tier": "deep", "max_per_minute": 1000, "path": "/dev/null"},
        },
        "cache": {"enabled": world["cache"]},
        "context": {"policy": world["policy"]},
        "health": {"interval_seconds": 0},
        "selection": {},
    }


def allowed(region: str, provider: str, asked: dict[str, Any], ruled: str | None) -> bool:
    """Computed here once more, from the texts of the documentation."""
    endpoint = make_endpoint("x", region=region)
    classes = {asked["privacy"], ruled} | set((asked["header"] or "").replace(" ", "").split(","))
    for name in classes & set(CLASSES):
        if not any(in_region(endpoint, part) for part in (HOME if name == "home" else (name,))):
            return False
    if asked["regions"] and not any(in_region(endpoint, part) for part in asked["regions"]):
        return False
    return not asked["providers"] or provider in asked["providers"]


def principal(asked: dict[str, Any]) -> Principal:
    found = Restrictions(
        regions=frozenset(asked["regions"]),
        providers=frozenset(asked["providers"]),
        privacy=frozenset({asked["privacy"]} - {None}),
    )
    return Principal(name="k", restrictions=found or None)


async def ask(runtime: Runtime, asked: dict[str, Any]) -> None:
    headers = {} if asked["header"] is None else {PRIVACY_HEADER: asked["header"]}
    who, gateway, user = principal(asked), runtime.gateway, "ruled"
    turns = [{"role": "user", "content": "word " * (400 if asked["long"] else 2)}] * (9 if asked["long"] else 1)
    body: dict[str, Any] = {"model": asked["model"], "messages": turns, "temperature": 0, "user": user}
    name = asked["api"] if asked["api"] in {"anthropic", "embeddings"} else "openai"
    if name == "anthropic":
        body = {**body, "max_tokens": 100, "metadata": {"user_id": user}, "stream": asked["stream"]}
    elif name == "embeddings":
        body = {"model": asked["model"], "input": "x", "user": user}
    else:
        body["stream"] = asked["stream"]
    request = runtime.interfaces[name].read(json.dumps(body).encode(), request_id="r", headers=headers, principal=who)
    if asked["api"] == "count":
        await runtime.token_counter.count(request, runtime.dry_router)
        return
    if asked["api"] == "explain":
        await explain(gateway, runtime.dry_router, request)
        return
    reply = await gateway.answer(request)
    try:
        if reply.stream:
            async for _ in reply.pieces():
                pass
        else:
            reply.delivered()
    finally:
        reply.close()


class ThreadlessLoop(virtual.VirtualLoop):
    """Its time cannot wait for a thread, so what would be done in one is done at once."""

    def run_in_executor(self, executor, func, *args):
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - a future carries any
            done.set_exception(error)
        return done


def typical(strategy: str, **more: Any) -> dict[str, Any]:
    """The tier that the gateway's own questions go to has its only endpoint elsewhere."""
    rows = [("fast", "us", "p"), ("balanced", "us", "p"), ("deep", "eu", "q")]
    behaviours = ["ok"] * 7
    return {"rows": rows, "strategy": strategy, "behaviours": behaviours, "falls_over": True, "cache": False, **more}


EUROPEAN = {"model": "auto", "api": "openai", "regions": {"eu"}, "providers": set[str](), "privacy": None, "stream": False}


@settings(max_examples=150)
@example(world=typical("llm", policy="reject", ruled=None), asked=[{**EUROPEAN, "header": "eu", "long": False}])
@example(world=typical("hybrid", policy="reject", ruled="eu"), asked=[{**EUROPEAN, "header": None, "long": False}])
@example(world=typical("rule", policy="summarize", ruled=None), asked=[{**EUROPEAN, "header": "eu", "long": True}])
@example(world=typical("learned", policy="reject", ruled=None), asked=[{**EUROPEAN, "header": None, "long": False}])
@example(world=typical("cascade", policy="reject", ruled=None), asked=[{**EUROPEAN, "header": "eu", "long": False}])
@given(world=worlds, asked=askers)
def test_no_path_asks_an_endpoint_outside_the_constraints(world, asked):
    async def work() -> None:
        table = {f"m{at}": how for at, how in enumerate(world["behaviours"])}
        transport = FakeTransport(lambda model, _: table[model])
        runtime = Runtime(configured(tree(world)), transport=transport, clock=now, chance=lambda: 0.0)
        shadow = runtime._settings.shadow
        for one in asked:
            start = len(transport.asked)
            try:
                async with asyncio.timeout(10_000):
                    await ask(runtime, one)
            except (OctorouteError, TimeoutError):
                pass
            while shadow._jobs.qsize():
                async with asyncio.timeout(10_000):
                    await shadow.next()
            for _, model, _ in transport.asked[start:]:
                _, region, provider = world["rows"][int(model[1:])]
                assert allowed(region, provider, one, world["ruled"]), (model, region, provider, one)
        await runtime.stop()

    with asyncio.Runner(loop_factory=ThreadlessLoop) as runner:
        runner.run(work())


def test_a_setting_that_makes_more_attempts_is_turned_on_above():
    """The property sees every attempt at the transport, of whatever kind; hedging has no setting yet, and is to be on once it has."""
    reference = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    assert "hedg" not in reference or "hedg" in str(tree(typical("rule", policy="reject", ruled=None)))


# what the client and the operator are told

EU = make_endpoint("eu", region="eu-central-1", tier=Tier.FAST)
US = make_endpoint("us", region="us", tier=Tier.DEEP, provider="vendor")


def spine(**more: Any) -> Spine:
    return Spine([msgspec.structs.replace(EU), US], **more)


async def told(spine: Spine, restrictions: Restrictions | None, headers: dict[str, str] | None = None, model: str = "auto"):
    request = msgspec.structs.replace(
        spine.request(model, headers=headers), principal=Principal(name="k", restrictions=restrictions)
    )
    try:
        reply = await spine.gateway.answer(request)
    except OctorouteError as error:
        return error
    reply.delivered()
    reply.close()
    return reply.endpoint.id


@pytest.mark.parametrize(
    ("restrictions", "model", "text"),
    [
        (Restrictions(tiers=frozenset({"fast"})), "deep", "this key may not use the tier deep; its tiers are fast"),
        (Restrictions(tiers=frozenset({"fast"})), "us", "the key's tiers are fast"),
        (Restrictions(models=("eu",)), "us", "the key's models do not include it"),
        (Restrictions(models=("eu",)), "vendor/us", "the key's models do not include it"),
        (Restrictions(models=("eu",)), "vendor/auto", "the key's models do not include it"),
        (Restrictions(providers=frozenset({"openai"})), "us", "the key's providers are openai"),
        (Restrictions(regions=frozenset({"eu"})), "us", "the key's regions are eu"),
        (Restrictions(privacy=frozenset({"mars"})), "auto", "outside the privacy class 'mars'"),
    ],
)
def test_what_a_key_may_not_use_is_403_and_names_the_constraint(restrictions, model, text):
    error = virtual.run(told(spine(), restrictions, model=model))
    assert isinstance(error, OctorouteError)
    assert (error.status, error.code) == (403, "permission_denied")
    assert text in error.message


def test_what_does_not_exist_stays_404_and_other_models_are_not_listed():
    error = virtual.run(told(spine(), Restrictions(models=("eu",)), model="nothing"))
    assert isinstance(error, OctorouteError)
    assert error.status == 404
    assert "us" not in error.message.rpartition("one of")[2].split(", ")


@pytest.mark.parametrize("models", [("auto",), ("AUTO", "auto"), ("deep", "auto")])
def test_a_key_may_be_allowed_auto_by_name(models):
    request = spine().request("auto")
    request = msgspec.structs.replace(request, principal=Principal(name="k", restrictions=Restrictions(models=models)))
    assert restrictions_of(request, spine().gateway.settings) is None


def test_a_glob_does_not_allow_auto():
    assert virtual.run(told(spine(), Restrictions(models=("e*",)))) == "eu"
    request = msgspec.structs.replace(
        spine().request("auto"), principal=Principal(name="k", restrictions=Restrictions(models=("a*",)))
    )
    assert restrictions_of(request, spine().gateway.settings) == Restrictions(models=("a*",))


@pytest.mark.parametrize(
    ("value", "classes"),
    [("off", None), ("strict", None), ("1", None), (" EU ", {"eu"}), ("eu,local", {"eu", "local"}), ("eu,,off", {"eu"})],
)
def test_the_header_names_classes(value, classes):
    request = spine().request(headers={PRIVACY_HEADER: value})
    found = restrictions_of(request, spine().gateway.settings)
    assert found == (None if classes is None else Restrictions(privacy=frozenset(classes)))


@pytest.mark.parametrize("value", ["x" * 201, "eu\x00"])
def test_a_malformed_header_is_400(value):
    with pytest.raises(BadRequest, match=PRIVACY_HEADER):
        restrictions_of(spine().request(headers={PRIVACY_HEADER: value}), spine().gateway.settings)


def test_every_privacy_rule_that_matches_restricts_whatever_decides():
    rules = (Rule(name="a", model="us", privacy="EU"), Rule(name="b", privacy="local"), Rule(name="c", model="x", privacy="us"))
    made = spine(privacy_rules=rules)
    assert restrictions_of(made.request("us"), made.gateway.settings) == Restrictions(privacy=frozenset({"eu", "local"}))


def test_explanations_say_which_constraint_excluded_which_endpoint():
    async def explained():
        made = spine()
        request = msgspec.structs.replace(
            made.request(headers={PRIVACY_HEADER: "eu"}),
            principal=Principal(name="k", restrictions=Restrictions(tiers=frozenset({"fast", "balanced"}))),
        )
        return tell(await explain(made.gateway, made.router, request))

    reasons = {row["id"]: (row["chosen"], row["reason"]) for row in virtual.run(explained())["candidates"]}
    assert reasons["eu"][0]
    assert reasons["us"] == (False, "outside the privacy class 'eu': it has the region 'us'")


def test_the_gateways_own_requests_inherit_where_data_may_go_but_not_what_a_client_may_ask_for():
    with inherit(Restrictions(tiers=frozenset({"deep"}), models=("x",), regions=frozenset({"eu"}))):
        assert inherited() == Restrictions(regions=frozenset({"eu"}))
        with inherit(Restrictions(models=("x",))):
            assert inherited() is None
    assert inherited() is None


def test_an_answer_of_the_cache_stays_in_its_class():
    from octoroute.gateway.response_cache import ResponseCache

    cache = ResponseCache(ttl_s=10, max_bytes=1 << 20, max_entries=9, shared=True, clock=lambda: 0.0)
    made = spine(cache=cache)

    async def both():
        first = made.request("auto", temperature=0, user="u")
        second = made.request("auto", temperature=0, user="u", headers={PRIVACY_HEADER: "us"})
        names = []
        for request in (first, second, first, second):
            reply = await made.gateway.answer(request)
            names.append((reply.endpoint.id, reply.headers.get("x-octoroute-cache")))
            reply.delivered()
            reply.close()
        return names

    first, second, *again = virtual.run(both())
    assert second == ("us", "miss")
    assert again == [(first[0], "hit"), ("us", "hit")]
