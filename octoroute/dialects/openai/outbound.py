"""How endpoints that speak OpenAI's format are asked and read."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.dialects.openai.tap import OpenAITap
from octoroute.errors import UpstreamError


class OpenAIOutbound:
    name = "openai"

    def tap(self) -> OpenAITap:
        return OpenAITap()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return None
