"""The template, config.toml, and docs/configuration.md say what the schema says."""

import re
import tomllib
from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.config.load import DISCOVERED
from octoroute.config.render.reference import document
from octoroute.config.render.template import template
from octoroute.config.rules import RESERVED
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.key import fields, tables
from octoroute.config.schema.models import ModelsTable

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "configuration.md"
TABLES = tables(FileTable)[1:]


OF_THEIR_OWN = {"rules", "traffic", "rotation", "tiers", "router_timeouts", "learned", "cascade", "sticky", "shadow", "clients"}
OF_THEIR_OWN |= {"oauth2", "jwt", "login", "issuers"}
INSTEAD = {"artefact", "thresholds", "quality"}


class AnyVariable(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "set"

    def get(self, key, default=None):
        return self[key]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_in_the_template_and_on_the_page(table):
    page = PAGE.read_text("utf-8")
    for field in fields(table):
        if table is not ModelsTable and field.name not in OF_THEIR_OWN | INSTEAD | {"cached", "tls"}:
            assert re.search(rf"(?m)(^#?|[{{,] ){field.name} = ", template()), field.name
        assert f"| `{field.name}` |" in page


def test_the_page_is_the_generated_one():
    assert PAGE.read_text("utf-8") == document(DISCOVERED, RESERVED), (
        "run: python -m octoroute.config.render.reference > docs/configuration.md"
    )


BLOCKS = re.findall(r"(?ms)^```(toml|yaml|json)\n(.*?)^```$", PAGE.read_text("utf-8"))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_on_the_page_loads(block):
    language, text = block
    assert loads(text, Path(f"config.{language}"), AnyVariable()).endpoints


def test_there_are_blocks():
    assert [language for language, _ in BLOCKS].count("toml") >= 3
    assert tomllib.loads(BLOCKS[0][1])
