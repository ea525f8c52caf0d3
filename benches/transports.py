"""Processor time a request of each transport, against a trivial server on this machine, in interleaved rounds.

Run it: `python benches/transports.py [--seconds 1] [--rounds 5] [--loop uvloop|asyncio]`. The "bare protocol" row is the least
a client on this event loop can cost (one write, one read, one future, no HTTP); compare the ratios, not the microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from typing import cast

import uvloop

from octoroute.upstream.transports import TRANSPORTS
from octoroute.upstream.transports.base import TransportRequest

ANSWER = b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"message":{"content":"' + b"word " * 160 + b'"}}]}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: bench\r\ncontent-type: application/json\r\nx-request-id: 0123456789\r\ncontent-length: %d\r\n\r\n"
)
WHOLE = HEAD % len(ANSWER) + ANSWER
HEADERS = (("content-type", "application/json"), ("authorization", "Bearer none"), ("accept", "application/json"))

Work = Callable[[], Awaitable[object]]


class Server(asyncio.Protocol):
    """Answers each read: good enough for clients that send a request in one write and wait."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self.transport.write(WHOLE)


def serve(pipe: Pipe) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())


class Bare(asyncio.BufferedProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.room = memoryview(bytearray(65536))
        self.waiter: asyncio.Future[bytes] | None = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self.room

    def buffer_updated(self, nbytes: int) -> None:
        if self.waiter is not None:
            self.waiter.set_result(bytes(self.room[:nbytes]))

    async def ask(self, data: bytes) -> bytes:
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return await self.waiter


@contextlib.asynccontextmanager
async def works(port: int, body: bytes) -> AsyncIterator[dict[str, Work]]:
    idle: list[Bare] = []

    async def bare() -> None:
        if not idle:
            _, fresh = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port)
            idle.append(fresh)
        protocol = idle.pop()
        await protocol.ask(body)
        idle.append(protocol)

    transports = {name: make() for name, make in TRANSPORTS.items()}

    def work(name: str) -> Work:
        transport = transports[name]

        async def ask() -> None:
            call = TransportRequest(method="POST", url=f"http://127.0.0.1:{port}/v1/chat/completions", headers=HEADERS, body=body)
            answer = await transport.send(call)
            data = await answer.body(1 << 20)
            answer.close()
            assert len(data) == len(ANSWER)

        return ask

    yield {"bare protocol": bare} | {name: work(name) for name in transports}
    for transport in transports.values():
        await transport.close()
    for protocol in idle:
        protocol.transport.close()


async def one_round(work: Work, concurrency: int, seconds: float) -> tuple[float, float]:
    """(processor µs a request of this process, requests a second)"""
    done = 0
    end = time.perf_counter() + seconds

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work()
            done += 1

    cpu, wall = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return (time.process_time() - cpu) / done * 1e6, done / (time.perf_counter() - wall)


async def run(port: int, rounds: int, seconds: float) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 900 + b'"}]}'
    async with works(port, body) as table:
        for concurrency in (1, 16, 64):
            results: dict[str, list[tuple[float, float]]] = {name: [] for name in table}
            for work in table.values():
                await one_round(work, concurrency, seconds / 4)
            for _ in range(rounds):
                for name, work in table.items():
                    results[name].append(await one_round(work, concurrency, seconds))
            floor = statistics.median(cpu for cpu, _ in results["bare protocol"])
            print(f"\n{concurrency} at a time: {'':10}CPU µs/request  x bare  over bare µs  requests/s")
            for name, measured in results.items():
                cpu = statistics.median(cpu for cpu, _ in measured)
                rate = statistics.median(rate for _, rate in measured)
                print(f"  {name:24}{cpu:14.1f}{cpu / floor:8.2f}{cpu - floor:14.1f}{rate:12,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    args = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        port = here.recv()
        (uvloop.run if args.loop == "uvloop" else asyncio.run)(run(port, args.rounds, args.seconds))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
