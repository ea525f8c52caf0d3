"""`octoroute explain`: one request of the history, for a terminal."""

from __future__ import annotations

import asyncio
import json

import pytest
import tomli_w

from octoroute.cli import main
from octoroute.cli.explain import lines
from octoroute.errors import BadRequest
from tests.unit.gateway.decision_record.records import PROMPT, TREE, runtime_of, settle


async def told(runtime, id):
    return "\n".join(lines(await runtime.records.find(id)))


async def test_it_says_why_what_happened_and_what_else_it_would_have_cost():
    runtime = runtime_of()
    await settle(runtime, disabled={"fast-a"})
    text = await told(runtime, "r1")
    assert "decided   fast by learned: the learned score" in text
    assert "attempt 1 fast-b: answered after 200 ms, $0.001200" in text
    assert "-> fast-b  (fast, m-fast)" in text
    assert "   fast-a  (fast, m-fast)  disabled by an operator" in text
    assert "deep $0.025000" in text
    assert "decided again from this record: the same" in text
    assert PROMPT not in text


async def test_a_request_that_could_not_be_read():
    runtime = runtime_of()
    runtime.gateway.rejected("openai", "r2", BadRequest("no"))
    assert "ended     refused, status 400 invalid_request" in await told(runtime, "r2")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration, and a store with one request."""
    monkeypatch.chdir(tmp_path)
    tree = {**TREE, "store": {"url": f"sqlite:///{tmp_path}/history.db"}}
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(tree))

    async def fill() -> None:
        runtime = runtime_of(tree)
        await settle(runtime)
        await runtime.stop()

    asyncio.run(fill())
    return path


def test_the_command_reads_the_store_that_the_configuration_names(config, capsys):
    assert main(["explain", "r1", "-c", str(config)]) == 0
    assert "request   r1, " in capsys.readouterr().out
    assert main(["explain", "r1", "--json", "-c", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["id"], found["again"]["same"]) == ("r1", True)


def test_an_unknown_id_is_one_line_and_exit_1(config, capsys):
    assert main(["explain", "nothing", "-c", str(config)]) == 1
    assert "no request with the id 'nothing'" in capsys.readouterr().err
