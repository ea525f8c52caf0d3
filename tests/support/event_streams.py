"""Messages of AWS's event streams, made without botocore, for tests that have no SDK. `vendors.aws` proves the encoding."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any


def encode_message(headers: Mapping[str, str] | bytes, payload: bytes) -> bytes:
    """`headers`: strings by name, or bytes as they are."""
    packed = headers if isinstance(headers, bytes) else b"".join(header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return head + struct.pack(">I", zlib.crc32(head))


def header(name: str, value: str) -> bytes:
    return bytes([len(name.encode())]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def event(name: str, **fields: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps(fields).encode())


def exception(name: str, message: str) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, json.dumps({"message": message}).encode())


def text_stream(*words: str, reason: str = "end_turn") -> list[bytes]:
    deltas = [event("contentBlockDelta", delta={"text": word}, contentBlockIndex=0) for word in words]
    usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
    return [
        event("messageStart", role="assistant"),
        *deltas,
        event("contentBlockStop", contentBlockIndex=0),
        event("messageStop", stopReason=reason),
        event("metadata", usage=usage, metrics={"latencyMs": 1}),
    ]
