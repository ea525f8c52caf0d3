"""The docs say what the code does: everything public is in them, and what is in them is there."""

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from octoroute.cli import COMMANDS, main
from octoroute.config import loads
from octoroute.server.app import App
from octoroute.telemetry.metric_catalog import GAUGES, TABLE

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
generated = importlib.import_module("docs")
sys.path.pop(0)

PAGES = {
    path.relative_to(ROOT): path.read_text("utf-8") for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")))
}
ALL = "\n".join(PAGES.values())
API = PAGES[Path("docs/api.md")]
OPERATIONS = PAGES[Path("docs/operations.md")]
SOURCE = "\n".join(
    path.read_text("utf-8") for path in sorted(ROOT.glob("octoroute/**/*.py")) if "demo" not in path.relative_to(ROOT).parts
)
BLOCKS = [(page, *found) for page, text in PAGES.items() for found in re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", text)]
ONE = '[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"'


class AnyVariable(dict[str, str]):
    def get(self, key, default=None):
        return "set"


def blocks(language: str):
    found = [(page, text) for page, its, text in BLOCKS if its == language]
    assert found, language
    return pytest.mark.parametrize(("page", "text"), found, ids=[f"{page}:{at}" for at, (page, _) in enumerate(found)])


@pytest.mark.parametrize("name", generated.GENERATED)
def test_generated_tables_are_up_to_date(name):
    page = PAGES[Path("docs") / generated.GENERATED[name][0]]
    assert generated.with_generated(name, page) == page, "run: python tools/docs.py"
    assert page.count("\n|") > 10


def test_metrics_named_anywhere_exist():
    names = {row.name for row in (*TABLE, *GAUGES)}
    histograms = {row.name for row in TABLE if row.buckets is not None}
    known = names | {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    files = "|".join(path.stem for path in ROOT.glob("octoroute/*"))
    mentioned = {word for word in re.findall(r"\boctoroute_[a-z_]+", ALL) if word.removeprefix("octoroute_") not in files}
    assert mentioned >= names
    assert mentioned - known == set()


def test_headers_both_ways():
    ours = set(re.findall(r'"(x-octoroute-[a-z-]+)"', SOURCE)) | {"x-request-id", "retry-after", "allow", "www-authenticate"}
    assert ours >= {"x-octoroute-tier", "x-octoroute-importance"}
    assert {header for header in ours if f"`{header}`" not in API} == set()
    assert set(re.findall(r"x-octoroute-[a-z-]*[a-z]", ALL)) - ours == set()


def test_error_codes_both_ways():
    assert set(generated.codes()) == set(generated.WHEN)
    in_source = set(re.findall(r'\b(?:code|[A-Z]+_CODE)(?:: [^=]*)? ?= ?"([a-z_]+)"', SOURCE)) - {"router_empty", "router_refusal"}
    in_source -= {"router_unparseable", "router_too_long", "invalid_configuration"}
    assert in_source == set(generated.WHEN), "an error code is missing in tools/docs.py"


def test_routes_both_ways():
    app = App(loads(ONE, Path("c.toml"), {}))
    routes = {re.sub(r"\{(\w+):path\}", r"{\1}", route.path) for route in app._views._inner.routes} | set(app._hot)
    documented = set(re.findall(r"`(?:GET|POST|DELETE|PUT) (/[^`\s]*)`", API))
    assert documented == routes


def test_commands_both_ways():
    quickstart = PAGES[Path("docs/quickstart.md")]
    assert {name for name in COMMANDS if f"`octoroute {name}" not in quickstart} == set()
    assert set(re.findall(r"`octoroute ([a-z]+)", ALL)) - set(COMMANDS) == set()


SHOWN = sorted(
    {
        line.strip()
        for _, language, text in BLOCKS
        if language == "sh"
        for line in text.splitlines()
        if re.match(r"\s*(?:octoroute|\./run)\b", line)
    }
    | set(re.findall(r"`((?:octoroute|\./run)(?: [^`]*)?)`", ALL))
)


@pytest.mark.parametrize("command", SHOWN)
def test_shown_commands_parse(command, capsys):
    words = [word for word in shlex.split(command, comments=True) if word not in {"[-o", "FILE]"}]
    if words[0] == "./run" and (len(words) == 1 or words[1] in {"--once", "--port"}):
        words.insert(1, "demo")
    assert main([*words[1:], "--help"]) == 0
    assert "usage: octoroute" in capsys.readouterr().out


def test_commands_are_shown():
    assert len(SHOWN) > 10


@blocks("toml")
def test_toml_blocks_load(page, text):
    if "models" not in tomllib.loads(text):
        text = f"{text}\n{ONE}"
    assert loads(text, Path("config.toml"), AnyVariable()).endpoints


@blocks("python")
def test_python_blocks_compile(page, text):
    compile(text, str(page), "exec")


@blocks("sh")
def test_shell_blocks_parse(page, text):
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, timeout=10)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", path.read_text("utf-8"))
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_recipes_have_a_comment_and_are_documented():
    lines = (ROOT / "justfile").read_text("utf-8").splitlines()
    recipes = {line.split()[0].rstrip(":"): lines[at - 1] for at, line in enumerate(lines) if re.match(r"[a-z]", line)}
    assert all(comment.startswith("# ") for comment in recipes.values())
    shown = set(re.findall(r"`just ([a-z-]+)", PAGES[Path("docs/development.md")]))
    assert shown == set(recipes) - {"default"}


def test_every_decision_has_its_four_parts():
    pages = {path: text for path, text in PAGES.items() if path.parent.name == "adr"}
    assert [path.name[:4] for path in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for path, text in pages.items():
        headings = re.findall(r"(?m)^## (.*)$", text)
        assert headings == ["Context", "Decision", "Consequences", "What would change our mind"], path


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    page = PAGES[Path("docs/adr/0002-a-narrow-transport.md")]
    names = [re.match(r"[\w.-]+", line)[0] for line in wanted]
    assert [name for name in names if not re.search(rf"(?m)^\|[^|]*\b{re.escape(name)}\b[^|]*\|", page)] == []
