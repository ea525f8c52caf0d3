"""A full disk under everything that is written (log, traffic log, configuration, workers' metrics): answers go on, what is lost is
counted, nothing is left half-done, and when there is room again lines go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.support.fake import Fake
from tests.support.live_gateway import dead_port, endpoint, settings
from tests.support.process import Gateway, total
from tests.torture.world.crowd import Crowd, ask
from tests.torture.world.impossible import Impossible

ADMIN = "key-of-the-operator"
DEAD = 40
"""Endpoints of a model nobody has asked for before: each that is makes the metrics larger."""
PIECES = 2
"""A worker whose write was cut short leaves one where it stopped and, if another has written since, one where it goes on."""
DROPPED_TRAFFIC = "octoroute_traffic_log_dropped_total"


@contextlib.contextmanager
def small_disk(place: Path, size_kib: int = 4096) -> Iterator[Path]:
    """Raises Impossible."""
    place.mkdir()
    told = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "small", str(place)], capture_output=True, text=True)
    if told.returncode:
        raise Impossible(told.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """To the last byte, by a file that may be removed again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 16
        while size:
            try:
                file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2
    return filler


class Told:
    """What stands in files of lines, packed or not. A piece of a line is what the disk took of one."""

    def __init__(self, *paths: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self.pieces: list[bytes] = []
        for path in paths:
            self._read(path)

    def _read(self, path: Path) -> None:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in data.split(b"\n"):
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                if line:
                    self.pieces.append(line)

    def ids(self, prefix: str) -> set[str]:
        return {line["request_id"] for line in self.lines if str(line.get("request_id", "")).startswith(prefix)}


class Scene:
    def __init__(self, disk: Path, workers: int) -> None:
        self.disk = disk
        self.workers = workers
        self.gateway: Gateway

    async def start(self, fake: Fake, fillings: int) -> Gateway:
        traffic = {"enabled": True, "directory": str(self.disk / "traffic")}
        dead = f"http://127.0.0.1:{dead_port()}/v1"
        rows = [endpoint(fake, "old", id="old")]
        for number in range(fillings):
            rows += [endpoint(dead, f"new{number}", id=f"an-endpoint-{number}-{n}", priority=2) for n in range(DEAD)]
            rows.append(endpoint(fake, f"new{number}", id=f"new{number}"))
        tree = settings(
            rows,
            retry={"max_attempts": 0},
            server={"workers": self.workers},
            auth={"admin_keys": [ADMIN]},
            logging={"traffic": traffic, "rotation": {"max_size_mb": 0.05}},
        )
        self.gateway = await Gateway.start(self.disk, tree, env={"PYTHONUNBUFFERED": "", "TMPDIR": str(self.disk)})
        return self.gateway

    async def ask(self, prefix: str, times: int, model: str = "old") -> set[str]:
        """The ids of so many questions, all answered."""
        ids = {f"{prefix}-{number}" for number in range(times)}
        for id in sorted(ids):
            answer = await ask(self.gateway.url, model=model, headers=f"x-request-id: {id}\r\n")
            assert answer.status == 200 and answer.complete, answer
        return ids

    async def rewrite(self) -> httpx2.Response:
        """An operator's new configuration."""
        text = (self.disk / "config.toml").read_text()
        async with httpx2.AsyncClient(base_url=self.gateway.url, timeout=30, trust_env=False) as client:
            headers = {"x-api-key": ADMIN, "content-type": "application/toml"}
            return await client.put("/admin/config", content=text + "\n# rewritten\n" + "#" * 9000, headers=headers)

    def log(self) -> Told:
        return Told(self.disk / "out")

    def traffic(self) -> Told:
        return Told(*(self.disk / "traffic").glob("*.ndjson*"))

    async def written(self, ids: set[str], prefix: str, within_s: float = 20.0) -> None:
        """Until the log and the traffic log have a line of each."""
        async with asyncio.timeout(within_s):
            while not (ids <= self.log().ids(prefix) and ids <= self.traffic().ids(prefix)):
                await asyncio.sleep(0.05)


async def run(directory: Path, fillings: int, workers: int = 1, asked: int = 60) -> dict[str, Any]:
    """Raises Impossible."""
    with small_disk(directory / "small") as disk:
        async with contextlib.AsyncExitStack() as stack:
            fake = await Fake().start()
            stack.push_async_callback(fake.kill)
            scene = Scene(disk, workers)
            gateway = await scene.start(fake, fillings)
            stack.push_async_callback(gateway.kill)
            dropped = [await _filling(scene, number, asked) for number in range(fillings)]
            crowd = Crowd(gateway.url, 4, ["old"])
            await crowd.until(20)
            await crowd.leave()
            assert set(crowd.ended) == {"200"}, crowd.ended
            assert await gateway.stop() == 0
            assert gateway.errors() == b"", gateway.errors()
        return {"fillings": fillings, "workers": workers, "answered_on_a_full_disk": fillings * asked, "dropped": dropped}


async def _filling(scene: Scene, number: int, asked: int) -> float:
    """The disk fills and is cleared again; how many lines of the traffic log were dropped."""
    roomy, full, again = (f"{word}{number}" for word in ("roomy", "full", "again"))
    await scene.written(await scene.ask(roomy, 10), roomy)
    before = total(await scene.gateway.metrics(), DROPPED_TRAFFIC)
    files = set(scene.disk.iterdir())
    filler = fill(scene.disk)

    await scene.ask(full, asked, model=f"new{number}")
    answer = await scene.rewrite()
    assert answer.status_code == 500 and "cannot be written" in answer.text, answer.text
    assert set(scene.disk.iterdir()) == files | {filler}, "the configuration's rewriting has left something behind"
    assert b"rewritten" not in (scene.disk / "config.toml").read_bytes()
    dropped = total(await scene.gateway.metrics(), DROPPED_TRAFFIC) - before
    kept = len(scene.traffic().ids(full))
    assert dropped + kept == asked, f"{asked} requests, {kept} lines, {dropped} dropped"
    assert dropped > 0, "the disk was not full"
    assert not scene.traffic().pieces, "the traffic log holds a piece of a line"

    filler.unlink()
    await scene.written(await scene.ask(again, 10), again)
    assert (await scene.rewrite()).status_code == 200
    for path in scene.disk.glob("config.toml.*.bak"):
        path.unlink()
    assert len(scene.log().pieces) <= PIECES * scene.workers * (number + 1), f"pieces of lines in the log: {scene.log().pieces}"
    (scene.disk / "config.toml").write_text(_bare(scene.disk / "config.toml"))
    return dropped


def _bare(config: Path) -> str:
    return config.read_text().partition("\n# rewritten")[0]


async def limited(directory: Path, fillings: int, asked: int = 60) -> dict[str, Any]:
    """The same without a disk of its own: files that may not grow for a while. For those who may not mount one."""
    async with contextlib.AsyncExitStack() as stack:
        fake = await Fake().start()
        stack.push_async_callback(fake.kill)
        scene = Scene(directory, workers=1)
        gateway = await scene.start(fake, fillings)
        stack.push_async_callback(gateway.kill)
        dropped: list[float] = []
        for number in range(fillings):
            roomy, full, again = (f"{word}{number}" for word in ("roomy", "full", "again"))
            await scene.written(await scene.ask(roomy, 10), roomy)
            before = total(await gateway.metrics(), DROPPED_TRAFFIC)
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            await scene.ask(full, asked)
            dropped.append(total(await gateway.metrics(), DROPPED_TRAFFIC) - before)
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert dropped[-1] + len(scene.traffic().ids(full)) == asked, dropped
            await scene.written(await scene.ask(again, 10), again)
        assert await gateway.stop() == 0
        assert gateway.errors() == b"", gateway.errors()
        return {"fillings": fillings, "answered_on_a_full_disk": fillings * asked, "dropped": dropped}
