"""The dashboard's pages without scripts: each is one table of what its route would answer now."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias

from starlette.requests import Request

from octoroute.domain.price import to_usd
from octoroute.errors import OctorouteError
from octoroute.gateway.live_view import live_view
from octoroute.runtime.assembly import Runtime
from octoroute.server.routes.provider_status import endpoint_status
from octoroute.store.base import NANO, HistoryFilter, StoreUnavailable
from octoroute.store.statistics import statistics, stats_query, where_of

ROWS = 100
Cells: TypeAlias = Sequence[object]


class DashboardTables:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.views: Mapping[str, Callable[[Request], Awaitable[str]]] = {
            "now": self._now,
            "requests": self._requests,
            "endpoints": self._endpoints,
            "money": self._money,
        }
        """The pages that work without scripts, by name."""

    async def write(self, view: str, request: Request) -> str:
        """The HTML of a page of `views`."""
        try:
            return await self.views[view](request)
        except (StoreUnavailable, OctorouteError) as error:
            return f'<p role="alert">{escape(str(error))}</p>'

    async def _now(self, request: Request) -> str:  # noqa: ARG002 - the signature of a view
        now = self._runtime.wall()
        gateway = self._runtime.gateway
        view = live_view(gateway, now - gateway.clock(), ROWS)
        rows = [
            (
                f"{now - row.started_at:.1f} s",
                row.key,
                row.model,
                row.tier,
                row.why,
                row.endpoint,
                row.state,
                row.attempt,
                row.output_tokens,
            )
            for row in view.requests
        ]
        titles = ("age", "key", "asked for", "tier", "why", "endpoint", "state", "attempt", "tokens")
        return table(titles, rows, "No request is under way.")

    async def _requests(self, request: Request) -> str:
        given: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            given.setdefault(name, []).append(value)
        page = await self._runtime.history.page(HistoryFilter(where=where_of(given)), limit=ROWS)
        rows = [
            (
                _moment(row.at_us / 1e6),
                row.id,
                row.labels.key,
                row.labels.tier,
                row.labels.reason,
                row.labels.endpoint,
                row.labels.ending,
                row.labels.error or row.labels.status,
                f"{row.total_us / 1e6:.2f} s",
                f"{row.input_tokens} + {row.output_tokens}",
                "" if row.cost_nusd is None else f"{row.cost_nusd / NANO:.6f}",
            )
            for row in page.rows
        ]
        titles = ("time, UTC", "id", "key", "tier", "reason", "endpoint", "ending", "status", "took", "tokens", "USD")
        return table(titles, rows, "No request is in the history.")

    async def _endpoints(self, request: Request) -> str:  # noqa: ARG002 - the signature of a view
        health = self._runtime.gateway.health
        rows = [
            (
                endpoint.id,
                endpoint.model,
                endpoint.tier,
                endpoint_status(endpoint, health),
                health.breaker(endpoint).last_error,
                health.breaker(endpoint).in_flight,
                "; ".join(
                    f"{_moment(change.at)} {change.after} {change.cause}".strip() for change in health.changes.of(endpoint)[-3:]
                ),
            )
            for endpoint in self._runtime.gateway.settings.endpoints
        ]
        titles = ("endpoint", "model", "tier", "state", "last error", "in flight", "changes")
        return table(titles, rows, "No endpoint is configured.")

    async def _money(self, request: Request) -> str:  # noqa: ARG002 - the signature of a view
        week = stats_query((("from", "7d"), ("by", "key,tier"), ("bucket", "all")), self._runtime.wall())
        report = await statistics(self._runtime.history, week)
        rows = [
            (one.group["key"], one.group["tier"], one.requests, one.input_tokens + one.output_tokens, _usd(one.cost_nusd))
            for one in report.groups
        ]
        return table(("key", "tier", "requests", "tokens", "USD"), rows, "No request in the last seven days.")


def table(titles: Sequence[str], rows: Iterable[Cells], empty: str) -> str:
    written = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    if not written:
        return f"<p>{escape(empty)}</p>"
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{written}</tbody></table></div>'


def _cell(value: object) -> str:
    return "" if value is None else escape(str(value))


def _moment(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at_s))


def _usd(cost_nusd: int) -> str:
    return f"{to_usd(cost_nusd // 1000):.6f}"
