"""The routes that the formats answer from memory: lists and descriptions of models, and what else their clients ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.access.restrictions import names_match
from octoroute.dialects import SUFFIXES
from octoroute.dialects.local_routes import LocalRequest, LocalRoute, ModelCard
from octoroute.domain.endpoint import CHAT_TIERS, Capability, Endpoint, Tier
from octoroute.domain.principal import Principal
from octoroute.domain.request import CHAT
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.offload import by_size
from octoroute.gateway.settings import EMBEDDINGS, Settings
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, principal_of, read_body
from octoroute.server.routes.json_response import json_body

BUILT_IN = "octoroute"
"""The owner of the models that stand for routing or a tier."""
_TIERS = frozenset(CHAT_TIERS)
CONFIGURED = "user"
"""The owner of models that the configuration names."""


class LocalRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route(route.path, partial(self._answer, route), methods=[route.method])
            for inbound in self._runtime.interfaces.values()
            for route in inbound.local_routes()
        ]

    async def _answer(self, route: LocalRoute, request: Request) -> Response:
        body = b""
        if route.method != "GET":
            body = await read_body(request.receive, request.headers, self._rules.max_request_bytes)
        local = LocalRequest(
            request.path_params, request.query_params, body, model_cards(self._runtime.gateway, principal_of(request))
        )
        return json_body(await by_size(len(body), route.answer, local), request)


def model_cards(gateway: Gateway, principal: Principal | None) -> Mapping[str, ModelCard]:
    """Every name that the client may ask for, in chat or for embeddings."""
    settings = visible_settings(gateway, principal)
    cards = {"auto": _card("auto", BUILT_IN, settings.serving(CHAT))}
    cards |= {tier.value: _card(tier.value, BUILT_IN, settings.tier(tier)) for tier in CHAT_TIERS}
    for name in gateway.resolver.names(settings):
        cards.setdefault(name, _named_card(name, settings))
    return {name: card for name, card in cards.items() if may_ask(name, settings, gateway.settings)}


def visible_settings(gateway: Gateway, principal: Principal | None) -> Settings:
    """The settings with the endpoints that may answer the client."""
    restrictions = None if principal is None else principal.restrictions
    return gateway.settings if restrictions is None else gateway.settings.restricted(restrictions)


def may_ask(name: str, settings: Settings, unrestricted: Settings) -> bool:
    """Whether a name leads to an endpoint that is left in `settings`; an alias leads where it points."""
    if settings.restrictions is None:
        return True
    models, alias = settings.restrictions.models, settings.aliases.find(name)
    if name in models or (alias is not None and names_match(models, name)):
        settings = unrestricted.restricted(msgspec.structs.replace(settings.restrictions, models=()))
    if alias is not None and not settings.named(name):
        return may_ask(alias.target, settings, unrestricted)
    if name in _TIERS:
        return bool(settings.tier(Tier(name)))
    if name == "auto":
        return bool(settings.serving(CHAT))
    return bool(settings.named(name) or settings.named(name, EMBEDDINGS)) or any(
        name.removesuffix(f"-{dialect}") != name and settings.named(name.removesuffix(f"-{dialect}")) for dialect in SUFFIXES
    )


def _named_card(name: str, settings: Settings) -> ModelCard:
    chat = settings.named(name)
    if chat:
        return _card(name, CONFIGURED, chat)
    embedding = settings.named(name, EMBEDDINGS)
    if embedding:
        return _card(name, CONFIGURED, embedding)._replace(api=EMBEDDINGS)
    return _card(name, CONFIGURED, settings.serving(CHAT))  # an alias


def _card(name: str, owner: str, endpoints: Sequence[Endpoint]) -> ModelCard:
    """A name that stands for several endpoints has the largest of their limits, because a request goes where it fits."""
    windows = [endpoint.advertised_window or endpoint.context_window for endpoint in endpoints]
    limits = [endpoint.max_output_tokens for endpoint in endpoints]
    return ModelCard(
        name,
        owner,
        context_window=max((window for window in windows if window is not None), default=None),
        max_output_tokens=max((limit for limit in limits if limit is not None), default=None),
        capabilities=frozenset[Capability]().union(*(endpoint.capabilities for endpoint in endpoints)),
    )
