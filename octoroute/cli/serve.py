"""`octoroute serve`, which is also the default command: starts the gateway."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # --config, the only option, belongs to all commands


def run(args: argparse.Namespace) -> int:
    from octoroute.cli.banner import Pen, banner  # noqa: PLC0415
    from octoroute.config import environment, load  # noqa: PLC0415
    from octoroute.config.file import ConfigFile  # noqa: PLC0415
    from octoroute.config.load import ENVIRONMENT  # noqa: PLC0415
    from octoroute.telemetry import logging  # noqa: PLC0415  commands import lazily

    cwd = Path.cwd()
    env = environment.variables(cwd)
    config = load(args.config, env, cwd)
    if config.server.workers > 1:
        environment.share_metrics()  # before the metrics library is imported, which reads the environment then
    from octoroute.server.process import serve  # noqa: PLC0415

    logging.configure(
        level=config.observability.log_level,
        style=config.observability.log_format,
        providers=[endpoint.provider for endpoint in config.endpoints],
        env=env,
        once=True,
        shared=config.server.workers > 1,
    )
    if sys.stdout.isatty() and config.observability.log_format != "json":
        plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        print("\n".join(banner(config, Pen(colours=logging.coloured(sys.stdout, env), plain=plain))), flush=True)
    if config.source == ENVIRONMENT:
        return serve(config, load=lambda: load(None, environment.variables(cwd), cwd))
    file = ConfigFile(Path(config.source), lambda: environment.variables(cwd), cwd)
    return serve(config, load=file.load, file=file)
