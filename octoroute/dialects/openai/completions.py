"""Inbound half of the legacy Completions API: the client's bytes go only to endpoints that offer that API. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.facts import FactsBuilder, read_hints
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request

_PROMPT = msgspec.json.Decoder(str | list[str | int | list[int]] | None)
_WHOLE = msgspec.json.Decoder(int | None)


class CompletionsInbound(OpenAIInbound):
    api = "completions"
    paths: tuple[str, ...] = ("/v1/completions",)

    def history(self, request: Request) -> None:
        """None: a prompt has no messages that could be dropped."""

    def read(self, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None) -> Request:
        return self.read_by_field(RequestBody.parse(body), request_id=request_id, headers=headers, principal=principal)

    def facts(self, body: RequestBody, headers: Mapping[str, str]) -> Facts:
        facts = FactsBuilder()
        prompt = body.decode("prompt", _PROMPT)
        texts: list[str] = []
        tokens = 0
        for item in [prompt] if isinstance(prompt, str) else prompt or ():
            if isinstance(item, str):
                texts.append(item)
            else:
                tokens += 1 if isinstance(item, int) else len(item)
        facts.message("user", "\n".join(texts))
        facts.extra_chars = 4 * tokens
        budget = body.decode("max_tokens", _WHOLE)
        return facts.build(read_hints(body, headers), output_tokens=budget if budget and budget > 0 else None)
