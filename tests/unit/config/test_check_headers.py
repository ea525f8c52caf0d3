from pathlib import Path

import pytest

from octoroute.config import Config, loads
from octoroute.config.schema.key import Names
from octoroute.errors import ConfigError

ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


@pytest.mark.parametrize(
    ("kind", "header", "refused"),
    [
        ("openai", "authorization", True),
        ("openai", "X-Api-Key", False),
        ("azure", "API-Key", True),
        ("azure", "Authorization", True),
        ("anthropic", "x-api-key", True),
        ("gemini", "X-Goog-Api-Key", True),
    ],
)
def test_a24_a_header_does_not_replace_the_key_by_accident(kind, header, refused):
    table = f'kind = "{kind}"\nbase_url = "http://h/v1"\nheaders = {{ {header} = "s3cret" }}\n'
    models = '[models]\nfast = [{name = "a", provider = "p"}, {name = "b", provider = "p"}]'
    key, flag = 'api_key = "s3cret"\n', "allow_auth_header_override = true\n"
    if refused:
        (problem,) = problems(f"[providers.p]\n{table}{key}{models}")
        assert problem.startswith(f"providers.p.headers.{header}: would be sent instead of api_key")
    for text in (table, f"{table}{key}{flag}", *(() if refused else (table + key,))):
        assert read(f"[providers.p]\n{text}{models}").endpoints[0].headers == ((header, "s3cret"),)


def test_an_endpoints_header_replaces_its_providers_in_any_case():
    text = (
        '[providers.p]\nbase_url = "http://h/v1"\nheaders = { X-A = "1", X-B = "1" }\n'
        '[[models.fast]]\nname = "a"\nprovider = "p"\nheaders = { x-b = "2", X-C = "3" }\n'
    )
    assert read(text).endpoints[0].headers == (("X-A", "1"), ("x-b", "2"), ("X-C", "3"))


def test_the_same_header_twice_is_reported_once_for_all_endpoints_of_a_provider():
    text = '[providers.p]\nbase_url = "http://h/v1"\nheaders = { X-A = "s3cret", x-a = "s3cret" }\n'
    endpoints = "".join(f'[[models.fast]]\nname = "{name}"\nprovider = "p"\n' for name in "ab")
    assert problems(text + endpoints) == ("providers.p.headers.x-a: appears twice, in upper and lower case; keep one of them",)


def test_a_header_of_the_endpoint_may_not_replace_the_providers_key():
    text = '[providers.p]\nbase_url = "http://h/v1"\napi_key = "k"\n[[models.fast]]\nname = "a"\nprovider = "p"\n'
    (problem,) = problems(text + 'headers = { Authorization = "s3cret" }\n')
    assert problem.startswith("models.fast[0].headers.Authorization: would be sent instead of api_key; remove one")
