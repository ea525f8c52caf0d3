"""`octoroute store`: makes keys for encryption at rest, and seals what is stored with the newest one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from octoroute.errors import ConfigError, OctorouteError


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("key", help="print a new key for store.encryption_keys")
    reseal = actions.add_parser("reseal", help="seal bodies and stored responses with the first of store.encryption_keys")
    reseal.add_argument("-c", "--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="the configuration file")


def run(args: argparse.Namespace) -> int:
    if args.action == "key":
        from octoroute.store.vault import new_key  # noqa: PLC0415  commands import lazily

        print(new_key())
        return 0
    return _reseal(args.config)


def _reseal(config: Path | None) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily
    from octoroute.runtime.persistence import present_database, vault_of  # noqa: PLC0415
    from octoroute.store.base import StoreUnavailable  # noqa: PLC0415
    from octoroute.store.database import StatementError, UnusableStore  # noqa: PLC0415
    from octoroute.store.key_rotation import seal_all  # noqa: PLC0415

    variables = environment.variables(Path.cwd())
    loaded = load(config, variables, Path.cwd())
    vault = vault_of(loaded)
    if not vault.is_on:
        raise ConfigError(["store.encryption_keys: is empty, so there is nothing to seal with; `octoroute store key` makes a key"])
    database = present_database(loaded.store.url.reveal(), environment.state_directory(variables), vault)
    try:
        report = seal_all(database)
    except (StoreUnavailable, UnusableStore, StatementError) as error:
        raise OctorouteError(f"the store cannot be sealed: {error}; run the command again when it is available") from error
    print(f"{report.sealed} rows sealed with the first key")
    for reason, rows in report.unopened.items():
        print(f"octoroute: {rows} rows are left as they are: {reason}", file=sys.stderr)
    return 1 if report.unopened else 0
