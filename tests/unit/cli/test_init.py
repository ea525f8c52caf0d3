"""`init` on machines with and without model servers, over real sockets on loopback."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.cli import main
from octoroute.cli.init import find, list_models, model_names, start
from octoroute.config import loads
from octoroute.config.render.starter import VendorKey
from octoroute.config.render.template import template
from octoroute.config.render.vendors import VENDORS
from octoroute.errors import OctorouteError

VENDORS_BY_NAME = {vendor.name: vendor for vendor in VENDORS}


@asynccontextmanager
async def server(body: bytes, head: str = "HTTP/1.1 200 OK"):
    """Answers every request with `body`; yields its port and the requests it saw."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"{head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], seen


def listing(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}).encode()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_servers_that_list_models_are_found_and_others_are_not(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with (
        server(listing("a:8b", "b:70b")) as (ollama, seen),
        server(b"<html>my blog</html>") as (blog, _),
        server(listing("secret"), "HTTP/1.1 401 Unauthorized") as (locked, _),
        server(b"x" * (2 << 20)) as (flood, _),
    ):
        found = await find({"Ollama": ollama, "Blog": blog, "Locked": locked, "Flood": flood, "Nobody": closed_port()})
    assert [(one.title, one.base_url, one.models) for one in found] == [
        ("Ollama", f"http://127.0.0.1:{ollama}/v1", ("a:8b", "b:70b"))
    ]
    assert seen[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


async def test_a_server_that_never_answers_does_not_hold_it_up():
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as mute, server(listing("a")) as (port, _):
        found = await find({"Mute": mute.sockets[0].getsockname()[1], "Ollama": port})
    assert [one.title for one in found] == ["Ollama"]


async def test_it_writes_what_it_found_without_secrets(tmp_path, capsys):
    output = tmp_path / "c.toml"
    async with server(listing("a:8b")) as (port, _):
        assert await start(output, {"OPENAI_API_KEY": "sk-s3cret"}, {"Ollama": port}, ask_vendors=False) == 0
    text = output.read_text()
    streams = capsys.readouterr()
    assert "s3cret" not in text + streams.out + streams.err
    assert 'api_key = "${OPENAI_API_KEY}"' in text
    config = loads(text, Path("c.toml"), {"OPENAI_API_KEY": "sk-s3cret"})
    assert {endpoint.name for endpoint in config.endpoints} >= {"a:8b"}
    assert f"octoroute check -c {output}" in streams.err
    assert f"found Ollama at http://127.0.0.1:{port}/v1 with 1 model\n" in streams.err


async def test_it_says_so_when_there_is_nothing_and_leaves_a_valid_template(tmp_path, capsys):
    output = tmp_path / "c.toml"
    assert await start(output, {}, {"Ollama": closed_port()}) == 0
    err = capsys.readouterr().err
    assert "found no model" in err
    assert "octoroute demo" in err
    assert loads(output.read_text(), Path("c.toml"), {}).endpoints


async def test_an_unchanged_template_is_replaced_and_a_changed_one_is_not(tmp_path):
    output = tmp_path / "config.toml"
    output.write_text(template())
    async with server(listing("a:8b")) as (port, _):
        assert await start(output, {}, {"Ollama": port}) == 0
    assert "a:8b" in output.read_text()
    output.write_text(template() + "\n# mine\n")
    with pytest.raises(OctorouteError, match="already exists"):
        await start(output, {}, {})
    assert output.read_text().endswith("# mine\n")


async def test_tiers_are_said_aloud(tmp_path, capsys):
    async with server(listing("small:1b", "large:70b")) as (two, _), server(listing("a:8b")) as (one, _):
        await start(tmp_path / "two.toml", {}, {"Ollama": two})
        told = capsys.readouterr().err
        assert "fast: small:1b" in told
        assert "balanced: empty; its requests go to deep" in told
        await start(tmp_path / "one.toml", {}, {"Ollama": one})
    assert "there is only one tier, balanced" in capsys.readouterr().err


async def test_a_vendor_is_asked_which_models_the_key_may_use():
    async with server(listing("mistral-small-latest", "other")) as (port, seen):
        vendor = msgspec.structs.replace(VENDORS_BY_NAME["mistral"], base_url=f"http://127.0.0.1:{port}/v1")
        (key,) = await list_models([VendorKey(vendor, "MISTRAL_API_KEY")], {"MISTRAL_API_KEY": "s3cret"})
    assert key.listed == ("mistral-small-latest", "other")
    assert b"authorization: bearer s3cret" in seen[0].lower()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"data": []}', b"x" * (5 << 20)])
async def test_a_vendor_whose_list_cannot_be_read_keeps_its_known_models(answer):
    async with server(answer) as (port, _):
        vendor = msgspec.structs.replace(VENDORS_BY_NAME["mistral"], base_url=f"http://127.0.0.1:{port}/v1")
        (key,) = await list_models([VendorKey(vendor, "MISTRAL_API_KEY")], {"MISTRAL_API_KEY": "s3cret"})
    assert key.vendor.choose(key.listed) == vendor.models


def test_geminis_list_is_read_too():
    assert model_names(b'{"models": [{"name": "models/gemini-2.5-pro"}, {"name": 1}]}') == ("gemini-2.5-pro",)


async def test_a_file_that_appears_in_the_meantime_is_not_lost(tmp_path):
    output = tmp_path / "c.toml"
    output.write_text("mine")
    with pytest.raises(OctorouteError, match="already exists"):
        await start(output, {}, {})
    assert output.read_text() == "mine"


def test_it_refuses_to_overwrite_before_it_asks_anybody(tmp_path, capsys):
    output = tmp_path / "c.toml"
    output.write_text("mine")
    assert main(["init", "-o", str(output)]) == 1
    assert "already exists; remove it" in capsys.readouterr().err
    assert output.read_text() == "mine"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"data": 1}', b'{"data": [1]}', b'{"data": [{"id": 1}]}', b"\xff", b'{"data":' + b"[" * 9999],
)
def test_what_is_no_model_list_has_no_models(body):
    assert model_names(body) == ()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_model_list_has_its_models(names):
    assert model_names(listing(*names)) == tuple(names)
