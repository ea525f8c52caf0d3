"""The event loop's longest pause while the worst requests are answered: `python tests/torture/pauses.py`.

For each shape and kind of endpoint: a task that wants to run every millisecond, and how late it came at most. Pauses of a thread
that holds the interpreter count as well: one call of the JSON decoder does not give it up.
"""

from __future__ import annotations

import asyncio
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
SHAPES = {
    **WORST,
    "2,000 schemas of references": {"messages": [SAID], "tools": tools(2000, references)},
    "10 MB of properties": {"messages": [SAID], "tools": tools(700, many_properties)},
    "30 MB of text": {"messages": [{"role": "user", "content": "a word, " * 3_900_000}]},
    "30 MB of keys": {"messages": [SAID], **{f"k{number}": 0 for number in range(2_400_000)}},
}


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


async def main() -> None:
    fakes = [await Fake(kind).start() for kind in KINDS]
    for fake, body in zip(fakes, (completion("one"), answer("one"), GEMINI), strict=True):
        fake.always(whole(body))
    more = {"gemini": {"model": "gemini-2.0-flash"}}
    rows = [row(fake, fake.name, **more.get(fake.name, {})) for fake in fakes]
    gateway = await LiveGateway.open(settings(rows, server={"max_request_bytes": 40_000_000}))
    say(f"{'request':30} {'MB':>6}" + "".join(f" {kind:>12}" for kind in KINDS))
    for shape, body in SHAPES.items():
        pauses = []
        for kind in KINDS:
            sent = json.dumps({"model": f"model-{kind}", **body}).encode()
            work = asyncio.ensure_future(gateway.ask(sent))
            pauses.append(await longest_pause(work))
            await work
        say(f"{shape:30} {len(sent) / 1e6:6.2f}" + "".join(f" {pause * 1000:9.0f} ms" for pause in pauses))
    await gateway.close()
    for fake in fakes:
        await fake.kill()


if __name__ == "__main__":
    asyncio.run(main())
