"""The hard constraints of a request: what its key, its privacy header, and the operator's rules leave of the endpoints.

They are applied before anything is chosen. The rest of the pipeline gets settings that have only the endpoints that are left, so
that no path can lead to another one; the gateway's own requests for a client's request inherit them.
"""

from __future__ import annotations

import msgspec

from octoroute.access.restrictions import names_match, with_privacy
from octoroute.dialects.internal import InternalInbound
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, Forbidden, OctorouteError, UnknownModel
from octoroute.gateway.model_names import ALIASES
from octoroute.gateway.privacy import NO_CLASS, PRIVACY_HEADER, inherited
from octoroute.gateway.resolver import Resolver
from octoroute.gateway.settings import Settings

_MAX_HEADER_CHARS = 200
_MAX_REASONS = 5
_WORDS = frozenset({"auto", *CHAT_TIERS})


def restrictions_of(request: Request, settings: Settings) -> Restrictions | None:
    """Return what restricts the request; None: nothing does. Raises BadRequest for a malformed privacy header."""
    principal = request.principal
    found = None if principal is None else principal.restrictions
    if request.dialect == InternalInbound.name:
        return inherited()
    if found is not None and found.models and _may_ask_for_name(found.models, request, settings):
        found = msgspec.structs.replace(found, models=())
    if PRIVACY_HEADER in request.headers:
        found = with_privacy(found, _classes_of(request.headers[PRIVACY_HEADER]))
    if settings.privacy_rules:
        ruled = (rule.privacy for rule in settings.privacy_rules if rule.applies(request))
        found = with_privacy(found, frozenset(name.lower() for name in ruled if name is not None))
    return found or None


def _may_ask_for_name(models: tuple[str, ...], request: Request, settings: Settings) -> bool:
    """Whether the key may ask for a name that stands for several models: an alias, or `auto` or a tier if it is listed as it is."""
    word = request.model.lower()
    word = ALIASES.get(word, word)
    if word in _WORDS:
        return word in models
    if settings.named(request.model, request.api) or settings.aliases.find(request.model) is None:
        return False
    return names_match(models, request.model)


def _classes_of(header: str) -> frozenset[str]:
    if len(header) > _MAX_HEADER_CHARS or not header.isprintable():
        raise BadRequest(f"{PRIVACY_HEADER}: must be a privacy class such as eu, or several, separated by commas")
    return frozenset(word for text in header.split(",") if (word := text.strip().lower()) not in NO_CLASS)


async def resolve_within(resolver: Resolver, request: Request, settings: Settings, unrestricted: Settings) -> Decision:
    """Resolve with the endpoints that are left in `settings`. Raises Forbidden where only `unrestricted` has what is asked for."""
    api = request.api
    if not settings.serving(api) and unrestricted.serving(api):
        raise _forbidden("no endpoint may answer this request", settings)
    try:
        decision = await resolver.resolve(request, settings)
    except (UnknownModel, BadRequest):
        if await _is_known(resolver, request, unrestricted):
            raise _forbidden(f"this key or request may not use the model {request.model[:200]!r}", settings) from None
        raise
    named_tier = decision.by == "client" and decision.only is None and request.dialect != InternalInbound.name
    tiers = settings.restrictions.tiers if settings.restrictions is not None else None
    if named_tier and tiers and decision.tier not in tiers:
        raise Forbidden(f"this key may not use the tier {decision.tier}; its tiers are {', '.join(sorted(tiers))}", param="model")
    if named_tier and not settings.tier(decision.tier) and unrestricted.tier(decision.tier):
        raise _forbidden(f"this key or request may not use the tier {decision.tier}", settings)
    if decision.then is not None and not settings.tier(decision.then):
        return msgspec.structs.replace(decision, then=None)
    return decision


async def resolve_for_explanation(resolver: Resolver, request: Request, unrestricted: Settings) -> tuple[Settings, Decision]:
    """Return the settings that the request leaves, and the decision. Nothing is asked: `unrestricted` is `for_explanation`.

    Raises UnknownModel, BadRequest, and Forbidden.
    """
    restrictions = restrictions_of(request, unrestricted)
    if restrictions is None:
        return unrestricted, await resolver.resolve(request, unrestricted)
    settings = unrestricted.restricted(restrictions)
    return settings, await resolve_within(resolver, request, settings, unrestricted)


def _forbidden(message: str, settings: Settings) -> Forbidden:
    reasons = list(dict.fromkeys(settings.excluded.values()))
    more = "; …" if len(reasons) > _MAX_REASONS else ""
    return Forbidden(f"{message} ({'; '.join(reasons[:_MAX_REASONS])}{more})", param="model")


class _NoRouter:
    """Decides without a look at the request: only whether a name exists is asked."""

    async def route(self, facts: Facts) -> Decision:  # noqa: ARG002 - a router's interface
        return Decision(tier=Tier.BALANCED, by="default", why="")


async def _is_known(resolver: Resolver, request: Request, unrestricted: Settings) -> bool:
    try:
        await resolver.resolve(request, unrestricted.for_explanation(_NoRouter()))
    except OctorouteError:
        return False
    return True
