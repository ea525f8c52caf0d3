"""Real clients, unmodified, each in a loop of three turns with tools, against a server of each kind.

Each runs as a process of its own with an empty home, by the lines that docs/clients.md tells users to write.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("google.genai", reason="the e2e group is not installed")

from tests.e2e.clients.catalog import AIDER, CLIENTS, HERE, Client, Place, environment_of
from tests.e2e.clients.chain import FINAL, SECOND, THINKING, reader, write_files
from tests.e2e.clients.loss import lost
from tests.e2e.clients.tap import Tap
from tests.support.live_gateway import endpoint
from tests.support.vendors import VENDORS, Asked, Result, Says, Server
from tools.clients import version

KINDS = ("openai", "anthropic", "gemini")
LIMIT_S = 90.0
MANY = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)


@pytest.fixture(scope="session")
def programs() -> Path:
    """Where `./test` has installed the clients; nothing is installed from here."""
    asked = subprocess.run(
        ["/bin/sh", str(HERE / "install.sh"), "--where"], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return Path(asked.stdout.splitlines()[0])


@pytest.fixture
def place(programs, tmp_path):
    def made(client: Client, url: str) -> Place:
        if client.lock == "node" and shutil.which("node") is None:
            pytest.skip("node is not installed")
        if not (programs / f"{client.lock}.installed").exists():
            pytest.skip(f"{client.package} is not installed: ./test does it where npm and PyPI are reachable")
        found = Place(url, tmp_path, programs)
        found.work.mkdir()
        write_files(found.work)
        return found

    return made


class Scene:
    """A vendor's server, the gateway with that server as all three tiers, and a tap between client and gateway."""

    def __init__(self, server: Server, fake, gateway, tap: Tap, url: str) -> None:
        self.server, self.fake, self.gateway, self.tap, self.url = server, fake, gateway, tap, url
        self.model = None


@pytest.fixture
async def scene(make_fake, make_gateway):
    opened: list[Scene] = []

    def answer(asked: Asked) -> Says:
        return opened[-1].model(asked)

    async def make(kind: str, **tables) -> Scene:
        vendor, fake = VENDORS[kind], await make_fake()
        server = Server(vendor, answer)
        fake.always(server)
        address = f"http://127.0.0.1:{fake.port}{vendor.path}"
        rows = [
            [endpoint(address, f"the-{tier}-model", id=f"{tier}-1", provider=kind, model=vendor.model, **vendor.settings)]
            for tier in ("fast", "balanced", "deep")
        ]
        tables = {"routing": {"strategy": "learned"}, **tables}
        gateway = await make_gateway(*rows, **tables)
        tap = Tap(int(gateway.url.rpartition(":")[2]))
        opened.append(Scene(server, fake, gateway, tap, await tap.start()))
        return opened[-1]

    yield make
    for found in opened:
        await found.tap.stop()


async def run(place: Place, command: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=place.work,
        env=environment_of(place),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        os.killpg(process.pid, 9)
        said, _ = await process.communicate()
        pytest.fail(f"no end after {LIMIT_S} s: {said.decode(errors='replace')[-2000:]}")
    return process.returncode or 0, said.decode(errors="replace")


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


def assert_nothing_lost(there: Scene) -> None:
    """Every word of the longest request is in a request upstream; thinking may be missing where a warning says so."""
    sent = [request.json for request in there.tap.sent() if request.method == "POST" and isinstance(request.json, dict)]
    arrived = [seen.json for seen in there.fake.requests]
    assert arrived
    longest = max(sent, key=lambda body: len(str(body)))
    missing = min((lost(longest, body) for body in arrived), key=len)
    warnings = sorted(set(there.tap.headers("x-octoroute-warning")))
    if any("thinking" in warning for warning in warnings):
        missing = [word for word in missing if word not in THINKING]
    assert not missing, (missing[:50], warnings)


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
