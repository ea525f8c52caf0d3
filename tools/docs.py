"""Write the generated tables of the hand-written pages: `python tools/docs.py`. tests/unit/test_docs.py checks them."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from losses import losses

from octoroute import errors
from octoroute.access.permissions import ROLES, ROUTES, Permission
from octoroute.dialects.response.errors import ANTHROPIC_TYPES, OPENAI_TYPES
from octoroute.dialects.response.upstream_error import CONTENT_CODE
from octoroute.domain.principal import AccessRole
from octoroute.telemetry.metric_catalog import GAUGES, TABLE

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

WHEN: Mapping[str, str] = {
    "invalid_request": "malformed JSON; an invalid field, named by `param` and the message; or no configured endpoint can serve it",
    "context_length_exceeded": "the prompt does not fit the context window of any eligible endpoint",
    "invalid_api_key": "the API key is missing or invalid",
    "identity_unavailable": "the keys of a token's issuer cannot be fetched, so that the token cannot be judged",
    "permission_denied": "the key or a privacy class forbids it; without keys: a web page or Host name that may not use it",
    "cost_limit_exceeded": "the request would probably cost more than `selection.max_cost_usd`, or than a whole budget, at every "
    "eligible endpoint; or no price is known to hold against a budget",
    "budget_exceeded": "a budget of the caller is used up until the day or month ends; see docs/budgets.md",
    "previous_response_not_found": "the response, or one before it, is not stored, or was made with another key",
    "model_not_found": "unknown model: no tier, name, or id matches",
    "not_stored": "the response, or the item of an `item_reference`, is not stored, or was made with another key",
    "request_cancelled": "an operator cancelled the request while it was under way; not to be retried",
    "unknown_route": "unknown path; the message names the nearest route",
    "method_not_allowed": "the path exists, but not with this method; see `allow`",
    "request_timeout": "the request was not received completely: 30 seconds for the headers, 60 without a byte of the body",
    "request_too_large": "larger than `server.max_request_bytes`",
    "unsupported_media_type": "the content type is not JSON, or the content coding not gzip, deflate, or zstd",
    "headers_too_large": "more than 32 KiB of headers",
    "rate_limit_exceeded": "a rate limit of the gateway is reached, or its queue is full or timed out",
    "upstream_error": "the endpoint failed in a way that no other code describes",
    "upstream_unreachable": "no connection to the endpoint",
    "upstream_untrusted": "the endpoint's TLS certificate is not trusted by the configuration",
    "upstream_timeout": "timeout: no response in time",
    "upstream_rate_limited": "every attempt was answered 429, or no endpoint is available and one is in cooldown; "
    "`retry-after` is the shortest wait",
    "upstream_overloaded": "the endpoint is overloaded (503, 529)",
    "upstream_failed": "a 5xx, a malformed response, or a response that stopped before its end",
    "upstream_empty": "an empty response (no text, reasoning, or tool call), and no further attempt gave a better one",
    "upstream_misconfigured": "the endpoint rejects the gateway's credentials, its account has no credit or quota left, or the "
    "vendor does not serve this country; `x-octoroute-hint` says which",
    "upstream_not_found": "the endpoint does not have the configured model, or nothing is at the configured address",
    "content_filter": "a content filter, a moderation, or a firewall of the vendor refused this prompt",
    "upstream_declined": "the endpoint rejected this request; the client gets the endpoint's status and body",
    "store_unavailable": "the history is asked for while its database is away",
    "no_endpoint_available": "no endpoint is available: circuit open or at capacity; `retry-after` says when to retry",
    "internal_error": "a defect in octoroute; the log has the request id",
}
"""Meaning of each error code that a client can get."""

_NOT_FOR_CLIENTS = {"invalid_configuration"}
_RELAYED = "as the upstream's"


def metrics_table() -> str:
    rows = [f"| `{row.name}` | {_labels(row.labels)} | {_kind(row)} | {row.help} |" for row in (*TABLE, *GAUGES)]
    return "\n".join(["| metric | labels | type | meaning |", "|---|---|---|---|", *rows])


def _kind(row: object) -> str:
    return "gauge" if row in GAUGES else "counter" if getattr(row, "buckets", None) is None else "histogram"


def _labels(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def error_classes() -> Iterator[type[errors.OctorouteError]]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.OctorouteError) and kind.__dict__.get("code"):
            yield kind


def codes() -> dict[str, tuple[str, str]]:
    """By code: the status that the client gets, and the error's family (`kind`)."""
    found: dict[str, tuple[str, str]] = {}
    for kind in error_classes():
        if kind.code not in _NOT_FOR_CLIENTS and kind is not errors.OctorouteError:
            status = _RELAYED if kind is errors.UpstreamRejected else str(kind.status)
            found[str(kind.code)] = (status, kind.kind)
    nothing_left = errors.Exhausted("")
    found[nothing_left.code] = (str(nothing_left.status), nothing_left.kind)
    found[CONTENT_CODE] = (_RELAYED, errors.UpstreamRejected.kind)
    found["internal_error"] = ("500", errors.OctorouteError.kind)
    return found


def errors_table() -> str:
    rows = [
        f"| {status} | `{code}` | `{OPENAI_TYPES[kind]}` | `{ANTHROPIC_TYPES[kind]}` | {WHEN[code]} |"
        for code, (status, kind) in sorted(codes().items(), key=lambda row: (not row[1][0].isdigit(), row[1][0]))
    ]
    return "\n".join(["| status | code | type for OpenAI | type for Anthropic | when |", "|---|---|---|---|---|", *rows])


PATH: tuple[tuple[str, str, str], ...] = (
    (
        "server.routes.inference",
        "InferenceEndpoint.__call__",
        "read the body, check key, size, and media type; decode it into a Request",
    ),
    ("gateway.gateway", "Gateway.answer", "one lifecycle a request; an error is settled here"),
    ("gateway.resolver", "Resolver.resolve", "model, tier, or auto becomes a Decision"),
    ("gateway.planner", "Planner.plan", "candidates in order, and why the others are excluded"),
    ("upstream.client", "UpstreamClient.open", "send, and wait for the first event: the commit point"),
    ("gateway.relay", "Reply.pieces", "the endpoint's bytes, or their translation, to the client"),
    ("gateway.lifecycle", "RequestLifecycle.settle", "one Outcome for health, metrics, and the access log"),
)
"""The steps of a request: module, function, and what it does. Drawn in docs/architecture.md; a name that is gone fails."""


def layers() -> list[list[str]]:
    """The packages by layer, top first: the contract that lint-imports holds."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [re.findall(r"\w+", row) for row in rows if row != "__main__"]


def imported(package: str) -> set[str]:
    """The other packages that this one imports."""
    place = ROOT / "octoroute" / package
    names: set[str] = set()
    for path in [place.with_suffix(".py")] if place.with_suffix(".py").exists() else place.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("octoroute."):
                names.add((node.module or "").split(".")[1])
            elif isinstance(node, ast.ImportFrom) and node.module == "octoroute":
                names |= {alias.name for alias in node.names}
    return names - {package}


def packages_diagram() -> str:
    """Mermaid: the layers of the contract, and the imports between them that no longer way implies."""
    rows = layers()
    lines = ["```mermaid", "flowchart TD"]
    for at, row in enumerate(rows):
        lines += [f"  subgraph layer{at} [ ]", *(f"    {name}" for name in row), "  end"]
    below = {name: imported(name) for row in rows for name in row}

    def reaches(name: str, target: str) -> bool:
        return target in below[name] or any(reaches(other, target) for other in below[name])

    for row in rows:
        for name in row:
            direct = {other for other in below[name] if not any(reaches(between, other) for between in below[name] - {other})}
            lines += [f"  {name} --> {other}" for other in sorted(direct)]
    return "\n".join(
        [
            *lines,
            "```",
            "",
            "Only the shortest arrows are drawn: a package may import everything that an arrow leads to, directly or not.",
        ]
    )


def path_diagram() -> str:
    """Mermaid: one request from the client to its settlement, through functions that exist."""
    lines = ["```mermaid", "sequenceDiagram", "  participant client"]
    lines += [f"  participant {module.partition('.')[0]}" for module in dict.fromkeys(row[0].partition(".")[0] for row in PATH)]
    before = "client"
    for module, name, does in PATH:
        _resolved(module, name)
        package = module.partition(".")[0]
        lines.append(f"  {before}->>{package}: {name}")
        lines.append(f"  Note over {package}: {does.replace(';', ',')}")
        before = package
    return "\n".join([*lines, "  gateway-->>client: the answer", "```"])


def _resolved(module: str, name: str) -> object:
    """Raises AttributeError or ImportError where the name is gone."""
    found: object = importlib.import_module(f"octoroute.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    return found


def roles_table() -> str:
    """What each role may do, and what each route requires."""
    lines = ["| | " + " | ".join(AccessRole) + " |", "|---|" + "---|" * len(AccessRole)]
    for permission in Permission:
        marks = ("yes" if permission in ROLES[role] else "" for role in AccessRole)
        lines.append(f"| {permission} | {' | '.join(marks)} |")
    lines += ["", "| requires | routes |", "|---|---|"]
    for permission in Permission:
        routes = [
            f"`{method} {path}`" for path, methods in ROUTES.items() for method, needed in methods.items() if needed is permission
        ]
        lines.append(f"| {permission} | {', '.join(routes)} |")
    return "\n".join(lines)


def packages_table() -> str:
    """A package and the first sentence of its docstring; below it, its modules and theirs."""
    lines = ["| module | what it is |", "|---|---|"]
    for name in (name for row in layers() for name in row):
        place = ROOT / "octoroute" / name
        if place.with_suffix(".py").exists():
            lines.append(f"| **`{name}.py`** | {_sentence(place.with_suffix('.py'))} |")
            continue
        lines.append(f"| **`{name}/`** | {_sentence(place / '__init__.py')} |")
        for path in sorted(place.iterdir(), key=lambda path: (path.is_dir(), path.name)):
            if path.suffix == ".py" and path.name != "__init__.py":
                lines.append(f"| `{name}/{path.name}` | {_sentence(path)} |")
            elif (path / "__init__.py").exists():
                lines.append(f"| `{name}/{path.name}/` | {_sentence(path / '__init__.py')} |")
    return "\n".join(lines)


def _sentence(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0].split())
    found = re.match(r".*?[.:](?= [A-Z`(]|$)", text)
    return (found.group(0) if found else text).rstrip(".:").replace("|", "\\|") + "."


GENERATED = {
    "metrics": ("operations.md", metrics_table),
    "errors": ("api.md", errors_table),
    "packages": ("architecture.md", packages_diagram),
    "path": ("architecture.md", path_diagram),
    "modules": ("architecture.md", packages_table),
    "losses": ("dialects.md", losses),
    "roles": ("keys.md", roles_table),
}


def with_generated(name: str, page: str) -> str:
    """The page with its generated part `name` replaced."""
    _, make = GENERATED[name]
    return re.sub(
        rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}\n{make()}\n\n{m[2]}", page, flags=re.DOTALL
    )


def main() -> None:
    for name, (file, _) in GENERATED.items():
        path = DOCS / file
        path.write_text(with_generated(name, path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
