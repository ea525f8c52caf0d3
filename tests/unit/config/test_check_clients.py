"""What is refused in [[auth.clients]]."""

from __future__ import annotations

import pytest

from octoroute.errors import ConfigError
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings

TEAM = {"name": "team", "key": "text"}


def problems(*clients, **auth) -> tuple[str, ...]:
    tree = settings([row()], auth={**auth, "clients": list(clients)})
    try:
        configured({**tree, "providers": {"p": {"region": "eu-west-1"}}, "aliases": {"gpt": "auto"}})
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    "client",
    [
        TEAM,
        {"name": "team", "key_sha256": "aB" * 32},
        {**TEAM, "tiers": ["fast", "embedding"], "models": ["auto", "fast", "gpt", "m*", "openai/m"]},
        {**TEAM, "providers": ["openai"], "expires": "2027-01-31T00:00:00+02:00", "privacy": "anything"},
    ],
)
def test_what_is_valid(client):
    assert problems(client) == ()


@pytest.mark.parametrize(
    ("client", "path", "words"),
    [
        ({"name": "team"}, "auth.clients[0]", "has no key"),
        ({**TEAM, "key_sha256": "ab" * 32}, "auth.clients[0]", "key and key_sha256"),
        ({**TEAM, "key_sha256": "ab"}, "auth.clients[0].key_sha256", "not a SHA-256"),
        ({"key": "text"}, "auth.clients[0].name", "is missing"),
        ({**TEAM, "name": "key-1"}, "auth.clients[0].name", "choose another name"),
        ({**TEAM, "name": "a b"}, "auth.clients[0].name", "not a valid name"),
        ({**TEAM, "name": "x" * 65}, "auth.clients[0].name", "not a valid name"),
        ({**TEAM, "role": "root"}, "auth.clients[0].role", "viewer, user, operator, admin"),
        ({**TEAM, "tiers": ["fats"]}, "auth.clients[0].tiers[0]", 'did you mean "fast"?'),
        ({**TEAM, "models": ["fastt"]}, "auth.clients[0].models", 'did you mean "fast"?'),
        ({**TEAM, "providers": ["opena"]}, "auth.clients[0].providers", 'did you mean "openai"?'),
        ({**TEAM, "regions": ["eu"]}, "auth.clients[0].regions", "has no provider"),
        ({**TEAM, "expires": "tomorrow"}, "auth.clients[0].expires", "RFC 3339"),
        ({**TEAM, "expires": "2027-01-31T00:00:00"}, "auth.clients[0].expires", "RFC 3339"),
        ({**TEAM, "budget_usd": {"day": -1}}, "auth.clients[0].budget_usd.day", "from 0"),
        ({**TEAM, "budget_usd": {"week": 1}}, "auth.clients[0].budget_usd.week", "is not a known key"),
        ({**TEAM, "key": " "}, "auth.clients[0].key", "blank"),
    ],
)
def test_what_is_not_names_its_key_and_the_remedy(client, path, words):
    (problem,) = problems(client)
    assert problem.startswith(f"{path}: ")
    assert words in problem
    assert "text" not in problem


def test_no_name_and_no_key_twice():
    assert "also the name of auth.clients[0]" in problems(TEAM, {"name": "team", "key": "other"})[0]
    assert "has the key of auth.clients[0]" in problems(TEAM, {"name": "other", "key": "text"})[0]
    assert "has the key of auth.keys[0]" in problems(TEAM, keys=["text"])[0]
    assert "has the key of auth.admin_keys[0]" in problems(TEAM, admin_keys=["text"])[0]
