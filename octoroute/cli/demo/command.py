"""`octoroute demo`: the gateway in front of simulated models, and a tour through it. Needs no configuration, network, or key."""

from __future__ import annotations

import argparse
import os
import signal
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, metavar="N", help="where the gateway listens (3000 if it is free, else a free one)")
    parser.add_argument("--once", action="store_true", help="exit after the tour")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _leave(signum: int, frame: object) -> None:
    del signum, frame
    os._exit(0)


def run(args: argparse.Namespace) -> int:
    # Until the gateway takes the signals over there is nothing to tidy up.
    signal.signal(signal.SIGINT, _leave)

    import uvloop  # noqa: PLC0415  commands import lazily

    from octoroute.cli.demo.screen import Screen  # noqa: PLC0415
    from octoroute.cli.demo.show import show  # noqa: PLC0415
    from octoroute.config import environment  # noqa: PLC0415

    env = environment.variables()
    uvloop.run(show(port=args.port, once=args.once, screen=Screen(sys.stdout, env), env=env))
    return 0
