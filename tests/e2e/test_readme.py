"""The README's commands, as a newcomer types them: in a fresh clone, with an empty home, in front of a model server on its usual port."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake import Fake, whole
from tests.support.live_gateway import ROOT

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", README)
OLLAMA = 11434
GATEWAY = 3000


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


pytestmark = [
    pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout"),
    pytest.mark.skipif(not (free(OLLAMA) and free(GATEWAY)), reason="the README's ports are in use on this machine"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone of what is committed, with the environment of a new user."""
    place = tmp_path_factory.mktemp("newcomer")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place / "octoroute")], check=True, timeout=60)
    (place / "home").mkdir()
    return place / "octoroute"


def environment(clone: Path) -> dict[str, str]:
    kept = ("PATH", "PIP_", "SSL_", "REQUESTS_CA", "CURL_CA", "HTTP", "http", "NO_PROXY", "no_proxy")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)} | {
        "HOME": str(clone.parent / "home"), "TERM": "dumb",
    }  # fmt: skip


async def typed(clone: Path, command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, cwd=clone, env=environment(clone), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 400)
    return process.returncode, output.decode()


def commands(containing: str) -> list[str]:
    """The lines of the shell block that has `containing`, without their comments; `ollama pull` is the fake's job."""
    block = next(text for language, text in BLOCKS if language == "sh" and containing in text)
    lines = block.replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.strip() and not line.startswith("ollama ")]


async def test_the_quick_start_works_in_a_fresh_clone(clone):
    fake = Fake("ollama")
    fake.port = OLLAMA
    fake.models = whole({"object": "list", "data": [{"id": "qwen3:0.6b"}, {"id": "qwen3:8b"}]})
    await fake.start()
    init, check, serve = commands("./run init")
    try:
        code, output = await typed(clone, init)
        assert code == 0, output
        assert "fast: qwen3:0.6b" in output and "deep: qwen3:8b" in output and "`./run check`" in output
        code, output = await typed(clone, check)
        assert code == 0 and "is valid" in output, output
        gateway = subprocess.Popen(
            ["sh", "-c", f"exec {serve}"], cwd=clone, env=environment(clone), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(60):
                while free(GATEWAY):
                    await asyncio.sleep(0.1)
            (curl,) = commands("curl -i")
            code, output = await typed(clone, curl)
            assert code == 0, output
            assert "200 OK" in output and "x-octoroute-tier: fast" in output, output
            await the_sdk_blocks_work(clone)
        finally:
            gateway.send_signal(signal.SIGTERM)
            assert gateway.wait(30) == 0
    finally:
        await fake.kill()
    assert {json.loads(seen.body)["model"] for seen in fake.requests} <= {"qwen3:0.6b", "qwen3:8b"}


async def the_sdk_blocks_work(clone: Path) -> None:
    """The Python blocks as they stand, with the SDKs of this test's environment."""
    pytest.importorskip("openai")
    pytest.importorskip("langchain_openai")
    for at, (language, text) in enumerate(BLOCKS):
        if language == "python":
            script = clone.parent / f"block_{at}.py"
            script.write_text(text)
            done = await asyncio.to_thread(
                subprocess.run, [sys.executable, str(script)], cwd=clone.parent, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.strip()
