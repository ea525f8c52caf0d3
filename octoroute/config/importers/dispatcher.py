"""Importer of the LLM dispatcher's environment variables: a key, an address, a timeout, and limits for each vendor. Pure.

They name no models, so each vendor gets the ones of `octoroute init`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from octoroute.config import rules
from octoroute.config.environment import escape
from octoroute.config.importers.tree import ImportModel, ImportResult, ImportSource, models
from octoroute.config.reader import ConfigReader
from octoroute.config.render.vendors import VENDORS
from octoroute.config.schema.key import Names
from octoroute.domain.endpoint import Secret, Tier
from octoroute.domain.option import Key, Table

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})(h|ms|m|s)")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:h|ms|m|s))+")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class DispatcherVendor(msgspec.Struct, frozen=True, kw_only=True):
    """`prefix`: of the variables. `root`: the address if no variable sets one. `models`: of fast, balanced, and deep."""

    prefix: str
    provider: str
    kind: str
    root: str | None
    models: Sequence[str]


def _vendors() -> Iterator[DispatcherVendor]:
    known = {vendor.name: vendor for vendor in VENDORS}
    for prefix, kind in (("OPENAI", "openai"), ("ANTHROPIC", "anthropic"), ("GOOGLE", "gemini")):
        yield DispatcherVendor(prefix=prefix, provider=kind, kind=kind, root=known[kind].base_url, models=known[kind].models)
    yield DispatcherVendor(prefix="AZURE_OPENAI", provider="azure", kind="azure", root=None, models=())
    cohere = known["cohere"]
    yield DispatcherVendor(prefix="COHERE", provider="cohere", kind="openai", root=cohere.base_url, models=cohere.models)


DISPATCHER_VENDORS = tuple(_vendors())


def _timeout(text: str) -> str | None:
    seconds = duration_s(text)
    if seconds is None:
        return "is not a duration; write it time limit of one attempt, like 30s, 1m30s, or 500ms"
    return None if 1 <= seconds <= 3600 else "must be from 1s to 1h; write it time limit of one attempt, like 30s"


class DispatcherVariables(Table, frozen=True, kw_only=True):
    """Variables of one vendor, without the prefix."""

    API_KEY: Annotated[Secret, Key("the vendor's key", check=rules.credential, required=True)] = Secret("")
    BASE_URL: Annotated[str | None, Key("root URL of the API", check=rules.base_url)] = None
    ENDPOINT: Annotated[str | None, Key("root URL of the API, under Azure's name for it", check=rules.base_url)] = None
    TIMEOUT: Annotated[str | None, Key("time limit of one attempt, like 30s", check=_timeout)] = None
    RATE_LIMIT_REQUESTS_PER_MINUTE: Annotated[int, Key("requests per minute; 0 is no limit", low=0, high=1000000000)] = 0
    RATE_LIMIT_TOKENS_PER_MINUTE: Annotated[int, Key("tokens per minute; 0 is no limit", low=0, high=1000000000000)] = 0


def duration_s(text: str) -> float | None:
    """`30s`, `1m30s`, `500ms`, or a bare number of seconds."""
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return float(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def variables_of(vendor: DispatcherVendor) -> tuple[str, ...]:
    return tuple(f"{vendor.prefix}_{name}" for name in DispatcherVariables.__struct_fields__)


def found_in(env: Mapping[str, str]) -> tuple[DispatcherVendor, ...]:
    """The vendors whose key is set."""
    return tuple(vendor for vendor in DISPATCHER_VENDORS if env.get(f"{vendor.prefix}_API_KEY"))


def convert(env: Mapping[str, str], names: Names) -> ImportResult:
    vendors = found_in(env)
    problems: list[tuple[str, str]] = []
    warnings: list[str] = []
    providers: dict[str, object] = {}
    sources: list[ImportSource] = []
    for vendor in vendors:
        read, wrong = _read(vendor, env, names)
        problems += wrong
        providers[vendor.provider] = _provider(vendor, read)
        sources.append(_source(vendor))
        warnings += _remarks(vendor, read)
    if not vendors:
        wanted = ", ".join(f"{vendor.prefix}_API_KEY" for vendor in DISPATCHER_VENDORS)
        problems.append(("the environment", f"has none of {wanted}; set one"))
    tree: dict[str, object] = {"providers": providers, "models": models(sources), "selection": {"order": "priority"}}
    return ImportResult(tree=tree, problems=tuple(problems), warnings=tuple(warnings))


def _read(vendor: DispatcherVendor, env: Mapping[str, str], names: Names) -> tuple[DispatcherVariables, list[tuple[str, str]]]:
    tree = {
        name: env[f"{vendor.prefix}_{name}"] for name in DispatcherVariables.__struct_fields__ if env.get(f"{vendor.prefix}_{name}")
    }
    reader = ConfigReader(names, {name: f"${{{vendor.prefix}_{name}}}" for name in tree})
    read = reader.table(DispatcherVariables, tree, "")
    problems = [(f"{vendor.prefix}_{path}", text) for path, text in reader.problems]
    if vendor.root is None and not (tree.get("ENDPOINT") or tree.get("BASE_URL")):
        problems.append((f"{vendor.prefix}_ENDPOINT", "is missing; set it to your resource's address"))
    return read, problems


def _root(vendor: DispatcherVendor, read: DispatcherVariables) -> str:
    """The address with the vendor's path, if it has none: the dispatcher accepted a bare host."""
    given = read.ENDPOINT or read.BASE_URL
    if given is None or vendor.root is None:
        return given or vendor.root or ""
    return given if urlsplit(given).path.strip("/") else given.rstrip("/") + urlsplit(vendor.root).path


def _provider(vendor: DispatcherVendor, read: DispatcherVariables) -> dict[str, object]:
    table: dict[str, object] = {
        "kind": vendor.kind,
        "base_url": escape(_root(vendor, read)),
        "api_key": f"${{{vendor.prefix}_API_KEY}}",
    }
    if read.TIMEOUT and duration_s(read.TIMEOUT):
        table["timeout_seconds"] = duration_s(read.TIMEOUT)
    if read.RATE_LIMIT_REQUESTS_PER_MINUTE:
        table["requests_per_minute"] = read.RATE_LIMIT_REQUESTS_PER_MINUTE
    if read.RATE_LIMIT_TOKENS_PER_MINUTE:
        table["tokens_per_minute"] = read.RATE_LIMIT_TOKENS_PER_MINUTE
    return table


def _source(vendor: DispatcherVendor) -> ImportSource:
    listed = {tier: [ImportModel(name, name)] for tier, name in zip(Tier, vendor.models, strict=False)}
    return ImportSource(provider=vendor.provider, models=listed)


def _remarks(vendor: DispatcherVendor, read: DispatcherVariables) -> Iterator[str]:
    if not vendor.models:
        where = f'[[models.TIER]] with provider = "{vendor.provider}"'
        yield f"{vendor.prefix}_API_KEY: the deployments are not known; add them as {where}"
        return
    given = read.ENDPOINT or read.BASE_URL
    if given is not None and _root(vendor, read) != given:
        yield f"{vendor.prefix}_BASE_URL: has no path; {urlsplit(vendor.root or '').path} was added, as in the vendor's own address"
