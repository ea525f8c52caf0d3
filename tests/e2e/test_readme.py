"""The blocks of README, quickstart, and clients.md, as a newcomer types them: in a fresh clone, with an empty home, before model servers at their usual ports.

The clone is of what is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fake import DONE, Exchange, Fake, chunk, completion, stream, whole
from tests.support.live_gateway import ROOT

GATEWAY = 3000
SERVERS = {
    "ollama": (11434, ["qwen3:0.6b", "qwen3:8b"]),
    "lm-studio": (1234, ["gemma-3-4b-it"]),
    "llama.cpp": (8080, ["Llama-3.2-1B-Instruct-Q4_K_M.gguf"]),
    "vllm": (8000, ["Qwen/Qwen3-32B"]),
}
"""The port of each local server, and the models it lists."""
ONE_SHOT = {
    "claude --model claude-octoroute-auto": " -p hello",
    "gemini -m auto": " --skip-trust -p hello --yolo",
    "aider --model openai/auto": " --message hello --yes-always --no-git --no-check-update --analytics-disable --no-show-model-warnings",
}
"""Commands that talk with a person, and what makes them answer once."""
NOT_RUN = {"copilot", "./test", "./run --once", "./run"}
"""Not here: Copilot wants an account, the fake is Ollama, and tests/fresh_machine.sh runs the rest."""


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


pytestmark = [
    pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout"),
    pytest.mark.skipif(
        not all(free(port) for port in (GATEWAY, *(port for port, _ in SERVERS.values()))),
        reason="the ports of the README are in use on this machine",
    ),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    file: str | None
    """Where the sentence before it says that it stands: `~/…`."""
    heading: str

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without their comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        found = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
        return [line for line in found if line and line not in NOT_RUN and not line.startswith("ollama pull")]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text("utf-8")
    found = re.finditer(r"(?ms)^(?:(?P<before>[^\n]*)\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", text)
    return [
        Block(
            match["language"],
            match["text"],
            next(iter(re.findall(r"`(~/\.[^`]+)`", match["before"] or "")), None),
            re.findall(r"(?m)^#+ (.*)$", text[: match.start("language")])[-1],
        )
        for match in found
    ]


def under(page: str, heading: str, language: str = "sh") -> list[Block]:
    return [block for block in blocks(page) if (block.heading, block.language) == (heading, language)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("newcomer")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place / "octoroute")], check=True, timeout=60)
    (place / "home").mkdir()
    return place / "octoroute"


@pytest.fixture(scope="module")
def programs() -> Path:
    """Where `./test` has installed the clients."""
    install = ROOT / "tests/e2e/clients/install.sh"
    return Path(subprocess.run(["sh", str(install), "--where"], capture_output=True, text=True, check=True).stdout.split()[0])


def environment(clone: Path, *more_path: Path) -> dict[str, str]:
    kept = ("PATH", "PIP_", "SSL_", "REQUESTS_CA", "CURL_CA", "HTTP", "http", "NO_PROXY", "no_proxy")
    found = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    path = os.pathsep.join([*map(str, more_path), found["PATH"]])
    return found | {"HOME": str(clone.parent / "home"), "TERM": "dumb", "NO_COLOR": "1", "PATH": path}


async def typed(clone: Path, command: str, *more_path: Path, cwd: Path | None = None) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command,
        cwd=cwd or clone,
        env=environment(clone, *more_path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 400)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, output.decode(errors="replace")


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, Fake]]:
    """The four local servers; whatever they are asked, they answer `hello from NAME`, or as the schema wants."""

    async def answer(exchange: Exchange) -> None:
        asked = exchange.seen.json
        text = f"hello from {exchange.fake.name}"
        tools = asked.get("tools")
        if tools and isinstance(asked.get("tool_choice"), dict):  # instructor: the tool is the schema
            call = {"name": tools[0]["function"]["name"], "arguments": json.dumps({"name": text, "inhabitants": 1})}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            await whole({**completion(text), "choices": [choice]})(exchange)
        elif asked.get("stream"):
            await stream([chunk({"role": "assistant", "content": text}), chunk({}, "stop") + DONE])(exchange)
        else:
            await whole(completion(text))(exchange)

    fakes = {name: Fake(name) for name in SERVERS}
    for name, fake in fakes.items():
        fake.port, models = SERVERS[name]
        fake.always(answer)
        fake.models = whole({"object": "list", "data": [{"id": model, "object": "model"} for model in models]})
        await fake.start()
    yield fakes
    for fake in fakes.values():
        await fake.kill()


@contextlib.asynccontextmanager
async def serving(clone: Path, command: str, *more_path: Path) -> AsyncIterator[None]:
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=clone,
        env=environment(clone, *more_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while free(GATEWAY):
                await asyncio.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


async def test_the_readme_in_a_fresh_clone(clone, servers):
    (block,) = under("README.md", "Quick start with a real model server")[:1]
    init, check, serve = block.commands
    code, output = await typed(clone, init)
    assert code == 0, output
    for name, (_, models) in SERVERS.items():
        assert all(model in output for model in models), (name, output)
    assert "`./run check`" in output
    code, output = await typed(clone, check)
    assert code == 0 and "is valid" in output, output
    async with serving(clone, serve):
        (curl,) = [line for line in under("README.md", block.heading)[1].commands if line.startswith("curl")]
        code, output = await typed(clone, curl)
        assert code == 0, output
        assert "200 OK" in output and "x-octoroute-tier: fast" in output, output


async def test_the_quickstart_in_the_same_clone(clone, servers):
    for command in under("docs/quickstart.md", "Install")[0].commands:
        code, output = await typed(clone, command)
        assert code == 0, (command, output)
    bin_folder = clone / ".venv/bin"
    (clone / "config.toml").unlink()
    init, check, serve = under("docs/quickstart.md", "Configure")[0].commands
    for command in (init, check):
        code, output = await typed(clone, command, bin_folder)
        assert code == 0, (command, output)
    async with serving(clone, serve, bin_folder):
        (curl,) = under("docs/quickstart.md", "Clients")[0].commands
        code, output = await typed(clone, curl)
        assert code == 0 and "hello from" in output, output


def configured_files(page: str) -> Iterator[Block]:
    return (block for block in blocks(page) if block.file is not None)


async def test_every_block_of_the_clients(clone, servers, programs):
    """Python and JavaScript as they stand; commands of clients that are installed, after the files that the page tells to write."""
    if not (programs / "node.installed").exists() or not (programs / "frameworks.installed").exists():
        pytest.skip("the clients are not installed: ./test does it where npm and PyPI are reachable")
    home = clone.parent / "home"
    for block in configured_files("docs/clients.md"):
        file = home / block.file.removeprefix("~/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    (clone / "config.toml").unlink(missing_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        code, output = await typed(clone, "./run init")
        assert code == 0, output
        await stack.enter_async_context(serving(clone, "./run serve"))
        wrong: dict[str, str] = {}
        ran = [heading async for heading in run_blocks(clone, programs, wrong)]
        assert not wrong, wrong
        assert len(ran) >= 15, ran


async def run_blocks(clone: Path, programs: Path, wrong: dict[str, str]) -> AsyncIterator[str]:
    """The heading of each block that ran; `wrong` gets what those say that do not end with an answer."""
    node, python = programs / "node/node_modules", programs / "frameworks/bin/python"
    work = clone.parent / "work"
    work.mkdir(exist_ok=True)
    (work / "node_modules").symlink_to(node)
    pages = ("README.md", "docs/quickstart.md", "docs/clients.md")
    for at, block in enumerate(block for page in pages for block in blocks(page)):
        if block.language == "python":
            package = re.findall(r"(?m)^(?:from|import) (\w+)", block.text)[0]
            if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode != 0:
                continue  # LlamaIndex, CrewAI, and DSPy: no environment holds them all
            command = f"{python} block_{at}.py"
            (work / f"block_{at}.py").write_text(block.text)
        elif block.language == "js":
            command = f"node block_{at}.mjs"
            (work / f"block_{at}.mjs").write_text(block.text)
        elif block.language == "sh" and block in blocks("docs/clients.md") and not NOT_RUN & set(block.text.splitlines()):
            command = " && ".join(line + ONE_SHOT.get(line, "") for line in block.commands)
        else:
            continue
        code, output = await typed(clone, command, node / ".bin", programs / "requirements/bin", cwd=work)
        answered = "hello from" in output or block.commands[-1:] == [
            line for line in block.commands if line.startswith("cline auth")
        ]
        if code != 0 or not answered:
            wrong[f"{block.heading} ({block.language})"] = output[-1500:]
        yield block.heading
