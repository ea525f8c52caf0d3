"""botocore as judge: its service model of a request or a response, its signer, and its parser of event streams."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.parsers import create_parser


@cache
def service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def problems(value: Any, shape: Shape, path: str = "$") -> list[str]:
    """What in a JSON value is not as the service model has it: members, unions, enums, patterns, lengths, base64."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return []
        return _structure(value, shape, path)
    if kind == "list":
        if not isinstance(value, list):
            return [f"{path}: no list"]
        found = _length(len(value), shape, path)
        return found + [text for at, item in enumerate(value) for text in problems(item, shape.member, f"{path}[{at}]")]
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        return [text for key, item in value.items() for text in problems(item, shape.value, f"{path}.{key}")]
    if kind in {"string", "blob"}:
        return _text(value, shape, path)
    wanted = {"boolean": bool, "integer": int, "long": int}.get(kind)
    good = type(value) is wanted if wanted else isinstance(value, int | float) and not isinstance(value, bool)
    if not good:
        return [f"{path}: {type(value).__name__} instead of {kind}"]
    return _length(value, shape, path) if kind != "boolean" else []


def _structure(value: Any, shape: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: no object but {type(value).__name__}"]
    found = [f"{path}.{name}: is not in {shape.name}" for name in value if name not in shape.members]
    placed = {name for name, member in shape.members.items() if "location" in member.serialization}
    found += [f"{path}.{name}: is missing" for name in shape.required_members if name not in value and name not in placed]
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        found.append(f"{path}: {len(value)} members of a union")
    return found + [
        text
        for name, item in value.items()
        if name in shape.members
        for text in problems(item, shape.members[name], f"{path}.{name}")
    ]


def _text(value: Any, shape: Any, path: str) -> list[str]:
    if not isinstance(value, str):
        return [f"{path}: {type(value).__name__} instead of text"]
    if shape.type_name == "blob":
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return [f"{path}: no base64"]
        return _length(len(value), shape, path)
    if shape.enum and value not in shape.enum:
        return [f"{path}: {value!r} is none of {shape.enum}"]
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        return [f"{path}: {value[:80]!r} does not match {pattern[:60]}"]
    return _length(len(value), shape, path)


def _length(size: float, shape: Any, path: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    return (
        [f"{path}: {size} is not in {low}..{high}"]
        if (low is not None and size < low) or (high is not None and size > high)
        else []
    )


def signature_problem(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, key: str, secret: str, region: str, token: str | None = None
) -> str | None:
    """What botocore's own signature of the same request says against this one; None: they are alike. `headers`: as received."""
    given = headers.get("authorization", "")
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})", given)
    if found is None:
        return "Authorization header is not in the form of AWS4-HMAC-SHA256"
    credential, names, signature = found.groups()
    date = headers.get("x-amz-date", "")
    if credential != f"{key}/{date[:8]}/{region}/bedrock/aws4_request":
        return f"Credential should be scoped to a valid region: {credential}"
    signed = names.split(";")
    if missing := {"host", "x-amz-date"} - set(signed):
        return f"not signed: {missing}"
    if token is not None and headers.get("x-amz-security-token") != token:
        return "The security token included in the request is invalid"
    request = AWSRequest(method, url, {name: headers[name] for name in signed if name != "host"}, body)
    request.headers["host"] = headers["host"]
    request.context["timestamp"] = date
    judge = SigV4Auth(Credentials(key, secret), "bedrock", region)
    wanted = judge.signature(judge.string_to_sign(request, judge.canonical_request(request)), request)
    return None if wanted == signature else "The request signature we calculated does not match the signature you provided"


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of an event stream, which botocore's own buffer must be able to read."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    message = head + struct.pack(">I", zlib.crc32(head))
    buffer = EventStreamBuffer()
    buffer.add_data(message)
    [read] = list(buffer)
    assert (read.headers, read.payload) == (dict(headers), payload)
    return message


def stream_event(name: str, payload: bytes, *, kind: str = "event") -> bytes:
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return encode_message(headers, payload)


def parsed_stream(frames: bytes) -> list[Any]:
    """The events of a ConverseStream as botocore's own parser reads them."""
    parser = create_parser("rest-json")._event_stream_parser
    shape = service().operation_model("ConverseStream").output_shape.members["stream"]
    buffer = EventStreamBuffer()
    buffer.add_data(frames)
    return [parser.parse(message.to_response_dict(), shape) for message in buffer]
