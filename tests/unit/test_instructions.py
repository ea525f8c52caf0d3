"""`tools/instructions.py`: its verdict, its limits, and the requests that it sends. `.ci/run` runs it under callgrind."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from octoroute.config import loads

TOOLS = Path(__file__).parents[2] / "tools"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


load("callgrind")
instructions = load("instructions")

LIMITS = {"3.11": {"build": "3.11.7 (main)", "limits": {"1k": 1000, "32k": 2000}}}


def test_the_gate_fails_above_the_limit_and_not_at_it():
    within = instructions.judge(LIMITS, "3.11", "3.11.7 (main)", {"1k": 1000.0})
    over = instructions.judge(LIMITS, "3.11", "3.11.7 (main)", {"1k": 1000.4, "32k": 1.0})
    assert (within.failed, over.failed) == (False, True)
    assert [line.split(":")[0] for line in over.lines if "OVER" in line] == ["1k"]


def test_another_build_of_the_same_python_may_take_a_little_more_and_the_gate_says_so():
    found = instructions.judge(LIMITS, "3.11", "3.11.2 (main)", {"1k": 1049.0})
    assert not found.failed
    assert "another build" in found.lines[0]
    assert instructions.judge(LIMITS, "3.11", "3.11.2 (main)", {"1k": 1051.0}).failed


def test_without_limits_for_a_python_the_gate_skips_it_by_name():
    found = instructions.judge(LIMITS, "3.14", "3.14.0", {"1k": 9e9})
    assert not found.failed
    assert found.lines == ["skipped: tools/instructions.json has no limits for Python 3.14"]


def test_a_limit_is_lowered_and_never_raised():
    new, refused = instructions.lowered(LIMITS, "3.11", "3.11.7 (main)", {"1k": 800.0, "32k": 2001.0})
    assert new["3.11"]["limits"] == {"1k": 900, "32k": 2000}
    assert [line.split(":")[0] for line in refused] == ["32k"]
    again, refused = instructions.lowered(new, "3.11", "3.11.7 (main)", {"1k": 895.0})
    assert (again, refused) == (new, [])


def test_a_kind_or_a_python_without_a_limit_gets_one():
    new, refused = instructions.lowered(LIMITS, "3.12", "3.12.1", {"1k": 5000.0})
    assert (new["3.12"]["limits"], new["3.11"], refused) == ({"1k": 5100}, LIMITS["3.11"], [])


def test_every_kind_has_a_limit_in_the_file():
    for row in json.loads(instructions.LIMITS.read_text("utf-8")).values():
        assert set(row["limits"]) == set(instructions.KINDS)


def test_the_gateways_configuration_is_valid():
    text = instructions.CONFIG.format(port=1, upstream=2, key=instructions.KEY, store="none")
    assert loads(text, Path("instructions.toml"), {}).server.port == 1


@pytest.mark.parametrize(("kind", "size"), [("1k", 1024), ("32k", 32_768), ("stream", 1024), ("translated", 1024)])
def test_a_body_is_as_long_as_its_kind_says(kind, size):
    body = instructions.KINDS[kind].body
    assert 0.8 * size < len(body) <= 1.05 * size
    assert json.loads(body)["model"] == "counted"


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def hang_up(world, server: asyncio.Server) -> None:
    for _, writer in world.clients:
        await close(writer)
    await world.end()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", ["1k", "stream"])
def test_clients_and_endpoint_understand_each_other(kind):
    """Without a gateway between them."""
    frozen: list[bool] = []

    async def talk() -> None:
        world = instructions.World(frozen.append)
        server = await asyncio.start_server(world.endpoint, "127.0.0.1", 0, limit=1 << 20)
        await world.connect(server.sockets[0].getsockname()[1])
        await world.send(instructions.KINDS[kind], 2)
        await hang_up(world, server)

    asyncio.run(talk())
    writes = 2 * (2 if kind == "1k" else 2 + instructions.EVENTS)
    assert frozen == [True, False] * writes


def test_a_wrong_response_stops_the_count():
    world = instructions.World()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        world.upstream_connections += 1
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno")
        await reader.read()
        await close(writer)
        world.upstream_connections -= 1

    async def talk() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        await world.connect(server.sockets[0].getsockname()[1])
        try:
            await world._answer()
        finally:
            await hang_up(world, server)

    with pytest.raises(instructions.Stopped, match="500 Oops"):
        asyncio.run(talk())


def test_the_gate_skips_where_valgrind_is_not_there(tmp_path):
    command = [sys.executable, TOOLS / "instructions.py", "--gate"]
    ran = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert (ran.returncode, ran.stdout) == (0, "skipped: valgrind is not installed (Debian: apt-get install valgrind)\n")


def test_function_names_need_a_python_that_has_trampolines():
    command = [sys.executable, TOOLS / "instructions.py", "--functions", "5", "--gate"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "--functions" in ran.stderr
