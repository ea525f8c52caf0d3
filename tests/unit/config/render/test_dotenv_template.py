"""Every variable of the .env template is read, and only names that are read are in it."""

import re
import tomllib
from pathlib import Path

import pytest

from octoroute.cli import main
from octoroute.config import load, loads
from octoroute.config.env_file import parse_env_file
from octoroute.config.render.dotenv_template import dotenv_template
from octoroute.config.render.template import template
from octoroute.errors import ConfigError
from octoroute.telemetry import console

DOCUMENTED = re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=", dotenv_template())


class Watched(dict[str, str]):
    """An environment that remembers what it was asked for and had."""

    def __init__(self, *args):
        super().__init__(*args)
        self.asked: set[str] = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)


class Terminal:
    def isatty(self):
        return True


def test_c30_x35_every_documented_variable_is_read(tmp_path):
    env = Watched({"OPENAI_API_KEY": "sk-x"})
    load(None, env, tmp_path)
    of_template = Watched(dict.fromkeys(DOCUMENTED, "8"))
    loads(re.sub(r"(?m)^#(?=[a-z\[])", "", template()), Path("config.toml"), of_template)
    of_terminal = Watched()
    console.supports_colours(Terminal(), of_terminal)
    assert set(DOCUMENTED) <= env.asked | of_template.asked | of_terminal.asked
    assert len(DOCUMENTED) == len(set(DOCUMENTED)) > 15


OF_FILES = {
    "MODEL_API_KEY",
    "OCTOROUTE_CLIENT_SECRET",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "OCTOROUTE_ADMIN_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}
"""Read only where a configuration file names them."""


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - {"NO_COLOR", "FORCE_COLOR", *OF_FILES}))
def test_c30_what_it_says_changes_something(name, tmp_path):
    base = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://h/v1"}
    before = load(None, base, tmp_path)
    for value in ("1234", "http://other/v1", "debug", "7", "127.0.0.1"):
        try:
            if load(None, {**base, name: value}, tmp_path) != before:
                return
        except ConfigError as error:
            assert name in str(error)
            continue
    raise AssertionError(f"{name} is documented and changes nothing")


def test_c30_every_variable_the_template_shows_is_there():
    assert set(re.findall(r"\$\{([A-Z_]+)\}", template())) - {"NAME"} <= set(DOCUMENTED)


def test_c30_uncommented_it_is_an_environment(tmp_path):
    text = re.sub(r"(?m)^#(?=[A-Z_]+=)", "", dotenv_template())
    variables = {name: value for name, value in parse_env_file(text).items() if value}
    assert load(None, {**variables, "OPENAI_API_KEY": "sk-x"}, tmp_path).endpoints


def test_c30_the_command(capsys, tmp_path):
    assert main(["config", "--env"]) == 0
    assert capsys.readouterr().out == dotenv_template()
    assert main(["config", "--env", "-o", str(tmp_path / ".env")]) == 0
    assert (tmp_path / ".env").read_text("utf-8") == dotenv_template()
    assert tomllib.loads(template())
