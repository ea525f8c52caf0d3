"""Checks of [selection] and [[routing.rules]] against the configured endpoints. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader, nearest
from octoroute.config.schema.balancing import SelectionTable
from octoroute.config.schema.file import FileTable
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.routing.rules import Rule

ACTIONS = ("tier", "endpoint", "provider", "reject")


def check_selection(file: FileTable, built: Sequence[tuple[str, Endpoint]], reader: ConfigReader) -> None:
    selection = file.selection
    if selection.order != "endpoint" and selection.policy != SelectionTable().policy:
        reader.problem(
            "selection.policy",
            f'"{selection.policy}" has no effect because selection.order is "{selection.order}", which orders all endpoints; '
            "remove one of them",
        )
    endpoints = [endpoint for group, endpoint in built if group in CHAT_TIERS]
    taken: dict[str, int] = {}
    for index, rule in enumerate(file.routing.rules):
        path = child("routing.rules", index)
        if rule.name and taken.setdefault(rule.name, index) != index:
            reader.problem(
                child(path, "name"),
                f"{reader.show(child(path, 'name'), rule.name)} is also the name of another rule; rename one of them",
            )
        _check_rule(rule, path, endpoints, reader)


def _check_rule(rule: Rule, path: str, endpoints: Sequence[Endpoint], reader: ConfigReader) -> None:
    actions = [name for name in ACTIONS if getattr(rule, name) is not None]
    if len(actions) > 1:
        reader.problem(path, f"has {' and '.join(actions)}, but a rule has only one action; remove the others")
    elif not actions and not rule.decides and rule.privacy is None and not reader.wrong(path):
        reader.problem(path, f"has no action; add one of {', '.join(ACTIONS)}, or a policy or privacy")
    if rule.reject is not None and rule.policy is not None:
        reader.problem(path, "has reject and policy, but a rejected request is not sent to any endpoint; remove one of them")
    if rule.min_tokens is not None and rule.max_tokens is not None and rule.min_tokens > rule.max_tokens:
        reader.problem(
            child(path, "min_tokens"), f"{rule.min_tokens} is greater than max_tokens, so the rule never matches; lower it"
        )
    names = [name for endpoint in endpoints for name in (endpoint.name, endpoint.id)]
    _check_target(rule.endpoint, child(path, "endpoint"), names, "name or id of a configured endpoint", reader)
    _check_target(
        rule.provider, child(path, "provider"), [endpoint.provider for endpoint in endpoints], "provider of an endpoint", reader
    )
    if rule.tier is not None and endpoints and not any(endpoint.tier is rule.tier for endpoint in endpoints):
        reader.problem(child(path, "tier"), f'"{rule.tier}" has no endpoint; add one, or choose another tier')


def _check_target(name: str | None, path: str, known: Iterable[str], what: str, reader: ConfigReader) -> None:
    known = list(dict.fromkeys(known))
    if name is None or name in known or not known or reader.wrong("models"):
        return
    close = nearest(name, known)
    remedy = f'did you mean "{close}"?' if close else f"use one of {', '.join(known[:20])}"
    reader.problem(path, f"{reader.show(path, name)} is not the {what}; {remedy}")
