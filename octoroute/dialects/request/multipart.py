"""A `multipart/form-data` body (RFC 7578): where the value of one field is, so that it can be replaced and the rest kept. Pure.

Nothing but the heads of the parts is read. The work for a body is bounded: one search for the delimiters, and limits for the number
of parts and the size of a head.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from octoroute.errors import BadRequest

MAX_PARTS = 1000
MAX_HEAD_BYTES = 8 * 1024
MAX_VALUE_BYTES = 4 * 1024
"""Of a value that is read."""
MAX_BOUNDARY_CHARS = 200

_BOUNDARY = re.compile(r';[ \t]*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition[ \t]*:[ \t]*form-data[ \t]*(;.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart/form-data content type; None: another type. Raises BadRequest if there is no boundary."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        return None
    found = _BOUNDARY.search(content_type)
    boundary = found and (found[1] or found[2])
    if not boundary or len(boundary) > MAX_BOUNDARY_CHARS:
        raise BadRequest("content-type: multipart/form-data needs a boundary; let the HTTP library write this header")
    return boundary.encode("latin-1")


class Part(msgspec.Struct, frozen=True):
    """One part: its field name, and where in the body its value is."""

    name: str
    start: int
    end: int


class MultipartBody(msgspec.Struct, frozen=True, eq=False):
    """`raw` is the whole body; `parts` are its fields in their order."""

    raw: bytes
    boundary: bytes
    parts: tuple[Part, ...]
    start: int
    """Of the first delimiter; a preamble may come before it."""

    @classmethod
    def parse(cls, raw: bytes, boundary: bytes) -> MultipartBody:
        """Raises BadRequest for a body that does not end, or has too many or malformed parts."""
        start = _start_of(raw, boundary)
        return cls(raw, boundary, tuple(_parts(raw, boundary, start)), start)

    def text(self, name: str) -> str | None:
        """The value of a field; None: there is none. Raises BadRequest for a repeated, long, or undecodable one."""
        found = [part for part in self.parts if part.name == name]
        if not found:
            return None
        if len(found) > 1:
            raise BadRequest(f"{name}: is given {len(found)} times; send it once", param=name)
        part = found[0]
        if part.end - part.start > MAX_VALUE_BYTES:
            raise BadRequest(f"{name}: is longer than {MAX_VALUE_BYTES} bytes", param=name)
        try:
            return self.raw[part.start : part.end].decode()
        except UnicodeDecodeError:
            raise BadRequest(f"{name}: is not valid UTF-8", param=name) from None

    def with_model(self, model: str) -> bytes:
        """The body with the value of `model` replaced, or with that field put first; every other byte is kept."""
        raw = self.raw
        part = next((part for part in self.parts if part.name == "model"), None)
        if part is not None:
            return b"".join((raw[: part.start], model.encode(), raw[part.end :]))
        first = self.start
        added = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % (self.boundary, model.encode())
        return b"".join((raw[:first], added, raw[first:]))


def _start_of(raw: bytes, boundary: bytes) -> int:
    """Where the first delimiter is. Raises BadRequest."""
    if raw.startswith(b"--" + boundary):
        return 0
    found = raw.find(b"\r\n--" + boundary)
    if found < 0:
        raise BadRequest("the multipart body has no part: its boundary is not the one of the content-type header")
    return found + 2


def _parts(raw: bytes, boundary: bytes, start: int) -> Iterator[Part]:
    delimiter = b"\r\n--" + boundary
    after = start + len(delimiter) - 2
    for _ in range(MAX_PARTS + 1):
        if raw.startswith(b"--", after):
            return
        line_end = raw.find(b"\r\n", after, after + MAX_HEAD_BYTES)
        if line_end < 0 or raw[after:line_end].strip(b" \t"):
            raise BadRequest("the multipart body is malformed: a boundary is not followed by a line break")
        head_end = raw.find(b"\r\n\r\n", line_end, line_end + MAX_HEAD_BYTES)
        if head_end < 0:
            raise BadRequest(f"the multipart body is malformed: a part has no head, or one of more than {MAX_HEAD_BYTES} bytes")
        start = head_end + 4
        end = raw.find(delimiter, start)
        if end < 0:
            raise BadRequest("the multipart body ends before its last boundary")
        yield Part(_name_of(raw[line_end:head_end]), start, end)
        after = end + len(delimiter)
    raise BadRequest(f"the multipart body has more than {MAX_PARTS} parts")


def _name_of(head: bytes) -> str:
    """The field name in a part's head. Raises BadRequest."""
    disposition = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
    for parameter in _PARAMETER.finditer(disposition[1]) if disposition else ():
        if parameter[1].lower() == b"name":
            return (parameter[2] if parameter[2] is not None else parameter[3]).decode("utf-8", "replace")
    raise BadRequest('the multipart body is malformed: a part has no `Content-Disposition: form-data; name="..."`')
