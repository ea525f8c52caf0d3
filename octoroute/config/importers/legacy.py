"""Importer of claude-code-proxy's environment variables, which that program read before it had a providers.json. Pure.

A problem names the variable. Keys and headers stay references, so that no secret is written to a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from octoroute.config import rules
from octoroute.config.env_file import is_name
from octoroute.config.environment import escape
from octoroute.config.importers.tree import ImportModel, ImportResult, ImportSource, models
from octoroute.config.reader import ConfigReader
from octoroute.config.schema.key import Names
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret, Tier
from octoroute.domain.option import Key, Table

REQUIRED = "OPENAI_API_KEY"
HEADER = "CUSTOM_HEADER_"
PROVIDER = "legacy"
MODELS: Mapping[str, Tier] = {"BIG_MODEL": Tier.DEEP, "MIDDLE_MODEL": Tier.BALANCED, "SMALL_MODEL": Tier.FAST}

_LEVELS: Mapping[str, str] = {"warning": "warn", "critical": "error", "fatal": "error"}
"""Level names of Python's logging, and octoroute's for them."""


class ServerVariables(Table, frozen=True, kw_only=True):
    """Variables of the process, which claude-code-proxy also read beside a providers.json."""

    HOST: Annotated[str | None, Key("listening address", check=rules.host)] = None
    PORT: Annotated[int | None, Key("listening port", low=0, high=65535)] = None
    LOG_LEVEL: Annotated[
        Literal["trace", "debug", "info", "warn", "error"] | None, Key("log level; text after its first word is ignored", fold=True)
    ] = None
    OCTOROUTE_API_KEY: Annotated[Secret | None, Key("key that clients must present", check=rules.client_key)] = None


class LegacyVariables(Table, frozen=True, kw_only=True):
    """Variables of the provider and its models."""

    OPENAI_API_KEY: Annotated[Secret, Key("the provider's key", check=rules.credential, required=True)] = Secret("")
    OPENAI_BASE_URL: Annotated[str | None, Key("root URL of the provider's API", check=rules.base_url)] = None
    AZURE_API_VERSION: Annotated[str | None, Key("version of the API; if set, the provider is Azure", check=rules.version)] = None
    BIG_MODEL: Annotated[str, Key("model of the deep tier", check=text_check.label)] = "gpt-4o"
    MIDDLE_MODEL: Annotated[str | None, Key("model of the balanced tier; default: BIG_MODEL", check=text_check.label)] = None
    SMALL_MODEL: Annotated[str, Key("model of the fast tier", check=text_check.label)] = "gpt-4o-mini"
    ANTHROPIC_API_KEY: Annotated[Secret | None, Key("key that clients must present", check=rules.client_key)] = None
    MAX_TOKENS_LIMIT: Annotated[int | None, Key("largest output of a response, in tokens", low=1, high=4294967295)] = None
    MIN_TOKENS_LIMIT: Annotated[int | None, Key("not used", low=0, high=4294967295)] = None
    REQUEST_TIMEOUT: Annotated[float, Key("time limit of one attempt, in seconds", low=1, high=3600)] = 90.0
    MAX_RETRIES: Annotated[int, Key("attempts after the first one", low=0, high=99)] = 2


class LegacyEnvironment(msgspec.Struct, frozen=True):
    variables: LegacyVariables
    headers: Mapping[str, str]
    """The variable that holds the value, by header name."""
    server_tables: Mapping[str, object]
    problems: tuple[tuple[str, str], ...]


def is_set(env: Mapping[str, str]) -> bool:
    return bool(env.get(REQUIRED))


def unused(env: Mapping[str, str], referenced: frozenset[str]) -> list[str]:
    """The variables of a legacy environment that a file, which takes precedence, does not refer to."""
    known = (*LegacyVariables.__struct_fields__, *_header_variables(env))
    return [name for name in known if env.get(name) and name not in referenced]


def convert(env: Mapping[str, str], names: Names, *, provider: str = PROVIDER) -> ImportResult:
    read = read_variables(env, names)
    if read.problems:
        return ImportResult(problems=read.problems)
    return ImportResult(tree=_tree(read, provider), warnings=tuple(_remarks(read)))


def read_variables(env: Mapping[str, str], names: Names) -> LegacyEnvironment:
    tree = {name: env[name] for name in LegacyVariables.__struct_fields__ if env.get(name)}
    reader = ConfigReader(names, {name: f"${{{name}}}" for name in tree})
    variables = reader.table(LegacyVariables, tree, "")
    if variables.AZURE_API_VERSION and "OPENAI_BASE_URL" not in tree:
        reader.problem("OPENAI_BASE_URL", "is missing; with AZURE_API_VERSION it must be your resource's address")
    headers = {variable.removeprefix(HEADER).replace("_", "-"): variable for variable in _header_variables(env)}
    for name, variable in headers.items():
        wrong = text_check.header_name(name) or rules.header_value(env[variable])
        if wrong:
            reader.problem(variable, wrong)
    partial = server_tables(env, names)
    return LegacyEnvironment(variables, headers, partial.tree, (*reader.problems, *partial.problems))


def _header_variables(env: Mapping[str, str]) -> list[str]:
    return sorted(name for name in env if name.startswith(HEADER) and name != HEADER and is_name(name) and env[name])


def server_tables(env: Mapping[str, str], names: Names) -> ImportResult:
    """The tables `server`, `observability`, and `auth`, with the keys that the environment sets."""
    tree = {name: env[name] for name in ServerVariables.__struct_fields__ if env.get(name)}
    written = {name: f"${{{name}}}" for name in tree}
    if words := tree.get("LOG_LEVEL", "").split():
        tree["LOG_LEVEL"] = _LEVELS.get(words[0].lower(), words[0])
    reader = ConfigReader(names, written)
    read = reader.table(ServerVariables, tree, "")
    server = {"host": read.HOST, "port": read.PORT}
    parts: dict[str, object] = {
        "server": {key: value for key, value in server.items() if value is not None},
        "observability": {"log_level": read.LOG_LEVEL} if read.LOG_LEVEL else {},
        "auth": {"keys": ["${OCTOROUTE_API_KEY}"]} if read.OCTOROUTE_API_KEY else {},
    }
    return ImportResult(tree={name: part for name, part in parts.items() if part}, problems=tuple(reader.problems))


def _remarks(read: LegacyEnvironment) -> Iterator[str]:
    variables = read.variables
    if variables.ANTHROPIC_API_KEY:
        yield (
            "ANTHROPIC_API_KEY: used as the key that clients must present, as in claude-code-proxy, not as a key for Anthropic; "
            "for the latter, write a configuration file that contains ${ANTHROPIC_API_KEY}"
        )
    if variables.MIN_TOKENS_LIMIT is not None:
        yield "MIN_TOKENS_LIMIT: not used, because clients may limit their output as they like"
    for name, variable in read.headers.items():
        if rules.is_credential(name, _kind(variables)):
            yield f"{variable}: is sent instead of {REQUIRED}"


def _kind(variables: LegacyVariables) -> str:
    return "azure" if variables.AZURE_API_VERSION else "openai"


def _tree(read: LegacyEnvironment, provider: str) -> dict[str, object]:
    variables = read.variables
    limit = variables.MAX_TOKENS_LIMIT
    wanted = {
        Tier.DEEP: variables.BIG_MODEL,
        Tier.BALANCED: variables.MIDDLE_MODEL or variables.BIG_MODEL,
        Tier.FAST: variables.SMALL_MODEL,
    }
    source = ImportSource(
        provider=provider,
        models={tier: [ImportModel(escape(name), name)] for tier, name in wanted.items()},
        keys={} if limit is None else {"max_output_tokens": limit},
    )
    given = dict(read.server_tables)
    server = {"host": "0.0.0.0", "port": 8082}  # noqa: S104  claude-code-proxy's default; without a key, it causes a warning
    auth = {"keys": ["${ANTHROPIC_API_KEY}"]} if variables.ANTHROPIC_API_KEY else {}
    return {
        **given,
        "server": {**server, **msgspec.convert(given.get("server", {}), dict[str, object])},
        **({"auth": auth} if auth and "auth" not in given else {}),
        "providers": {provider: _provider(read)},
        "models": models([source]),
        "selection": {"order": "priority"},
        "retry": {"max_attempts": 1 + variables.MAX_RETRIES},
        "health": {"interval_seconds": 300.0, "failure_threshold": 5, "recovery_seconds": 60.0},
    }


def _provider(read: LegacyEnvironment) -> dict[str, object]:
    variables = read.variables
    table: dict[str, object] = {
        "kind": _kind(variables),
        "base_url": escape(variables.OPENAI_BASE_URL or "https://api.openai.com/v1"),
        "api_key": f"${{{REQUIRED}}}",
        "timeout_seconds": variables.REQUEST_TIMEOUT,
    }
    if variables.AZURE_API_VERSION:
        table["api_version"] = variables.AZURE_API_VERSION
    if read.headers:
        table["headers"] = {name: f"${{{variable}}}" for name, variable in read.headers.items()}
    if any(rules.is_credential(name, _kind(variables)) for name in read.headers):
        table["allow_auth_header_override"] = True
    return table
