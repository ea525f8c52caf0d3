"""JavaScript's clients: OpenAI's own, and Vercel's AI SDK in both dialects, through five turns of tools, streamed and whole."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="pip install --group e2e")
pytest.importorskip("anthropic", reason="pip install --group e2e")
pytest.importorskip("google.genai", reason="pip install --group e2e")

from tests.support.sums import ANSWER, model
from tests.support.vendors import VENDORS, Call

HERE = Path(__file__).parent / "node"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules").is_dir(), reason="npm ci --prefix tests/e2e/node has not been run (./test runs it)"
    ),
]
USAGE = {"input": 5 * 100, "output": 5 * 20}


async def told_by(client: str, url: str, way: str) -> dict:
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE, "clients.mjs", client, url, way, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("way", ["whole", "streamed"])
@pytest.mark.parametrize("client", ["openai", "openai-compatible", "openai-default", "anthropic"])
async def test_an_agent_in_node(street, client, way, kind):
    there = await street(kind, model)
    told = await told_by(client, there.gateway.url, way)
    assert (told["text"], told["steps"], told["finish"], told["usage"]) == (ANSWER, 5, "stop", USAGE)
    assert client == "openai" or way == "whole" or told["pieces"] > 5
    asked = there.server.asked
    assert {one.stream for one in asked} == {way == "streamed"}
    assert asked[-1].system == "You are good at sums."
    assert len(asked[-1].said(Call)) == 5
