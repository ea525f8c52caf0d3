"""`octoroute migrate --from-env`: converts another program's environment variables to a configuration on standard output."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from octoroute.cli.import_config import print_remarks
from octoroute.errors import ConfigError

PROGRAMS = ("claude-code-proxy", "dispatcher")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-env", action="store_true", required=True, help="read the environment, and .env in this directory")
    parser.add_argument(
        "--format",
        choices=("toml", "json"),
        default="toml",
        help="toml: a configuration of octoroute; json: a providers.json of claude-code-proxy",
    )
    parser.add_argument(
        "--program", choices=PROGRAMS, help="the program that the variables belong to (default: guessed from their names)"
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily

    env = environment.variables(Path.cwd())
    program: str = args.program or guess(env)
    print_remarks(
        [] if args.program else [f"assuming the variables of {program}; `--program` selects another ({', '.join(PROGRAMS)})"]
    )
    try:
        print(_dispatcher(env, args.format) if program == "dispatcher" else _legacy(env, args.format), end="")
    except ConfigError as error:
        error.add_note("the environment")
        raise
    return 0


def guess(env: Mapping[str, str]) -> str:
    """Return the program that these variables belong to.

    claude-code-proxy keeps the key of its clients in ANTHROPIC_API_KEY; a variable of any other vendor belongs to the dispatcher.
    """
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
    imported = legacy.convert(env, Names(), provider=name)
    raise_for(imported.problems, "the environment")
    if form == "json":
        variables = legacy.read_variables(env, Names())
        print_remarks([*imported.warnings, *lost_in_json(variables)])
        return to_providers_json(variables, name)
    print_remarks(list(imported.warnings))
    return to_toml(conceal(imported.tree), "From claude-code-proxy's environment by `octoroute migrate --from-env`.")


def _dispatcher(env: Mapping[str, str], form: str) -> str:
    from octoroute.config.importers import dispatcher  # noqa: PLC0415  commands import lazily
    from octoroute.config.importers.writer import conceal, to_toml  # noqa: PLC0415
    from octoroute.config.load import raise_for  # noqa: PLC0415
    from octoroute.config.schema import Names  # noqa: PLC0415

    if form == "json":
        raise ConfigError(["--format json: a providers.json supports OpenAI's API only; omit the option for TOML"])
    imported = dispatcher.convert(env, Names())
    raise_for(imported.problems, "the environment")
    print_remarks(
        [*imported.warnings, "the models are suggestions, because the variables name none; replace them with the models you use"]
    )
    return to_toml(conceal(imported.tree), "From the dispatcher's environment by `octoroute migrate --from-env`.")
