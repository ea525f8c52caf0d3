"""Configuration files and environments, ours and other programs': read, or refused by a ConfigError that holds no secret."""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from octoroute.config import Config, loads
from octoroute.config.env_file import parse_env_file
from octoroute.config.file import ConfigFile
from octoroute.config.importers import dispatcher, legacy
from octoroute.config.importers.writer import conceal, lost_in_json, to_providers_json, to_toml
from octoroute.config.load import import_tree
from octoroute.config.schema import Names
from octoroute.config.secret_mask import mask
from octoroute.errors import ConfigError
from tests.support.laws.cuts import nested
from tests.support.laws.setup import ROOT

WORDS = (
    b"[[models.fast]]\n", b"[providers.p]\n", b"[server]\n", b"[routing]\n", b'name = "m"\n', b'base_url = "http://h/v1"\n', b'"providers": [', b'"models": {',
    b'"big": "m"', b"providers:\n", b"models:\n", b"  fast:\n", b"- {name: m, base_url: 'http://h/v1'}\n", b"${KEY}", b"${NO}", b"${NO:-x}", b"$$", b"${", b"***",
    b"&a ", b"*a", b"<<: *a\n", b"? ", b"!!binary ", b"!!set ", b"!!omap ", b"!!timestamp ", b"!!float ", b"1:1:1:1.5", b"0x", b"1e999", b".inf", b".nan",
    b"2024-01-01T00:00:00+99:99", b"0001-01-01 00:00:00 +23:59", b"'''", b'"""', b"\\ud800", b"\\U0010ffff", b"\xef\xbb\xbf", b"--- ", b"%YAML 9.9\n", b"|\n", b"a.b.c",
    b"OPENAI_API_KEY=", b"BIG_MODEL=", b"CUSTOM_HEADER_X=", b"ANTHROPIC_API_KEY=", b"AZURE_OPENAI_ENDPOINT=", b"REQUEST_TIMEOUT=", b"PORT=", b"export ", b"GOOGLE_TIMEOUT=1m30s",
)  # fmt: skip
SUFFIXES = (".toml", ".json", ".yaml")
NAMES = Names(kinds=("openai", "azure", "anthropic", "gemini"))
SECRET = "s3cret"
ENV = {"KEY": f"{SECRET}-key", "URL": f"http://{SECRET}.example/v1", "N": "9"}
LEGACY = {**ENV, "OPENAI_API_KEY": f"sk-{SECRET}", "BIG_MODEL": "gpt-4o", "PORT": "9000", "CUSTOM_HEADER_X_TEAM": f"{SECRET}-h"}


def check(data: bytes) -> None:
    """The first byte: which way in, which format, and whether an older program's environment is there."""
    if not data:
        return
    text = nested(data[1:]).decode("utf-8", "replace")
    way, suffix = WAYS[data[0] % len(WAYS)], SUFFIXES[data[0] // len(WAYS) % len(SUFFIXES)]
    try:
        way(text, suffix, LEGACY if data[0] & 128 else ENV)
    except ConfigError as error:
        assert error.problems
        said = "\n".join(error.problems)
        said.encode()
        assert SECRET not in said or SECRET in text


def seeds() -> Iterator[bytes]:
    for at, suffix in enumerate(SUFFIXES):
        for text in (text for path, text in _files() if path.suffix.replace("yml", "yaml") == suffix and len(text) < 4000):
            for way in range(3):
                yield bytes([way + at * len(WAYS)]) + text
                yield bytes([128 // len(WAYS) * len(WAYS) + 2 * len(WAYS) + way + at * len(WAYS)]) + text
    for text in SMALL:
        for first in range(3 * len(WAYS)):
            yield bytes([first]) + text
    for variables in VARIABLES:
        yield bytes([3]) + "\n".join(f"{name}={value}" for name, value in variables.items()).encode()


def _files() -> Iterator[tuple[Path, bytes]]:
    for folder in (ROOT / "tests" / "data", ROOT / "examples", ROOT / "tests" / "data" / "providers_json"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".toml", ".json", ".yaml", ".yml"}:
                yield path, path.read_bytes()
    cases = tomllib.loads((ROOT / "tests" / "data" / "broken_configurations.toml").read_text("utf-8"))["case"]
    for case in cases:
        yield Path(case.get("file", "config.toml")), case["text"].encode()


def _read(text: str, suffix: str, env: Mapping[str, str]) -> None:
    _whole(loads(text, Path(f"c{suffix}"), env, NAMES))


def _whole(config: Config) -> None:
    msgspec.json.encode(mask(config))


def _proposed(text: str, suffix: str, env: Mapping[str, str]) -> None:
    """As the admin API takes a new one for a file that is there."""
    for language in ("toml", "json"):
        file = ConfigFile(Path(f"there{suffix}"), lambda: env, _directory())
        try:
            proposal = file.propose(text, language)
        except ConfigError as error:
            assert error.problems
            "".join(error.problems).encode()
            continue
        proposal.text.encode()
        _whole(proposal.config)


def _imported(text: str, suffix: str, env: Mapping[str, str]) -> None:
    """As `octoroute import` writes it anew."""
    path = _directory() / f"foreign{suffix}"
    path.write_bytes(text.encode())
    concealed = conceal(import_tree(path, env, path.parent, NAMES).tree)
    written = to_toml(concealed, "From 'x'.")
    tomllib.loads(written)
    loads(written, Path("c.toml"), {**env, **dict.fromkeys(concealed.variables, "x")}, NAMES)


def _migrated(text: str, suffix: str, env: Mapping[str, str]) -> None:
    """As `octoroute migrate` reads variables."""
    variables = {**parse_env_file(text), **(env if env is LEGACY else {})}
    for convert in (legacy.convert, dispatcher.convert):
        given = convert(variables, NAMES)
        if not given.problems:
            tomllib.loads(to_toml(conceal(given.tree), "x"))
        for place, problem in given.problems:
            f"{place}: {problem}".encode()
    read = legacy.read_variables(variables, NAMES)
    if not read.problems:
        json.loads(to_providers_json(read, "openai"))
        list(lost_in_json(read))


@cache
def _directory() -> Path:
    directory = tempfile.TemporaryDirectory(prefix="octoroute-laws-")
    path = Path(directory.name)
    _KEPT.append(directory)
    there = {"server": {"port": 1}, "models": {"fast": [{"name": "m", "base_url": "http://h/v1", "api_key": "${KEY}"}]}}
    (path / "there.json").write_text(json.dumps(there))
    (path / "there.yaml").write_text(json.dumps(there))
    (path / "there.toml").write_text('server.port = 1\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\napi_key = "${KEY}"\n')
    return path


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
"""Removed at exit."""
WAYS = (_read, _proposed, _imported, _migrated)
SMALL = (
    b'server.port = 1\n[[models.fast]]\nname = "m"\nbase_url = "${URL}"\napi_key = "${KEY}"\nheaders = {X-A = "1"}\nprice = {input = 1}\n',
    b'{"server":{"port":"***"},"models":{"fast":[{"name":"m","base_url":"http://h/v1","api_key":"***"}]}}',
    b"server: {port: 1}\nmodels:\n  fast:\n    - &a {name: m, base_url: 'http://h/v1', id: ~}\n    - {<<: *a, name: n, priority: 2}\n",
    b'{"providers":[{"name":"p","api_key":"${KEY}","base_url":"${URL}","models":{"big":["a","b"],"small":"c"},"priority":2,"timeout":"${N}"}]}',
    b"providers:\n- {name: p, api_key: '${NO}', base_url: 'http://h/v1', models: {big: m}, custom_headers: {Authorization: 'Bearer x'}}\n",
    b"a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: {<<: [{e: 1}, {f: *c}], *c : 2}\n",
    b"a: 1:1:1.5\nb: 2024-01-01T00:00:00+10:00\nc: !!binary aGk=\nd: !!set {x}\ne: !!omap [{a: 1}]\nf: 0b1_0\ng: .inf\n? [k, l]\n: v\n",
    b"\0a.\0a = 1\0\0",
    b"a = \0[\0\0]\0",
    b"\0{a: \0b\0}\0",
    b'\0{"providers":[\0\0]}\0',
)  # fmt: skip
VARIABLES: tuple[Mapping[str, str], ...] = (
    LEGACY,
    {
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": '"http://h/v1" # x',
        "BIG_MODEL": "a",
        "MIDDLE_MODEL": "b",
        "SMALL_MODEL": "'c'",
        "ANTHROPIC_API_KEY": "x",
        "MAX_TOKENS_LIMIT": "4096",
        "MIN_TOKENS_LIMIT": "1",
        "REQUEST_TIMEOUT": "30",
        "MAX_RETRIES": "4",
        "LOG_LEVEL": "WARNING # x",
        "HOST": "0.0.0.0",
        "AZURE_API_VERSION": "2024-10-21",
    },
    {
        "GOOGLE_API_KEY": "k",
        "GOOGLE_TIMEOUT": "1m30s",
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
        "COHERE_API_KEY": "k",
        "COHERE_RATE_LIMIT_REQUESTS_PER_MINUTE": "60",
        "ANTHROPIC_API_KEY": "k",
        "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
    },
)
