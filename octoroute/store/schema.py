"""The tables of a SQL store, as numbered migrations: the first ones make an older database what the next ones expect.

A migration that has been released is never changed. The tables of requests, decision records, and bodies are made for each day, so
that the retention drops tables and deletes no rows.
"""

from __future__ import annotations

from octoroute.store.base import Labels
from octoroute.store.rows import SUM_COLUMNS

_LABELS_1 = (
    "ending", "status", "error", "key", "dialect", "asked_for", "stream", "tier", "strategy", "reason", "endpoint", "model",
    "provider", "cache", "cascade", "check", "estimated",
)  # fmt: skip
assert Labels.__struct_fields__ == _LABELS_1, "a new label needs a migration"

_SUMS_1 = ("requests", "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nusd", "priced")
assert SUM_COLUMNS == _SUMS_1, "a new sum needs a migration"


def _labels(number: str) -> str:
    columns = ", ".join(f'"{name}" {"INTEGER" if name in {"stream", "estimated"} else "TEXT"} NOT NULL' for name in _LABELS_1)
    return f"CREATE TABLE labels (id {number}, packed TEXT NOT NULL UNIQUE, {columns})"


def _rollups(integer: str, blob: str, end: str) -> str:
    sums = ", ".join(f"{name} {integer} NOT NULL" for name in _SUMS_1)
    return (
        f"CREATE TABLE rollups (hour INTEGER NOT NULL, labels INTEGER NOT NULL, {sums}, total {blob} NOT NULL, "
        f"first_event {blob} NOT NULL, PRIMARY KEY (hour, labels)){end}"
    )


_LABEL_DAYS = (
    "CREATE TABLE label_days (day INTEGER NOT NULL, labels INTEGER NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (day, labels))"
)
"""Which labels the requests of a day have, and how many there are of each."""


def requests(name: str, integer: str, end: str = "") -> str:
    """The table of requests."""
    return (
        f"CREATE TABLE {name} (seq {integer} PRIMARY KEY, total_us {integer} NOT NULL, first_event_us {integer}, "
        f"attempt_us {integer}, cost_nusd {integer}, labels INTEGER NOT NULL, input_tokens INTEGER NOT NULL, "
        "output_tokens INTEGER NOT NULL, routing_us INTEGER NOT NULL, cached_tokens INTEGER, reasoning_tokens INTEGER, "
        f"queued_us {integer}, id TEXT NOT NULL, attempt_list TEXT){end}"
    )


def records(name: str, integer: str, blob: str, end: str = "") -> str:
    return f"CREATE TABLE {name} (seq {integer} PRIMARY KEY, record {blob} NOT NULL){end}"


def bodies(name: str, integer: str, blob: str, end: str = "") -> str:
    return f"CREATE TABLE {name} (seq {integer} PRIMARY KEY, request {blob} NOT NULL, response {blob} NOT NULL){end}"


def _responses(blob: str, real: str) -> tuple[str, ...]:
    responses = "CREATE TABLE responses (owner TEXT NOT NULL, id TEXT NOT NULL, previous TEXT"
    items = "CREATE TABLE response_items (owner TEXT NOT NULL, item_id TEXT NOT NULL, response_id TEXT NOT NULL"
    return (
        f"{responses}, input {blob} NOT NULL, body {blob} NOT NULL, expires_at {real} NOT NULL, PRIMARY KEY (owner, id))",
        "CREATE INDEX responses_expire ON responses (expires_at)",
        f"{items}, PRIMARY KEY (owner, item_id))",
        "CREATE INDEX response_items_of ON response_items (owner, response_id)",
    )


def _settings(number: str, blob: str) -> tuple[str, ...]:
    """What decision records refer to by number. `day`: the last one with a record that does."""
    return (f"CREATE TABLE settings (id {number}, digest TEXT NOT NULL UNIQUE, day INTEGER NOT NULL, settings {blob} NOT NULL)",)


INPUT_COLUMN, BODY_COLUMN = "responses.input", "responses.body"
"""Names to which sealed values of stored responses are bound."""


def response_row(owner: str, id: str) -> str:
    """Likewise, their row."""
    return f"{len(owner)}:{owner}{id}"


RESPONSES: str = "responses"
OWNED = ("response_items", RESPONSES, "files", "batches")
"""Tables of what clients store, with the column `owner`."""
OWNED_PARTS = {"file_pieces": ("file", "files"), "batch_results": ("batch", "batches")}
"""Tables without an owner: the column that refers to a table of OWNED, and that table."""


def _batches(blob: str, real: str) -> tuple[str, ...]:
    """Files in pieces; batches; and the results of a batch that is not finished. `ready` 0: the file is still being written."""
    files = "CREATE TABLE files (id TEXT PRIMARY KEY, owner TEXT NOT NULL, purpose TEXT NOT NULL, filename TEXT NOT NULL"
    results = "CREATE TABLE batch_results (batch TEXT NOT NULL, line INTEGER NOT NULL, failed INTEGER NOT NULL"
    batches = "CREATE TABLE batches (id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL"
    lease = f"lease_owner TEXT NOT NULL, lease_until {real} NOT NULL"
    return (
        f"{files}, size {real} NOT NULL, created_at {real} NOT NULL, expires_at {real}, ready INTEGER NOT NULL)",
        "CREATE INDEX files_of ON files (owner, created_at, id)",
        f"CREATE TABLE file_pieces (file TEXT NOT NULL, number INTEGER NOT NULL, data {blob} NOT NULL, PRIMARY KEY (file, number))",
        f"{batches}, created_at {real} NOT NULL, {lease}, job {blob} NOT NULL, progress {blob} NOT NULL, cancelling_at {real})",
        "CREATE INDEX batches_of ON batches (owner, created_at, id)",
        "CREATE INDEX batches_by_status ON batches (status)",
        f"{results}, result {blob} NOT NULL, PRIMARY KEY (batch, line))",
    )


_META = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    "INSERT INTO meta (name, value) VALUES ('generation', 0)",
)

SQLITE: tuple[tuple[str, ...], ...] = (
    (
        *_META,
        _labels("INTEGER PRIMARY KEY AUTOINCREMENT"),
        _rollups("INTEGER", "BLOB", " WITHOUT ROWID"),
        f"{_LABEL_DAYS} WITHOUT ROWID",
    ),
    _responses("BLOB", "REAL"),
    _settings("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"),
    _batches("BLOB", "REAL"),
)
POSTGRESQL: tuple[tuple[str, ...], ...] = (
    (
        *_META,
        _labels("INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        _rollups("BIGINT", "BYTEA", ""),
        _LABEL_DAYS,
        requests("requests", "BIGINT", " PARTITION BY RANGE (seq)"),
        "CREATE INDEX requests_id ON requests (id)",
        "CREATE INDEX requests_labels ON requests (labels, seq)",
        records("records", "BIGINT", "BYTEA", " PARTITION BY RANGE (seq)"),
        bodies("bodies", "BIGINT", "BYTEA", " PARTITION BY RANGE (seq)"),
    ),
    _responses("BYTEA", "DOUBLE PRECISION"),
    _settings("INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA"),
    _batches("BYTEA", "DOUBLE PRECISION"),
)
"""By version, the statements that lead to it from the one before."""
