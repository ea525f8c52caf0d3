"""The prefixes of models' names in LiteLLM's files, as in `groq/llama3`: kind, address, and key.

Source: LiteLLM's list of providers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.config.render import vendors


class LiteLLMVendor(msgspec.Struct, frozen=True):
    """What a prefix of a model's name, as in `groq/llama3`, stands for."""

    base_url: str
    variable: str = ""
    """That holds the key if the row has none; "": no key."""
    kind: str = "openai"


def _same(name: str, variable: str = "") -> LiteLLMVendor:
    """As `octoroute init` writes it. `variable`: LiteLLM's name of it, if that is another one."""
    vendor = next(vendor for vendor in vendors.VENDORS if vendor.name == name)
    return LiteLLMVendor(vendor.base_url, variable or vendor.variables[0], vendor.kind)


VENDORS: Mapping[str, LiteLLMVendor] = {
    "openai": _same("openai"),
    "azure": LiteLLMVendor("${AZURE_API_BASE}", "AZURE_API_KEY", "azure"),
    "anthropic": _same("anthropic"),
    "gemini": _same("gemini"),
    "bedrock": LiteLLMVendor("", "", "bedrock"),
    "ollama": LiteLLMVendor("http://127.0.0.1:11434/v1"),
    "ollama_chat": LiteLLMVendor("http://127.0.0.1:11434/v1"),
    "lm_studio": LiteLLMVendor("http://127.0.0.1:1234/v1"),
    "hosted_vllm": LiteLLMVendor("http://127.0.0.1:8000/v1"),
    "llamafile": LiteLLMVendor("http://127.0.0.1:8080/v1"),
    "openrouter": _same("openrouter"),
    "groq": _same("groq"),
    "mistral": _same("mistral"),
    "deepseek": _same("deepseek"),
    "xai": _same("xai"),
    "together_ai": _same("together", "TOGETHERAI_API_KEY"),
    "fireworks_ai": _same("fireworks", "FIREWORKS_AI_API_KEY"),
    "cohere": _same("cohere"),
    "cohere_chat": _same("cohere"),
    "perplexity": LiteLLMVendor("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "cerebras": LiteLLMVendor("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "sambanova": LiteLLMVendor("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "nvidia_nim": LiteLLMVendor("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "deepinfra": LiteLLMVendor("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "moonshot": LiteLLMVendor("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "dashscope": LiteLLMVendor("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
}
SAME_AS: Mapping[str, str] = {
    "custom_openai": "openai",
    "openai_like": "openai",
    "text-completion-openai": "openai",
    "litellm_proxy": "openai",
    "azure_ai": "openai",
    "vllm": "hosted_vllm",
    "lmstudio": "lm_studio",
    "bedrock_converse": "bedrock",
}
"""Other names of the same."""
