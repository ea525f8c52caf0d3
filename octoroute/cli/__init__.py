"""The command line: finds the command, runs it, and turns what goes wrong into one clear message and an exit code.

A command is a module with `arguments(parser)` and `run(args) -> int`; it is imported only when its name is on the command
line. 0: done. 1: it failed. 2: wrong usage, or a configuration that cannot be used.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from octoroute.domain.version import __version__
from octoroute.errors import ConfigError, OctorouteError


class Command(Protocol):
    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int:
        """The exit code. `args.config` is the file of --config or None. Raises OctorouteError."""
        ...


COMMANDS = {
    "serve": ("octoroute.cli.serve", "start the gateway"),
    "demo": ("octoroute.cli.demo.command", "start it with simulated models, and show what it does"),
    "init": ("octoroute.cli.init", "look for model servers and vendor keys, and write a configuration that uses them"),
    "config": ("octoroute.cli.config", "print the commented configuration template"),
    "route": ("octoroute.cli.route", "explain where a prompt would go, and why"),
    "logs": ("octoroute.cli.logs", "count, clean up, or print the traffic log"),
    "import": ("octoroute.cli.importing", "turn another program's configuration, or YAML or JSON, into TOML"),
    "migrate": ("octoroute.cli.migrate", "turn another program's environment variables into a configuration file"),
    "check": ("octoroute.cli.check", "say everything that is wrong with a configuration"),
    "eval": ("octoroute.cli.eval", "measure how well a router finds the hard questions"),
    "train": ("octoroute.cli.train", "fit the learned router to your own labels"),
    "calibrate": ("octoroute.cli.calibrate", "thresholds from your own traffic"),
    "replay": ("octoroute.cli.replay", "compare another policy with today's on logged decisions"),
}

DEFAULT = "serve"


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if reconfigure := getattr(sys.stdout, "reconfigure", None):  # a file's name may hold bytes that no encoding knows
        reconfigure(errors="backslashreplace")
    try:
        args = _parse(words)
        command = cast("Command", importlib.import_module(COMMANDS[args.command][0]))
        code = command.run(args)
        sys.stdout.flush()
    except SystemExit as done:  # argparse: --help, --version, wrong usage
        return done.code if isinstance(done.code, int) else 1
    except ConfigError as error:
        print(refusal(error), file=sys.stderr)
        return 2
    except OctorouteError as error:
        print(f"octoroute: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `octoroute config | head`: nobody reads on, and the interpreter must not flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def refusal(error: ConfigError) -> str:
    """Every problem on a line of its own, under the file's name when they are inside a file."""
    files: list[str] = getattr(error, "__notes__", [])
    if not files:
        return "\n".join(f"octoroute: {problem}" for problem in error.problems)
    count = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
    return "\n".join([f"octoroute: {files[0]} cannot be used: {count}", *(f"  {problem}" for problem in error.problems)])


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = _parser(words)
    args = parser.parse_args(words)
    if args.command is None:
        words = [*words, DEFAULT]
        args = _parser(words).parse_args(words)
    return args


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="octoroute",
        description="One OpenAI- and Anthropic-compatible endpoint in front of all your models.",
        epilog=f"Without a command: {DEFAULT}.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"octoroute {__version__}")
    _config_option(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        own = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name in words:
            cast("Command", importlib.import_module(module)).arguments(own)
            _config_option(own, argparse.SUPPRESS)  # so that its absence here does not undo the one before the command
    return parser


def _config_option(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, default=default, help="the configuration file")
