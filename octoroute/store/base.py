"""The contract of every history store: what one request leaves behind, and the questions that can be asked about it.

A store knows nothing of prompts unless bodies are kept. Times are integers in microseconds and money is in billionths of a USD, so
that sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from octoroute.domain.erasure import Erasure
from octoroute.domain.sketch import DDSketch

Dimension: TypeAlias = Literal[
    "key",
    "tier",
    "model",
    "endpoint",
    "provider",
    "strategy",
    "reason",
    "ending",
    "status",
    "error",
    "dialect",
    "asked_for",
    "cache",
    "cascade",
    "check",
]
"""What requests can be filtered and grouped by: the names of the text fields of `Labels`."""
DIMENSIONS: tuple[Dimension, ...] = Dimension.__args__

NANO = 1_000_000_000
"""Units of `cost_nusd` in one USD."""


class Labels(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What a request has in common with many others; every value comes from a closed set or from the configuration.

    "" everywhere: it does not apply, or is not known.
    """

    ending: str
    """A value of `domain.outcome.Ending`."""
    status: str
    """The HTTP status in digits."""
    error: str = ""
    """The error code."""
    key: str = ""
    """The name of the client's key."""
    dialect: str = ""
    asked_for: str = ""
    """As `Outcome.asked_for`."""
    stream: bool = False
    tier: str = ""
    """Of the endpoint; without one, that of the decision."""
    strategy: str = ""
    """`Decision.by`."""
    reason: str = ""
    """The rule's name, or a word of a closed set for `Decision.why`; as the label of the metric."""
    endpoint: str = ""
    """The id of the endpoint that answered, or was asked last."""
    model: str = ""
    """Its configured name."""
    provider: str = ""
    cache: str = ""
    cascade: str = ""
    check: str = ""
    estimated: bool = False
    """The tokens, and so the cost, are estimates of the gateway."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request to one endpoint."""

    endpoint: str
    took_us: int
    """From its start to the first event of the answer, or to the failure."""
    error: str | None = None
    rejected: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nusd: int | None = None


class HistoryRow(msgspec.Struct, frozen=True):
    """One request. It has no prompt and no answer. Its fields are the columns of the SQL stores, in their order.

    Wide columns stand first, because PostgreSQL aligns each column at a multiple of its width.
    """

    seq: int
    """Unique, and given once, so that writing a row twice changes nothing. Later requests have greater numbers: see `seq_at`."""
    total_us: int
    first_event_us: int | None
    """None: the client got no event."""
    attempt_us: int | None
    """How long the only attempt took to its first event, if it answered. None: see `attempt_list`."""
    cost_nusd: int | None
    """Of all attempts; None: no price is known."""
    labels: Labels
    input_tokens: int
    output_tokens: int
    routing_us: int
    cached_tokens: int
    reasoning_tokens: int
    queued_us: int | None
    """None: the request was not queued."""
    id: str
    """The request id. Clients may choose it, so several rows may have the same."""
    attempt_list: str | None
    """The attempts as JSON, unless `attempt_us` tells of the only one; None also if there were none."""

    @property
    def at_us(self) -> int:
        """When the request ended: microseconds since the epoch."""
        return self.seq >> SEQ_BITS

    @property
    def attempts(self) -> tuple[AttemptRow, ...]:
        """In order."""
        if self.attempt_list is not None:
            return decode_attempts(self.attempt_list)
        if self.attempt_us is None:
            return ()
        prompt, completion = self.input_tokens, self.output_tokens
        has_usage = prompt or completion
        return (
            AttemptRow(
                endpoint=self.labels.endpoint,
                took_us=self.attempt_us,
                input_tokens=prompt if has_usage else None,
                output_tokens=completion if has_usage else None,
                cost_nusd=self.cost_nusd,
            ),
        )


decode_attempts = msgspec.json.Decoder(tuple[AttemptRow, ...]).decode
"""Of a `HistoryRow.attempt_list`."""


def encode_attempts(attempts: Sequence[AttemptRow]) -> str | None:
    """As `HistoryRow.attempt_list`."""
    return msgspec.json.encode(attempts).decode() if attempts else None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What the client sent and got, as far as it is kept. UTF-8, or whatever bytes there were."""

    request: bytes
    response: bytes
    request_size: int | None = None
    """Bytes on the wire, if `request` is only the beginning; None: it is whole."""
    response_size: int | None = None
    problem: str = ""
    """Why there is none, although there was one: for operators; "": it can be read."""


class HistoryEntry(msgspec.Struct, frozen=True):
    """All that is written about one request."""

    row: HistoryRow
    record: bytes | None = None
    """The decision record, opaque to the store; None: none is kept."""
    settings: bytes | None = None
    """The settings that the record refers to: the same object for many entries, and kept once for all of them. None: no record."""
    body: Body | None = None
    """None: bodies are not kept, which is the default."""


EntrySource: TypeAlias = Callable[..., HistoryEntry]
"""Makes the entry when the store needs it, which may be in another thread."""

SEQ_BITS = 10
"""Of a `seq`, below the microseconds: they tell the processes apart that write to one store."""


def seq_at(at_s: float) -> int:
    """The smallest `seq` of a request that ended at `at_s`, seconds since the epoch, or later."""
    return int(at_s * 1e6) << SEQ_BITS


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests; the conditions are joined by AND."""

    since_s: float | None = None
    """Ended then or later: seconds since the epoch."""
    until_s: float | None = None
    """Ended before then."""
    where: Mapping[Dimension, Collection[str]] = {}
    """For each dimension the values of which a request must have one; "" matches requests without a value."""
    id_prefix: str = ""
    """What the request id begins with."""
    text: str | None = None
    """Must occur in the request's or the response's body, whatever the case of ASCII letters; no request without a body matches."""


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    rows: Sequence[HistoryRow]
    """Newest first."""
    cursor: int | None
    """The `before` of the next page; None: this is the last one."""


class Aggregate(msgspec.Struct, kw_only=True):
    """Requests of one bucket of time and one group, added up."""

    start_s: int
    """Of the bucket, seconds since the epoch."""
    group: Mapping[Dimension, str]
    requests: int = 0
    endings: dict[str, int] = {}
    """Requests by ending, without those that none had."""
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nusd: int = 0
    priced: int = 0
    """Requests whose cost is known."""
    total: DDSketch = msgspec.field(default_factory=DDSketch)
    """From arrival to the end, of answered requests."""
    first_event: DDSketch = msgspec.field(default_factory=DDSketch)
    """From arrival to the first event, of answered requests."""

    def merge(self, other: Aggregate) -> None:
        """Add the requests of `other`."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for ending, count in other.endings.items():
            self.endings[ending] = self.endings.get(ending, 0) + count
        self.total.merge(other.total)
        self.first_event.merge(other.first_event)


SUMS = ("requests", "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nusd", "priced")
HOUR_S = 3600


class StoreUnavailable(Exception):
    """The store cannot be read now; the text says why, for operators. Requests are answered without it."""


class EntrySink(Protocol):
    """What takes the entries of a history."""

    def append(self, source: EntrySource, *arguments: object) -> None:
        """Keep the entry that `source(*arguments)` returns; called on the event loop, and returns at once."""
        ...


class HistoryStore(EntrySink, Protocol):
    """Reads do not block the event loop. Every method but `append` raises StoreUnavailable if the database cannot be reached.

    What `append` got is visible to the reads of the same process at once, and to other processes within a second.
    """

    async def get(self, id: str) -> HistoryEntry | None:
        """The newest request with this id, with what is kept of it."""
        ...

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        """Up to `limit` requests, newest first. `before`: the `cursor` of the page before; None: the newest requests."""
        ...

    async def records(self, wanted: HistoryFilter, *, limit: int) -> Sequence[HistoryEntry]:
        """The requests of the first `page`, each with its decision record, and without its body."""
        ...

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        """Sums in order of time and group. `bucket_s`: a multiple of an hour, or None: one bucket for all times.

        They come from hourly sums: `since_s` is rounded down and `until_s` up to a whole hour, UTC; `text` is not obeyed.
        """
        ...

    async def forget(self, key: str) -> Erasure:
        """Delete all that is kept about the requests of a key, the hourly sums included."""
        ...

    async def forget_user(self, user: str) -> Erasure:
        """Delete all requests whose body names this end user. Hourly sums do not know end users, and stay."""
        ...

    async def close(self) -> None:
        """Write what is put aside, and release the store."""
        ...


def matches(labels: Labels, where: Mapping[Dimension, Collection[str]]) -> bool:
    """Whether the labels meet the conditions of a `HistoryFilter.where`."""
    return all(getattr(labels, dimension) in values for dimension, values in where.items())
