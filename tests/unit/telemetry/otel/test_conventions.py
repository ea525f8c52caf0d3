"""The names of both sets, and the buckets that the conventions recommend."""

from octoroute.telemetry.otel.conventions import DURATION_BUCKETS, LATEST, TOKEN_BUCKETS, V1_41, operation_of


def test_buckets_and_operations():
    assert (TOKEN_BUCKETS[0], TOKEN_BUCKETS[-1], len(TOKEN_BUCKETS)) == (1, 67108864, 14)
    assert (DURATION_BUCKETS[0], DURATION_BUCKETS[-1], len(DURATION_BUCKETS)) == (0.01, 81.92, 14)
    assert [operation_of(api) for api in ("chat", "completions", "embeddings", "rerank", "")] == [
        "chat",
        "text_completion",
        "embeddings",
        "rerank",
        "chat",
    ]
    assert V1_41.token_histogram and not V1_41.token_counters
    assert LATEST.token_counters and not LATEST.token_histogram
