"""The lines of a batch's files, in OpenAI's format: requests that are read and checked, and results that are written. Pure.

https://platform.openai.com/docs/api-reference/batch/request-input
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from octoroute.store.batches import LineError

MAX_LINES = 50_000
MAX_CUSTOM_ID_CHARS = 512
EXPIRED = "batch_expired"


class BatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    number: int
    """Of the line in the file, from 1 on."""
    custom_id: str
    body: bytes


class LineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request."""

    status: int
    body: bytes
    """JSON."""
    retry_after_s: float | None = None
    """When a repetition may succeed; None: not known."""

    @property
    def failed(self) -> bool:
        return self.status >= 400


class InvalidLine(Exception):
    """The line is no request."""

    def __init__(self, error: LineError) -> None:
        super().__init__(error.message)
        self.error = error


class _Line(msgspec.Struct):
    custom_id: Any = None
    method: Any = None
    url: Any = None
    body: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    model: Any = None
    stream: Any = None


_LINE = msgspec.json.Decoder(_Line)
_BODY = msgspec.json.Decoder(_Body)


class InputLines:
    """Pieces of a file become its lines, each with its number; blank ones are left out."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: of a line; a longer one raises InvalidLine."""
        self._max_bytes = max_bytes
        self._rest: list[bytes] = []
        self._held = 0
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        *whole, rest = piece.split(b"\n")
        for data in whole:
            yield from self._line(data)
        self._hold(rest)

    def end(self) -> Iterator[tuple[int, bytes]]:
        yield from self._line(b"")

    def _hold(self, data: bytes) -> None:
        self._held += len(data)
        if self._held > self._max_bytes:
            raise _invalid(self._number + 1, "line_too_long", f"the line has more than {self._max_bytes} bytes")
        self._rest.append(data)

    def _line(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._hold(data)
        line = b"".join(self._rest).strip()
        self._rest, self._held = [], 0
        self._number += 1
        if line:
            yield self._number, line


def read_line(number: int, line: bytes, endpoint: str) -> BatchLine:
    """Raises InvalidLine with OpenAI's code of the problem."""
    try:
        read = _LINE.decode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _invalid(number, "invalid_json_line", "the line is no JSON object") from None
    given = {"custom_id": read.custom_id, "method": read.method, "url": read.url, "body": bytes(read.body) or None}
    for name, value in given.items():
        if value is None:
            raise _invalid(number, "missing_required_parameter", f"{name} is missing", name)
    if not isinstance(read.custom_id, str) or not 0 < len(read.custom_id) <= MAX_CUSTOM_ID_CHARS:
        raise _invalid(
            number, "invalid_custom_id", f"custom_id must be a text of 1 to {MAX_CUSTOM_ID_CHARS} characters", "custom_id"
        )
    if read.method != "POST":
        raise _invalid(number, "invalid_method", "method must be POST", "method")
    if read.url != endpoint:
        raise _invalid(number, "mismatched_endpoint", f"url must be that of the batch, {endpoint}", "url")
    return BatchLine(number=number, custom_id=read.custom_id, body=_checked_body(number, bytes(read.body)))


def _checked_body(number: int, body: bytes) -> bytes:
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _invalid(number, "invalid_request", "body must be a JSON object", "body") from None
    if not isinstance(read.model, str) or not read.model:
        raise _invalid(number, "missing_required_parameter", "body.model is missing", "body.model")
    if read.stream is not None and read.stream is not False:
        raise _invalid(number, "invalid_request", "body.stream: a batch has no streams; leave it out", "body.stream")
    return body


def _invalid(number: int, code: str, message: str, param: str | None = None) -> InvalidLine:
    return InvalidLine(LineError(code=code, message=message, line=number, param=param))


def result_line(batch: str, line: BatchLine, answer: LineAnswer) -> bytes:
    """For the output file, or for the error file if the request failed."""
    id = request_id(batch, line.number)
    response = {"status_code": answer.status, "request_id": id, "body": msgspec.Raw(_in_one_line(answer.body))}
    return msgspec.json.encode({"id": id, "custom_id": line.custom_id, "response": response, "error": None}) + b"\n"


def _in_one_line(body: bytes) -> bytes:
    """JSON has line feeds only between tokens, where they mean nothing."""
    return body.replace(b"\r", b"").replace(b"\n", b"") if b"\n" in body else body


def expired_line(batch: str, line: BatchLine) -> bytes:
    """For the error file: a request that was not made in time."""
    message = "This request could not be executed before the completion window expired."
    error = {"code": EXPIRED, "message": message}
    return (
        msgspec.json.encode({"id": request_id(batch, line.number), "custom_id": line.custom_id, "response": None, "error": error})
        + b"\n"
    )


def request_id(batch: str, number: int) -> str:
    """The same for each try of a line, so that the history and budgets know it again."""
    return f"batch_req_{batch.removeprefix('batch_')}_{number}"
