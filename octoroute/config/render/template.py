"""The commented configuration template, generated from the schema; it is a valid configuration. Pure.

`# text` is a comment; `#key = value` is a key that may be uncommented unchanged.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import get_args, get_origin

from octoroute.balancing.queue import QueueSettings
from octoroute.balancing.retry import RetryPolicy
from octoroute.config.describe import allowed, toml
from octoroute.config.schema.access import AuditTable, AuthTable, ClientTable
from octoroute.config.schema.balancing import ContextTable, HealthTable, SelectionTable, TimeoutsTable
from octoroute.config.schema.key import Field, Names, fields
from octoroute.config.schema.limits import LimitsTable, SharedTable
from octoroute.config.schema.logging import ObservabilityTable, OtelTable, RotationTable, TrafficLogTable
from octoroute.config.schema.models import EndpointTable, ProviderTable, TlsTable
from octoroute.config.schema.oauth2 import OAuth2Table
from octoroute.config.schema.routing import RouterTimeoutsTable, RoutingTable, TierDescriptionsTable
from octoroute.config.schema.server import BatchesTable, CacheTable, ServerTable, ServerTlsTable, StoreTable
from octoroute.config.schema.tokens import JwtTable, LoginTable
from octoroute.domain.option import Table
from octoroute.routing.cache_economics import StickyOptions
from octoroute.routing.difficulty.thresholds import LearnedOptions
from octoroute.routing.rules import Rule
from octoroute.routing.shadow import ShadowOptions
from octoroute.routing.strategies import CascadeOptions

HEADING = """\
# octoroute configuration
#
# Validate it with `octoroute check`, start with `octoroute`. Only an endpoint's name and base_url are required; every other key has
# a default. A string may contain ${NAME} (an environment variable), ${NAME:-default}, and $$ for a dollar sign.
# `octoroute init` writes a shorter file for the model servers it finds on this machine.
"""

_TIERS = """\

# Model tiers. A request for "auto" goes to the tier that fits it, and there to the endpoint with the highest priority; endpoints
# of equal priority share requests by weight. Each [[models.fast]] table is one endpoint; replicas of one model share its name.
"""

ALIASES = """\

# Names that clients insist on, and what they stand for: auto, a tier, or the name or id of an endpoint. `*` is any text. An exact
# name goes before a glob, a longer glob before a shorter one, and the name of an endpoint before all of them.
#[aliases]
#"gpt-4o" = "auto"
#"gpt-*" = "auto"
#"gpt-*-mini" = "fast"
#"o3*" = "deep"
#"claude-3-5-haiku-*" = "fast"
#"gemini-*-flash*" = "fast"
"""

_PRICE = """\
# Every key of a price; only those that the vendor charges apart are needed.
#[models.deep.price]
#input = 2.50
#output = 15.00
#cached = 0.25
#written = 3.125
#reasoning = 15.00
#audio_input = 40.00
#audio_output = 80.00
#image_input = 5.00
#image_output = 40.00
#request = 0.005
#long_context = [{ above_tokens = 200000, input = 5.00, output = 22.50, cached = 0.50, written = 6.25 }]
"""

_SHOWN: Mapping[str, Mapping[str, str]] = {
    "routing": {"strategy": '"learned"'},
    "models.fast": {
        "name": '"qwen3-8b"',
        "base_url": '"http://127.0.0.1:11434/v1"',
        "model": '"qwen3:8b"',
        "max_tokens": "4096",
        "temperature": "0.7",
        "weight": "1.0",
        "priority": "1",
    },
    "models.balanced": {
        "name": '"qwen3-30b"',
        "base_url": '"http://127.0.0.1:1234/v1"',
        "max_tokens": "8192",
        "temperature": "0.7",
        "weight": "1.0",
        "priority": "1",
    },
    "models.deep": {
        "name": '"gpt-oss-120b"',
        "base_url": '"http://127.0.0.1:8080/v1"',
        "max_tokens": "16384",
        "temperature": "0.7",
        "weight": "1.0",
        "priority": "1",
    },
}
"""Values in the template that are not the default, by table and key."""


_INSTEAD = frozenset({("routing.learned", "artefact"), ("routing.learned", "thresholds"), ("routing.learned", "quality")})
"""Keys that exclude others, or name a file that does not exist yet: shown as a comment only."""


def template(names: Names | None = None) -> str:
    return "".join(_lines(names or Names()))


def _lines(names: Names) -> Iterator[str]:
    yield HEADING
    yield from _table("server", ServerTable, names)
    yield from _table("server.tls", ServerTlsTable, names, off=True)
    yield from _table("providers.openai", ProviderTable, names, off=True)
    yield from _table("providers.openai.tls", TlsTable, names, off=True)
    yield from _table("providers.entra.oauth2", OAuth2Table, names, off=True)
    yield _TIERS
    yield from _table("models.fast", EndpointTable, names, many=True)
    yield from _endpoint("models.balanced")
    yield from _endpoint("models.deep")
    yield _PRICE
    yield "\n# For /v1/embeddings, with the same keys. Others are [[models.audio]], [[models.image]], [[models.rerank]],\n"
    yield "# [[models.moderation]], and [[models.decision]].\n#[[models.embedding]]\n"
    yield '#name = "nomic-embed-text"\n#base_url = "http://127.0.0.1:11434/v1"\n'
    yield ALIASES
    for name, table in (
        ("routing", RoutingTable),
        ("routing.tiers", TierDescriptionsTable),
        ("routing.router_timeouts", RouterTimeoutsTable),
        ("routing.learned", LearnedOptions),
        ("routing.cascade", CascadeOptions),
        ("routing.sticky", StickyOptions),
        ("routing.shadow", ShadowOptions),
    ):
        yield from _table(name, table, names)
    yield from _rule(names)
    for name, table in (
        ("selection", SelectionTable),
        ("retry", RetryPolicy),
        ("queue", QueueSettings),
        ("health", HealthTable),
        ("timeouts", TimeoutsTable),
        ("context", ContextTable),
        ("auth", AuthTable),
        ("audit", AuditTable),
        ("otel", OtelTable),
        ("cache", CacheTable),
        ("store", StoreTable),
        ("batches", BatchesTable),
        ("limits", LimitsTable),
        ("shared", SharedTable),
        ("observability", ObservabilityTable),
        ("logging.traffic", TrafficLogTable),
        ("logging.rotation", RotationTable),
    ):
        yield from _table(name, table, names)
        if table is AuthTable:
            yield from _table("auth.clients", ClientTable, names, off=True, many=True)
            yield from _table("auth.jwt", JwtTable, names, off=True)
            yield from _table("auth.login", LoginTable, names, off=True)


def _table(name: str, table: type[Table], names: Names, *, off: bool = False, many: bool = False) -> Iterator[str]:
    yield f"\n{_comment(table.__doc__ or '')}"
    yield f"{'#' if off else ''}{f'[[{name}]]' if many else f'[{name}]'}\n"
    for field in fields(table):
        if (name, field.name) in _INSTEAD:
            yield f"{_comment(field.key.doc)[:-1]}:\n#   {field.name} = {field.key.example}\n"
        elif not _is_table_of_its_own(field):
            yield from _key(field, _SHOWN.get(name, {}).get(field.name), names, off=off)


def _rule(names: Names) -> Iterator[str]:
    """The template of a rule, with one action only, so that it may be uncommented unchanged."""
    yield f"\n{_comment(Rule.__doc__ or '')}#[[routing.rules]]\n"
    others: list[str] = []
    for field in fields(Rule):
        if field.name in {"endpoint", "provider", "reject"}:
            others.append(f"{field.name} = {field.key.example}")
        else:
            yield from _key(field, '"long papers"' if field.name == "name" else None, names, off=True)
    yield f"# Or, instead of tier, one of {{ {', '.join(others)} }}\n"


def _endpoint(name: str) -> Iterator[str]:
    yield f"\n[[{name}]]\n"
    for key, value in _SHOWN[name].items():
        yield f"{key} = {value}\n"


def _key(field: Field, shown: str | None, names: Names, *, off: bool) -> Iterator[str]:
    among = allowed(field, names)
    yield _comment(f"{field.key.doc}{f' ({among})' if among else ''}")
    value = shown or field.key.example or toml(field.default)
    off = off or (shown is None and field.key.example is not None)
    yield f"{'#' if off else ''}{field.name} = {value}\n"


def _comment(text: str) -> str:
    lines = textwrap.wrap(
        " ".join(text.split()), 128, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"


def _is_table_of_its_own(field: Field) -> bool:
    hint = get_args(field.hint)[0] if get_origin(field.hint) is tuple else field.hint
    return isinstance(hint, type) and issubclass(hint, Table)
