from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import Config, loads
from octoroute.config.environment import child
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.key import Names, fields, tables
from octoroute.errors import ConfigError

ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


TABLES = tables(FileTable)
KNOWN = {field.name for table in TABLES for field in fields(table)}
PLACES = {
    "": "{key}",
    **{
        f"[{name}]": f"{name}.{{key}}"
        for name in (
            "server",
            "models",
            "selection",
            "retry",
            "queue",
            "health",
            "timeouts",
            "context",
            "auth",
            "audit",
            "cache",
            "store",
            "batches",
            "limits",
            "shared",
            "observability",
            "logging",
            "otel",
        )
    },
    **{f"[{name}]": f"{name}.{{key}}" for name in ("server.tls", "logging.traffic", "logging.rotation")},
    **{f"[{name}]": f"{name}.{{key}}" for name in ("routing", "routing.tiers", "routing.router_timeouts", "providers.p")},
    **{f"[[models.{name}]]": f"models.{name}[0].{{key}}" for name in ("fast", "balanced", "deep", "embedding")},
    **{
        f"[routing.{name}]": f"routing.{name}.{{key}}"
        for name in ("learned", "learned.shares", "learned.thresholds", "cascade", "sticky", "shadow")
    },
    "[limits.everything]": "limits.everything.{key}",
    "[[routing.rules]]": "routing.rules[0].{key}",
    "[[auth.clients]]": "auth.clients[0].{key}",
    "[auth.jwt]": "auth.jwt.{key}",
    "[[auth.jwt.issuers]]": "auth.jwt.issuers[0].{key}",
    "[auth.login]": "auth.login.{key}",
    "[[auth.clients]]\n[auth.clients.budget_usd]": "auth.clients[0].budget_usd.{key}",
    "[[models.deep]]\n[models.deep.price]": "models.deep[0].price.{key}",
    "[[models.deep]]\n[[models.deep.price.long_context]]": "models.deep[0].price.long_context[0].{key}",
    "[providers.p.tls]": "providers.p.tls.{key}",
    "[providers.p.oauth2]": "providers.p.oauth2.{key}",
    "[[models.deep]]\n[models.deep.tls]": "models.deep[0].tls.{key}",
}


def test_one_mistake_is_one_problem():
    assert problems(ENDPOINT + "weight = 0\n") == (
        "models.balanced[0].weight: must be greater than 0, got 0; use a positive number such as 1.0",
    )
    for text in ('base_url = "ftp://x"', 'base_url = "${UNSET}"', "base_url = 3"):
        assert len(problems(f'[[models.fast]]\nname = "m"\n{text}\n')) == 1
    assert len(problems("models = 3")) == 1
    assert len(problems("[models]\nfast = [3]")) == 1
    assert len(problems('[providers.p]\nkind = "opena"\n' + ENDPOINT + 'provider = "p"')) == 1
    assert len(problems('[providers.p]\nbase_url = "x"\n[[models.fast]]\nname = "m"\nprovider = "p"')) == 1
    twice = '[providers.p]\nbase_url = "http://h/v1"\nheaders = {X-A = "1", x-a = "2"}\n'
    assert len(problems(twice + '[[models.fast]]\nname = "a"\nprovider = "p"\n[[models.fast]]\nname = "b"\nprovider = "p"')) == 1


def test_installed_names_decide_what_is_known():
    names = Names(strategies=("rule", "oracle"), kinds=("openai", "telex"), policies=("weighted", "whim"))
    text = '[routing]\nstrategy = "oracle"\n[selection]\npolicy = "whim"\n' + ENDPOINT + 'provider = "telex"\n'
    config = read(text, names=names)
    assert (config.routing.strategy, config.selection.policy, config.endpoints[0].kind) == ("oracle", "whim", "telex")
    assert len(problems(text)) == 3


def test_a_name_that_yaml_reads_as_something_else_is_told():
    assert problems("models:\n  fast:\n    - {name: 2024-01-01, base_url: 'http://h/v1'}\n", file="c.yaml") == (
        "models.fast[0].name: must be a string, got a date; put it in quotes",
    )
    assert any(problem.startswith("True: is not a known key") for problem in problems("on: 1", file="c.yaml"))


def test_every_table_is_among_the_places():
    assert len(PLACES) == len(TABLES) + 4  # an endpoint's table has four places, and tls two


@given(place=st.sampled_from(sorted(PLACES)), key=st.text(min_size=1).filter(lambda key: key not in KNOWN))
def test_an_unknown_key_anywhere_is_refused(place, key):
    quoted = "".join(f"\\U{ord(char):08x}" for char in key)
    path = PLACES[place].replace("{key}", child("", key))
    assert any(problem.startswith(f"{path}: is not a known key; ") for problem in problems(f'{place}\n"{quoted}" = 1\n'))
