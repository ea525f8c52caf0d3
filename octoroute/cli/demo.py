"""`octoroute demo`: the gateway in front of simulated models, and a tour through it. Needs no configuration, network, or key."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, metavar="N", help="where the gateway listens (3000 if it is free, else a free one)")
    parser.add_argument("--once", action="store_true", help="exit after the tour")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    try:
        import sys  # noqa: PLC0415  commands import lazily

        import uvloop  # noqa: PLC0415

        from octoroute.config import environment  # noqa: PLC0415
        from octoroute.demo.screen import Screen  # noqa: PLC0415
        from octoroute.demo.show import show  # noqa: PLC0415

        env = environment.variables()
        uvloop.run(show(port=args.port, once=args.once, screen=Screen(sys.stdout, env), env=env))
    except KeyboardInterrupt:  # before the gateway took the signals over
        return 0
    return 0
