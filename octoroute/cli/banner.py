"""The banner that a terminal shows at start-up: providers with their models, address, limits, and keys. Pure.

The layout and the class names (BIG, MIDDLE, SMALL for deep, balanced, fast) are those of claude-code-proxy, whose users know
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from octoroute.cli import plural
from octoroute.config.schema import Config
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.version import __version__
from octoroute.telemetry.console import RESET, colour_of, colours_of

_HEADER = "\x1b[1;96m"
MARKS: Mapping[str, tuple[str, str, str]] = {
    "healthy": ("✓", "+", "\x1b[92m"),
    "error": ("✗", "x", "\x1b[91m"),
    "warning": ("⚠", "!", "\x1b[93m"),
    "info": ("ℹ", "i", "\x1b[94m"),  # noqa: RUF001 - the sign, not the letter
}
"""By status: the mark, its ASCII replacement, and its colour."""

_CLASSES = ((Tier.DEEP, "BIG (OPUS)"), (Tier.BALANCED, "MIDDLE (SONNET)"), (Tier.FAST, "SMALL (HAIKU)"))


class Pen:
    """Writes text with or without colours and non-ASCII marks."""

    def __init__(self, *, colours: bool, plain: bool) -> None:
        """`plain`: ASCII only."""
        self._colours = colours
        self._plain = plain

    def paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self._colours else text

    def mark(self, status: str) -> str:
        sign, plain, colour = MARKS[status]
        return self.paint(plain if self._plain else sign, colour)


def banner(config: Config, pen: Pen) -> Iterator[str]:
    """Yield the lines of the banner."""
    yield pen.paint(f"octoroute {__version__}", _HEADER)
    by_provider: dict[str, list[Endpoint]] = {}
    for endpoint in config.endpoints:
        by_provider.setdefault(endpoint.provider, []).append(endpoint)
    colours = colours_of(endpoint.provider for endpoint in config.endpoints)
    for name, endpoints in sorted(by_provider.items(), key=lambda item: -max(endpoint.priority for endpoint in item[1])):
        priority = config.priorities.get(name, max(endpoint.priority for endpoint in endpoints))
        yield f"{pen.paint(f'[{name}]', colour_of(name, colours))} Priority: {priority:g}"
        for tier, title in _CLASSES:
            models = _models(endpoints, tier)
            if models:
                yield f"   {title}: {', '.join(models)}"
    yield from (f"{pen.mark('warning')} {warning}" for warning in config.warnings)
    yield f"{pen.mark('healthy')} {plural(len(by_provider), 'provider')}, {plural(len(config.endpoints), 'endpoint')}"
    yield f"{pen.mark('info')} {_settings(config)}"


def _models(endpoints: Iterable[Endpoint], tier: Tier) -> list[str]:
    return list(dict.fromkeys(endpoint.model for endpoint in endpoints if endpoint.tier is tier))


def _settings(config: Config) -> str:
    server, auth = config.server, config.auth
    host = f"[{server.host}]" if ":" in server.host else server.host
    return ", ".join(
        (
            f"address {host}:{server.port or '(a free port)'}",
            f"requests up to {server.max_request_bytes} bytes and {server.request_timeout_seconds:g} s",
            f"{config.retry.max_attempts or 'all'} attempts",
            f"client keys {len(auth.keys) + len(auth.clients) or 'off'}",
            f"admin keys {len(auth.admin_keys) or 'off'}",
        )
    )
