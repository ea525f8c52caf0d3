"""`python benches/run.py`: builds what it needs, runs octoroute beside its rivals, prints the ratios. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import report
from machine import BUILD, BenchError, Cores, Running, build, describe, free_port, raise_file_limit
from rivals import RIVALS, Proxy, Setting, Unavailable
from scenarios import SCENARIOS, STREAM_EVENTS, Row, Scenario, Tools, ask, measure, seconds_until
from subject import octoroute, octoroute_two_workers

SUBJECTS = {"octoroute": octoroute, "octoroute-2w": octoroute_two_workers}
IDLE_WITHIN_S = 60


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ready(proxy: Proxy, running: Running | None) -> float:
    """Seconds from its start to its first right answer. Raises Unavailable with the reason when there is none."""
    last = ""

    def answers() -> bool:
        nonlocal last
        if running and running.process.poll() is not None:
            raise Unavailable(f"it ended with {running.process.returncode}: {running.last_words()}")
        try:
            status, _, body = ask(proxy, "1k", timeout_s=5)
        except OSError as error:
            last = str(error)
            return False
        last = f"{status} {body[:200]!r}"
        return status == 200 and body.count(b"@@") == 2

    if seconds_until(answers, proxy.ready_s) is None:
        raise Unavailable(f"no right answer within {proxy.ready_s:.0f} s; last: {last}; {running.last_words() if running else ''}")
    return time.monotonic() - running.started if running else 0.0


def verify(proxy: Proxy) -> None:
    """It answers 1 KB and 32 KB whole, streams every event, and says what it is expected to say."""
    for payload, events in (("1k", 1), ("32k", 1), ("stream", STREAM_EVENTS)):
        status, headers, body = ask(proxy, payload)
        if status != 200 or body.count(b"@@") != 2 * events:
            raise Unavailable(f"{payload}: {status} with {body.count(b'@@') // 2} of {events} events: {body[:200]!r}")
        for name, value in proxy.expects.items():
            if headers.get(name) != value:
                raise Unavailable(f"{payload}: {name} is {headers.get(name)!r}, not {value!r}: not the path to be measured")


@dataclass
class Bench:
    """One run: the tools, the proxies that are up, and what was measured so far."""

    options: argparse.Namespace
    tools: Tools
    up: dict[str, Running | None] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """Those that are up and answer right."""
    fresh: set[str] = field(default_factory=set)
    """Started, and not loaded since."""
    known: dict[str, Proxy] = field(default_factory=dict)
    """Those that ever were."""
    skipped: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, list[Row]]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Starts it, waits until it answers right and is idle again, and notes what that took."""
        make = RIVALS.get(name) or SUBJECTS[name]
        folder = self.tools.run / name
        folder.mkdir(exist_ok=True)
        try:
            python = self.options.octoroute_python if name in SUBJECTS else sys.executable
            proxy = make(
                Setting(self.options.rivals_dir, folder, free_port(), self.tools.upstream, python, not self.options.no_install)
            )
            running = None
            if proxy.command:
                core = self.tools.cores.of(proxy.workers)
                running = Running.start(proxy.command, folder / "log", core=core, env=proxy.env, cwd=folder)
            self.up[name] = running
            took = ready(proxy, running)
            if running:
                running.wait_idle(IDLE_WITHIN_S)
                self.note("start", name, {"start_s": took, "idle_pss_mb": running.pss_mb()})
            verify(proxy)
        except (Unavailable, BenchError, OSError) as error:
            self.skipped[name] = str(error)
            self.proxies.pop(name, None)
            say(f"  {name}: skipped: {error}")
            self.stop(name)
            return
        self.proxies[name] = self.known[name] = proxy
        self.fresh.add(name)
        say(f"  {name} {proxy.version}: up in {took:.2f} s")

    def stop(self, name: str) -> None:
        if running := self.up.pop(name, None):
            running.stop()

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def note(self, scenario: str, name: str, row: Row) -> None:
        self.rows.setdefault(scenario, {}).setdefault(name, []).append(row)

    def play(self, scenario: Scenario) -> None:
        """All rounds of one scenario, the proxies taking turns; one is loaded at a time and the next waits until it is idle."""
        names = [name for name in self.proxies if not scenario.only or name in scenario.only]
        names = [name for name in names if name != "octoroute-2w" or name in scenario.only]
        for number in range(min(self.options.rounds, scenario.rounds or self.options.rounds)):
            for name in names:
                if scenario.memory and name not in self.fresh:
                    self.restart(name)
                if name not in self.proxies:
                    continue
                running = self.up.get(name)
                row = measure(scenario, self.proxies[name], running, self.tools)
                self.note(scenario.key, name, row)
                say(f"  {scenario.key} {number + 1}: {name:14} {report.glance(scenario, row)}")
                self.fresh.discard(name)
                if scenario.memory:  # it may hold on to streams whose clients have left
                    self.restart(name)
                elif running and not running.wait_idle(IDLE_WITHIN_S):
                    say(f"  {name} is still busy {IDLE_WITHIN_S} s after its load ended; started afresh")
                    self.restart(name)


@contextlib.contextmanager
def bench(options: argparse.Namespace) -> Iterator[Bench]:
    cores = Cores.of_this_machine()
    upstream, load = build("upstream"), build("load")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="octoroute-bench-") as folder:
        fake = Running.start([str(upstream), str(port)], Path(folder) / "upstream.log", core=cores.rest)
        running = Bench(options, Tools(load=load, upstream=port, run=Path(folder), cores=cores, seconds=options.seconds))
        try:
            time.sleep(0.2)
            yield running
        finally:
            for name in list(running.up):
                running.stop(name)
            fake.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/run.py", description=__doc__)
    parser.add_argument("--short", action="store_true", help="under a minute: few scenarios, one round, against direct and nginx")
    parser.add_argument("--only", help=f"scenarios, comma-separated (a prefix is enough): {', '.join(SCENARIOS)}")
    parser.add_argument("--against", help=f"rivals, comma-separated, or none: {', '.join(RIVALS)} (all)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds; medians are taken (3)")
    parser.add_argument("--seconds", type=float, help="base length of one measurement (2)")
    parser.add_argument("--octoroute-python", default=sys.executable, help="the interpreter that runs octoroute (this one)")
    parser.add_argument("--no-octoroute", action="store_true", help="the rivals alone")
    rivals = Path.home() / ".cache/octoroute-bench"
    parser.add_argument("--rivals-dir", type=Path, default=rivals, help="where rivals are installed (%(default)s)")
    parser.add_argument("--no-install", action="store_true", help="run only what is installed already")
    parser.add_argument("--json", type=Path, help="where the raw results go (benches/.build/results.json)")
    parser.add_argument("--publish", action="store_true", help="write docs/performance.md, .svg and .json")
    parser.add_argument("--from", dest="saved", type=Path, help="show or publish saved results; run nothing")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.short else 3)
    options.seconds = options.seconds or (1.0 if options.short else 2.0)
    options.against = _names(options.against or ("direct,nginx" if options.short else ",".join(RIVALS)), RIVALS, parser)
    keys = [key for key, s in SCENARIOS.items() if s.short or not options.short]
    options.only = _names(options.only, SCENARIOS, parser) if options.only else keys
    return options


def _names(text: str, known: Iterable[str], parser: argparse.ArgumentParser) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        part = part.strip()  # noqa: PLW2901 - the same part, without its blanks
        if part == "none":
            continue
        matching = [part] if part in known else [name for name in known if part and name.startswith(part)]
        if not matching:
            parser.error(f"{part!r} is none of {', '.join(known)}")
        found += [name for name in matching if name not in found]
    return found


def perform(options: argparse.Namespace) -> dict[str, Any]:
    files = raise_file_limit()
    options.rivals_dir = options.rivals_dir.expanduser().resolve()
    options.rivals_dir.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with bench(options) as running:
        subjects = [] if options.no_octoroute else ["octoroute", *(["octoroute-2w"] if "workers-c64" in options.only else [])]
        say("starting")
        for name in [*subjects, *options.against]:
            running.start(name)
        for key in options.only:
            if SCENARIOS[key].needs_files > files:
                running.skipped[key] = f"needs {SCENARIOS[key].needs_files} open files, the hard limit is {files}"
                say(f"  {key}: skipped: {running.skipped[key]}")
                continue
            running.play(SCENARIOS[key])
        return {
            "machine": describe() | {"cores": running.tools.cores.described()},
            "versions": {name: proxy.version for name, proxy in running.known.items()},
            "notes": {name: proxy.note for name, proxy in running.known.items()},
            "skipped": running.skipped,
            "method": {"rounds": options.rounds, "seconds": options.seconds, "took_s": round(time.monotonic() - began)},
            "rows": running.rows,
        }


def main() -> int:
    options = arguments()
    try:
        if options.saved:
            results = json.loads(options.saved.read_text())
        else:
            results = perform(options)
            path = options.json or BUILD / "results.json"
            path.write_text(json.dumps(results, indent=1))
            say(f"raw results: {path}")
    except (BenchError, OSError, json.JSONDecodeError) as error:
        say(f"benches: {error}")
        return 1
    except KeyboardInterrupt:
        say("benches: stopped")
        return 130
    print(report.markdown(results))
    if options.publish:
        for path in report.publish(results, Path(__file__).resolve().parent.parent / "docs"):
            say(f"written: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
