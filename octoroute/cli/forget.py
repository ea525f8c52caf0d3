"""`octoroute forget`: deletes what the history and the stored responses have of a person."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.cli import plural
from octoroute.errors import OctorouteError

if TYPE_CHECKING:
    from octoroute.config.schema import Config
    from octoroute.domain.erasure import Erasure


def arguments(parser: argparse.ArgumentParser) -> None:
    person = parser.add_mutually_exclusive_group(required=True)
    person.add_argument("--key", metavar="NAME", help="all that was asked for with keys of this name")
    person.add_argument("--user", metavar="ID", help="all requests whose kept body names this end user")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from octoroute.cli.audit import write_audit  # noqa: PLC0415  commands import lazily
    from octoroute.config import environment, load  # noqa: PLC0415
    from octoroute.runtime.erasure import forget_beside  # noqa: PLC0415
    from octoroute.store.base import StoreUnavailable  # noqa: PLC0415

    variables = environment.variables(Path.cwd())
    config = load(args.config, variables, Path.cwd())
    person, name = ("key", args.key) if args.key is not None else ("user", args.user)
    owners = _owners(config, name) if person == "key" else set[str]()
    try:
        found = asyncio.run(forget_beside(config, environment.state_directory(variables), person, name, owners))
    except StoreUnavailable as error:
        write_audit(config, "forget", {person: name}, "failed")
        raise OctorouteError(f"not everything was deleted; try again: {error}") from error
    write_audit(config, "forget", {person: name})
    print(_json(person, name, found) if args.json else _text(person, name, found))
    return 0


def _owners(config: Config, name: str) -> set[str]:
    from octoroute.runtime.erasure import key_owners  # noqa: PLC0415  commands import lazily
    from octoroute.runtime.stored_keys import key_file, key_stores, owners_named  # noqa: PLC0415

    stores = key_stores(config, key_file())
    try:
        return key_owners(config, name, owners_named(name, stores))
    finally:
        for store in stores:
            store.close()


def _json(person: str, name: str, found: Erasure) -> str:
    import msgspec  # noqa: PLC0415  commands import lazily

    return json.dumps({person: name, **msgspec.structs.asdict(found)}, ensure_ascii=False)


def _text(person: str, name: str, found: Erasure) -> str:
    bodies = "1 body" if found.bodies == 1 else f"{found.bodies} bodies"
    return (
        f"deleted of {person} {name!r}: {plural(found.requests, 'request')}, {plural(found.records, 'decision record')}, {bodies}, "
        f"{plural(found.responses, 'stored response')}"
    )
