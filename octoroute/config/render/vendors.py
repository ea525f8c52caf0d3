"""The cloud vendors that `octoroute init` knows: address, variable of the key, and a model for each tier. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec


class StarterVendor(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor. `models` and `families` are for fast, balanced, and deep; a vendor without any is Azure."""

    name: str
    """Of its `[providers.NAME]` table."""
    kind: str = "openai"
    title: str
    variables: tuple[str, ...]
    """Names of the variable that holds the key, the preferred one first."""
    base_url: str
    models: tuple[str, ...] = ()
    """Used when the vendor's own list of models cannot be read."""
    families: tuple[str, ...] = ()
    """Regular expressions for names in the vendor's own list; the newest match is used."""

    def choose(self, listed: Sequence[str]) -> tuple[str | None, ...]:
        """A model for each tier; None: the vendor lists none for it. `listed`: the names in its list, () if unknown."""
        if not listed:
            return self.models
        chosen: list[str | None] = []
        for family in self.families:
            fitting = [name for name in listed if re.fullmatch(family, name) and name not in chosen]
            chosen.append(max(fitting, key=_version, default=None))
        return tuple(chosen)


def _version(name: str) -> tuple[int, ...]:
    """The numbers in a name, without dates: `claude-haiku-4-5-20251001` is (4, 5)."""
    return tuple(int(number) for number in re.findall(r"\d+", name) if len(number) < 4)


_FIREWORKS = "accounts/fireworks/models/"

VENDORS = (
    StarterVendor(
        name="openai",
        title="OpenAI",
        variables=("OPENAI_API_KEY",),
        base_url="https://api.openai.com/v1",
        models=("gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"),
        families=(r"gpt-[\d.]+-nano", r"gpt-[\d.]+-mini", r"gpt-[\d.]+"),
    ),
    StarterVendor(
        name="anthropic",
        kind="anthropic",
        title="Anthropic",
        variables=("ANTHROPIC_API_KEY",),
        base_url="https://api.anthropic.com/v1",
        models=("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"),
        families=(r"claude-haiku-[\d-]+", r"claude-sonnet-[\d-]+", r"claude-opus-[\d-]+"),
    ),
    StarterVendor(
        name="gemini",
        kind="gemini",
        title="Google Gemini",
        variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_url="https://generativelanguage.googleapis.com/v1beta",
        models=("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"),
        families=(r"gemini-[\d.]+-flash-lite", r"gemini-[\d.]+-flash", r"gemini-[\d.]+-pro"),
    ),
    StarterVendor(
        name="azure", kind="azure", title="Azure OpenAI", variables=("AZURE_OPENAI_API_KEY",), base_url="${AZURE_OPENAI_ENDPOINT}"
    ),
    StarterVendor(
        name="openrouter",
        title="OpenRouter",
        variables=("OPENROUTER_API_KEY",),
        base_url="https://openrouter.ai/api/v1",
        models=("openai/gpt-4.1-nano", "anthropic/claude-sonnet-4.5", "anthropic/claude-opus-4.5"),
        families=(r"openai/gpt-[\d.]+-nano", r"anthropic/claude-sonnet-[\d.]+", r"anthropic/claude-opus-[\d.]+"),
    ),
    StarterVendor(
        name="groq",
        title="Groq",
        variables=("GROQ_API_KEY",),
        base_url="https://api.groq.com/openai/v1",
        models=("llama-3.1-8b-instant", "llama-3.3-70b-versatile", "openai/gpt-oss-120b"),
        families=(r"llama-[\d.]+-8b-instant|openai/gpt-oss-20b", r"llama-[\d.]+-70b-versatile", r"openai/gpt-oss-120b"),
    ),
    StarterVendor(
        name="mistral",
        title="Mistral",
        variables=("MISTRAL_API_KEY",),
        base_url="https://api.mistral.ai/v1",
        models=("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"),
        families=("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"),
    ),
    StarterVendor(
        name="deepseek",
        title="DeepSeek",
        variables=("DEEPSEEK_API_KEY",),
        base_url="https://api.deepseek.com/v1",
        models=("deepseek-chat", "deepseek-reasoner"),
        families=(r"deepseek-(?:chat|v\d+-flash)", r"deepseek-(?:reasoner|v\d+-pro)"),
    ),
    StarterVendor(
        name="xai",
        title="xAI",
        variables=("XAI_API_KEY",),
        base_url="https://api.x.ai/v1",
        models=("grok-4-1-fast-non-reasoning", "grok-4-1-fast-reasoning", "grok-4"),
        families=(
            r"grok-[\d.-]+-fast-non-reasoning|grok-[\d.-]+-mini",
            r"grok-[\d.-]+-fast-reasoning|grok-[\d.-]+-fast",
            r"grok-[\d.-]*\d",
        ),
    ),
    StarterVendor(
        name="together",
        title="Together AI",
        variables=("TOGETHER_API_KEY",),
        base_url="https://api.together.ai/v1",
        models=("openai/gpt-oss-20b", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "openai/gpt-oss-120b"),
        families=(r"openai/gpt-oss-20b", r"meta-llama/Llama-[\d.]+-70B-Instruct-Turbo", r"openai/gpt-oss-120b"),
    ),
    StarterVendor(
        name="cohere",
        title="Cohere",
        variables=("COHERE_API_KEY", "CO_API_KEY"),
        base_url="https://api.cohere.ai/compatibility/v1",
        models=("command-r7b-12-2024", "command-r-08-2024", "command-a-03-2025"),
        families=(r"command-r7b-[\d-]+", r"command-r-[\d-]+", r"command-a-[\d-]+"),
    ),
    StarterVendor(
        name="huggingface",
        title="Hugging Face",
        variables=("HF_TOKEN",),
        base_url="https://router.huggingface.co/v1",
        models=("openai/gpt-oss-20b", "meta-llama/Llama-3.3-70B-Instruct", "openai/gpt-oss-120b"),
        families=(r"openai/gpt-oss-20b", r"meta-llama/Llama-[\d.]+-70B-Instruct", r"openai/gpt-oss-120b"),
    ),
    StarterVendor(
        name="fireworks",
        title="Fireworks AI",
        variables=("FIREWORKS_API_KEY",),
        base_url="https://api.fireworks.ai/inference/v1",
        models=(f"{_FIREWORKS}gpt-oss-20b", f"{_FIREWORKS}llama-v3p3-70b-instruct", f"{_FIREWORKS}gpt-oss-120b"),
        families=(rf"{_FIREWORKS}gpt-oss-20b", rf"{_FIREWORKS}llama-v[\dp]+-70b-instruct", rf"{_FIREWORKS}gpt-oss-120b"),
    ),
)
"""In the order of priority within a tier. Azure has no models here: a deployment's name is its owner's choice."""
