"""The messages of a request as plain JSON, for parts that no struct describes; decoded when the first of them is met. Pure."""

from __future__ import annotations

from typing import Any, cast

import msgspec


class RawMessages:
    """`body`: a request whose `messages` have been decoded by a struct already, so that their places exist."""

    __slots__ = ("_body", "_messages")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._messages: list[Any] | None = None

    def part(self, message: int, part: int) -> dict[str, Any]:
        """The part `messages[message].content[part]`; empty if the body is not valid UTF-8."""
        if self._messages is None:
            try:
                self._messages = cast("list[Any]", msgspec.json.decode(self._body)["messages"])
            except (ValueError, RecursionError):
                self._messages = []
        return self._messages[message]["content"][part] if self._messages else {}
