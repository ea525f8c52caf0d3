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


async def seen(team: Stage, task: str) -> Any:
    """What the browser saw; nothing may have gone wrong on the way."""
    assert NODE is not None
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        NODE, "pages.mjs", team.gateway.url, ADMIN, task, CHROMIUM, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    assert told["problems"] == []
    assert told["login"] == "/login"
    return told


async def test_every_page_is_accessible_and_fits_in_both_themes_and_on_a_phone(team):
    await team.busy()
    told = await seen(team, "looks")
    assert {page: found for page, found in told["axe"].items() if found} == {}
    assert len(told["axe"]) == 18


async def test_a_running_request_is_seen_and_cancelled(team):
    await team.busy()
    told = await seen(team, "now")
    assert told["before"] == 4
    assert "Cancel" in told["row"]
    assert told["ended"] >= 1


async def test_the_history_is_filtered_walked_and_explained_by_keyboard(team):
    told = await seen(team, "requests")
    assert 0 < told["deep"] < told["all"]
    assert [heading.split()[0].rstrip(":") for heading in told["path"]] == ["Asked", "Decided", "Candidates", "Attempts", "Answer"]
    assert told["again"].startswith("Then")
    assert told["closed"]
    assert told["searching"] == "search"
    assert "next and previous row" in told["help"]


async def test_an_endpoint_tells_why_its_circuit_opened_and_is_tested_and_switched(team):
    told = await seen(team, "endpoints")
    assert "upstream_failed" in told["why"]
    assert "a request" in told["why"]
    assert told["test"].startswith("home answered in")


async def test_money_is_told_by_key_and_tier_with_budgets(team):
    told = await seen(team, "money")
    assert "agents" in told["budgets"]
    assert {"fast", "balanced", "deep"} <= set(told["tiers"].split())
    assert told["csv"].startswith("start,tier,requests")


async def test_two_routes_answer_side_by_side_and_lead_to_their_records(team):
    told = await seen(team, "playground")
    auto, deep = told["answers"]
    assert "word1" in auto
    assert MODELS["opus"] in deep or "opus" in deep
    assert "Decided" in told["record"]


async def test_tables_work_without_scripts(team):
    await team.busy()
    told = await seen(team, "without_scripts")
    assert told["tables"]["now"] == 4
    assert told["tables"]["endpoints"] == 4
    assert told["tables"]["requests"] > 40
    assert told["tables"]["money"] >= 3


async def test_ten_questions_are_answered_in_three_clicks_each(team):
    await team.busy()
    told = await seen(team, "questions")
    assert len(told["clicks"]) == 10
    assert {question: clicks for question, clicks in told["clicks"].items() if clicks > 3} == {}
