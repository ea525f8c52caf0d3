"""The clients as `./test` has installed them, and a gateway with a tap in front of a vendor's server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("google.genai", reason="the e2e group is not installed")

from tests.e2e.clients.catalog import HERE, Client, Place
from tests.e2e.clients.chain import write_files
from tests.e2e.clients.scene import Scene
from tests.e2e.clients.tap import Tap
from tests.support.live_gateway import endpoint
from tests.support.vendors import VENDORS, Asked, Says, Server


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
