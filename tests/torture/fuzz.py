"""Coverage-guided fuzzing of everything that reads bytes from strangers: request readers, SSE, decoders, whole answers, errors.

    pip install atheris            # CPython 3.11 or 3.12, Linux
    python tests/torture/fuzz.py -max_total_time=600 CORPUS_DIR

The law: whatever arrives, nothing but our own errors comes out, and what a strict client may be sent is bytes. The first byte of
the input chooses the reader, so that one run covers them all; golden wire bytes make a good first corpus (`--seed CORPUS_DIR`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["octoroute"]):
    from octoroute import dialects
    from octoroute.dialects.sse import Cutter
    from octoroute.errors import BadRequest, UpstreamError
    from octoroute.types import Endpoint, Tier

INBOUND = dialects.inbound(time.time)
OUTBOUND = dialects.outbound(time.monotonic)
ENDPOINTS = [
    Endpoint(
        id=kind, name=kind, tier=Tier.FAST, kind=kind, provider=kind, base_url="http://127.0.0.1:1/v1", model="m", max_tokens=99
    )
    for kind in ("openai", "anthropic", "gemini")
]
CLIENTS = ("openai", "anthropic", "responses")


def ask(data: bytes) -> None:
    """A request of each dialect, said to every kind of endpoint."""
    for name in CLIENTS:
        inbound = INBOUND[name]
        try:
            request = inbound.read(data, request_id="r", headers={})
            for endpoint in ENDPOINTS:
                outbound = OUTBOUND[endpoint.kind]
                if outbound.name == name:
                    inbound.patched(request, "m")
                    continue
                conversation = inbound.conversation(request, endpoint)
                if outbound.unsayable(conversation, endpoint) is None:
                    outbound.write(conversation, endpoint, stream=request.stream)
        except BadRequest:
            pass


ASKED = {
    name: INBOUND[name].read(body, request_id="r", headers={})
    for name, body in {
        "openai": b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}',
        "anthropic": b'{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
        "responses": b'{"model":"m","stream":true,"input":"x"}',
    }.items()
}


def stream(data: bytes) -> None:
    """A stream of each vendor, cut anywhere, told to every client."""
    for outbound in OUTBOUND.values():
        for name in CLIENTS:
            decoder, encoder, cutter = outbound.decoder(), INBOUND[name].encoder(ASKED[name]), Cutter()
            at = len(data) // 2
            try:
                for piece in (data[:at], data[at:]):
                    encoder.encode(decoder.feed(cutter.feed(piece)))
                encoder.encode(decoder.feed(cutter.rest))
                encoder.encode(decoder.end())
            except UpstreamError as error:
                encoder.fail(error, "r")


def tap(data: bytes) -> None:
    for name in ("openai", "anthropic"):
        cutter = Cutter()
        try:
            OUTBOUND[name].tap().feed(cutter.feed(data) + cutter.rest)
            OUTBOUND[name].tap().whole(data)
        except UpstreamError:
            pass


def whole(data: bytes) -> None:
    for outbound in OUTBOUND.values():
        try:
            events = outbound.decode_whole(data)
        except UpstreamError:
            continue
        for name in CLIENTS:
            INBOUND[name].whole(ASKED[name], events)


def refusal(data: bytes) -> None:
    for outbound in OUTBOUND.values():
        for status in (400, 404, 429, 500, 503):
            outbound.read_error(status, {"retry-after": data[:20].decode("latin-1")}, data)


READERS: tuple[Callable[[bytes], None], ...] = (ask, stream, tap, whole, refusal)


def one_input(data: bytes) -> None:
    if data:
        READERS[data[0] % len(READERS)](data[1:])


def seed(directory: Path) -> None:
    """Golden bytes, once for each reader."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in (ROOT / "tests" / "golden").rglob("*"):
        if path.is_file():
            for at in range(len(READERS)):
                (directory / f"{path.stem}-{at}").write_bytes(bytes([at]) + path.read_bytes())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seed"]:
        seed(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
