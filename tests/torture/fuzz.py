"""Coverage-guided fuzzing of everything that reads bytes from strangers: streams, answers, HTTP, requests,
schemas, other bodies, configuration.

    python -m venv .venv-fuzz && .venv-fuzz/bin/pip install -e . atheris    # Linux
    .venv-fuzz/bin/python tests/torture/fuzz.py --minutes 15                # of each target, one after the other
    .venv-fuzz/bin/python tests/torture/fuzz.py --target http --minutes 60
    .venv-fuzz/bin/python tests/torture/fuzz.py --target http --repeat FIND

The targets and what must hold are in `tests/support/laws`, which the ordinary suite runs too, in a short form. Each runs in a process
of its own with bounded memory and a bound on the time of one input. A find is a file in the corpus's `finds` and a traceback here;
the run goes on, and its exit status says that there was one. The corpus is made of golden bytes and what earlier runs added to it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path
from random import Random
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

TARGETS = ("streams", "answers", "http", "requests", "schemas", "bodies", "configuration")
INSTRUMENTED = ["octoroute", "yaml", "tomllib"]
MEMORY_MB = 1500
INPUT_S = 20
"""The longest that one input may take; they take milliseconds, and the machine may be busy."""
INPUT_BYTES = 4096


class Finds:
    """Each kind of failure once: what raised it and where. `directory` gets its first input."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._known: set[tuple[object, ...]] = set()

    def add(self, error: BaseException, data: bytes) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        kind = (type(error), *((frame.filename, frame.lineno) for frame in frames[-4:]))
        if kind in self._known:
            return
        self._known.add(kind)
        path = self._directory / hashlib.sha256(data).hexdigest()[:16]
        path.write_bytes(data)
        _say(f"\nFIND {path}", *traceback.format_exception(error))


def fuzz(target: str, seconds: int, corpus: Path) -> None:
    """Does not return: libFuzzer ends the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        law = _laws().LAWS[target]
    as_json = importlib.import_module("tests.support.laws.mutation").as_json
    here = corpus / target
    here.mkdir(parents=True, exist_ok=True)
    seeds = list(law.seeds())
    for seed in seeds:
        (here / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    words = corpus / f"{target}.words"
    words.write_text("".join('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in law.words))
    finds = Finds(corpus / "finds" / target)

    def one_input(data: bytes) -> None:
        try:
            law.check(data)
        except Exception as error:  # noqa: BLE001 - a find, whatever it is
            finds.add(error, data)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < 0.5:
            changed = as_json(data, rng, rng.choice(seeds))
            if changed is not None:
                return changed[:most]
        return atheris.Mutate(data, most)

    options = {
        "max_total_time": seconds,
        "max_len": INPUT_BYTES,
        "timeout": INPUT_S,
        "rss_limit_mb": MEMORY_MB,
        "dict": words,
        "artifact_prefix": f"{corpus / 'finds' / target}-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(here)], one_input, custom_mutator=mutator
    )
    atheris.Fuzz()


def _laws() -> ModuleType:
    return importlib.import_module("tests.support.laws")


def run(target: str, minutes: float, corpus: Path) -> bool:
    """In its own process. Whether nothing was found."""
    _say(f"{time.strftime('%T')} {target}: {minutes:g} minutes")
    before = _finds(target, corpus)
    command = [sys.executable, __file__, "--target", target, "--minutes", str(minutes), "--corpus", str(corpus), "--here"]
    ended = subprocess.run(command, cwd=ROOT, check=False)
    found = _finds(target, corpus) - before
    _say(f"{time.strftime('%T')} {target}: {len(found)} finds, status {ended.returncode}")
    return ended.returncode == 0 and not found


def _finds(target: str, corpus: Path) -> set[Path]:
    return {*(corpus / "finds").glob(f"{target}/*"), *(corpus / "finds").glob(f"{target}-*")}


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201 - a command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parent / ".corpus", help="where inputs are kept between runs")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="give this input to the target's law, and nothing else")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.repeat:
        _laws().LAWS[args.target].check(args.repeat.read_bytes())
        return 0
    if args.here:
        fuzz(args.target, max(1, round(args.minutes * 60)), args.corpus.resolve())
    results = [run(target, args.minutes, args.corpus.resolve()) for target in ([args.target] if args.target else TARGETS)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
