"""The result of an importer, and the conversion of lists of models by provider to [[models.TIER]] tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from octoroute.config import rules
from octoroute.domain.endpoint import Tier

BIGGEST_FIRST = (Tier.DEEP, Tier.BALANCED, Tier.FAST)
MAX_PRIORITIES = 255


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """`tree` may be used only if `problems` is empty."""

    tree: Mapping[str, object] = {}
    problems: tuple[tuple[str, str], ...] = ()
    """(path in the foreign file or name of a variable, what is wrong; what to do)"""
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Providers that are not usable, each with the reason."""
    priorities: Mapping[str, float] = {}
    """By provider, the priority as the foreign file has it, for people."""
    usable: bool = True
    """False if every provider was left out."""


class ImportModel(msgspec.Struct, frozen=True):
    """The name of a model: `written` with `${…}` and `$$` as in the file, `name` with variables replaced."""

    written: str
    name: str


class ImportSource(msgspec.Struct, frozen=True, kw_only=True):
    """A provider and its models by tier, the preferred model first. A higher `priority` is tried first."""

    provider: str
    models: Mapping[Tier, Sequence[ImportModel]]
    priority: int = 1
    keys: Mapping[str, object] = {}
    """Additional keys of each of its endpoints."""


def models(sources: Sequence[ImportSource]) -> dict[str, list[dict[str, object]]]:
    """The `models` table, in the order of the sources and of their lists.

    A name belongs to one tier. A model of several tiers keeps its name in the first of deep, balanced, fast, and is called
    `name@tier` in the others.
    """
    names: dict[str, Tier] = {}
    ids: set[str] = set()
    tables: dict[str, list[dict[str, object]]] = {}
    for tier in BIGGEST_FIRST:
        for source in sources:
            for model in _once_each(source.models.get(tier, ())):
                suffix = _suffix(model.name, tier, names)
                table: dict[str, object] = {"name": model.written + suffix, "provider": source.provider}
                if suffix:
                    table["model"] = model.written
                made = _id(source.provider, model.name + suffix)
                if made not in ids and "$" not in made and rules.endpoint_id(made) is None:
                    ids.add(made)
                    table["id"] = made
                tables.setdefault(str(tier), []).append({**table, "priority": source.priority, **source.keys})
    return {str(tier): tables[str(tier)] for tier in Tier if str(tier) in tables}


def _once_each(listed: Sequence[ImportModel]) -> list[ImportModel]:
    """`listed` without repeated names; the first position counts."""
    first: dict[str, ImportModel] = {}
    for model in listed:
        first.setdefault(model.name, model)
    return list(first.values())


def _suffix(name: str, tier: Tier, names: dict[str, Tier]) -> str:
    suffix = ""
    while names.setdefault(name + suffix, tier) is not tier or (name + suffix).strip().lower() in rules.RESERVED:
        suffix += f"@{tier}"
    return suffix


def _id(provider: str, name: str) -> str:
    return f"{quote(provider, safe='@+=,;!()[]*&')}/{quote(name, safe='/:@+=,;!()[]*&$')}"


def rank(priorities: Sequence[int]) -> Sequence[int]:
    """Priorities where smaller is first, as priorities where higher is first. Equal ones stay equal, and the last is 1."""
    distinct = sorted(set(priorities), reverse=True)
    return [distinct.index(priority) + 1 for priority in priorities]
