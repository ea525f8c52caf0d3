"""The command line: runs the command and turns an error into one message and an exit code, never a traceback.

A command is a module with `arguments(parser)` and `run(args) -> int`. It is imported only if its name is on the command line,
and imports the rest of the package inside its functions, so that every command starts fast. Exit codes: 0: success. 1: failure.
2: wrong usage or an invalid configuration.
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
    """A command module."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit code. `args.config`: the file of --config, or None. Raises OctorouteError."""
        ...


COMMANDS = {
    "serve": ("octoroute.cli.serve", "start the gateway"),
    "demo": ("octoroute.cli.demo.command", "start the gateway with simulated models and show what it does"),
    "init": ("octoroute.cli.init", "find local model servers and API keys, and write a configuration that uses them"),
    "config": ("octoroute.cli.config", "print the commented configuration template"),
    "route": ("octoroute.cli.route", "explain which tier and endpoint a prompt would be sent to, and why"),
    "stats": ("octoroute.cli.stats", "statistics of the history: requests, errors, tokens, cost, latency"),
    "explain": ("octoroute.cli.explain", "what the history knows of one request: why it went where, and what happened"),
    "top": ("octoroute.cli.top", "the requests under way in a running gateway, live"),
    "store": ("octoroute.cli.store", "make encryption keys, and seal what is stored with the newest one"),
    "logs": ("octoroute.cli.logs", "summarise, clean up, or print the traffic log"),
    "import": ("octoroute.cli.import_config", "convert another program's configuration, or YAML or JSON, to TOML"),
    "migrate": ("octoroute.cli.migrate", "convert another program's environment variables to a configuration file"),
    "keys": ("octoroute.cli.keys", "make, list, rotate, and revoke keys of clients"),
    "forget": ("octoroute.cli.forget", "delete what the history and the stored responses have of a person"),
    "audit": ("octoroute.cli.audit", "check that the audit log was not changed"),
    "check": ("octoroute.cli.check", "validate the configuration and report every problem"),
    "doctor": ("octoroute.cli.doctor", "write what an issue needs into one file: versions, configuration, health, errors"),
    "conform": ("octoroute.cli.conform.command", "check what a gateway promises: streams, failover, errors"),
    "eval": ("octoroute.cli.eval", "measure how well a router recognises hard questions"),
    "train": ("octoroute.cli.train", "train the learned router on your own labels"),
    "calibrate": ("octoroute.cli.calibrate", "compute score thresholds from your own traffic"),
    "replay": ("octoroute.cli.replay", "compare another policy with the current one on logged decisions"),
}

DEFAULT = "serve"
"""The command that runs if none is given."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of `argv` (None: `sys.argv`) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if reconfigure := getattr(sys.stdout, "reconfigure", None):  # a file name may contain bytes that cannot be encoded
        reconfigure(errors="backslashreplace")
    try:
        args = _parse(words)
        command = cast("Command", importlib.import_module(COMMANDS[args.command][0]))
        code = command.run(args)
        sys.stdout.flush()
    except SystemExit as exit_:  # argparse: --help, --version, wrong usage
        return exit_.code if isinstance(exit_.code, int) else 1
    except ConfigError as error:
        print(config_error_text(error), file=sys.stderr)
        return 2
    except OctorouteError as error:
        print(f"octoroute: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `octoroute config | head`: the reader is gone, and the interpreter must not flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def config_error_text(error: ConfigError) -> str:
    """Return one line for each problem, below the name of the file if the problems are inside a file."""
    files: list[str] = getattr(error, "__notes__", [])
    if not files:
        return "\n".join(f"octoroute: {problem}" for problem in error.problems)
    count = plural(len(error.problems), "problem")
    return "\n".join([f"octoroute: {files[0]} cannot be used: {count}", *(f"  {problem}" for problem in error.problems)])


def plural(count: int, noun: str) -> str:
    """Return e.g. `1 model` or `3 models`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class _Version(argparse.Action):
    """`const`: the words of the command line, since `--verbose` may come later."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        if "--verbose" in (self.const or ()):
            from octoroute.cli.versions import versions  # noqa: PLC0415  commands import lazily

            print("\n".join(versions()))
        else:
            print(f"octoroute {__version__}")
        parser.exit()


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
    parser.add_argument("-V", "--version", action=_Version, nargs=0, const=words, help="print the version, and exit")
    parser.add_argument("--verbose", action="store_true", help="with --version: also of everything that octoroute is built on")
    _config_option(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        own = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name in words:
            cast("Command", importlib.import_module(module)).arguments(own)
            _config_option(own, argparse.SUPPRESS)  # otherwise the default here would overwrite the option before the command
    return parser


def _config_option(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, default=default, help="the configuration file")
