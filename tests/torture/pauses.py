"""The event loop's longest pause while the worst requests are answered: `python tests/torture/pauses.py`.

For each route, shape, and kind of endpoint: a task that wants to run every millisecond, and how late it came at most. Pauses of a
thread that holds the interpreter count as well: one call of the JSON decoder does not give it up. A pause is the processor time of
the process between two turns, so that other programs on the machine do not count. Arguments: only routes with one of them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog
import tomli_w

from octoroute.config.file import ConfigFile
from tests.behaviour.test_large_requests import GEMINI, SAID, WORST, many_properties, references, tools
from tests.support.fake import Fake, completion, whole
from tests.support.live_gateway import LiveGateway, endpoint, settings
from tests.support.messages import answer
from tests.support.pairs import row

KINDS = ("openai", "anthropic", "gemini", "bedrock")
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "one"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}
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
    "5,000,000 quotes": {"messages": [{"role": "user", "content": '",' * 4_999_000}]},
    "300,000 numbers": {"messages": [SAID], "metadata": [0] * 300_000},
    "150,000 messages": {"messages": [SAID] * 150_000},
    "300,000 empty parts": {"messages": [{"role": "user", "content": [{}] * 300_000}]},
}
LONG = {"2 MB to be truncated": {"messages": [*TURN * 2000, SAID]}}
"""For endpoints with small windows."""


OTHER = {
    "9,999 turns": [SAID, {"role": "assistant", "content": "a"}] * 4999 + [SAID],
    "30 MB of text": [{"role": "user", "content": "a word, " * 3_900_000}],
    "5,000,000 quotes": [{"role": "user", "content": '",' * 4_999_000}],
}
"""Messages that each of the routes below gets in its own form."""


def contents(messages: list[dict[str, str]]) -> dict[str, object]:
    roles = {"assistant": "model", "user": "user"}
    return {"contents": [{"role": roles[said["role"]], "parts": [{"text": said["content"]}]} for said in messages]}


def texts(messages: list[dict[str, str]]) -> list[str]:
    return [said["content"] for said in messages]


ROUTES: dict[str, Callable[[list[dict[str, str]]], dict[str, object]]] = {
    "/v1/messages": lambda messages: {"messages": messages, "max_tokens": 9},
    "/v1/messages/count_tokens": lambda messages: {"messages": messages},
    "/v1/responses": lambda messages: {"input": messages},
    "/v1/responses/input_tokens": lambda messages: {"input": messages},
    "/v1beta/models/MODEL:generateContent": contents,
    "/v1beta/models/MODEL:countTokens": contents,
    "/api/chat": lambda messages: {"messages": messages, "stream": False},
    "/api/generate": lambda messages: {"prompt": "\n".join(texts(messages)), "stream": False},
    "/v1/route": lambda messages: {"messages": messages},
    "/v1/embeddings": lambda messages: {"input": texts(messages)},
    "/api/embed": lambda messages: {"input": texts(messages)},
    "/v1beta/models/MODEL:batchEmbedContents": lambda messages: {
        "requests": [{"content": {"parts": [{"text": text}]}} for text in texts(messages)]
    },
}
CONFIGS = {
    "1 MB of arrays": b"x = [" + b"[]," * 340_000 + b"]",
    "1 MB of dots": b"a." * 500_000 + b"b = 1",
    "1 MB of tables": b"".join(b"[t%d]\n" % number for number in range(90_000)),
    "1 MB of models": b"".join(b'[[models.fast]]\nname = "m%d"\nbase_url = "http://h/v1"\n' % number for number in range(18_000)),
}
"""For PUT /admin/config."""


async def longest_pause(work: asyncio.Future[Any]) -> float:
    """Seconds."""
    longest, before, began = 0.0, time.process_time(), time.perf_counter()
    while not work.done():
        await asyncio.sleep(0.001)
        now, time_is = time.process_time(), time.perf_counter()
        longest, before, began = max(longest, min(now - before, time_is - began - 0.001)), now, time_is
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
        say(f"{f'{shape} ({len(body) / MB:.2f} MB)':60}" + "".join(f" {pause * 1000:9.0f} ms" for pause in pauses))


async def measure_routes(gateway: LiveGateway, wanted: list[str]) -> None:
    for path, write in ROUTES.items():
        if wanted and not any(text in path for text in wanted):
            continue
        kinds = ("embedding",) if "mbed" in path else KINDS
        for shape, messages in OTHER.items():
            pauses = []
            for kind in kinds:
                body = json.dumps({"model": f"model-{kind}", **write(messages)}).encode()
                gc.collect()
                gc.freeze()
                work = asyncio.ensure_future(gateway.ask(body, path=path.replace("MODEL", f"model-{kind}")))
                pauses.append(await longest_pause(work))
                assert (await work).status_code in {200, 413}, work.result().text[:300]
            say(f"{path + ', ' + shape:60}" + "".join(f" {pause * 1000:9.0f} ms" for pause in pauses))


async def measure_configuration(directory: Path) -> None:
    fake = await Fake("one").start()
    tree = settings([row(fake)], auth={"admin_keys": ["admin-key-1"]})
    path = directory / "config.toml"
    path.write_text(tomli_w.dumps(tree), "utf-8")
    file = ConfigFile(path, dict, directory)
    gateway = await LiveGateway.open(file.load(), load=file.load, file=file)
    for shape, body in CONFIGS.items():
        headers = {"content-type": "application/toml", "x-api-key": "admin-key-1"}
        work = asyncio.ensure_future(gateway.client.put("/admin/config", content=body, headers=headers))
        say(f"{'PUT /admin/config, ' + shape:60} {await longest_pause(work) * 1000:9.0f} ms, {(await work).status_code}")
    await gateway.close()
    await fake.kill()


async def main(wanted: list[str]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    fakes = [await Fake(kind).start() for kind in (*KINDS, "embedding")]
    vectors = {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.1]}] * 9999,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    for fake, body in zip(fakes, (completion("one"), answer("one"), GEMINI, CONVERSED, vectors), strict=True):
        fake.always(whole(body))
    *chats, embedding = fakes
    more = {"gemini": {"model": "gemini-2.0-flash"}}
    say(f"{'request':60}" + "".join(f" {kind:>12}" for kind in KINDS))
    for shapes, window in ((SHAPES, {}), (LONG, {"context_window": 100_000})):
        tree = settings(
            [row(fake, fake.name, **window, **more.get(fake.name, {})) for fake in chats],
            server={"max_request_bytes": 40 * MB},
            providers={"bedrock": {"kind": "bedrock", "api_key": "a-key-of-bedrock"}},
            context={"policy": "truncate" if window else "off"},
        )
        tree["models"]["embedding"] = [endpoint(embedding, "model-embedding")]
        gateway = await LiveGateway.open(tree)
        if not window:
            await measure_routes(gateway, wanted)
        if not wanted:
            await measure(gateway, shapes)
        await gateway.close()
    for fake in fakes:
        await fake.kill()
    with tempfile.TemporaryDirectory() as directory:
        await measure_configuration(Path(directory))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
