"""`octoroute conform URL`: runs the checks and prints a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from octoroute.cli.conform.suite import CheckReport, Result
from octoroute.errors import ConfigError

_COLOURS = {Result.PASSED: "32", Result.FAILED: "31", Result.SKIPPED: "33"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the gateway, e.g. http://127.0.0.1:3000/v1")
    parser.add_argument("--model", default="conform", help="the model to ask for (default: conform)")
    parser.add_argument("--key", default="", help="the API key; default: $OCTOROUTE_API_KEY")
    parser.add_argument(
        "--backend",
        metavar="PORT",
        type=int,
        action="append",
        default=[],
        help="serve a scripted model server here; give it twice, and put both behind MODEL at the gateway: see docs/conform.md",
    )
    parser.add_argument(
        "--backend-host", metavar="HOST", default="127.0.0.1", help="where the model servers listen (default: 127.0.0.1)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def run(args: argparse.Namespace) -> int:
    if not args.url.startswith(("http://", "https://")):
        raise ConfigError([f"{args.url!r} is no URL of a gateway; for example http://127.0.0.1:3000/v1"])
    if len(args.backend) == 1:
        raise ConfigError(["one model server cannot show failover; give --backend twice"])
    reports = asyncio.run(_check(args))
    failed = sum(report.result is Result.FAILED for report in reports)
    if args.json:
        print(
            json.dumps(
                [
                    {"id": report.id, "promise": report.promise, "result": report.result.lower(), "detail": report.detail}
                    for report in reports
                ],
                indent=2,
            )
        )
    else:
        passed = sum(report.result is Result.PASSED for report in reports)
        print(f"{passed} passed, {failed} failed, {len(reports) - passed - failed} skipped")
    return 1 if failed else 0


async def _check(args: argparse.Namespace) -> Sequence[CheckReport]:
    """Raises ConfigError if a port is taken."""
    from octoroute.cli.conform.api_checks import API_CHECKS  # noqa: PLC0415  commands import lazily
    from octoroute.cli.conform.failover_checks import FAILOVER_CHECKS  # noqa: PLC0415
    from octoroute.cli.conform.messages_checks import MESSAGES_CHECKS  # noqa: PLC0415
    from octoroute.cli.conform.model_server import ModelServers  # noqa: PLC0415
    from octoroute.cli.conform.probe_client import ProbeClient  # noqa: PLC0415
    from octoroute.cli.conform.scripts import plain_answer  # noqa: PLC0415
    from octoroute.cli.conform.stream_checks import STREAM_CHECKS  # noqa: PLC0415
    from octoroute.cli.conform.suite import Bench, run_checks  # noqa: PLC0415
    from octoroute.config.environment import variables  # noqa: PLC0415

    servers = ModelServers(plain_answer) if args.backend else None
    if servers is not None:
        try:
            await servers.start(args.backend_host, args.backend)
        except OSError as error:
            await servers.stop()
            raise ConfigError([f"--backend: {error.strerror or error}"]) from None
    client = ProbeClient(args.url, args.key or variables().get("OCTOROUTE_API_KEY", ""))
    reports: list[CheckReport] = []
    try:
        checks = (*API_CHECKS, *MESSAGES_CHECKS, *STREAM_CHECKS, *FAILOVER_CHECKS)
        async for report in run_checks(checks, Bench(client, args.model, servers)):
            reports.append(report)
            if not args.json:
                print(line(report, colour=sys.stdout.isatty()), flush=True)
    finally:
        await client.close()
        if servers is not None:
            await servers.stop()
    return reports


def line(report: CheckReport, *, colour: bool) -> str:
    """A row of the table; the second line, if there is one, says what the gateway did instead."""
    result = f"\x1b[{_COLOURS[report.result]}m{report.result}\x1b[0m" if colour else report.result
    row = f"{result}  {report.id:<16} {report.promise}"
    if not report.detail:
        return row
    return f"{row} ({report.detail})" if report.result is Result.SKIPPED else f"{row}\n      {report.detail}"
