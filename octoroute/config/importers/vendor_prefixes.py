"""The prefixes of models' names in LiteLLM's files, as in `groq/llama3`: kind, address, and key.

Source: LiteLLM's list of providers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class LiteLLMVendor(msgspec.Struct, frozen=True):
    """What a prefix of a model's name, as in `groq/llama3`, stands for."""

    base_url: str
    variable: str = ""
    """That holds the key if the row has none; "": no key."""
    kind: str = "openai"


VENDORS: Mapping[str, LiteLLMVendor] = {
    "openai": LiteLLMVendor("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "azure": LiteLLMVendor("${AZURE_API_BASE}", "AZURE_API_KEY", "azure"),
    "anthropic": LiteLLMVendor("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "anthropic"),
    "gemini": LiteLLMVendor("https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "gemini"),
    "bedrock": LiteLLMVendor("", "", "bedrock"),
    "ollama": LiteLLMVendor("http://127.0.0.1:11434/v1"),
    "ollama_chat": LiteLLMVendor("http://127.0.0.1:11434/v1"),
    "lm_studio": LiteLLMVendor("http://127.0.0.1:1234/v1"),
    "hosted_vllm": LiteLLMVendor("http://127.0.0.1:8000/v1"),
    "llamafile": LiteLLMVendor("http://127.0.0.1:8080/v1"),
    "openrouter": LiteLLMVendor("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": LiteLLMVendor("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": LiteLLMVendor("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": LiteLLMVendor("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "xai": LiteLLMVendor("https://api.x.ai/v1", "XAI_API_KEY"),
    "together_ai": LiteLLMVendor("https://api.together.ai/v1", "TOGETHERAI_API_KEY"),
    "fireworks_ai": LiteLLMVendor("https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    "cohere": LiteLLMVendor("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "cohere_chat": LiteLLMVendor("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
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
