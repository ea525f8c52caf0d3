"""Many large streams at once, read slowly: what waits does so at the endpoints, not in the gateway's memory."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.fake import DONE, chunk
from tests.support.live_gateway import endpoint
from tests.support.messages import PATH, asks

STREAMS = 64
EVENT_BYTES = 2_000_000
COPIES = 5
"""Of one event, for each stream: as it came, read, written, and in the buffers of two sockets. Not of all seven."""
LETTERS = "#$%&~^|"
"""One event each; none of them stands anywhere else in a stream."""


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read the gateway's memory from")
@pytest.mark.timeout(180)
async def test_64_translated_streams_of_2_mb_events_and_slow_readers(make_fake, make_process):
    fake = await make_fake()
    offered = 0

    async def large(exchange):
        nonlocal offered
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(chunk({"role": "assistant", "content": ""}))
        for letter in LETTERS:
            exchange.chunk(chunk({"content": letter * EVENT_BYTES}))
            await exchange.flushed()
            offered += 1
        exchange.chunk(chunk({}, "stop") + DONE)
        exchange.write(b"0\r\n\r\n")

    fake.always(large)
    process = await make_process([endpoint(fake)], server={"stream_idle_timeout_seconds": 300})
    host, port = process.url.removeprefix("http://").split(":")
    body = json.dumps(asks(stream=True)).encode()
    before = resident_bytes(process.pid)
    readers: list[asyncio.StreamReader] = []
    writers: list[asyncio.StreamWriter] = []
    for _ in range(STREAMS):
        reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (PATH.encode(), len(body), body)
        )
        readers.append(reader)
        writers.append(writer)
    stalled = -1
    while stalled != offered or offered < STREAMS:
        stalled = offered
        await asyncio.sleep(0.5)
    assert offered < STREAMS * len(LETTERS), "nobody reads, and yet it was all taken"
    held = resident_bytes(process.pid) - before
    most = held

    async def read(reader: asyncio.StreamReader) -> dict[str, int]:
        nonlocal most
        counted = dict.fromkeys(LETTERS, 0)
        tail = b""
        while data := await reader.read(65536):
            for letter in LETTERS:
                counted[letter] += data.count(letter.encode())
            tail = (tail + data)[-2000:]
            most = max(most, resident_bytes(process.pid) - before)
            await asyncio.sleep(0.001)
        assert tail.count(b"event: message_stop") == 1
        return counted

    for counted in await asyncio.gather(*[read(reader) for reader in readers]):
        assert counted == dict.fromkeys(LETTERS, EVENT_BYTES)
    for writer in writers:
        writer.close()
    assert held <= most < COPIES * STREAMS * EVENT_BYTES, f"held {held}, at most {most}"
