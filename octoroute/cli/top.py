"""`octoroute top`: the requests under way in a running gateway, as a table that is drawn anew twice a second."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from octoroute.errors import OctorouteError

INTERVAL_S = 0.5
_CLEAR = "\x1b[H\x1b[J"
_COLUMNS = (
    ("AGE", 6),
    ("KEY", 12),
    ("MODEL", 16),
    ("TIER", 9),
    ("ENDPOINT", 20),
    ("STATE", 10),
    ("TRY", 4),
    ("FIRST", 7),
    ("TOKENS", 7),
    ("TOK/S", 6),
    ("USD", 9),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the gateway (default: the host and port of the configuration)")
    parser.add_argument("--key", help="a key with the role viewer, operator, or admin (default: the first of auth.admin_keys)")
    parser.add_argument("--once", action="store_true", help="print the table once")
    parser.add_argument("--json", action="store_true", help="print JSON once, as GET /admin/live answers")


def run(args: argparse.Namespace) -> int:
    import httpx2  # noqa: PLC0415  commands import lazily

    url, key = target(args)
    headers = {"x-api-key": key} if key else {}
    is_once = args.once or args.json or not sys.stdout.isatty()
    with httpx2.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as client:
        while True:
            view = fetch(client, url)
            if args.json:
                print(json.dumps(view, indent=2, ensure_ascii=False))
            else:
                size = shutil.get_terminal_size((120, 40))
                shown = list(lines(view, size.columns))
                print("\n".join(shown) if is_once else _CLEAR + "\n".join(shown[: size.lines - 1]), flush=True)
            if is_once:
                return 0
            time.sleep(INTERVAL_S)


def target(args: argparse.Namespace) -> tuple[str, str]:
    """The gateway's URL, and a key that may watch it; empty: none is known."""
    if args.url and args.key:
        return args.url.rstrip("/"), args.key
    from octoroute.cli.stats import loaded_config  # noqa: PLC0415  commands import lazily

    config = loaded_config(args.config)
    server = config.server
    host = "127.0.0.1" if server.host in {"0.0.0.0", "localhost"} else "::1" if server.host == "::" else server.host  # noqa: S104 - compared
    scheme = "https" if server.tls.cert_file else "http"
    place = f"{scheme}://{f'[{host}]' if ':' in host else host}:{server.port}{server.root_path.rstrip('/')}"
    known = config.auth.admin_keys[0].reveal() if config.auth.admin_keys else ""
    return (args.url or place).rstrip("/"), args.key or known


def fetch(client: Any, url: str) -> Mapping[str, Any]:
    """What `GET /admin/live` answers. Raises OctorouteError, which says what to do."""
    import httpx2  # noqa: PLC0415  commands import lazily

    try:
        answer = client.get("/admin/live")
    except httpx2.HTTPError as error:
        raise OctorouteError(f"no gateway answers at {url} ({type(error).__name__}); start it, or give its --url") from None
    if answer.status_code in {401, 403}:
        raise OctorouteError(
            f"the gateway at {url} refuses this key ({answer.status_code}); give --key one with the role viewer, operator, or admin"
        )
    try:
        view = answer.json()
        assert isinstance(view["requests"], list)
    except (ValueError, KeyError, TypeError, AssertionError):
        raise OctorouteError(f"what answers at {url} is no octoroute with GET /admin/live (status {answer.status_code})") from None
    return view


def lines(view: Mapping[str, Any], width: int) -> Iterator[str]:
    """The table. Nothing of a client's text reaches the terminal but what can be printed."""
    requests: Sequence[Mapping[str, Any]] = view["requests"]
    workers = f", worker {view['worker']} of {view['workers']}" if view["workers"] > 1 else ""
    yield f"octoroute: {view['in_flight']} in flight, {view['queued']} queued{workers}"[:width]
    if not requests:
        yield "No request is under way; those that come are shown here, the newest first."
        return
    yield "  ".join(f"{name:<{size}}" for name, size in _COLUMNS)[:width].rstrip()
    for row in requests:
        yield "  ".join(f"{_cut(text, size):<{size}}" for text, (_, size) in zip(_cells(row, view["at"]), _COLUMNS, strict=True))[
            :width
        ].rstrip()
    hidden = view["in_flight"] - len(requests)
    if hidden > 0:
        yield f"and {hidden} older"


def _cells(row: Mapping[str, Any], now_s: float) -> Sequence[str]:
    position = row["queue_position"]
    tries = f"{row['attempt']}/{row['max_attempts']}" if row["max_attempts"] else str(row["attempt"])
    return (
        f"{max(0.0, now_s - row['started_at']):.1f}s",
        row["key"] or "-",
        row["model"],
        row["tier"] or "-",
        row["endpoint"] or "-",
        row["state"] if position is None else f"queue #{position}",
        tries,
        "-" if row["first_token_s"] is None else f"{row['first_token_s']:.2f}s",
        str(row["output_tokens"]),
        "-" if row["tokens_per_second"] is None else f"{row['tokens_per_second']:.0f}",
        "-" if row["cost_usd"] is None else f"{row['cost_usd']:.6f}",
    )


def _cut(text: str, size: int) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= size else shown[: size - 1] + "…"
