"""The machine under the benches: compiler, cores, processes, and what the kernel says they cost. Linux only."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
IDLE_SHARE = 0.05
"""A proxy that uses less of a core than this counts as idle."""


class BenchError(Exception):
    """What the reader has to do before the benches can run."""


def build(name: str) -> Path:
    """The C program, compiled when it is older than its source."""
    source, program = HERE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError(
            "no C compiler, and the load and the fake upstream are C; install gcc (Debian: apt-get install gcc libc6-dev)"
        )
    BUILD.mkdir(exist_ok=True)
    made = subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(source)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchError(f"{compiler} could not build {source.name}:\n{made.stderr.strip()}")
    return program


@dataclass(frozen=True)
class Cores:
    """Which core the proxy has to itself, which one everything else shares, and two for a pair of workers. None: not pinned."""

    proxy: str | None = None
    rest: str | None = None
    pair: str | None = None

    @classmethod
    def of_this_machine(cls) -> Cores:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2 or shutil.which("taskset") is None:
            return cls()
        return cls(str(cores[0]), str(cores[1]), f"{cores[0]},{cores[2]}" if len(cores) > 2 else None)

    def of(self, workers: int) -> str | None:
        """Raises BenchError when so many workers cannot have cores of their own."""
        if workers == 1:
            return self.proxy
        if self.pair is None:
            raise BenchError("two workers need two cores of their own and a third for the load")
        return self.pair

    def described(self) -> str:
        return "proxy on one, upstream and load on another" if self.proxy else "not pinned: one core, or no taskset"


def pinned(command: list[str], core: str | None) -> list[str]:
    return command if core is None else ["taskset", "-c", core, *command]


def raise_file_limit() -> int:
    """As many open files as the system lets us have; returns how many that are."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Running:
    """A process we started, with all its descendants."""

    process: subprocess.Popen[bytes]
    log: Path
    started: float
    """time.monotonic() before it was forked."""

    @classmethod
    def start(
        cls, command: list[str], log: Path, *, core: str | None, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Running:
        started = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                pinned(command, core),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        return cls(process, log, started)

    def pids(self) -> list[int]:
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    todo.extend(int(child) for child in children.read_text().split())
        return found

    def cpu_s(self) -> float:
        """Processor time of the whole tree since it started, seconds, to the nanosecond.

        Each process's own clock (what clock_getcpuclockid(3) makes of its id): the figures of /proc/PID/task/*/schedstat, but
        a thread that has ended still counts.
        """
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += time.clock_gettime_ns(~pid << 3 | 2)
        return total / 1e9

    def pss_mb(self) -> float:
        """Proportional memory of the whole tree, MB (10^6 bytes)."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total * 1024 / 1e6

    def wait_idle(self, within_s: float) -> bool:
        """Two quiet quarters of a second in a row. False: it was still busy when the time was up."""
        deadline, quiet = time.monotonic() + within_s, 0
        before, at = self.cpu_s(), time.monotonic()
        while quiet < 2:
            time.sleep(0.25)
            now, later = self.cpu_s(), time.monotonic()
            quiet = quiet + 1 if (now - before) / (later - at) < IDLE_SHARE else 0
            before, at = now, later
            if later > deadline:
                return False
        return True

    def stop(self) -> None:
        """SIGTERM to it, five seconds, then SIGKILL to whatever is left of its tree."""
        tree = self.pids() if self.process.poll() is None else []
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:])[-500:]


def first_line(command: list[str], env: dict[str, str] | None = None) -> str:
    """What `--version` says; "" when it cannot be asked."""
    try:
        asked = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (asked.stdout + asked.stderr).strip().splitlines()
    return lines[0].strip() if lines else ""


def _value(file: str, name: str) -> str:
    """Of the first line `name: value` or `name="value"`."""
    lines = Path(file).read_text().splitlines() if Path(file).exists() else []
    line = next((line for line in lines if line.startswith(name)), "?")
    return line.removeprefix(name).strip('\t :="')


@functools.cache
def describe() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": f"{_value('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GB",
        "system": f"{_value('/etc/os-release', 'PRETTY_NAME')}, Linux {platform.release()}",
        "compiler": first_line(["gcc", "--version"]),
        "date": time.strftime("%Y-%m-%d"),
    }
