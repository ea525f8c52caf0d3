"""The event loop's longest pause while the worst requests are answered: `python tests/torture/pauses.py`.

For each shape and kind of endpoint: a task that wants to run every millisecond, and how late it came at most. Pauses of a thread
that holds the interpreter count as well: one call of the JSON decoder does not give it up.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.behaviour.test_large_requests import GEMINI, SAID, WORST, many_properties, references, tools
from tests.support.fake import Fake, completion, whole
from tests.support.live_gateway import LiveGateway, settings
from tests.support.messages import answer
from tests.support.pairs import row

KINDS = ("openai", "anthropic", "gemini")
MB = 1_000_000
TURN = [SAID, {"role": "assistant", "content": "a" * 500}]
SHAPES = {
    **WORST,
    "2,000 schemas of references": {"messages": [SAID], "tools": tools(2000, references)},
    "10 MB of properties": {"messages": [SAID], "tools": tools(700, many_properties)},
    "30 MB of text": {"messages": [{"role": "user", "content": "a word, " * 3_900_000}]},
    "30 MB of keys": {"messages": [SAID], **{f"k{number}": 0 for number in range(2_400_000)}},
    "30 MB of numbers": {"messages": [SAID], "metadata": [0] * 10_000_000},
    "30 MB of messages": {"messages": [SAID] * 700_000},
    "30 MB of quotes": {"messages": [{"role": "user", "content": '",' * 10_000_000}]},
    "300,000 numbers": {"messages": [SAID], "metadata": [0] * 300_000},
    "150,000 messages": {"messages": [SAID] * 150_000},
    "300,000 empty parts": {"messages": [{"role": "user", "content": [{}] * 300_000}]},
}
LONG = {"2 MB to be truncated": {"messages": [*TURN * 2000, SAID]}}
"""For endpoints with small windows."""


async def longest_pause(work: asyncio.Future[object]) -> float:
    """Seconds."""
    longest, last = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last - 0.001), now
    return longest


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def measure(gateway: LiveGateway, shapes: dict[str, dict]) -> None:
    """The bodies are bytes before the clock runs, so that the collector does not visit what this script has made of them."""
    for shape in list(shapes):
        body = json.dumps(shapes.pop(shape)).encode()[1:]
        gc.collect()
        gc.freeze()
        pauses = []
        for kind in KINDS:
            work = asyncio.ensure_future(gateway.ask(b'{"model":"model-%b",%b' % (kind.encode(), body)))
            pauses.append(await longest_pause(work))
            await work
        say(f"{shape:30} {len(body) / MB:6.2f}" + "".join(f" {pause * 1000:9.0f} ms" for pause in pauses))


async def main() -> None:
    fakes = [await Fake(kind).start() for kind in KINDS]
    for fake, body in zip(fakes, (completion("one"), answer("one"), GEMINI), strict=True):
        fake.always(whole(body))
    more = {"gemini": {"model": "gemini-2.0-flash"}}
    say(f"{'request':30} {'MB':>6}" + "".join(f" {kind:>12}" for kind in KINDS))
    for shapes, window in ((SHAPES, {}), (LONG, {"context_window": 100_000})):
        rows = [row(fake, fake.name, **window, **more.get(fake.name, {})) for fake in fakes]
        tables = {"server": {"max_request_bytes": 40 * MB}, **({"context": {"policy": "truncate"}} if window else {})}
        gateway = await LiveGateway.open(settings(rows, **tables))
        await measure(gateway, shapes)
        await gateway.close()
    for fake in fakes:
        await fake.kill()


if __name__ == "__main__":
    asyncio.run(main())
