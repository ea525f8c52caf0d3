"""Which endpoints the restrictions of a request leave: hard constraints, before anything is optimised. Pure."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Mapping

import msgspec

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.principal import Restrictions

Classes = Mapping[str, frozenset[str]]
"""By privacy class, the regions in it. A class that is not in it is the region of its name."""


def in_region(endpoint: Endpoint, region: str) -> bool:
    """Whether the endpoint is in the region, or in a part of it: `eu-west-1` is in `eu`. No region is in none."""
    own, wanted = endpoint.region.lower(), region.lower()
    return own == wanted or own.startswith(f"{wanted}-")


def exclusion(restrictions: Restrictions, endpoint: Endpoint, classes: Classes) -> str | None:
    """Return why the endpoint may not be asked, naming the constraint; None: it may."""
    where = f"the region {endpoint.region!r}" if endpoint.region else "no region"
    for name in sorted(restrictions.privacy):
        if not any(in_region(endpoint, region) for region in classes.get(name, (name,))):
            return f"outside the privacy class {name!r}: it has {where}"
    if restrictions.regions and not any(in_region(endpoint, region) for region in restrictions.regions):
        return f"the key's regions are {_listed(restrictions.regions)}: it has {where}"
    if restrictions.tiers and endpoint.tier not in restrictions.tiers:
        return f"the key's tiers are {_listed(restrictions.tiers)}"
    if restrictions.providers and endpoint.provider not in restrictions.providers:
        return f"the key's providers are {_listed(restrictions.providers)}"
    if restrictions.models and not allows_model(restrictions, endpoint):
        return "the key's models do not include it"
    return None


def allows_model(restrictions: Restrictions, endpoint: Endpoint) -> bool:
    """Whether `models` has the endpoint: by name or id, or by `PROVIDER/NAME` or `PROVIDER/MODEL`."""
    provider = endpoint.provider
    names = (endpoint.name, endpoint.id, f"{provider}/{endpoint.name}", f"{provider}/{endpoint.model}")
    return any(names_match(restrictions.models, name) for name in names)


def names_match(models: tuple[str, ...], name: str) -> bool:
    return any(model == name or _pattern(model).match(name) is not None for model in models)


@functools.lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))


def with_privacy(restrictions: Restrictions | None, classes: frozenset[str]) -> Restrictions | None:
    """`restrictions` within these privacy classes, too."""
    if not classes:
        return restrictions
    if restrictions is None:
        return Restrictions(privacy=classes)
    return msgspec.structs.replace(restrictions, privacy=restrictions.privacy | classes)


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
