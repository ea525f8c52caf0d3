"""The names of OpenTelemetry's conventions for generative AI: v1.41, the last published set, and the draft that follows it. Pure.

https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai and open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))
DURATION_BUCKETS = tuple(round(0.01 * 2**power, 2) for power in range(14))
CHUNK_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_OPERATIONS = {"chat": "chat", "embeddings": "embeddings", "completions": "text_completion"}
"""By the upstream interface; the operation of another one has the interface's own name."""


class Conventions(NamedTuple):
    """The names in which the two sets differ."""

    schema_url: str
    duration: str
    """The metric of an operation's duration, in seconds; as are the next."""
    first_chunk: str
    token_histogram: str | None
    """One histogram of tokens by type; None: there are counters instead."""
    token_counters: Mapping[str, str]
    """By the field of `Usage`."""
    cache_write: str
    """The attribute for input tokens written to a prompt cache."""


V1_41 = Conventions(
    schema_url="https://opentelemetry.io/schemas/1.41.0",
    duration="gen_ai.client.operation.duration",
    first_chunk="gen_ai.client.operation.time_to_first_chunk",
    token_histogram="gen_ai.client.token.usage",  # noqa: S106 - no password
    token_counters={},
    cache_write="gen_ai.usage.cache_creation.input_tokens",
)
LATEST = Conventions(
    schema_url="",
    duration="gen_ai.client.inference.duration",
    first_chunk="gen_ai.client.inference.time_to_first_chunk",
    token_histogram=None,
    token_counters={
        "input_tokens": "gen_ai.client.inference.usage.input_tokens",
        "output_tokens": "gen_ai.client.inference.usage.output_tokens",
        "cached_tokens": "gen_ai.client.inference.usage.cache_read.input_tokens",
        "cache_write_tokens": "gen_ai.client.inference.usage.cache_write.input_tokens",
        "reasoning_tokens": "gen_ai.client.inference.usage.reasoning.output_tokens",
    },
    cache_write="gen_ai.usage.cache_write.input_tokens",
)
BY_SETTING: Mapping[str, Conventions] = {"1.41": V1_41, "latest": LATEST}


def operation_of(api: str) -> str:
    """`gen_ai.operation.name` of a request to the upstream interface `api`."""
    return _OPERATIONS.get(api, api or "chat")
