"""`octoroute keys`: makes, lists, rotates, and revokes keys of the key store. A key's text is printed once, when it is made."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoroute.errors import ConfigError

if TYPE_CHECKING:
    from octoroute.access.key_store import KeyStore, NewKey, StoredKey
    from octoroute.config.schema import Config
    from octoroute.domain.principal import Principal

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LISTS = ("tiers", "models", "providers", "regions", "groups", "tags")
_NUMBERS = ("requests_per_minute", "tokens_per_minute", "max_in_flight")


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a key and print it, once")
    add.add_argument("name", metavar="NAME", help="name in logs, metrics, and statistics")
    add.add_argument("--role", default="user", choices=("viewer", "user", "operator", "admin"))
    for name in _LISTS:
        add.add_argument(f"--{name}", metavar="A,B", type=_words, default=(), help=f"as {name} of [[auth.clients]]")
    for name in _NUMBERS:
        add.add_argument(f"--{name.replace('_', '-')}", metavar="N", type=int, default=0, help=f"as {name} of [[auth.clients]]")
    add.add_argument("--privacy", metavar="CLASS", default="", help="privacy class that its requests never leave")
    add.add_argument("--budget-day", metavar="USD", type=float, default=0.0)
    add.add_argument("--budget-month", metavar="USD", type=float, default=0.0)
    listed = actions.add_parser("list", help="show every key, without its text")
    rotate = actions.add_parser("rotate", help="make another key for NAME; the present one goes on for a while")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument("--overlap", metavar="TIME", type=_seconds, default=86400.0, help="e.g. 30m, 24h, 7d (default: 24h)")
    revoke = actions.add_parser("revoke", help="end a key at once")
    revoke.add_argument("name", metavar="NAME|ID")
    for one in (add, rotate):
        one.add_argument("--expires", metavar="TIME", type=_moment, help="e.g. 90d, or a time of RFC 3339")
    for one in (add, listed, rotate, revoke):
        one.add_argument("-c", "--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="the configuration file")
        one.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    config, now = _config(args), time.time()
    stores = _stores(config)
    if args.action == "list":
        _print_list([key for store in stores for key in store.all_keys()], now, as_json=args.json)
        return 0
    store = next((store for store in stores if store.has_active(args.name, now)), stores[0])
    if args.action == "revoke":
        revoked = [key.id for key in store.revoke(args.name, now)]
        _audit(config, args, now, revoked)
        print(json.dumps({"revoked": revoked}) if args.json else f"revoked {', '.join(revoked)}")
    else:
        if args.action == "add":
            _check_name(args, config)
            made = store.add(_principal(args), now, args.expires)
        else:
            made = store.rotate(args.name, now, args.overlap, args.expires)
        _print_new(made, store.name, as_json=args.json)
        _audit(config, args, now, [made.stored.id])
    return 0


def _stores(config: Config | None) -> Sequence[KeyStore]:
    from octoroute.runtime.stored_keys import key_file, key_stores  # noqa: PLC0415  commands import lazily

    stores = key_stores(config, key_file())
    if not stores:
        raise ConfigError(["there is no place for keys; set OCTOROUTE_STATE_DIR to a directory"])
    return stores


def _config(args: argparse.Namespace) -> Config | None:
    """The configuration, if one is given or found; None: there is none. Raises ConfigError if the given one is not valid."""
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily

    try:
        return load(args.config, environment.variables(Path.cwd()), Path.cwd())
    except ConfigError:
        if args.config is not None:
            raise
        return None


def _check_name(args: argparse.Namespace, config: Config | None) -> None:
    """Raises ConfigError if the configuration has a client of that name."""
    if config is not None and any(client.name == args.name for client in config.auth.clients):
        raise ConfigError([f"name: {args.name!r} is a client of {config.source}; choose another name"])


def _audit(config: Config | None, args: argparse.Namespace, now: float, ids: Sequence[str]) -> None:
    """Write the change to the audit log, if the configuration has one. Raises OctorouteError if it cannot be written."""
    from octoroute.cli.audit import write_audit  # noqa: PLC0415  commands import lazily

    if config is not None:
        write_audit(config, f"keys {args.action}", {"name": args.name, "ids": ", ".join(ids)}, now=now)


def _principal(args: argparse.Namespace) -> Principal:
    """As `[[auth.clients]]` would have it, with the same checks. Raises ConfigError."""
    from octoroute.config.reader import ConfigReader  # noqa: PLC0415  commands import lazily
    from octoroute.config.schema import Names  # noqa: PLC0415
    from octoroute.config.schema.access import ClientTable  # noqa: PLC0415
    from octoroute.runtime.access import principal_of  # noqa: PLC0415

    given: dict[str, Any] = {"name": args.name, "role": args.role, "privacy": args.privacy}
    given |= {name: list(getattr(args, name)) for name in _LISTS}
    given |= {name: getattr(args, name) for name in _NUMBERS}
    given["budget_usd"] = {"day": args.budget_day, "month": args.budget_month}
    reader = ConfigReader(Names(), {})
    client = reader.table(ClientTable, given, "")
    if reader.problems:
        raise ConfigError([f"{path.lstrip('.')}: {text}" for path, text in reader.problems])
    return principal_of(client)


def _print_new(made: NewKey, place: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"key": made.text, **_fields(made.stored, made.stored.created_at)}))
        return
    print(made.text)
    name, id = made.stored.principal.name, made.stored.id
    print(f"This is the only time that the key of {name!r} is shown; its id is {id}, it is kept in {place}.", file=sys.stderr)


def _print_list(keys: Sequence[StoredKey], now: float, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_fields(key, now) for key in keys], indent=2))
    else:
        print("\n".join(_lines(keys, now)) if keys else "there are no keys; make one with `octoroute keys add NAME`")


def _lines(keys: Sequence[StoredKey], now: float) -> Iterator[str]:
    for key in keys:
        ends = key.revoked_at or key.expires_at
        until = "" if ends is None else f" ({_date(ends)})"
        yield f"{key.id}  {key.principal.name}  {key.principal.role}  made {_date(key.created_at)}  {key.state(now)}{until}"


def _fields(key: StoredKey, now: float) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415  commands import lazily

    return {
        "id": key.id,
        "state": key.state(now),
        "created": _date(key.created_at),
        "expires": None if key.expires_at is None else _date(key.expires_at),
        "revoked": None if key.revoked_at is None else _date(key.revoked_at),
        **msgspec.to_builtins(key.principal, order="sorted"),
    }


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]+)([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError("write a number and s, m, h, or d, like 24h")
    return float(found[1]) * _UNITS[found[2]]


def _moment(text: str) -> float:
    try:
        return time.time() + _seconds(text)
    except argparse.ArgumentTypeError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise argparse.ArgumentTypeError("write a time from now like 90d, or one of RFC 3339 like 2027-01-31T00:00:00Z")
    return at.timestamp()
