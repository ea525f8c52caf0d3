"""The template is valid, and shows the defaults."""

import re
from pathlib import Path

from octoroute.config import loads
from octoroute.config.render.template import template
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Importance

ROOT = Path(__file__).parents[4]


class AnyVariable(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "set"

    def get(self, key, default=None):
        return self[key]


def test_the_template_is_valid_as_it_stands():
    config = loads(template(), Path("config.toml"), {})
    assert (config.server.host, config.server.port, config.routing.strategy) == ("127.0.0.1", 3000, "learned")
    assert (config.routing.default_importance, config.routing.router_tier) == (Importance.NORMAL, Tier.BALANCED)
    assert [(endpoint.tier, endpoint.max_tokens, endpoint.first_event_timeout_s) for endpoint in config.endpoints] == [
        (Tier.FAST, 4096, 120),
        (Tier.BALANCED, 8192, 120),
        (Tier.DEEP, 16384, 120),
    ]
    assert {(endpoint.temperature, endpoint.weight, endpoint.priority) for endpoint in config.endpoints} == {(0.7, 1.0, 1)}
    assert config.warnings == ()


def test_the_template_shows_the_defaults():
    bare = loads('[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', Path("config.toml"), {})
    full = loads(template(), Path("config.toml"), {})
    for part in ("server", "routing", "selection", "retry", "health", "auth", "observability"):
        assert getattr(full, part) == getattr(bare, part)


def test_every_commented_key_of_the_template_may_be_uncommented():
    text = re.sub(r"(?m)^#(?=[a-z\[])", "", template())
    assert text != template()
    config = loads(text, Path("config.toml"), AnyVariable())
    assert config.auth.keys
    assert config.other_endpoints
    assert config.endpoints[0].price


def test_the_sections_that_version_1_showed_are_there():
    tables = "[server] [[models.fast]] [[models.balanced]] [[models.deep]] [routing] [observability] [timeouts]"
    assert set(tables.split()) <= set(template().splitlines())
    assert "Model tiers" in template()


def test_config_toml_is_the_template():
    assert (ROOT / "config.toml").read_text("utf-8") == template(), "run: python -m octoroute config > config.toml"
