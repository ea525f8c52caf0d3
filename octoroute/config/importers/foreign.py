"""What the importers of other gateways share: reading without a schema, and building octoroute's tree. Pure.

Those files have hundreds of keys, and new ones with each version. An importer takes what has a counterpart; every other key is
reported by its path, and nothing is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, cast

import msgspec

from octoroute.config import rules
from octoroute.config.environment import child, escape
from octoroute.config.importers.model_size import rank, tier_for_requests
from octoroute.config.importers.tree import ImportResult
from octoroute.domain import text_check
from octoroute.domain.endpoint import CHAT_TIERS, Tier

_PROVIDER_NAME = re.compile(r"[^a-z0-9_-]+")


class ForeignTable:
    """A table of the foreign file. What is taken is known; `Notes.unused` reports the rest."""

    def __init__(self, value: object, path: str) -> None:
        self.path = path
        self.rest: dict[str, object] = {}
        self.is_table = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self.rest = {str(name): item for name, item in cast("Mapping[object, object]", value).items()}

    def __bool__(self) -> bool:
        return bool(self.rest)

    def at(self, name: str) -> str:
        """The path of a key."""
        return child(self.path, name)

    def take(self, name: str) -> object:
        """The value, which is then no longer unused; None if it is not there."""
        return self.rest.pop(name, None)

    def text(self, *names: str) -> str | None:
        """The first of these keys that is a text with something in it. YAML reads `2024-10-21` as a date."""
        found = [
            str(value)
            for name in names
            if isinstance(value := self.take(name), str | int | float | date) and not isinstance(value, bool)
        ]
        return next((text for text in found if text.strip()), None)

    def number(self, name: str, low: float, high: float) -> int | float | None:
        """A number within octoroute's limits; any other value stays unused, and is reported."""
        value = self.rest.get(name)
        try:
            number = float(cast("str", value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            return None
        del self.rest[name]
        return int(number) if number.is_integer() else number

    def flag(self, name: str) -> bool | None:
        value = self.rest.get(name)
        return cast("bool", self.rest.pop(name)) if isinstance(value, bool) else None

    def table(self, name: str) -> ForeignTable:
        """The table of this name; an empty one if there is none. Any other value stays unused."""
        value = self.rest.get(name)
        if isinstance(value, Mapping):
            del self.rest[name]
        return ForeignTable(cast("object", value), self.at(name))

    def rows(self, name: str) -> list[ForeignTable]:
        """The tables of a list."""
        value = self.rest.get(name)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return []
        del self.rest[name]
        return [ForeignTable(item, child(self.at(name), index)) for index, item in enumerate(cast("Sequence[object]", value))]

    def texts(self, name: str) -> list[str]:
        """The texts of a list, or a single one."""
        value = self.take(name)
        if isinstance(value, str):
            return [value]
        return [item for item in cast("Sequence[object]", value) if isinstance(item, str)] if isinstance(value, Sequence) else []


class ImportNotes:
    """What people must know about an import, in the order of the file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, path: str, text: str) -> None:
        line = f"{path}: {text}"
        if line not in self.lines:
            self.lines.append(line)

    def lost(self, table: ForeignTable, reasons: Mapping[str, str] | None = None) -> None:
        """Report every key that nothing has taken. `reasons`: by key, what octoroute does instead."""
        for name in table.rest:
            self.say(table.at(name), (reasons or {}).get(name, "has no counterpart; it is left out"))
        table.rest = {}


class ForeignModel(msgspec.Struct, kw_only=True):
    """An endpoint as an importer finds it. Strings are references or escaped already."""

    path: str
    name: str
    provider: str
    model: str = ""
    """What the server is asked for; "": the name."""
    sized_by: str = ""
    """The name that says how large it is, if neither of the others does."""
    tier: Tier | None = None
    """None: by the models' names, ranked against each other."""
    keys: dict[str, object] = {}


class ProviderTables:
    """The `[providers.NAME]` tables: rows with the same address and credentials share one."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, object]] = {}

    def name_of(self, wanted: str, table: Mapping[str, object]) -> str:
        """The name of the provider with these settings, which is `wanted` or like it."""
        stem = _PROVIDER_NAME.sub("-", wanted.lower()).strip("-") or "provider"
        number = 1
        while self.tables.setdefault(name := stem if number == 1 else f"{stem}-{number}", dict(table)) != table:
            number += 1
        return name


def tree_of(
    models: Sequence[ForeignModel], providers: ProviderTables, notes: ImportNotes, rest: Mapping[str, Mapping[str, object]]
) -> ImportResult:
    """The whole tree. `rest`: further tables; empty ones are left out."""
    named = [model.name for model in models]
    usable = list(_usable(models, notes))
    renamed = {before: model.name for before, model in zip(named, models, strict=True)}
    tiers = _tiers(usable, notes)
    groups: dict[str, list[dict[str, object]]] = {}
    for model in usable:
        table: dict[str, object] = {"name": model.name, "provider": model.provider}
        if model.model and model.model != model.name:
            table["model"] = model.model
        groups.setdefault(str(tiers[model.name]), []).append({**table, **model.keys})
    problems: tuple[tuple[str, str], ...] = ()
    if not usable:
        problems = (("the file", "has no model that octoroute can use: " + "; ".join(notes.lines or ["none is in it"])),)
    used = {model.provider for model in usable}
    tree: dict[str, object] = {name: table for name, table in rest.items() if table}
    if aliases := rest.get("aliases"):
        tree["aliases"] = {alias: renamed.get(str(target), target) for alias, target in aliases.items()}
    tree["providers"] = {name: table for name, table in providers.tables.items() if name in used}
    tree["models"] = {str(tier): groups[str(tier)] for tier in Tier if str(tier) in groups}
    return ImportResult(tree=tree, problems=problems, warnings=tuple(notes.lines))


def _usable(models: Sequence[ForeignModel], notes: ImportNotes) -> Iterator[ForeignModel]:
    for model in models:
        if model.name.strip().lower() in rules.RESERVED:
            notes.say(model.path, f"{model.name} is a word of octoroute; the model is called {model.name}-model")
            model.model, model.name = model.model or model.name, f"{model.name}-model"
        wrong = rules.model_name(model.name) or (text_check.label(model.model) if model.model else None)
        if wrong:
            notes.say(model.path, f"the name {wrong}; the model is left out")
        else:
            yield model


def _tiers(models: Sequence[ForeignModel], notes: ImportNotes) -> Mapping[str, Tier]:
    """By name. A name belongs to one tier: the first row with the name decides."""
    tiers: dict[str, Tier] = {}
    unsaid: dict[str, str] = {}
    for model in models:
        found = model.tier or tier_for_requests(model.model or model.name)
        if model.name not in tiers and model.name not in unsaid:
            if found is None:
                unsaid[model.name] = model.sized_by or model.model or model.name
            else:
                tiers[model.name] = found
    ranked = rank(list(unsaid.values()))
    for name, model in unsaid.items():
        tiers[name] = ranked[model]
    if unsaid:
        listed = {tier: [name for name in unsaid if tiers[name] is tier] for tier in CHAT_TIERS}
        said = "; ".join(
            f"{tier}: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" for tier, names in listed.items() if names
        )
        notes.say(
            "models", f"the file does not say how large they are, so tiers go by their names ({said}); move them if you know better"
        )
    used = {tier for tier in tiers.values() if tier in CHAT_TIERS}
    if len(used) == 1:
        notes.say("models", f"only the tier {next(iter(used))} has models, so every request for auto goes there")
    return tiers


def dollars_per_million(value: float) -> float:
    """A price of one token in `price`'s unit, to its six decimals."""
    return round(value * 1_000_000, 6)


def secret_text(value: str) -> str:
    """A literal text, in which a dollar sign is no reference."""
    return escape(value)


def as_tables(value: Any) -> dict[str, object]:
    """A copy of a table with text keys; empty for anything else."""
    return {str(name): item for name, item in cast("Mapping[object, object]", value).items()} if isinstance(value, Mapping) else {}
