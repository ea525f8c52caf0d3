"""What translating costs: µs an event from each upstream's format to each client's, beside reading along with bytes passed through.

`python benches/translation.py [--events N] [--repeat N]`. One core, no sockets; the best of the repeats, because noise only adds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.anthropic.usage_tap import AnthropicUsageTap
from octoroute.dialects.base import Progress
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.openai.usage_tap import OpenAIUsageTap
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder

LIMIT_US = 5.0
WORDS = ("the ", "quick ", "brown ", "fox ", "— ", "jumps\n", "漢字", "over ")


def openai(events: int) -> list[bytes]:
    head = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{'
    tail = '},"logprobs":null,"finish_reason":null}]}\n\n'
    return [f'data: {head}"content":{json.dumps(WORDS[at % 8], ensure_ascii=False)}{tail}'.encode() for at in range(events)]


def openai_tools(events: int) -> list[bytes]:
    def chunk(call: str) -> bytes:
        head = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":['
        return f'data: {head}{call}]}},"logprobs":null,"finish_reason":null}}]}}\n\n'.encode()

    first = chunk('{"index":0,"id":"call_1","type":"function","function":{"name":"write_file","arguments":"{\\"text\\":\\""}}')
    return [first, *(chunk('{"index":0,"function":{"arguments":"some text "}}') for _ in range(events - 1))]


def anthropic(events: int) -> list[bytes]:
    start = 'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":1}}}\n\n'
    return [
        start.encode(),
        *(
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{json.dumps(WORDS[at % 8], ensure_ascii=False)}}}}}\n\n'.encode()
            for at in range(events - 1)
        ),
    ]


def gemini(events: int) -> list[bytes]:
    return [
        f'data: {{"candidates":[{{"content":{{"parts":[{{"text":{json.dumps(WORDS[at % 8], ensure_ascii=False)}}}],"role":"model"}},"index":0}}],"usageMetadata":{{"promptTokenCount":9,"candidatesTokenCount":{at}}},"modelVersion":"g","responseId":"r"}}\n\n'.encode()
        for at in range(events)
    ]


SOURCES = {
    "openai": (OpenAIDecoder, openai),
    "openai tools": (OpenAIDecoder, openai_tools),
    "anthropic": (AnthropicDecoder, anthropic),
    "gemini": (GeminiDecoder, gemini),
}
TARGETS = {
    "openai": lambda: OpenAIEncoder(model="auto", created_s=1, include_usage=True),
    "anthropic": lambda: AnthropicEncoder(model="auto"),
    "responses": lambda: ResponsesEncoder(model="auto", created_s=1, echo={}),
}
TAPS = {
    "openai": (OpenAIUsageTap, openai),
    "openai tools": (OpenAIUsageTap, openai_tools),
    "anthropic": (AnthropicUsageTap, anthropic),
}


def best_us(run: Callable[[], None], events: int, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times) * 1e6 / events


def tapped(name: str, events: int, repeat: int) -> float:
    make, frames = TAPS[name][0], TAPS[name][1](events)

    def run() -> None:
        tap = make()
        for frame in frames:
            tap.feed(frame)

    return best_us(run, events, repeat)


def translated(source: str, target: str, events: int, repeat: int) -> float:
    make, frames = SOURCES[source][0], SOURCES[source][1](events)

    def run() -> None:
        decoder, encoder, progress = make(), TARGETS[target](), Progress()
        for frame in frames:
            got = decoder.feed(frame)
            progress.observe(got)
            encoder.encode(got)

    return best_us(run, events, repeat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    taps = {name: tapped(name, given.events, given.repeat) for name in TAPS}
    for name, cost in taps.items():
        print(f"{name:>14} passed through    {cost:6.2f} µs an event")
    worst = 0.0
    for source in SOURCES:
        for target in TARGETS:
            cost = translated(source, target, given.events, given.repeat)
            worst = max(worst, cost)
            ratio = f"{cost / taps[source]:5.2f} × the tap" if source in taps else ""
            print(f"{source:>14} → {target:<14} {cost:6.2f} µs an event  {ratio}")
    print(f"the dearest: {worst:.2f} µs; the limit: {LIMIT_US:g} µs")


if __name__ == "__main__":
    main()
