"""What coding agents do beside a loop of tools: an MCP server, a picture, a subagent, a compaction."""

from __future__ import annotations

import dataclasses
import json
import re
import sys

import pytest

from tests.e2e.clients.catalog import CLIENTS, HERE
from tests.e2e.clients.chain import FINAL, SECOND, reader
from tests.e2e.clients.scene import KINDS, assert_nothing_lost, run
from tests.support.vendors import Call, Image, Result, Says

CLAUDE = next(client for client in CLIENTS if client.name == "Claude Code")
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
kinds = pytest.mark.parametrize("kind", KINDS)


def said_by_tools(asked) -> str:
    return "\n".join(result.text for result in asked.said(Result))


def looks_up_the_secret(asked):
    """A model that asks the MCP server; without its tool, as in a request for a title, it says a word."""
    if "octopus-7431" in said_by_tools(asked):
        return Says(FINAL)
    name = next((name for name in asked.tools if "look_up" in name), None)
    return Says("", [Call(name, {"word": "secret"})], "tools") if name else Says("Notes")


def is_for(errand: str, asked) -> bool:
    """Whether the request is the subagent's: a user's turn has the errand."""
    return any(role == "user" and isinstance(what, str) and errand in what for role, what in asked.turns)


@kinds
async def test_claude_code_calls_a_tool_of_an_mcp_server(scene, place, kind):
    there = await scene(kind)
    here = place(CLAUDE, there.url)
    server = {"mcpServers": {"notes": {"command": sys.executable, "args": [str(HERE / "mcp_server.py")]}}}
    file = here.write("mcp.json", json.dumps(server))
    here.task = "Look up the secret in the notes and say it."
    there.model = looks_up_the_secret
    more = ["--mcp-config", str(file), "--strict-mcp-config", "--allowedTools", "mcp__notes__look_up"]
    code, said = await run(here, CLAUDE.command(here, *more))
    assert FINAL in said, (code, said[-3000:], there.server.wrong, [list(asked.tools) for asked in there.server.asked])
    assert not there.server.wrong
    assert_nothing_lost(there)


@kinds
async def test_claude_code_reads_a_picture(scene, place, kind):
    there = await scene(kind)
    here = place(CLAUDE, there.url)
    (here.work / "picture.png").write_bytes(PICTURE)
    here.task = "What is in picture.png?"

    def model(asked):
        if asked.said(Image):
            return Says(FINAL)
        if "Read" not in asked.tools:
            return Says("Picture")
        return Says("", [Call("Read", {"file_path": str(here.work / "picture.png")})], "tools")

    there.model = model
    code, said = await run(here, CLAUDE.command(here))
    assert FINAL in said, (code, said[-3000:], there.server.wrong)
    assert not there.server.wrong
    assert {image.media_type for asked in there.server.asked for image in asked.said(Image)} == {"image/png"}


@kinds
async def test_a_subagent_of_claude_code_has_a_loop_of_its_own(scene, place, kind):
    there = await scene(kind)
    here = place(CLAUDE, there.url)
    errand = f"Read {SECOND} and report its secret."
    loops: list[str] = []

    def model(asked):
        if "Read" not in asked.tools:
            return Says("Errand")
        is_subagent = is_for(errand, asked)
        loops.append("subagent" if is_subagent else "main")
        if "octopus-7431" in said_by_tools(asked):
            return Says("The secret is octopus-7431." if is_subagent else FINAL)
        if is_subagent:
            return Says("", [Call("Read", {"file_path": str(here.work / SECOND)})], "tools")
        arguments = {"description": "read a file", "prompt": errand, "subagent_type": "general-purpose"}
        return Says("", [Call("Agent", arguments)], "tools")

    there.model = model
    code, said = await run(here, CLAUDE.command(here, "--allowedTools", "Agent,Read"))
    assert FINAL in said, (code, said[-3000:], there.server.wrong, loops)
    assert not there.server.wrong
    assert loops.count("subagent") >= 2, loops


@kinds
async def test_claude_code_compacts_a_conversation_and_goes_on(scene, place, kind):
    there = await scene(kind)
    here = place(CLAUDE, there.url)
    there.model = reader(CLAUDE.read(here))
    for _ in range(3):
        code, said = await run(here, CLAUDE.command(here, *(["--continue"] if there.server.asked else [])))
        assert FINAL in said, (code, said)
    there.model = lambda _: Says("<summary>The word to remember is kraken.</summary>")
    here.task = "/compact"
    code, said = await run(here, CLAUDE.command(here, "--continue"))
    assert code == 0, said
    here.task = "Say the word."
    there.model = lambda asked: Says("It was kraken." if "to remember is kraken" in str(asked.turns) else "I have forgotten it.")
    code, said = await run(here, CLAUDE.command(here, "--continue"))
    assert "It was kraken." in said, (code, said, [str(asked.turns)[-600:] for asked in there.server.asked])
    assert not there.server.wrong


CODEX = next(client for client in CLIENTS if client.name == "Codex")


def codex(place_, *lines: str, arguments=()) -> list[str]:
    """The command, with more lines in the configuration than the page has."""
    command = CODEX.command(place_)
    file = place_.home / ".codex/config.toml"
    head, table = file.read_text().split("[", 1)
    tables = [line for line in lines if line.startswith("[")]
    at = lines.index(tables[0]) if tables else len(lines)
    file.write_text(head + "\n".join(lines[:at]) + "\n[" + table + "\n".join(lines[at:]) + "\n")
    return [*command[:-1], *arguments, "--", place_.task]


@kinds
async def test_codex_calls_a_tool_of_an_mcp_server(scene, place, kind):
    there = await scene(kind)
    here = place(CODEX, there.url)
    here.task = "Look up the secret in the notes and say it."
    there.model = looks_up_the_secret
    server = ["[mcp_servers.notes]", f'command = "{sys.executable}"', f'args = ["{HERE / "mcp_server.py"}"]']
    approved = ['default_tools_approval_mode = "approve"']
    code, said = await run(here, codex(here, *server, *approved))
    assert FINAL in said, (code, said[-3000:], there.server.wrong, [list(asked.tools) for asked in there.server.asked])
    assert not there.server.wrong
    assert_nothing_lost(there)


@kinds
async def test_codex_shows_a_picture(scene, place, kind):
    there = await scene(kind)
    here = place(CODEX, there.url)
    (here.work / "picture.png").write_bytes(PICTURE)
    here.task = "What is in the picture?"
    there.model = lambda asked: Says(FINAL if asked.said(Image) else "I see no picture.")
    code, said = await run(here, codex(here, arguments=("--image", "picture.png")))
    assert FINAL in said, (code, said[-3000:], there.server.wrong)
    assert not there.server.wrong


@kinds
async def test_a_subagent_of_codex_has_a_loop_of_its_own(scene, place, kind):
    there = await scene(kind)
    here = place(CODEX, there.url)
    errand = f"Read {SECOND} and report its secret."
    loops: list[str] = []

    def model(asked):
        is_subagent = is_for(errand, asked)
        loops.append("subagent" if is_subagent else "main")
        names = {name.rpartition("__")[2]: name for name in asked.tools}
        if "octopus-7431" in said_by_tools(asked):
            return Says("The secret is octopus-7431." if is_subagent else FINAL)
        if is_subagent:
            return Says("", [Call("exec_command", {"cmd": f"cat {SECOND}"})], "tools")
        started = re.search(r'"agent_id": ?"([^"]+)"', said_by_tools(asked))
        if started is None:
            return Says("", [Call(names["spawn_agent"], {"message": errand})], "tools")
        return Says("", [Call(names["wait_agent"], {"targets": [started[1]]})], "tools")

    there.model = model
    code, said = await run(here, codex(here))
    assert FINAL in said, (code, said[-3000:], there.server.wrong, loops)
    assert not there.server.wrong
    assert loops.count("subagent") >= 2, loops


@kinds
async def test_codex_compacts_a_conversation_and_goes_on(scene, place, kind):
    there = await scene(kind)
    here = place(CODEX, there.url)
    follow = reader(CODEX.read(here))
    compacted: list[str] = []

    def model(asked):
        if not any("cat" in str(call.arguments) for call in asked.said(Call)) and "kraken" in str(asked.turns):
            return Says("It was kraken.")
        if "summary" in str(asked.turns[-1]).lower() and not compacted:
            compacted.append(str(asked.turns[-1]))
            return Says("The word to remember is kraken.")
        return dataclasses.replace(follow(asked), input=500_000)

    there.model = model
    code, said = await run(here, codex(here, "model_context_window = 400000", "model_auto_compact_token_limit = 300000"))
    assert "It was kraken." in said, (
        code,
        said[-3000:],
        there.server.wrong,
        compacted,
        [str(asked.turns)[-800:] for asked in there.server.asked],
    )
    assert not there.server.wrong
