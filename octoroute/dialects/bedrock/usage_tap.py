"""Reads progress, usage, and errors of a Bedrock response whose bytes are passed through, by decoding it. Stores no content."""

from __future__ import annotations

from octoroute.dialects.bedrock.stream_decoder import ConverseDecoder
from octoroute.dialects.response.progress import Progress


class ConverseUsageTap:
    __slots__ = ("_decoder", "progress")

    def __init__(self) -> None:
        self.progress = Progress()
        self._decoder = ConverseDecoder()

    def feed(self, frames: bytes) -> None:
        self.progress.observe(self._decoder.feed(frames))

    def feed_body(self, body: bytes) -> None:
        self.progress.observe(self._decoder.decode_body(body))
