"""`octoroute migrate --from-env`: another program's environment variables as a configuration file on standard output."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from octoroute.cli.importing import tell
from octoroute.errors import ConfigError

PROGRAMS = ("claude-code-proxy", "dispatcher")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-env", action="store_true", required=True, help="read the environment, and .env in this directory")
    parser.add_argument(
        "--format", choices=("toml", "json"), default="toml", help="toml: ours; json: claude-code-proxy's providers.json"
    )
    parser.add_argument("--program", choices=PROGRAMS, help="whose variables they are; guessed, and said, when not given")


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily

    env = environment.variables(Path.cwd())
    program: str = args.program or guess(env)
    tell([] if args.program else [f"read as {program}'s variables; `--program` chooses ({', '.join(PROGRAMS)})"])
    try:
        print(_dispatcher(env, args.format) if program == "dispatcher" else _legacy(env, args.format), end="")
    except ConfigError as error:
        error.add_note("the environment")
        raise
    return 0


def guess(env: Mapping[str, str]) -> str:
    """claude-code-proxy has its clients' key in ANTHROPIC_API_KEY; every other vendor's variable is the dispatcher's."""
    from octoroute.config.importers import dispatcher, legacy  # noqa: PLC0415  commands import lazily

    own = set(legacy.unused(env, frozenset())) - {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    its = {name for vendor in dispatcher.DISPATCHER_VENDORS for name in dispatcher.variables_of(vendor) if env.get(name)}
    if not env.get(legacy.REQUIRED) and its:
        return "dispatcher"
    return "claude-code-proxy" if own or its <= {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"} else "dispatcher"


def _legacy(env: Mapping[str, str], form: str) -> str:
    from octoroute.config.importers import legacy  # noqa: PLC0415  commands import lazily
    from octoroute.config.importers.writer import conceal, lost_in_json, to_providers_json, to_toml  # noqa: PLC0415
    from octoroute.config.load import raise_for  # noqa: PLC0415
    from octoroute.config.schema import Names  # noqa: PLC0415

    name = "azure" if env.get("AZURE_API_VERSION") else "openai"
    given = legacy.convert(env, Names(), provider=name)
    raise_for(given.problems, "the environment")
    if form == "json":
        read = legacy.read_variables(env, Names())
        tell([*given.warnings, *lost_in_json(read)])
        return to_providers_json(read, name)
    tell(list(given.warnings))
    return to_toml(conceal(given.tree), "From claude-code-proxy's environment by `octoroute migrate --from-env`.")


def _dispatcher(env: Mapping[str, str], form: str) -> str:
    from octoroute.config.importers import dispatcher  # noqa: PLC0415  commands import lazily
    from octoroute.config.importers.writer import conceal, to_toml  # noqa: PLC0415
    from octoroute.config.load import raise_for  # noqa: PLC0415
    from octoroute.config.schema import Names  # noqa: PLC0415

    if form == "json":
        raise ConfigError(["--format json: a providers.json knows OpenAI's API only; leave it out for TOML"])
    given = dispatcher.convert(env, Names())
    raise_for(given.problems, "the environment")
    tell([*given.warnings, "the models are a suggestion, because these variables name none; change them to what you use"])
    return to_toml(conceal(given.tree), "From the dispatcher's environment by `octoroute migrate --from-env`.")
