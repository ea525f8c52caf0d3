"""`octoroute demo`: runs the gateway with simulated models and a guided tour. Needs no configuration, network, or API key."""

from __future__ import annotations

import argparse
import os
import signal
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, metavar="N", help="port of the gateway (default: 3000 if it is free, otherwise any free port)"
    )
    parser.add_argument("--once", action="store_true", help="exit after the tour")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return int(text)


def _exit(signum: int, frame: object) -> None:
    del signum, frame
    os._exit(0)


def run(args: argparse.Namespace) -> int:
    # Until the gateway installs its signal handlers there is nothing to clean up.
    signal.signal(signal.SIGINT, _exit)

    import uvloop  # noqa: PLC0415  commands import lazily

    from octoroute.cli.demo.screen import Screen  # noqa: PLC0415
    from octoroute.cli.demo.session import run_demo  # noqa: PLC0415
    from octoroute.config import environment  # noqa: PLC0415

    env = environment.variables()
    uvloop.run(run_demo(port=args.port, once=args.once, screen=Screen(sys.stdout, env), env=env))
    return 0
