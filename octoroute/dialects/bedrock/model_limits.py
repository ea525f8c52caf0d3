"""What the models of Bedrock accept, by family: Claude's rules are Anthropic's own, those of the others are here. Pure.

Sources: Amazon Bedrock User Guide, "Supported models and model features" of Converse, "Prompt caching", "Structured outputs", and
"Call a tool with the Converse API". A doubtful feature counts as not supported, because a refusal costs the whole request.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits
from octoroute.dialects.anthropic.model_limits import model_limits as claude_limits

_CLAUDE = re.compile(r"claude|\banthropic\.")
_NOVA = re.compile(r"\bnova\b|amazon\.nova")
_MISTRAL = re.compile(r"\bmistral|pixtral|magistral|ministral")
_SCHEMAS = re.compile(
    r"qwen3|gpt-oss|gemma-3|minimax-m2|kimi-k2|nemotron|deepseek[.-]v3|(?:mistral-large-3|ministral-3|magistral-small|voxtral)"
)
"""Names of the other models that have structured output."""


class BedrockModelLimits(msgspec.Struct, frozen=True, kw_only=True):
    limits: AnthropicModelLimits
    """Claude's, or what Anthropic's rules are for a model of another family."""
    claude: bool = False
    """Takes thinking, `top_k`, and signed thinking of earlier turns."""
    caches: bool = False
    """Accepts cache points."""
    names_tool: bool = False
    """Can be forced to call one tool by its name."""


@lru_cache(maxsize=1024)
def model_limits(model: str, name: str = "") -> BedrockModelLimits:
    """Limits of a model id or ARN. `name`: the one in the configuration, which tells what the ARN of a profile may not."""
    text = model.lower()
    if text.startswith("arn:") and not _is_known(text):
        text = name.lower()
    if _CLAUDE.search(text):
        return BedrockModelLimits(limits=claude_limits(text), claude=True, caches=True, names_tool=True)
    nova = _NOVA.search(text) is not None
    schemas = _SCHEMAS.search(text) is not None
    forced = nova or _MISTRAL.search(text) is not None
    limits = AnthropicModelLimits(
        temperature_with_top_p=True, budget=False, schemas=schemas, prefill=nova, forced_tools=forced, output_limit=None
    )
    return BedrockModelLimits(limits=limits, caches=nova, names_tool=nova)


def _is_known(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_CLAUDE, _NOVA, _MISTRAL, _SCHEMAS))
