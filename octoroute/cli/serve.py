"""`octoroute serve`, which is also the default command: starts the gateway."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from octoroute.config import Config
    from octoroute.config.file import ConfigFile


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # --config, the only option, belongs to all commands


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment, load  # noqa: PLC0415
    from octoroute.telemetry import logging  # noqa: PLC0415  commands import lazily

    cwd = Path.cwd()
    env = environment.variables(cwd)
    config = load(args.config, env, cwd)
    # before the metrics library is imported, which reads the environment then
    metrics = environment.share_metrics() if config.server.workers > 1 else None
    from octoroute.server.process import serve  # noqa: PLC0415

    logging.configure(
        level=config.observability.log_level,
        style=config.observability.log_format,
        providers=[endpoint.provider for endpoint in config.endpoints],
        env=env,
        once=True,
        shared=config.server.workers > 1,
    )
    show_banner(config, sys.stdout, env)
    load_again, file = source_of(config, cwd)
    return serve(
        config,
        load=load_again,
        file=file,
        state_directory=environment.state_directory(env),
        worker_ended=metrics.leave if metrics else None,
    )


def show_banner(config: Config, out: TextIO, env: Mapping[str, str]) -> None:
    """Write the banner if `out` is a terminal, unless the log, which goes there too, is JSON."""
    from octoroute.cli.banner import Pen, banner  # noqa: PLC0415  commands import lazily
    from octoroute.telemetry import console  # noqa: PLC0415

    if out.isatty() and config.observability.log_format != "json":
        plain = (out.encoding or "").lower().replace("-", "") != "utf8"
        print("\n".join(banner(config, Pen(colours=console.supports_colours(out, env), plain=plain))), file=out, flush=True)


def source_of(config: Config, cwd: Path) -> tuple[Callable[[], Config], ConfigFile | None]:
    """Return a function that reads the configuration again, and its file; None: it comes from the environment."""
    from octoroute.config import environment, load  # noqa: PLC0415  commands import lazily
    from octoroute.config.file import ConfigFile  # noqa: PLC0415
    from octoroute.config.load import ENVIRONMENT  # noqa: PLC0415

    if config.source == ENVIRONMENT:
        return lambda: load(None, environment.variables(cwd), cwd), None
    file = ConfigFile(Path(config.source), lambda: environment.variables(cwd), cwd)
    return file.load, file
