"""Draws cost-quality curves as an SVG document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from octoroute.routing.training.metrics import Point

__all__ = ["svg"]

_COLOURS = ("#0b6e99", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#5d6d7e", "#117864", "#a04000")
_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 46, 520, 330
_POINTS = 240


def svg(curves: Mapping[str, Sequence[Point]], title: str, *, dashed: frozenset[str] = frozenset({"random", "oracle"})) -> str:
    """x: share of strong calls; y: quality; a line per router. `dashed`: routers drawn as dashed lines."""
    qualities = [point.quality for points in curves.values() for point in points]
    low, high = min(qualities), max(qualities)
    pad = (high - low) * 0.06 or 0.05
    low, high = low - pad, high + pad

    def place(point: Point) -> str:
        return f"{_LEFT + point.share * _WIDTH:.1f},{_TOP + (high - point.quality) / (high - low) * _HEIGHT:.1f}"

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 440" font-family="system-ui, sans-serif" font-size="12">',
        '<rect width="760" height="440" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
        *_axes(low, high),
    ]
    for i, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[i % len(_COLOURS)]
        dash = ' stroke-dasharray="5 4"' if name in dashed else ""
        line = " ".join(place(point) for point in _thinned(points))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{line}"/>')
        y = _TOP + 14 + 20 * i
        parts.append(f'<line x1="610" y1="{y - 4}" x2="634" y2="{y - 4}" stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="640" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _thinned(points: Sequence[Point]) -> list[Point]:
    step = max(1, len(points) // _POINTS)
    return [*points[:-1:step], points[-1]]


def _axes(low: float, high: float) -> list[str]:
    bottom = _TOP + _HEIGHT
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>']
    for k in range(6):
        x, y = _LEFT + _WIDTH * k / 5, _TOP + _HEIGHT * k / 5
        value = high - (high - low) * k / 5
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#eee"/>')
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDTH}" y2="{y:.1f}" stroke="#eee"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{20 * k} %</text>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    parts.append(
        f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 42}" text-anchor="middle">share of requests sent to the strong model</text>'
    )
    parts.append(
        f'<text x="18" y="{_TOP + _HEIGHT / 2}" transform="rotate(-90 18 {_TOP + _HEIGHT / 2})" text-anchor="middle">quality</text>'
    )
    return parts
