"""High availability, cost, and geography: the configurations of the guide, end to end, with fakes for the vendors.

Only the base_urls differ, because the originals name hosts of other companies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from octoroute.config import loads
from tests.support.fake import Exchange, Fake, by_wish, error
from tests.support.live_gateway import Clock, LiveGateway

DATA = Path(__file__).parents[1] / "data" / "providers_json"
ENV = {
    "OPENAI_API_KEY": "sk-openai",
    "AZURE_API_KEY": "az-key",
    "CHEAP_API_KEY": "cheap-key",
    "PREMIUM_API_KEY": "premium-key",
    "US_EAST_API_KEY": "us-key",
    "EU_WEST_API_KEY": "eu-key",
    "ASIA_API_KEY": "asia-key",
}
OPUS, SONNET, HAIKU = "claude-3-opus-20240229", "claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"


class World:
    """A gateway on a file of the guide. `asked` has (provider, model) of every question, in the order they came."""

    def __init__(self, gateway: LiveGateway, fakes: Mapping[str, Fake], asked: list[tuple[str, str]], clock: Clock) -> None:
        self.gateway = gateway
        self.fakes = fakes
        self.asked = asked
        self.clock = clock

    def does(self, provider: str, step, model: str | None = None) -> None:
        """`model`: only when it is asked for this one."""
        self.fakes[provider].always(_noting(provider, self.asked, step, model))

    async def ask(self, model: str = OPUS, *, stream: bool = False) -> Any:
        body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
        return await self.gateway.ask({**body, "stream": stream}, "/v1/messages")

    async def order(self, model: str = OPUS, *, stream: bool = False) -> list[tuple[str, str]]:
        """Who one question is put to."""
        self.asked.clear()
        await self.ask(model, stream=stream)
        return list(self.asked)


def _noting(provider: str, asked: list[tuple[str, str]], step, only: str | None = None):
    async def noted(exchange: Exchange) -> None:
        path, body = exchange.seen.path, exchange.seen.json
        model = path.split("/deployments/")[1].split("/")[0] if "/deployments/" in path else body["model"]
        asked.append((provider, model))
        await (step if only in {None, model} else by_wish)(exchange)

    return noted


@pytest.fixture
def scenario(make_fake, started):
    async def opened(name: str) -> World:
        tree = json.loads((DATA / f"{name}.json").read_text("utf-8"))
        fakes: dict[str, Fake] = {}
        asked: list[tuple[str, str]] = []
        env = dict(ENV)
        for provider in tree["providers"]:
            fake = fakes[provider["name"]] = await make_fake(provider["name"])
            fake.always(_noting(provider["name"], asked, by_wish))
            if provider["base_url"].startswith("${"):
                env[provider["base_url"][2:-1]] = fake.url.removesuffix("/v1")
            else:
                provider["base_url"] = fake.url
        clock = Clock()
        config = loads(json.dumps({**tree, "health_check_interval": 0}), Path("config/providers.json"), env)
        gateway = await LiveGateway.open(config, clock=clock)
        started.push_async_callback(gateway.close)
        return World(gateway, fakes, asked, clock)

    return opened


HA_BIG = [
    ("openai-primary", "gpt-4o"),
    ("openai-primary", "gpt-4-turbo"),
    ("azure-backup", "gpt-4o"),
    ("azure-backup", "gpt-4"),
    ("local-ollama", "llama3.1:70b"),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_high_availability_walks_models_then_providers_and_tells_the_last_cause(scenario, stream):
    world = await scenario("high_availability")
    assert await world.order(stream=stream) == HA_BIG[:1]
    for name in world.fakes:
        world.does(name, error(429))
    assert await world.order(stream=stream) == HA_BIG
    world.clock.pass_(1)
    answer = await world.ask(stream=stream)
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    world.does("local-ollama", by_wish)
    world.clock.pass_(2)
    assert await world.order(stream=stream) == HA_BIG
    world.clock.pass_(4)
    answer = await world.ask(stream=stream)
    assert (answer.status_code, answer.headers["x-octoroute-attempts"]) == (200, "5")
    assert answer.headers["x-octoroute-model"] == "llama3.1:70b"


async def test_high_availability_small_and_middle_have_their_own_lists(scenario):
    world = await scenario("high_availability")
    for name in world.fakes:
        world.does(name, error(429))
    assert await world.order(SONNET) == HA_BIG
    assert await world.order(HAIKU) == [
        ("openai-primary", "gpt-4o-mini"),
        ("openai-primary", "gpt-3.5-turbo"),
        ("azure-backup", "gpt-4o-mini"),
        ("azure-backup", "gpt-35-turbo"),
        ("local-ollama", "llama3.1:8b"),
    ]


async def test_high_availability_each_vendor_is_spoken_to_in_its_way(scenario):
    world = await scenario("high_availability")
    world.does("openai-primary", error(500))
    await world.ask()
    openai, azure = world.fakes["openai-primary"].requests[0], world.fakes["azure-backup"].requests[0]
    assert openai.headers["authorization"] == "Bearer sk-openai"
    assert azure.path == "/openai/deployments/gpt-4o/chat/completions?api-version=2024-02-15-preview"
    assert azure.headers["api-key"] == "az-key"
    assert "authorization" not in azure.headers


async def test_high_availability_a_refused_key_skips_the_rest_of_that_provider(scenario):
    world = await scenario("high_availability")
    world.does("openai-primary", error(401))
    assert await world.order() == [HA_BIG[0], HA_BIG[2]]


async def test_high_availability_a_dead_provider_is_skipped_whole(scenario):
    world = await scenario("high_availability")
    await world.fakes["openai-primary"].kill()
    answer = await world.ask()
    assert (answer.status_code, answer.headers["x-octoroute-model"], answer.headers["x-octoroute-attempts"]) == (200, "gpt-4o", "2")
    assert world.asked == [HA_BIG[2]]


async def test_high_availability_three_failures_open_and_later_one_request_tries(scenario):
    world = await scenario("high_availability")
    world.does("openai-primary", error(500), model="gpt-4o")
    for _ in range(3):
        assert await world.order() == HA_BIG[:2]
    assert await world.order() == HA_BIG[1:2]  # the fourth does not ask it any more
    for seconds in (1, 2, 4, 8, 16, 32, 64, 120, 120):  # the longest is the file's
        world.clock.pass_(seconds - 0.1)
        assert await world.order() == HA_BIG[1:2]
        world.clock.pass_(0.1)
        assert await world.order() == HA_BIG[:2]  # one trial, which fails
    assert await world.order() == HA_BIG[1:2]
    world.clock.pass_(120)
    world.does("openai-primary", by_wish)
    assert await world.order() == HA_BIG[:1]  # and one that closes it
    assert await world.order() == HA_BIG[:1]


async def test_cost_the_premium_provider_is_paid_only_when_the_cheap_one_fails(scenario):
    world = await scenario("cost")
    for model, size in ((OPUS, "big"), (SONNET, "middle"), (HAIKU, "small")):
        for _ in range(5):
            assert await world.order(model) == [("cheap-provider", f"cheap-{size}-model")]
    assert world.fakes["premium-provider"].requests == []
    world.does("cheap-provider", error(429))
    for model, size in ((OPUS, "big"), (SONNET, "middle"), (HAIKU, "small")):
        assert await world.order(model, stream=True) == [
            ("cheap-provider", f"cheap-{size}-model"),
            ("premium-provider", f"premium-{size}-model"),
        ]
    assert world.fakes["premium-provider"].requests[0].headers["authorization"] == "Bearer premium-key"


async def test_cost_the_defaults_of_the_guide_are_five_failures_and_a_minute(scenario):
    world = await scenario("cost")
    world.does("cheap-provider", error(500))
    both = [("cheap-provider", "cheap-big-model"), ("premium-provider", "premium-big-model")]
    for _ in range(5):
        assert await world.order() == both
    assert await world.order() == both[1:]
    world.clock.pass_(60)
    assert await world.order() == both


async def test_geographic_the_nearest_region_that_answers(scenario):
    world = await scenario("geographic")
    regions = ["us-east", "eu-west", "asia-pacific"]
    assert await world.order() == [("us-east", "gpt-4o")]
    assert await world.order(HAIKU) == [("us-east", "gpt-4o-mini")]
    world.does("us-east", error(503))
    assert await world.order() == [("us-east", "gpt-4o"), ("eu-west", "gpt-4o")]
    await world.fakes["eu-west"].kill()
    assert await world.order() == [("us-east", "gpt-4o"), ("asia-pacific", "gpt-4o")]
    world.does("asia-pacific", error(503))
    answer = await world.ask()
    assert (answer.status_code, answer.headers["x-octoroute-attempts"]) == (529, "3")
    keys = [fake.requests[0].headers["authorization"] for fake in world.fakes.values()]
    assert keys == ["Bearer us-key", "Bearer eu-key", "Bearer asia-key"]
    assert list(world.fakes) == regions
