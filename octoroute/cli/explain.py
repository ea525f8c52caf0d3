"""`octoroute explain ID`: the decision record of one request, from the history, whether a gateway runs or not."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from octoroute.errors import OctorouteError

_USD = 1e6
_FACTS = ("tools", "images", "json", "attachments", "continues")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request id: `x-request-id` of the response, `request_id` in the log")
    parser.add_argument("--json", action="store_true", help="print JSON, as GET /admin/requests/{id} answers")


def run(args: argparse.Namespace) -> int:
    from octoroute.cli.stats import ask_history, loaded_config  # noqa: PLC0415  commands import lazily
    from octoroute.dialects import inbound, interfaces  # noqa: PLC0415
    from octoroute.gateway.decision_record.archive import RecordArchive  # noqa: PLC0415

    known = {**inbound(time.time), **interfaces(time.time)}
    found = ask_history(loaded_config(args.config), lambda history: RecordArchive(history, known).find(args.id))
    if found is None:
        raise OctorouteError(
            f"no request with the id {args.id[:128]!r} is in the history: it is unknown, or older than store.retention_days"
        )
    print(json.dumps(found, indent=2, ensure_ascii=False) if args.json else "\n".join(lines(found)))
    return 0


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """For a terminal."""
    from octoroute.domain.time_text import time_text  # noqa: PLC0415  commands import lazily

    by = f" by {record['key']}" if record["key"] else ""
    yield f"request   {record['id']}, {time_text(record['at'])}{by}, {record['dialect']}"
    yield f"ended     {record['ending']}, status {record['status']}{_error(record)}, {_ms(record['total_ms'])}"
    answered = f"{record['endpoint']} ({record['tier']}, {record['model']})" if record["endpoint"] else "no endpoint was asked"
    yield f"endpoint  {answered}"
    cost = "unknown" if record["cost_micros"] is None else _usd(record["cost_micros"])
    estimated = " (estimated)" if record["estimated"] else ""
    yield f"tokens    {record['input_tokens']:,} in, {record['output_tokens']:,} out{estimated}; cost {cost}"
    if "decision" in record:
        yield from _why(record)
    yield from _attempts(record["attempts"])
    if "decision" in record:
        yield from _rest(record)


def _why(record: Mapping[str, Any]) -> Iterator[str]:
    request, decision, router = record["request"], record["decision"], record["router"]
    needs = ", ".join(name for name in _FACTS if request[name])
    size = f"{request['context_tokens']:,} tokens, {request['messages']} messages"
    yield f"asked     {request['model']}: {size}{needs and f', {needs}'}"
    if decision is None:
        return
    yield f"decided   {decision['tier']} by {decision['strategy']}: {decision['reason']}"
    if decision["rejected"]:
        yield f"rejected  {decision['rejected']}"
    if decision["confidence"] is not None:
        limits = router.get("thresholds")
        against = f"; balanced from {limits['balanced']:.2f}, deep from {limits['deep']:.2f}" if limits else ""
        yield f"score     {decision['confidence']:.3f}{against}"
    for feature in decision["features"]:
        yield f"          {feature['weight']:+.2f} {feature['name']}"
    if "said" in router:
        said = router["said"]
        yield f"router    {said['tier']} by {said['strategy']}: {said['reason']}; changed afterwards"
    if decision["then"]:
        yield f"then      {decision['then']}, if the answer fails the checks"


def _attempts(attempts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for number, attempt in enumerate(attempts, 1):
        became = attempt["error"] or (f"failed the check {attempt['rejected']}" if attempt["rejected"] else "answered")
        cost = "" if attempt["cost_micros"] is None else f", {_usd(attempt['cost_micros'])}"
        yield f"attempt {number} {attempt['endpoint']}: {became} after {_ms(attempt['took_ms'])}{cost}"


def _rest(record: Mapping[str, Any]) -> Iterator[str]:
    for name in ("cache", "cascade", "check", "hint"):
        if record[name]:
            yield f"{name:<9} {record[name]}"
    budget = record["budget"]
    if budget is not None:
        left = "" if budget["money_left_micros"] is None else f"{_usd(budget['money_left_micros'])} left"
        paced = "" if budget["quality"] is None else f"quality lowered to {budget['quality']:.2f}"
        yield f"budget    {'; '.join(filter(None, (left, paced, budget['refusal']))) or 'permitted'}"
    for change in record["context_changes"]:
        yield f"context   {change}"
    yield "candidates"
    for candidate in record["candidates"]:
        mark = "->" if candidate["chosen"] else "  "
        yield f"  {mark} {candidate['id']}  ({candidate['tier']}, {candidate['model']})  {candidate['reason']}"
    if record["alternatives"]:
        costs = ", ".join(f"{one['tier']} {_usd(one['cost_micros'])} ({one['endpoint']})" for one in record["alternatives"])
        yield f"the same tokens would have cost: {costs}"
    again = record["again"]
    if again is not None:
        yield "decided again from this record: " + ("the same" if again["same"] else "; ".join(again["differences"]))


def _error(record: Mapping[str, Any]) -> str:
    return f" {record['error']}" if record["error"] else ""


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"


def _usd(micros: int) -> str:
    return f"${micros / _USD:.6f}"
