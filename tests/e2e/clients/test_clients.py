"""Real clients, unmodified, each in a loop of three turns with tools, against a server of each kind.

Each runs as a process of its own with an empty home, by the lines that docs/clients.md tells users to write.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.e2e.clients.catalog import AIDER, CLIENTS, HERE
from tests.e2e.clients.chain import FINAL, SECOND, reader
from tests.e2e.clients.loss import lost
from tests.e2e.clients.scene import KINDS, Scene, assert_nothing_lost, run
from tests.support.vendors import Asked, Result, Says
from tools.clients import version

MANY = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)


@pytest.mark.parametrize("kind", KINDS)
@MANY
async def test_a_loop_of_tools_ends_with_what_the_tools_have_found(scene, place, client, kind):
    there = await scene(kind)
    here = place(client, there.url)
    command = client.command(here)
    if client.dialect == "Gemini" == kind.capitalize():
        there.server.vendor.alternate = False  # its own bytes, in which words and results are contents of their own
    there.model = reader(client.read(here), finish=client.finish, thinks=kind != "openai")
    code, said = await run(here, command)
    assert FINAL in said, (code, said[-3000:], there.server.wrong)
    assert not there.server.wrong, there.server.wrong
    loop = [asked for asked in there.server.asked if asked.said(Result)]
    assert len(loop) >= 2
    await there.gateway.quiet()
    assert_nothing_lost(there)
    assert len(tiers_of_loop(there)) == 1, "the tier does not change inside the loop"


@pytest.mark.parametrize("kind", KINDS)
async def test_aider_reads_the_file_that_the_model_names_and_makes_its_edit(scene, place, kind):
    there = await scene(kind)
    here = place(AIDER, there.url)
    for command in (["init", "-q"], ["add", "--all"]):  # it looks for the files that a model names in its repository only
        subprocess.run(["git", *command], cwd=here.work, check=True)

    def model(asked: Asked) -> Says:
        shown = "\n".join(what for _, what in asked.turns if isinstance(what, str))
        secret = re.search(r"The secret is ([\w-]+)", shown)
        if secret is None:
            return Says(f"I have to see {SECOND} first.")
        return Says(f"answer.txt\n```\nFINAL-OK {secret[1]}\n```\n")

    there.model = model
    code, said = await run(here, AIDER.command(here))
    assert FINAL in said, (code, said[-2000:], there.server.wrong, [asked.turns for asked in there.server.asked])
    assert (here.work / "answer.txt").read_text().strip() == FINAL
    assert not there.server.wrong
    assert len(there.server.asked) >= 2
    assert_nothing_lost(there)


def tiers_of_loop(there: Scene) -> set[str]:
    """Of the requests with a tool result. The tap sees headers in the order of the responses, so all but the asides count."""
    results = sum(bool(asked.said(Result)) for asked in there.server.asked)
    return set(there.tap.headers("x-octoroute-tier")[-results:])


def test_the_table_in_the_docs_has_these_clients_in_these_versions():
    page = (HERE.parents[2] / "docs/clients.md").read_text("utf-8")
    for client in (*CLIENTS, AIDER):
        assert f"| {client.name} | {version(client)} | {client.dialect} |" in page, "run tools/clients.py"


def test_words_that_do_not_arrive_are_found():
    sent = {"messages": [{"role": "user", "content": [{"type": "text", "text": "alpha beta beta"}]}], "system": "gamma"}
    arrived = {"contents": [{"parts": [{"text": "beta gamma"}]}], "note": '{"inner": "delta"}'}
    assert lost(sent, arrived) == ["alpha", "beta"]
    calls = {"messages": [{"tool_calls": [{"function": {"arguments": '{"path": "delta"}'}}]}]}
    assert lost(calls, arrived) == ["path"]
    assert lost({"input": [{"type": "function_call_output", "output": "omega"}]}, arrived) == ["omega"]
