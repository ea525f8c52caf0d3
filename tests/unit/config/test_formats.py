import itertools
from pathlib import Path

import pytest

from octoroute.config import Config, loads
from octoroute.config.formats import MAX_CHARS, parse
from octoroute.config.schema.key import Names
from octoroute.errors import ConfigError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghijkl")
)
"""A kilobyte that means 9**12 values."""
ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


def test_json_and_yaml_hold_the_same_schema():
    toml = read('[server]\nport = 1\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', file="c.toml")
    json = read(
        '{"server": {"port": 1}, "models": {"fast": [{"name": "m", "base_url": "http://h/v1", "id": null}]}}', file="c.json"
    )
    yaml = read("server:\n  port: 1\nretry:\nmodels:\n  fast:\n    - {name: m, base_url: 'http://h/v1'}\n", file="c.yml")
    assert toml.endpoints == json.endpoints == yaml.endpoints
    assert toml.server == json.server == yaml.server


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("c.json", "[" * 100_000),
        ("c.yaml", "[" * 20_000),
        ("c.toml", "a = " + "[" * 20_000),
        ("c.json", '{"server": {"port": ' + "9" * 5000 + "}}"),
        ("c.toml", "[server]\nport = 0x" + "f" * 5000),
        ("c.toml", ENDPOINT + "weight = 0x" + "f" * 5000),
        ("c.json", '{"retry": {"max_attempts": NaN}, "health": {"interval_seconds": -Infinity}}'),
        ("c.yaml", "a: \x00"),
        ("c.yaml", BOMB),
        ("c.yaml", BOMB + "? *l\n: 1\n"),
        ("c.yaml", BOMB.replace("[", "{<<: [").replace("]", "]}").replace("[x, x, x, x, x, x, x, x, x]", "{y: 1}")),
        ("c.yaml", "a: &a [*a]"),
        ("c.yaml", "a: &a {*a : 1}"),
        ("c.yaml", "a: " + "1:" * 195 + "1.5"),
        ("c.yaml", "a: " + "1:" * 100_000 + "1"),
        ("c.yaml", "{a: !!timestamp x}"),
        ("c.yaml", "!!bool x"),
        ("c.yaml", "!!int ''"),
        ("c.toml", "a." * 400 + "a = 1"),
        ("c.toml", "a." * 400_000 + "a = 1"),
        ("c.json", "{" + "".join(f'"{number}": 1, ' for number in range(40_000)) + '"39999": 1}'),
        ("c.json", '{"routing": {"tier_descriptions": {"fast": "\\ud800"}}}'),
        ("c.yaml", 'routing: {tier_descriptions: {fast: "\\ud800"}}'),
        ("c.json", '{"server": {"host": "' + "${A:-" * 150_000 + '"}}'),
        ("c.json", '"' + "x" * 2**20 + '"'),
    ],
)
@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": "k", "BIG_MODEL": "m"}], ids=["", "beside a legacy environment"])
def test_monstrous_files_are_refused_like_any_other(file, text, env):
    assert problems(text, env, file=file)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("c.toml", "a = 1\na = 2", "c.toml: is not valid TOML: "),
        ("c.json", '{"a": 1, "a": 2}', 'c.json: is not valid JSON: the key "a" appears twice'),
        ("c.json", '{"a": }', "c.json: is not valid JSON: Expecting value (at line 1, column 7); correct that place"),
        ("c.yaml", "a: 1\na: 2", 'c.yaml: is not valid YAML: the key "a" appears twice (at line 2, column 1)'),
        ("c.yml", "a: [", "c.yml: is not valid YAML: "),
        ("c.json", "[" * 100 + "]" * 100, "c.json: is nested too deeply or contains itself; reduce the nesting"),
        ("c.yaml", "a: &a [*a]", "c.yaml: is nested too deeply or contains itself"),
        ("c.yaml", BOMB, "expands to more than 100000 values"),
        ("c.json", '{"a": "\\ud800"}', "contains an unpaired surrogate"),
        ("c.yaml", "a: \x00", "contains a character that YAML does not allow"),
        ("c.toml", "#" * (MAX_CHARS + 1), "c.toml: is longer than 1048576 characters"),
    ],
    ids=range(11),
)
def test_the_error_of_an_invalid_file_names_the_file_the_reason_and_the_place(file, text, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, Path(file))
    assert message in str(caught.value)


@pytest.mark.parametrize("file", ["c", "c.toml", "c.TOML", "c.conf"])
def test_a_file_without_a_known_suffix_is_toml(file):
    assert parse("a = 1", Path(file)) == {"a": 1}


def test_an_error_holds_no_text_of_the_file():
    for file, text in (("c.json", '{"s3cret": s3cret}'), ("c.yaml", "a: 's3cret\n"), ("c.toml", "a = s3cret")):
        with pytest.raises(ConfigError) as caught:
            parse(text, Path(file))
        assert "s3cret" not in str(caught.value)
