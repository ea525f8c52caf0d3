"""The configurations in docs/examples are whole: they load, and their endpoints are where the vendors say."""

from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.dialects import outbound
from octoroute.domain.conversation import Conversation, Role, Text, Tool, ToolChoice, Turn
from octoroute.upstream.providers import PROVIDERS

HERE = Path(__file__).parents[3] / "docs"
EXAMPLES = {path.stem: path for path in sorted((HERE / "examples").glob("*.toml"))}
CLIENTS = (HERE / "clients.md").read_text("utf-8")

COHERE = "https://api.cohere.ai/compatibility/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/models"
BEDROCK = "https://bedrock-runtime"
AZURE = "https://my-resource.openai.azure.com/openai"
ADDRESSES = {
    "anthropic": {"https://api.anthropic.com/v1/messages"},
    "azure": {
        f"{AZURE}/deployments/my-small-deployment/chat/completions?api-version=2024-10-21",
        f"{AZURE}/deployments/my-large-deployment/chat/completions?api-version=2024-10-21",
        f"{AZURE}/v1/chat/completions",
    },
    "bedrock": {
        f"{BEDROCK}.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse",
        (
            f"{BEDROCK}.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
            "application-inference-profile%2Fabcdefghijkl/converse"
        ),
        f"{BEDROCK}.eu-central-1.amazonaws.com/model/global.anthropic.claude-opus-4-5-20251101-v1%3A0/converse",
    },
    "claude-code": {"http://127.0.0.1:11434/v1/chat/completions"},
    "cohere": {f"{COHERE}/chat/completions", f"{COHERE}/embeddings"},
    "gemini": {
        *(f"{GOOGLE}/{model}:generateContent" for model in ("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro")),
        f"{GOOGLE}/gemini-embedding-001:batchEmbedContents",
    },
    "huggingface": {"https://router.huggingface.co/v1/chat/completions"},
}
KEYS = {
    "anthropic": "x-api-key",
    "azure": "api-key",
    "gemini": "x-goog-api-key",
    "cohere": "authorization",
    "huggingface": "authorization",
}
ASKED = Conversation(
    turns=(Turn(Role.USER, (Text("hi"),)),),
    tools=(Tool(name="f", schema={"type": "object", "properties": {}}),),
    tool_choice=ToolChoice(mode="any", parallel=False),
    max_tokens=5,
)


class Environment(dict[str, str]):
    def get(self, key, default=None):
        return f"the-{key}"


def loaded(name: str):
    return loads(EXAMPLES[name].read_text("utf-8"), Path("config.toml"), Environment())


def test_each_example_is_linked_and_checked_here():
    assert set(EXAMPLES) == set(ADDRESSES)
    assert all(f"(examples/{name}.toml)" in CLIENTS for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_endpoints_are_where_the_vendor_says(name):
    config = loaded(name)
    asked = [
        *((endpoint, "chat") for endpoint in config.endpoints),
        *((endpoint, "embeddings") for endpoint in config.other_endpoints),
    ]
    assert {PROVIDERS[endpoint.kind].url(endpoint, api, stream=False) for endpoint, api in asked} == ADDRESSES[name]


@pytest.mark.parametrize("name", KEYS)
def test_its_key_comes_from_the_environment_and_goes_into_the_vendors_header(name):
    assert "${" in EXAMPLES[name].read_text("utf-8")
    for endpoint in loaded(name).endpoints:
        headers = {header.lower(): value for header, value in PROVIDERS[endpoint.kind].headers(endpoint)}
        assert headers[KEYS[name]].removeprefix("Bearer ").startswith("the-")


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_asks_for_what_the_server_takes(name):
    """`parallel_tool_calls` is not everybody's: Cohere, the Hugging Face router, and Ollama are not sent it."""
    formats = outbound(lambda: 0.0)
    for endpoint in loaded(name).endpoints:
        body = formats[PROVIDERS[endpoint.kind].dialect].encode_request(ASKED, endpoint, stream=False)
        if name in {"cohere", "huggingface", "claude-code"}:
            assert b"parallel_tool_calls" not in body
        if name == "azure":
            assert b'"parallel_tool_calls":false' in body
