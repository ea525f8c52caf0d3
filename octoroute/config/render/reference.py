"""docs/configuration.md, generated from the schema. Pure; a test compares the committed page with it.

Write the page with `python -m octoroute.config.render.reference > docs/configuration.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from octoroute.balancing.queue import QueueSettings
from octoroute.balancing.retry import RetryPolicy
from octoroute.config.describe import allowed, kind_of, toml
from octoroute.config.render.template import template
from octoroute.config.schema.access import AuditTable, AuthTable, ClientTable
from octoroute.config.schema.balancing import ContextTable, HealthTable, SelectionTable, TimeoutsTable
from octoroute.config.schema.key import Field, Names, fields
from octoroute.config.schema.limits import HolderTable, LimitsTable, SharedTable
from octoroute.config.schema.logging import LoggingTable, ObservabilityTable, OtelTable, RotationTable, TrafficLogTable
from octoroute.config.schema.models import EndpointTable, ModelsTable, ProviderTable, TlsTable
from octoroute.config.schema.oauth2 import OAuth2Table
from octoroute.config.schema.routing import RouterTimeoutsTable, RoutingTable, TierDescriptionsTable
from octoroute.config.schema.server import BatchesTable, CacheTable, ServerTable, ServerTlsTable, StoreTable
from octoroute.config.schema.terms import BudgetTable
from octoroute.config.schema.tokens import IssuerTable, JwtTable, LoginTable
from octoroute.domain.option import Table
from octoroute.domain.price import LongContextPrice, Price
from octoroute.routing.cache_economics import StickyOptions
from octoroute.routing.difficulty.thresholds import LearnedOptions, Thresholds, TrafficShares
from octoroute.routing.rules import Rule
from octoroute.routing.shadow import ShadowOptions
from octoroute.routing.strategies import CascadeOptions

_OPENING = """\
# Configuration

<!-- Generated from octoroute/config/schema by `python -m octoroute.config.render.reference`. Do not edit. -->

octoroute reads one file. Without `--config FILE`, that is the first of these in the current directory:
{discovered}.
The suffix tells the format: `.json`, `.yaml` and `.yml`; everything else is TOML. The keys are the same in all of them.

A file whose `providers` is a list is claude-code-proxy's, and is [read as that](migrating.md). Without a file, `OPENAI_API_KEY` and
related environment variables are [the configuration](migrating.md#from-the-environment-of-claude-code-proxy).

| command | does |
|---|---|
| `octoroute init` | looks for model servers and vendor keys on this machine and writes a file that uses them |
| `octoroute config -o config.toml` | writes the template below |
| `octoroute import FILE` | converts another program's file, or a file in JSON or YAML, to TOML |
| `octoroute migrate --from-env` | converts another program's environment variables to a file |
| `octoroute check` | validates the file and reports every problem with its key and remedy |

The smallest configuration is one endpoint:

```toml
[[models.balanced]]
name = "qwen3-8b"
base_url = "http://127.0.0.1:11434/v1"
```

The same in YAML:

```yaml
models:
  balanced:
    - name: qwen3-8b
      base_url: http://127.0.0.1:11434/v1
```

## Environment variables

Inside any string, `${{NAME}}` stands for an environment variable, `${{NAME:-default}}` for a variable that may be missing or
empty, and `$$` for a dollar sign. A variable that is not set is an error, except in a provider with `enabled = false`. For a key
that is a number or a boolean, the string is converted: `port = "${{PORT}}"`. A variable's value is only a value: it cannot add
keys or tables, is not searched for further references, and is never printed in an error.

A `.env` file in the current directory is read too, as Docker Compose reads it, with `export`, quotes, escapes, and values of
several lines. In its values, `$NAME`, `${{NAME}}`, `${{NAME:-default}}`, `${{NAME-default}}`, `${{NAME:+replacement}}`,
`${{NAME+replacement}}`, `${{NAME:?error}}`, and `${{NAME?error}}` are replaced, also inside a default; `$$` and, in double quotes,
`\\$` stand for a dollar sign. **A key with a dollar sign belongs into single quotes**, in which nothing is replaced. Names are
looked up among the variables of the process, then in earlier lines. One that is not set is empty, with a warning that names the
line. Variables of the process take precedence over the file.

## Vendors and replicas

Endpoints inherit from the provider they name; their own keys take precedence. An endpoint that has a `base_url` and no `provider`
inherits nothing, so that the key in `[providers.openai]` is not sent to every other server. Replicas of one model share its name;
health and load are tracked for each endpoint by its `id`.

```toml
[server]
host = "0.0.0.0"

[auth]
keys = ["${{OCTOROUTE_API_KEY}}"]

[providers.openai]
base_url = "https://api.openai.com/v1"
api_key = "${{OPENAI_API_KEY}}"

[[models.fast]]
name = "qwen3-8b"
id = "fast-a"
base_url = "http://10.0.0.1:8000/v1"
weight = 3.0
max_in_flight = 16

[[models.fast]]
name = "qwen3-8b"
id = "fast-b"
base_url = "http://10.0.0.2:8000/v1"

[[models.deep]]
name = "gpt-4.1"
provider = "openai"
context_window = 1000000
price = {{ input = 2.0, cached = 0.5, output = 8.0 }}
```

## Aliases

`[aliases]` maps names that clients insist on to `auto`, a tier, or the name or id of an endpoint. A name may be a glob (`*` is any
text, `?` one character). An exact name goes before a glob, and a longer glob before a shorter one. Names are compared in the case
in which they are written. A configured name or id of the same spelling wins. An alias may stand for another alias.

```toml
[aliases]
"gpt-4o" = "auto"
"gpt-*-mini" = "fast"
"claude-3-5-haiku-*" = "qwen3-8b"

[[models.balanced]]
name = "qwen3-8b"
base_url = "http://127.0.0.1:11434/v1"
```

`/v1/models` lists the aliases that are not globs. The response has the name that the client asked for wherever it would have the
name of a tier. `octoroute route`, `/v1/route`, and the log name the alias.

## What is refused

All problems are reported at once, each with its key: unknown keys and tables (with the nearest known one), wrong types, numbers
out of range, a duplicate id, the same name in two tiers, a name or id that is one of {reserved} in any case, a provider or strategy
that does not exist, an alias for nothing or for itself, a `base_url` with a user name, a query, or a fragment, and a file without
endpoints.

These cause only a warning: a host that other machines can reach while `[auth]` has no keys, a provider that is called like a kind
but has another one, a `base_url` that ends in a route (which is left out), the same endpoint twice, and a shadow without
`judge_tier`.
"""

_TABLES: tuple[tuple[str, type[Table]], ...] = (
    ("[server]", ServerTable),
    ("[server.tls]", ServerTlsTable),
    ("[providers.NAME]", ProviderTable),
    ("[models]", ModelsTable),
    ("[[models.fast]], [[models.balanced]], [[models.deep]], [[models.embedding]], and so on", EndpointTable),
    ("price", Price),
    ("price.long_context", LongContextPrice),
    ("tls", TlsTable),
    ("[providers.NAME.oauth2]", OAuth2Table),
    ("[routing]", RoutingTable),
    ("[routing.tiers]", TierDescriptionsTable),
    ("[routing.router_timeouts]", RouterTimeoutsTable),
    ("[routing.learned]", LearnedOptions),
    ("shares", TrafficShares),
    ("thresholds", Thresholds),
    ("[routing.cascade]", CascadeOptions),
    ("[routing.sticky]", StickyOptions),
    ("[routing.shadow]", ShadowOptions),
    ("[[routing.rules]]", Rule),
    ("[selection]", SelectionTable),
    ("[retry]", RetryPolicy),
    ("[queue]", QueueSettings),
    ("[health]", HealthTable),
    ("[timeouts]", TimeoutsTable),
    ("[context]", ContextTable),
    ("[auth]", AuthTable),
    ("[[auth.clients]]", ClientTable),
    ("budget_usd", BudgetTable),
    ("[auth.jwt]", JwtTable),
    ("[[auth.jwt.issuers]]", IssuerTable),
    ("[auth.login]", LoginTable),
    ("[audit]", AuditTable),
    ("[otel]", OtelTable),
    ("[cache]", CacheTable),
    ("[store]", StoreTable),
    ("[batches]", BatchesTable),
    ("[limits]", LimitsTable),
    ("limits of one holder", HolderTable),
    ("[shared]", SharedTable),
    ("[observability]", ObservabilityTable),
    ("[logging]", LoggingTable),
    ("[logging.traffic]", TrafficLogTable),
    ("[logging.rotation]", RotationTable),
)


def document(discovered: tuple[str, ...], reserved: tuple[str, ...], names: Names | None = None) -> str:
    return "".join(_parts(discovered, reserved, names or Names()))


def _parts(discovered: tuple[str, ...], reserved: tuple[str, ...], names: Names) -> Iterator[str]:
    yield _OPENING.format(discovered=_quoted(discovered), reserved=_quoted(reserved))
    yield "\n## Every key\n"
    for title, table in _TABLES:
        doc = " ".join((table.__doc__ or "").split())
        yield f"\n### `{title}`\n\n{doc}\n\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
        for field in fields(table):
            yield _row(field, names)
    yield "\n## The template\n\nWhat `octoroute config` prints:\n\n```toml\n" + template(names) + "```\n"


def _row(field: Field, names: Names) -> str:
    key = field.key
    default = (
        "required" if key.required else "" if field.default is None or kind_of(field) == "table" else f"`{toml(field.default)}`"
    )
    among = allowed(field, names).replace(" | ", ", ")
    return f"| `{field.name}` | {kind_of(field)} | {default} | {among} | {key.doc.replace('|', '/')} |\n"


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    from octoroute.config.load import DISCOVERED
    from octoroute.config.rules import RESERVED

    sys.stdout.write(document(DISCOVERED, RESERVED))
