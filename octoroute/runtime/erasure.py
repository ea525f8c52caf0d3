"""Forgets a person: what the history and the stored responses have of a key, or of an end user."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

from octoroute.config.schema import Config
from octoroute.domain.erasure import Erasure
from octoroute.domain.stored_response import BoundedResponseStore
from octoroute.runtime.access import owners_in
from octoroute.runtime.persistence import present_database, spool_directory, vault_of
from octoroute.store.base import HistoryStore
from octoroute.store.spool import Spool
from octoroute.store.stored_history import StoredHistory

Person: TypeAlias = Literal["key", "user"]
"""The name of a key, or of an end user that requests name."""


def key_owners(config: Config, name: str, stored: Collection[str]) -> set[str]:
    """Under which clients with keys of this name have stored responses. `stored`: likewise, of the key store."""
    return {*owners_in(config.auth, name), *stored}


async def forget(
    history: HistoryStore, responses: BoundedResponseStore, person: Person, name: str, owners: Collection[str]
) -> Erasure:
    """In a running gateway. `owners`: of the key. Raises StoreUnavailable."""
    if person == "user":
        return await history.forget_user(name)
    found = await history.forget(name)
    found.responses += await responses.forget(owners)
    return found


async def forget_beside(
    config: Config, state_directory: Path | None, person: Person, name: str, owners: Collection[str]
) -> Erasure:
    """By a command, whether gateways run or not: what one that is gone has left in a spool is written first, and then deleted.

    Raises ConfigError, or StoreUnavailable.
    """
    database = present_database(config.store.url.reveal(), state_directory, vault_of(config))
    history = StoredHistory(database)
    try:
        spool = spool_directory(database, state_directory)
        if spool is not None:
            await history.take_in(Spool(spool, vault=database.vault))
        if person == "user":
            return await history.forget_user(name)
        found = await history.forget(name)
        found.responses += await history.forget_stored(owners)
        return found
    finally:
        history.close()
