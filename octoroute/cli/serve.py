"""`octoroute serve`, and what `octoroute` alone means: start the gateway."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # --config is everybody's


def run(args: argparse.Namespace) -> int:
    from octoroute import logs  # noqa: PLC0415  commands import lazily
    from octoroute.config import environment, load  # noqa: PLC0415
    from octoroute.config.load import ENVIRONMENT  # noqa: PLC0415

    cwd = Path.cwd()
    env = environment.variables(cwd)
    config = load(args.config, env, cwd)
    if config.server.workers > 1:
        environment.share_metrics()  # before the metrics library is imported: it looks then
    from octoroute.server import serve  # noqa: PLC0415

    logs.configure(
        level=config.observability.log_level,
        style=config.observability.log_format,
        providers=[endpoint.provider for endpoint in config.endpoints],
        env=env,
    )
    source = None if config.source == ENVIRONMENT else Path(config.source)
    return serve(config, load=lambda: load(source, environment.variables(cwd), cwd))
