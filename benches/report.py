"""From raw rows to medians, ratios, a Markdown page, and a bar chart. Pure but for `publish`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from scenarios import SCENARIOS, Row, Scenario

US = "octoroute"
TIMES, NOTHING = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
BEGIN, END = "<!-- benches:begin -->", "<!-- benches:end -->"
Medians = Mapping[str, Mapping[str, Row]]
"""scenario → proxy → figure → median over the rounds."""


def medians(rows: Mapping[str, Mapping[str, list[Row]]]) -> dict[str, dict[str, Row]]:
    return {scenario: {proxy: _median(of) for proxy, of in proxies.items()} for scenario, proxies in rows.items()}


def _median(rows: list[Row]) -> Row:
    """Of each figure; the failed rounds are counted beside it."""
    good = [row for row in rows if "error" not in row]
    figures = {name: [row[name] for row in good if row.get(name) is not None] for name in (good[0] if good else {})}
    result: Row = {name: statistics.median(values) for name, values in figures.items() if values}
    if len(good) < len(rows):
        result["failed_rounds"] = len(rows) - len(good)
        result["error"] = next(row["error"] for row in rows if "error" in row)
    return result


def core_rate(row: Row, per: str) -> float | None:
    """Requests or events per second that a core wholly the proxy's would carry, by the processor time of one."""
    cost = row.get(f"cpu_us_{per}")
    return 1e6 / cost if cost else None


# ---- the goals


@dataclass(frozen=True)
class Goal:
    figure: str
    must: float
    aim: float
    of: Callable[[Medians], float | None]
    unit: str = TIMES
    less: bool = False
    digits: int = 2

    def verdict(self, value: float) -> str:
        better = (lambda bound: value <= bound) if self.less else (lambda bound: value >= bound)
        return "aim reached" if better(self.aim) else "met" if better(self.must) else "**missed**"


def _ratio(scenario: str, other: str, mine: str = US, base: str | None = None) -> Callable[[Medians], float | None]:
    """How many times the other's rate on one core each; `base` where the other figure stands in another scenario."""

    def of(m: Medians) -> float | None:
        a = core_rate(m.get(scenario, {}).get(mine, {}), SCENARIOS[scenario].per)
        b = core_rate(m.get(base or scenario, {}).get(other, {}), SCENARIOS[base or scenario].per)
        return a / b if a and b else None

    return of


def _figure(scenario: str, name: str, scale: float = 1.0) -> Callable[[Medians], float | None]:
    def of(m: Medians) -> float | None:
        value = m.get(scenario, {}).get(US, {}).get(name)
        return None if value is None else value * scale

    return of


def _added_ms(scenario: str, name: str) -> Callable[[Medians], float | None]:
    def of(m: Medians) -> float | None:
        ours, bare = (m.get(scenario, {}).get(proxy, {}).get(name) for proxy in (US, "direct"))
        return None if ours is None or bare is None else (ours - bare) / 1000

    return of


def _inverse(of: Callable[[Medians], float | None]) -> Callable[[Medians], float | None]:
    return lambda m: (1 / value) if (value := of(m)) else None


def _workers(m: Medians) -> float | None:
    one, two = (m.get("workers-c64", {}).get(name, {}).get("rps") for name in (US, "octoroute-2w"))
    return two / one if one and two else None


GOALS = (
    Goal("requests/s, 1 KB, against LiteLLM", 100, 200, _ratio("unary-1k-c64", "litellm"), digits=0),
    Goal("… against Portkey", 15, 28, _ratio("unary-1k-c64", "portkey"), digits=1),
    Goal("… against sglang-router", 0.8, 1.2, _ratio("unary-1k-c64", "sglang-router")),
    Goal("… against nginx", 0.25, 0.37, _ratio("unary-1k-c64", "nginx")),
    Goal("requests/s, 32 KB, against sglang-router", 1.0, 1.5, _ratio("unary-32k-c16", "sglang-router")),
    Goal("processor time a request, 1 KB", 65, 43, _figure("unary-1k-c64", "cpu_us_request"), "µs", less=True, digits=1),
    Goal("added latency p50, one connection", 0.25, 0.15, _added_ms("unary-1k-c1", "p50_us"), "ms", less=True, digits=3),
    Goal("processor time an event against nginx, 10 ms", 2.5, 1.8, _inverse(_ratio("stream-10ms-c64", "nginx")), less=True),
    Goal("events/s against LiteLLM", 20, 30, _ratio("stream-0ms-c16", "litellm"), digits=1),
    Goal("events/s against Portkey", 3, 5, _ratio("stream-0ms-c16", "portkey"), digits=1),
    Goal("added time to first token p50", 1, 0.4, _added_ms("stream-10ms-c1", "ttft_p50_us"), "ms", less=True, digits=3),
    Goal("memory under 1,000 slow streams", 90, 65, _figure("slow-1000", "pss_mb"), "MB", less=True, digits=0),
    Goal("5,000 slow streams: still answering", 1.0, 1.0, _figure("slow-5000", "answering", 1 / 5000), "of them"),
    Goal("5,000 slow streams: events on time (100 ms)", 0, 0.95, _figure("slow-5000", "on_time_share"), "of them"),
    Goal("200 ms upstream, 500 connections, of the ideal", 0.95, 0.95, _figure("wait-c500", "of_ideal")),
    Goal("200 ms upstream, 2,000 connections, of the ideal", 0, 0.95, _figure("wait-c2000", "of_ideal")),
    Goal("idle memory", 60, 40, _figure("start", "idle_pss_mb"), "MB", less=True, digits=0),
    Goal("start to first answer", 1.5, 0.7, _figure("start", "start_s"), "s", less=True),
    Goal("translated stream against pass-through", 0.5, 0.7, _ratio("translated-0ms-c16", US, base="stream-0ms-c16")),
    Goal("two workers against one", 1.7, 1.9, _workers),
)


# ---- Markdown


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return NOTHING
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def glance(scenario: Scenario, row: Row) -> str:
    """One measurement in half a line."""
    if "error" in row:
        return f"failed: {row['error']}"
    rate = row["eps" if scenario.per == "event" else "rps"]
    cost = row.get(f"cpu_us_{scenario.per}")
    memory = f", {row['pss_mb']:.0f} MB" if "pss_mb" in row else ""
    return f"{rate:9,.0f} {scenario.per}s/s, {_number(cost)} µs each, util {_number(row.get('util'))}, bad {row['bad']}{memory}"


def goals_table(m: Medians) -> str:
    rows = []
    for goal in GOALS:
        value, sign = goal.of(m), "≤" if goal.less else "≥"
        bounds = [f"{sign} {bound:g} {goal.unit}" if bound else "held" for bound in (goal.must, goal.aim)]
        shown = NOTHING if value is None else f"{_number(value, goal.digits)} {goal.unit}"
        rows.append([goal.figure, *bounds, shown, "not measured" if value is None else goal.verdict(value)])
    return _table(["figure", "must", "aim", "measured", ""], rows)


def scenario_table(scenario: Scenario, proxies: Mapping[str, Row]) -> str:
    event = scenario.per == "event"
    one = "an event" if event else "a request"
    head = ["", f"{scenario.per}s/s", f"processor µs {one}", f"{scenario.per}s/s of one core", f"{US} is"]
    head += ["relay p50 ms", "relay p99 ms", "first token p50 ms"] if event else ["p50 ms", "p99 ms"]
    head += ["of the ideal"] if scenario.offered else []
    head += ["memory MB", "upstream released s"] if scenario.memory else []
    ours, rows = core_rate(proxies.get(US, {}), scenario.per), []
    for name, row in proxies.items():
        rate = core_rate(row, scenario.per)
        times = ["relay_p50_us", "relay_p99_us", "ttft_p50_us"] if event else ["p50_us", "p99_us"]
        cells = [name, _number(row.get("eps" if event else "rps")), _number(row.get(f"cpu_us_{scenario.per}")), _number(rate)]
        cells += [f"{_number(ours / rate)}{TIMES}" if ours and rate and name != US else NOTHING]
        cells += [_number(row[time] / 1000 if time in row else None) for time in times]
        if scenario.offered:
            cells += [_number(row.get("of_ideal"), 2)]
        if scenario.memory:
            cells += [_number(row.get("pss_mb"), 0), _number(row.get("released_s"))]
        rows.append([*cells, _faults(row)])
    return _table([*head, "bad"], rows)


def _faults(row: Row) -> str:
    bad = _number(row.get("bad", 0), 0)
    return f"{bad}; {row['failed_rounds']} rounds failed: {row['error']}" if "error" in row else bad


def markdown(results: Mapping[str, Any]) -> str:
    m = medians(results["rows"])
    parts = ["## Goals\n", goals_table(m)] if US in results["versions"] else []
    if start := m.get("start"):
        versions = results["versions"]
        rows = [
            [name, versions.get(name, ""), _number(row.get("start_s")), _number(row.get("idle_pss_mb"), 0)]
            for name, row in start.items()
        ]
        parts += ["## Start and idle memory\n", _table(["", "version", "start to first answer s", "idle memory MB"], rows)]
    for key, scenario in SCENARIOS.items():
        if m.get(key):
            parts += [f"## {scenario.title[0].upper()}{scenario.title[1:]}\n", scenario_table(scenario, m[key])]
    parts += ["## Machine and method\n", _method(results)]
    return "\n".join(parts)


METHOD = """\
- Rounds are interleaved, medians are shown. One proxy is loaded at a time, the next when the last uses less than 5 % of a core.
- Processor time is the kernel's own, to the nanosecond, of the whole process tree; memory is its PSS (`smaps_rollup`).
- Ratios are of requests or events per second on a core that is wholly the proxy's: one second over the processor time of one.
  They hold on a busy machine, where wall-clock rates and above all p99 carry the neighbours' noise.
- Every proxy is one process on one core; the fake upstream (`benches/upstream.c`) and the load (`benches/load.c`) share another;
  loopback, no TLS.
- Relay latency is measured per event: the upstream writes its clock into each, the load reads it on the same machine.
""".splitlines()


def _method(results: Mapping[str, Any]) -> str:
    method = results["method"]
    lines = [f"- {name}: {value}" for name, value in results["machine"].items() if value]
    lines += [f"- {name} {version}: {results['notes'][name]}" for name, version in results["versions"].items()]
    lines += [f"- skipped: {name}: {reason}" for name, reason in results["skipped"].items()]
    lines += [f"- {method['rounds']} rounds of {method['seconds']:g} s (times the scenario's factor)", *METHOD]
    return "\n".join(lines) + "\n"


# ---- the chart


CHARTED = {"unary-1k-c64": "requests a second and core, 1 KB", "stream-0ms-c16": "events a second and core, streamed"}


def chart(results: Mapping[str, Any]) -> str:
    """Bars of what one core carries, one panel a scenario; to scale, so the small ones are as small as they are."""
    m, panels, y = medians(results["rows"]), [], 46
    for key, title in CHARTED.items():
        rates = {name: rate for name, row in m.get(key, {}).items() if (rate := core_rate(row, SCENARIOS[key].per))}
        if not rates:
            continue
        panels.append(f'<text x="12" y="{y}" font-weight="bold">{escape(title)}</text>')
        for name, rate in sorted(rates.items(), key=lambda pair: -pair[1]):
            y += 24
            width, colour = max(1.0, 420 * rate / max(rates.values())), "#0a7d5a" if name == US else "#9aa5b1"
            panels.append(f'<text x="120" y="{y}" text-anchor="end">{escape(name)}</text>')
            panels.append(f'<rect x="130" y="{y - 13}" width="{width:.1f}" height="17" rx="2" fill="{colour}"/>')
            panels.append(f'<text x="{136 + width:.1f}" y="{y}">{rate:,.0f}</text>')
        y += 44
    box = f'viewBox="0 0 660 {y}" width="660" height="{y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="system-ui, sans-serif" font-size="13" fill="#1f2933">'
    where = escape(f"one core each, {results['machine']['processor']}, {results['machine']['date']}")
    caption = f'<text x="12" y="20" fill="#616e7c">{where}</text>'
    return "\n".join([head, f'<rect width="660" height="{y}" fill="#ffffff"/>', caption, *panels, "</svg>"]) + "\n"


def publish(results: Mapping[str, Any], docs: Path) -> list[Path]:
    """The page keeps what people wrote around the generated part."""
    docs.mkdir(exist_ok=True)
    page, picture, raw = docs / "performance.md", docs / "performance.svg", docs / "performance.json"
    generated = f"{BEGIN}\n![What one core carries](performance.svg)\n\n{markdown(results)}{END}"
    old = page.read_text() if page.exists() else ""
    if BEGIN in old and END in old:
        text = old[: old.index(BEGIN)] + generated + old[old.index(END) + len(END) :]
    else:
        text = f"# Performance\n\nMade by `python benches/run.py --publish`; `benches/README.md` says how.\n\n{generated}\n{old}"
    page.write_text(text)
    picture.write_text(chart(results))
    raw.write_text(json.dumps(results, indent=1) + "\n")
    return [page, picture, raw]
