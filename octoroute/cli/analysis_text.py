"""The analysis of the history as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_LINES = 15
"""Of one part; JSON has all."""


def analysis_lines(tree: Mapping[str, Any]) -> Iterator[str]:
    """`tree`: as `store.analysis.analysis_tree`."""
    yield f"{tree['from']} to {tree['to']}"
    yield from _part("Escalations: a bigger tier was asked, and why", map(_escalation, tree["escalations"]))
    yield from _part("Cost by reason", map(_reason, tree["cost_by_reason"]))
    unusual = tree["anomalies"]
    if unusual["has_week_before"]:
        yield from _part("Unusual against the week before", map(_anomaly, unusual["found"]))
    else:
        yield from _part("Unusual against the week before", iter(["the history does not go back that far"]))
    yield from _part("Endpoints at which no request ended", map(_unused, tree["unused_endpoints"]))
    yield from _part("Candidates for a cheaper tier", map(_candidate, tree["cheaper_tier"]))


def _part(title: str, texts: Iterator[str]) -> Iterator[str]:
    found = list(texts)
    yield ""
    yield title
    yield from (f"  {text}" for text in found[:MAX_LINES] or ["none"])
    if len(found) > MAX_LINES:
        yield f"  and {len(found) - MAX_LINES} more; --json has them"


def _escalation(row: Mapping[str, Any]) -> str:
    share = "" if row["share"] is None else f" ({row['share']:.1%} of those tried)"
    count = f"{row['requests']:,} to {row['tier']}{share}, ${row['cost_usd']}"
    if row["kind"] == "cascade":
        return f"{count}: the cheap answer failed the check {row['check'] or '?'} ({row['reason']})"
    if row["kind"] == "stuck":
        return f"{count}: the conversation was stuck"
    return f"{count}: {row['asked_for']} was asked for and had no endpoint that could answer"


def _reason(row: Mapping[str, Any]) -> str:
    share = "" if row["cost_share"] is None else f" ({row['cost_share']:.1%})"
    each = "" if row["cost_per_request_usd"] is None else f", ${row['cost_per_request_usd']} each"
    return f"${row['cost_usd']}{share}  {row['strategy'] or '-'}/{row['reason'] or '-'}: {row['requests']:,} requests{each}"


def _anomaly(row: Mapping[str, Any]) -> str:
    group = ", ".join(f"{name} {value or '-'}" for name, value in row["group"].items()) or "all requests"
    return f"{group}: {row['what']} {row['before']:,.6g} before, {row['now']:,.6g} now"


def _unused(row: Mapping[str, Any]) -> str:
    return f"{row['endpoint']} ({row['model']}, {row['tier']}, priority {row['priority']})"


def _candidate(row: Mapping[str, Any]) -> str:
    cheaper = "" if row["cheaper_cost_usd"] is None else f", about ${row['cheaper_cost_usd']} there"
    key = row["key"] or "without a key"
    return f"{key}, {row['tier']} to {row['cheaper_tier']}: {row['requests']:,} requests, ${row['cost_usd']}{cheaper}; {row['why']}"
