"""Names that do not resolve, resolve late, move, or come back: the error says so and nothing else, others are asked meanwhile, and
nobody has to be restarted.

A real process with the system's own resolver, in a mount namespace whose name server is scripted here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fake import Fake
from tests.support.live_gateway import endpoint, settings, until
from tests.support.process import Gateway
from tests.torture.world.crowd import Answer, Crowd, ask
from tests.torture.world.impossible import Impossible

SERVER = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
"""Another for every test run on this machine."""
OLD, NEW = "127.0.0.2", "127.0.0.3"
NO_ERROR, SERVER_FAILED, NO_SUCH_NAME = 0, 2, 3
SILENT_NAMES = 6
"""More than any pool of threads that looks names up has threads to spare."""
PATIENCE_S = 3
"""How long the system waits for a name server that says nothing."""
_A = 1


@dataclass
class Says:
    """What a name server answers. No address and no error: there is such a name, but no address."""

    address: str | None = None
    code: int = NO_ERROR
    after_s: float = 0.0
    silent: bool = False


FAILURES = (Says(code=NO_SUCH_NAME), Says(code=SERVER_FAILED), Says())


class Names(asyncio.DatagramProtocol):
    """A name server (RFC 1035), as bad as a test wants it. Nothing may be remembered: each answer's time to live is 0."""

    def __init__(self) -> None:
        self.say: dict[str, Says] = {}
        self.asked: list[str] = []
        self._gone = asyncio.Event()

    @classmethod
    async def start(cls) -> Names:
        """Raises Impossible where its port is not free."""
        try:
            _, names = await asyncio.get_running_loop().create_datagram_endpoint(cls, (SERVER, 53))
        except OSError as error:
            raise Impossible(f"{SERVER}:53: {error.strerror}") from error
        return names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()

    async def close(self) -> None:
        self._transport.close()
        await self._gone.wait()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, kind, end = _question(data)
        self.asked.append(name)
        says = self.say.get(name, Says(code=NO_SUCH_NAME))
        if says.silent:
            return
        record = b""
        if says.address is not None and kind == _A:
            record = b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 0, 4) + socket.inet_aton(says.address)
        answer = data[:2] + struct.pack("!HHHHH", 0x8180 | says.code, 1, bool(record), 0, 0) + data[12:end] + record
        asyncio.get_running_loop().call_later(says.after_s, self._transport.sendto, answer, addr)


def _question(data: bytes) -> tuple[str, int, int]:
    """(name, type, where it ends)."""
    at, labels = 12, []
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels).lower(), struct.unpack("!H", data[at + 1 : at + 3])[0], at + 5


def isolated(directory: Path) -> list[str]:
    """The words before a command that give it our name server. Raises Impossible."""
    told = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if told.returncode:
        raise Impossible(told.stderr.strip())
    ours = {
        "resolv.conf": f"nameserver {SERVER}\noptions timeout:{PATIENCE_S} attempts:1\n",
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    for name, text in ours.items():
        (directory / name).write_text(text)
    mounts = "".join(f"mount --bind {directory / name} /etc/{name} && " for name in ours)
    return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', "sh"]


class Scene:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.gateway: Gateway
        self.names: Names
        self.well = Fake("well")
        self.old, self.new = Fake("old"), Fake("new")

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        before = isolated(self._directory)
        self.names = await Names.start()
        stack.push_async_callback(self.names.close)
        for fake, host in ((self.well, "127.0.0.1"), (self.old, OLD)):
            await fake.start(host)
            stack.push_async_callback(fake.kill)
        stack.push_async_callback(self.new.kill)
        tree = settings(
            [
                *(self._alone(f"silent{n}") for n in range(SILENT_NAMES)),
                *(self._alone(f"again{n}") for n in range(len(FAILURES))),
                *(self._alone(name) for name in ("fresh", "late", "nowhere")),
                endpoint(self._at("nowhere.test"), "spared", id="spared-nowhere", priority=2),
                endpoint(self.well, "spared", id="spared-well"),
                endpoint(self._at("moves.test", self.old.port), "moves", id="moves", priority=2),
                endpoint(self.well, "moves", id="stays"),
            ],
            retry={"max_attempts": 0},
            health={"interval_seconds": 0, "recovery_seconds": 1},
        )
        self.names.say |= {f"silent{n}.test": Says(silent=True) for n in range(SILENT_NAMES)}
        self.gateway = await Gateway.start(self._directory, tree, before=before)
        stack.push_async_callback(self.gateway.kill)

    def _at(self, name: str, port: int | None = None) -> str:
        return f"http://{name}:{port or self.well.port}/v1"

    def _alone(self, name: str) -> dict[str, Any]:
        """The only one of its model. Its id is said to clients, and is no name."""
        return endpoint(self._at(f"{name}.test"), name, id=f"the-{name}")

    async def ask(self, model: str) -> Answer:
        return await ask(self.gateway.url, model=model)

    async def wait_for(self, model: str, within_s: float = 30.0) -> None:
        """Until it answers."""
        async with asyncio.timeout(within_s):
            while (await self.ask(model)).status != 200:
                await asyncio.sleep(0.1)

    async def no_such_name(self) -> None:
        """It is said so, without the name; and where there is somebody else, he answers."""
        answer = await self.ask("nowhere")
        assert answer.status in {502, 503}, answer
        assert b"nowhere.test" not in answer.body + str(answer.headers).encode(), answer
        assert b"name could not be resolved" in answer.body or answer.status == 503, answer
        for _ in range(5):
            answer = await self.ask("spared")
            assert (answer.status, answer.headers["x-octoroute-endpoint"]) == (200, "spared-well"), answer

    async def late(self) -> None:
        self.names.say["late.test"] = Says("127.0.0.1", after_s=1.5)
        assert (await self.ask("late")).status == 200

    async def comes_back(self) -> None:
        for number, says in enumerate(FAILURES):
            self.names.say[f"again{number}.test"] = says
            assert (await self.ask(f"again{number}")).status == 502, says
            self.names.say[f"again{number}.test"] = Says("127.0.0.1")
            await self.wait_for(f"again{number}")

    async def moves(self) -> None:
        """The old server ends; who asks meanwhile is answered by another."""
        self.names.say["moves.test"] = Says(OLD)
        assert (await self.ask("moves")).headers["x-octoroute-endpoint"] == "moves"
        assert self.old.requests
        crowd = Crowd(self.gateway.url, 4, ["moves"])
        await crowd.until(20)
        self.new.port = self.old.port
        await self.new.start(NEW)
        self.names.say["moves.test"] = Says(NEW)
        await self.old.kill()
        await until(lambda: bool(self.new.requests), within_s=30)
        await crowd.leave()
        assert set(crowd.ended) == {"200"}, crowd.ended

    async def silent(self) -> None:
        """Whoever needs another name need not wait for those who wait in vain."""
        in_vain = [asyncio.ensure_future(self.ask(f"silent{n}")) for n in range(SILENT_NAMES) for _ in range(4)]
        await until(lambda: any(name.startswith("silent") for name in self.names.asked))
        self.names.say["fresh.test"] = Says("127.0.0.1")
        answer = await self.ask("fresh")
        assert answer.status == 200, answer
        early = sum(one.done() for one in in_vain)
        assert not early, f"a name that resolves at once had to wait: {early} others have waited in vain already"
        assert {one.status for one in await asyncio.gather(*in_vain)} <= {502, 503, 504}


async def run(directory: Path, starts: int) -> dict[str, Any]:
    """So many processes, each from its start. Raises Impossible."""
    lookups = 0
    for number in range(starts):
        async with contextlib.AsyncExitStack() as stack:
            place = directory / str(number)
            place.mkdir()
            scene = Scene(place)
            await scene.start(stack)
            await asyncio.gather(scene.no_such_name(), scene.late(), scene.comes_back(), scene.moves())
            await scene.silent()
            assert await scene.gateway.stop() == 0
            assert scene.gateway.errors() == b"", scene.gateway.errors()
            lookups += len(scene.names.asked)
    return {"starts": starts, "lookups": lookups}
