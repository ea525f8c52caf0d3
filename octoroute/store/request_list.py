"""The list of requests as people ask for it: parameters of a URL become a filter, and rows become CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.domain.time_text import parse_time, time_text
from octoroute.errors import BadRequest
from octoroute.store.base import DIMENSIONS, HistoryFilter
from octoroute.store.statistics import where_of

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
MAX_WORDS_CHARS = 256
PARAMETERS = ("from", "to", "id", "q", "limit", "cursor", *DIMENSIONS)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run."""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list."""

    wanted: HistoryFilter
    limit: int
    before: int | None
    """The cursor of the page before; None: the newest requests."""


def list_query(parameters: Iterable[tuple[str, str]], now_s: float) -> ListQuery:
    """The query of names and values, as in a URL; those of dimensions may be repeated. Raises BadRequest."""
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in PARAMETERS:
            raise BadRequest(f"there is no parameter {name[:60]!r}; the parameters are {', '.join(PARAMETERS)}", param=name[:60])
        given.setdefault(name, []).append(value)
    last = {name: values[-1] for name, values in given.items() if values[-1]}
    for name in ("id", "q"):
        if len(last.get(name, "")) > MAX_WORDS_CHARS:
            raise BadRequest(f"{name} must have at most {MAX_WORDS_CHARS} characters", param=name)
    since_s, until_s = _time(last, "from", now_s), _time(last, "to", now_s)
    if since_s is not None and until_s is not None and since_s >= until_s:
        raise BadRequest("from must be before to", param="from")
    wanted = HistoryFilter(
        since_s=since_s, until_s=until_s, where=where_of(given), id_prefix=last.get("id", ""), text=last.get("q") or None
    )
    limit = _number(last, "limit", 1, MAX_LIMIT)
    cursor = _number(last, "cursor", 0, (1 << 63) - 1)
    return ListQuery(wanted=wanted, limit=DEFAULT_LIMIT if limit is None else limit, before=cursor)


def _time(given: Mapping[str, str], name: str, now_s: float) -> float | None:
    if name not in given:
        return None
    try:
        return parse_time(given[name], now_s)
    except ValueError as error:
        raise BadRequest(str(error), param=name) from None


def _number(given: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or not low <= int(text) <= high:
        what = "the `next` of the page before" if name == "cursor" else f"a whole number from {low} to {high}"
        raise BadRequest(f"{name} must be {what}", param=name)
    return int(text)


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """With a heading; `at` as RFC 3339, of the attempts their number. A text that a spreadsheet would run gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(name, len(row[name]) if name == "attempts" else row[name]) for name in columns])
    return out.getvalue()


def _cell(name: str, value: object) -> object:
    if name == "at" and isinstance(value, float):
        return time_text(value)
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
