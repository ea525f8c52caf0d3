"""The dashboard in Chromium, as a person uses it, in front of a gateway with a week of traffic."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.web.stage import ADMIN, MODELS, Stage, stage
from tests.support.browser import CHROMIUM

HERE = Path(__file__).parent
NODE = shutil.which("node")
PACKAGES = HERE.parent / "node" / "node_modules" / "playwright-core"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not PACKAGES.is_dir(), reason="npm ci --prefix tests/e2e/node has not been run (./test runs it)"),
]


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "state", 40, pause_s=0.05) as found:
        await found.fail("home")
        yield found


async def seen(team: Stage, *tasks: str) -> dict[str, Any]:
    """What the browser saw in each task; nothing may have gone wrong on the way."""
    assert NODE is not None
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        NODE, "pages.mjs", team.gateway.url, ADMIN, ",".join(tasks), CHROMIUM, cwd=HERE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    assert {name: one["problems"] for name, one in told.items() if one["problems"]} == {}
    return told


async def test_every_page_is_accessible_and_fits_in_both_themes_and_on_a_phone(team):
    await team.busy()
    told = (await seen(team, "looks"))["looks"]
    assert {page: found for page, found in told["axe"].items() if found} == {}
    assert len(told["axe"]) == 14


async def test_what_is_shown_can_be_opened_filtered_switched_and_asked(team):
    told = await seen(team, "requests", "endpoints", "stale", "routing", "money", "playground", "config")
    history = told["requests"]
    assert 0 < history["deep"] < history["all"]
    assert [heading.split()[0].rstrip(":") for heading in history["path"]] == [
        "Asked",
        "Decided",
        "Candidates",
        "Attempts",
        "Answer",
    ]
    assert history["again"].startswith("Then") or "opus" in history["again"]
    assert history["closed"]
    assert history["searching"] == "search"
    assert "next and previous row" in history["help"]

    endpoint = told["endpoints"]
    assert "upstream_failed" in endpoint["why"]
    assert "a request" in endpoint["why"]
    assert endpoint["test"].startswith("home answered in")

    assert "the gateway does not answer" in told["stale"]["words"]
    assert told["stale"]["seen"]["width"] > 100

    routing = told["routing"]
    assert "Nothing would change." in routing["before"]
    assert "would have gone to another tier" in routing["after"]
    assert "score" in routing["hits"]

    money = told["money"]
    assert "agents" in money["budgets"]
    assert {"fast", "balanced", "deep"} <= set(money["tiers"].split())
    assert money["csv"].startswith("start,tier,requests")

    auto, deep = told["playground"]["answers"]
    assert "Sort the intervals" in auto
    assert MODELS["opus"] in deep
    assert "Decided" in told["playground"]["record"]

    config = told["config"]
    assert not config["secret"]
    assert config["comment"]
    assert "wieght" in config["wrong"]
    assert config["blocked"]
    assert "+ priority = 3" in config["changes"]
    assert config["after"]


async def test_what_runs_is_seen_and_cancelled_in_few_clicks_and_tables_need_no_scripts(team):
    await team.busy()
    told = await seen(team, "without_scripts", "questions", "now")
    tables = told["without_scripts"]["tables"]
    assert (tables["now"], tables["endpoints"]) == (4, 4)
    assert tables["requests"] > 40
    assert tables["money"] >= 3

    clicks = told["questions"]["clicks"]
    assert len(clicks) == 10
    assert {question: count for question, count in clicks.items() if count > 3} == {}

    assert "Cancel" in told["now"]["row"]
    assert told["now"]["ended"] >= 1
