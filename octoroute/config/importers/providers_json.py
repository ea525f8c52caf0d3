"""Importer of claude-code-proxy's providers.json, in JSON or YAML: its schema, and what each key becomes. Pure.

In providers.json a smaller priority is tried first, in octoroute a higher one: the order stays, the numbers change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, cast

import msgspec

from octoroute.config import rules
from octoroute.config.environment import SubstitutionResult, child, substitute
from octoroute.config.importers.tree import MAX_PRIORITIES, ImportModel, ImportResult, ImportSource, models, rank
from octoroute.config.reader import ConfigReader
from octoroute.config.schema.key import Names
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret, Tier
from octoroute.domain.option import Key, Table

CLASSES: Mapping[str, Tier] = {"big": Tier.DEEP, "middle": Tier.BALANCED, "small": Tier.FAST}
"""Its names of the tiers, for Claude's opus, sonnet, and haiku."""

_OF_ONE_PROVIDER = re.compile(
    r"providers\[\d+\]\.(api_key|base_url|api_version|timeout|max_retries|enabled|custom_headers\..+|models\.\w+\[\d+\])"
)
"""Keys whose variable may be unset. `name` and `priority` also affect other providers."""


class ClassesTable(Table, frozen=True, kw_only=True):
    """The models by size, the preferred first."""

    big: Annotated[tuple[str, ...], Key("models of the deep tier", check=text_check.label)] = ()
    middle: Annotated[tuple[str, ...], Key("models of the balanced tier", check=text_check.label)] = ()
    small: Annotated[tuple[str, ...], Key("models of the fast tier", check=text_check.label)] = ()


class ProviderRow(Table, frozen=True, kw_only=True):
    """One provider."""

    name: Annotated[str, Key("unique name", check=text_check.label, required=True)] = ""
    api_key: Annotated[Secret, Key("the provider's key", check=rules.credential, required=True)] = Secret("")
    base_url: Annotated[str, Key("root URL of the API", check=rules.base_url, required=True)] = ""
    models: Annotated[ClassesTable, Key("models by size", required=True)] = ClassesTable()
    enabled: Annotated[bool, Key("false excludes the provider")] = True
    priority: Annotated[int, Key("providers with a smaller number are tried first", low=-1e9, high=1e9)] = 1
    api_version: Annotated[str | None, Key("version of the API; if set, the provider is Azure", check=rules.version)] = None
    timeout: Annotated[float, Key("time limit of one attempt, in seconds", low=1, high=3600)] = 90.0
    max_retries: Annotated[int | None, Key("not used", low=0, high=100)] = None
    custom_headers: Annotated[
        Mapping[str, str], Key("extra HTTP headers", check=rules.header_value, check_name=text_check.header_name, secret=True)
    ] = {}


class CircuitBreakerTable(Table, frozen=True, kw_only=True):
    """When a provider is taken out of use."""

    failure_threshold: Annotated[int, Key("consecutive failures that open the circuit", low=1, high=1000)] = 5
    recovery_timeout: Annotated[float, Key("seconds until a trial request", above=0, high=86400)] = 60.0


class ProvidersFile(Table, frozen=True, kw_only=True):
    """The whole file."""

    providers: Annotated[tuple[ProviderRow, ...], Key("the providers", required=True)] = ()
    fallback_strategy: Annotated[Literal["priority", "round_robin", "random"], Key("order of the providers")] = "priority"
    health_check_interval: Annotated[float, Key("seconds between two probes; 0 or less turns them off", low=-86400, high=86400)] = (
        300.0
    )
    circuit_breaker: Annotated[CircuitBreakerTable, Key("circuit breaker")] = CircuitBreakerTable()
    strict_env: Annotated[bool, Key("octoroute's own key: true makes a variable that is not set an error")] = False


class ProviderEntry(msgspec.Struct, frozen=True):
    """A provider in the file and as read. `unset`: the reason why it is left out, or None."""

    path: str
    written: Mapping[str, object]
    values: Mapping[str, object]
    """`written` with variables replaced."""
    read: ProviderRow
    unset: str | None


def is_providers_json(tree: Mapping[object, object]) -> bool:
    return isinstance(tree.get("providers"), list)


def convert(tree: Mapping[object, object], env: Mapping[str, str], names: Names, *, writing: bool = False) -> ImportResult:
    """`writing`: the result becomes a file that may be read elsewhere, so variables may be unset here."""
    tidy = _tidy(tree)
    found = substitute(tidy, {name: value for name, value in env.items() if value})
    reader = ConfigReader(names, found.written)
    file = reader.table(ProvidersFile, found.tree, "")
    rows = list(_rows(tidy, file, found))
    problems = [
        *_variables(found, strict=file.strict_env, writing=writing),
        *(problem for problem in reader.problems if problem[0] not in {path for path, _ in found.problems}),
        *_across(rows, reader),
    ]
    if problems:
        return ImportResult(problems=tuple(problems))
    left_out = () if writing else tuple(_left_out(rows))
    return ImportResult(
        tree=_tree(file, rows, tidy, drop=not writing),
        left_out=left_out,
        priorities={row.read.name: row.read.priority for row in rows},
        usable=any(row.read.enabled and (writing or row.unset is None) for row in rows),
        warnings=(*(f"{reason}; it is left out" for reason in left_out), *_remarks(rows)),
    )


def _tidy(tree: Mapping[object, object]) -> dict[str, object]:
    """The tree with string keys, and with a list for a model that is a single string."""
    tidy = {str(name): value for name, value in tree.items()}
    providers = cast("list[object]", tidy["providers"])
    tidy["providers"] = [_tidy_row(cast("dict[object, object]", row)) if isinstance(row, dict) else row for row in providers]
    return tidy


def _tidy_row(row: dict[object, object]) -> dict[str, object]:
    tidy = {str(name): value for name, value in row.items()}
    listed = tidy.get("models")
    if isinstance(listed, dict):
        classes = cast("dict[object, object]", listed)
        tidy["models"] = {str(name): [value] if isinstance(value, str) else value for name, value in classes.items()}
    return tidy


def _rows(tidy: Mapping[str, object], file: ProvidersFile, found: SubstitutionResult) -> Iterator[ProviderEntry]:
    rows = zip(_tables(tidy), _tables(cast("Mapping[str, object]", found.tree)), file.providers, strict=False)
    for index, (written, values, read) in enumerate(rows):
        path = child("providers", index)
        unset = sorted({name for where, name in found.unset.items() if where.startswith(f"{path}.")})
        reason = f"{', '.join(unset)} {'are' if len(unset) > 1 else 'is'} not set, or empty" if unset else None
        yield ProviderEntry(path, written, values, read, reason)


def _tables(tree: Mapping[str, object]) -> list[dict[str, object]]:
    """The provider tables; an empty one for an entry that is not a table, which the reader has reported."""
    rows = cast("list[object]", tree["providers"])
    return [cast("dict[str, object]", row) if isinstance(row, dict) else {} for row in rows]


def _variables(found: SubstitutionResult, *, strict: bool, writing: bool) -> Iterator[tuple[str, str]]:
    for path, text in found.problems:
        forgiven = path in found.unset and _OF_ONE_PROVIDER.fullmatch(path) and (writing or not strict)
        if not forgiven:
            yield path, text


def _across(rows: Sequence[ProviderEntry], reader: ConfigReader) -> Iterator[tuple[str, str]]:
    """Problems across providers."""
    if not rows and not reader.problems:
        yield "providers", "is empty; add a provider with name, api_key, base_url, and models"
    first: dict[str, ProviderEntry] = {}
    for row in rows:
        if row.read.name and first.setdefault(row.read.name, row) is not row:
            other = first[row.read.name]
            yield child(row.path, "name"), f"is also the name of {other.path}; give each provider its own"
        listed = row.written.get("models")
        if (
            isinstance(listed, dict)
            and not any(cast("dict[str, object]", listed).values())
            and not reader.wrong(child(row.path, "models"))
        ):
            yield child(row.path, "models"), "has no model; add big, middle, or small"
    if len({row.read.priority for row in rows}) > MAX_PRIORITIES:
        yield "providers", f"has more than {MAX_PRIORITIES} different priorities; give some providers the same one"


def _left_out(rows: Sequence[ProviderEntry]) -> Iterator[str]:
    for row in rows:
        if row.read.enabled and row.unset:
            yield f"{row.path}: the provider {row.read.name} requires an environment variable: {row.unset}"


def _remarks(rows: Sequence[ProviderEntry]) -> Iterator[str]:
    used = [row for row in rows if row.read.enabled and row.unset is None]
    retried = [child(row.path, "max_retries") for row in used if row.read.max_retries]
    if retried:
        yield (
            f"{', '.join(retried)}: not used, because every model is tried once, then the next one; for further attempts, "
            "`octoroute import` the file and set [retry] max_attempts"
        )
    for row in used:
        for header in row.read.custom_headers:
            if rules.is_credential(header, _kind(row.read)):
                yield f"{child(child(row.path, 'custom_headers'), header)}: is sent instead of api_key"


def _kind(row: ProviderRow) -> str:
    return "azure" if row.api_version else "openai"


def _tree(file: ProvidersFile, rows: Sequence[ProviderEntry], tidy: Mapping[str, object], *, drop: bool) -> dict[str, object]:
    priorities = rank([row.read.priority for row in rows])
    breaker = file.circuit_breaker
    strategy = tidy.get("fallback_strategy") or file.fallback_strategy
    return {
        "providers": {row.read.name: _provider(row, drop=drop) for row in rows},
        "models": models(
            [
                ImportSource(provider=row.read.name, models=_models(row), priority=priority)
                for row, priority in zip(rows, priorities, strict=True)
            ]
        ),
        "selection": {"order": strategy},
        "retry": {"max_attempts": 0},
        "health": {
            "interval_seconds": max(0.0, file.health_check_interval),
            "failure_threshold": breaker.failure_threshold,
            "recovery_seconds": breaker.recovery_timeout,
        },
    }


def _provider(row: ProviderEntry, *, drop: bool) -> dict[str, object]:
    """A [providers.NAME] table, with strings as written, so that references stay references."""
    read, written = row.read, row.written
    kind = "azure" if written.get("api_version") else "openai"
    table: dict[str, object] = {"kind": kind, "base_url": written["base_url"], "api_key": written["api_key"]}
    if kind == "azure":
        table["api_version"] = written["api_version"]
    headers = cast("Mapping[str, object]", written.get("custom_headers") or {})
    if headers:
        table["headers"] = dict(headers)
    if any(rules.is_credential(str(name), kind) for name in headers):
        table["allow_auth_header_override"] = True
    timeout, enabled = written.get("timeout"), written.get("enabled")
    table["timeout_seconds"] = timeout if isinstance(timeout, str) else read.timeout
    if not read.enabled or (drop and row.unset):
        table["enabled"] = False
    elif isinstance(enabled, str):
        table["enabled"] = enabled
    return table


def _models(row: ProviderEntry) -> Mapping[Tier, Sequence[ImportModel]]:
    written, values = (cast("Mapping[str, list[str] | None]", side["models"]) for side in (row.written, row.values))
    return {
        tier: [ImportModel(text, name or text) for text, name in zip(written.get(word) or (), values.get(word) or (), strict=True)]
        for word, tier in CLASSES.items()
    }
