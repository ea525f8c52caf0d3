"""Writes the generated parts of the hand-written pages: `python tools/docs.py`. tests/unit/test_docs.py holds the pages to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from octoroute import errors
from octoroute.dialects.response.errors import ANTHROPIC_TYPES, OPENAI_TYPES
from octoroute.telemetry.metrics import GAUGES, TABLE

DOCS = Path(__file__).parents[1] / "docs"

WHEN: Mapping[str, str] = {
    "invalid_request": "malformed JSON, or a wrong field, named by `param` and the message; or nobody configured can do it",
    "context_length_exceeded": "the prompt does not fit any endpoint that may answer",
    "invalid_api_key": "the gateway's key is missing or unknown",
    "permission_denied": "the key may not do this",
    "cost_limit_exceeded": "every endpoint that may answer would probably cost more than `selection.max_cost_usd`",
    "model_not_found": "no tier, name, or id is called so",
    "unknown_route": "there is no such path",
    "method_not_allowed": "the path is there, the method is not; see `allow`",
    "request_timeout": "the request did not come to its end: 30 seconds for the headers, 60 without a byte of the body",
    "request_too_large": "larger than `server.max_request_bytes`",
    "unsupported_media_type": "the content type is not JSON",
    "headers_too_large": "more than 32 KiB of headers",
    "rate_limit_exceeded": "a limit of the gateway's",
    "upstream_error": "an endpoint failed in a way that has no word of its own",
    "upstream_unreachable": "no connection",
    "upstream_untrusted": "the endpoint's TLS certificate is not one that the configuration believes",
    "upstream_timeout": "no answer in time",
    "upstream_rate_limited": "every attempt was answered 429; `retry-after` is the shortest of theirs",
    "upstream_overloaded": "the endpoint is too busy (503, 529)",
    "upstream_failed": "a 5xx, an answer that is no answer, or one that stopped before its end",
    "upstream_empty": "an answer without a word in it, and nobody who could be asked again had a better one",
    "upstream_misconfigured": "the endpoint does not accept the gateway's credentials",
    "upstream_declined": "the endpoint refuses this very request; you get its own status and body",
    "no_endpoint_available": "who could answer is out of order, resting, or full; `retry-after` tells the next chance",
    "internal_error": "a defect in octoroute; its log has the request id",
}
"""By code; codes that no client ever sees are not here."""

_NOT_FOR_CLIENTS = {"invalid_configuration", "store_unavailable"}
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
    """By code: the status as a client sees it, and the family of the error."""
    found: dict[str, tuple[str, str]] = {}
    for kind in error_classes():
        if kind.code not in _NOT_FOR_CLIENTS and kind is not errors.OctorouteError:
            status = _RELAYED if kind is errors.UpstreamRejected else str(kind.status)
            found[str(kind.code)] = (status, _family(kind))
    found["no_endpoint_available"] = ("503", errors.Exhausted.kind)
    found["internal_error"] = ("500", errors.OctorouteError.kind)
    return found


def _family(kind: type[errors.OctorouteError]) -> str:
    """Who asked sees the last attempt's status and code, but told as an Exhausted."""
    relayed = issubclass(kind, errors.UpstreamError) and kind is not errors.UpstreamRejected
    return errors.Exhausted.kind if relayed else kind.kind


def errors_table() -> str:
    rows = [
        f"| {status} | `{code}` | `{OPENAI_TYPES[kind]}` | `{ANTHROPIC_TYPES[kind]}` | {WHEN[code]} |"
        for code, (status, kind) in sorted(codes().items(), key=lambda row: (not row[1][0].isdigit(), row[1][0]))
    ]
    return "\n".join(["| status | code | type for OpenAI | type for Anthropic | when |", "|---|---|---|---|---|", *rows])


GENERATED = {"metrics": ("operations.md", metrics_table), "errors": ("api.md", errors_table)}


def with_generated(name: str, page: str) -> str:
    """The page with its part `name` made anew."""
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
