"""A connection to PostgreSQL for what replicas share: with limits of time, and with its tables made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from octoroute.errors import ConfigError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_S = 2


def connector(
    url: str, *, setting: str, statement_timeout_ms: int, schema: str
) -> tuple[type[Exception], Callable[[], psycopg.Connection[Any]]]:
    """The base of the driver's errors, and what opens a connection; `schema` makes its tables, if they are not there.

    Raises ConfigError about `setting` if the extra is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError([f'{setting}: PostgreSQL needs its driver; run: pip install "octoroute[postgres]"']) from None

    def connect() -> psycopg.Connection[Any]:
        options = f"-c statement_timeout={statement_timeout_ms}"
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options=options)
        connection.execute(schema.encode(), prepare=False)
        return connection

    return psycopg.Error, connect
