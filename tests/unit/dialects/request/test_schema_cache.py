"""The cache of rewritten schemas: bounded in bytes, whatever is put in."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.schema_cache import SchemaCache


@given(st.lists(st.binary(max_size=40), max_size=60))
def test_it_gives_what_is_built_and_never_keeps_more_than_its_bytes(keys):
    cache = SchemaCache(lambda encoded: encoded[::-1], max_bytes=100, max_entry_bytes=30)
    for key in keys:
        assert cache.get(key) == key[::-1]
        assert cache.bytes <= 100


def test_a_schema_is_built_once_unless_it_is_large():
    built: list[bytes] = []

    def build(encoded: bytes) -> int:
        built.append(encoded)
        return len(built)

    cache = SchemaCache(build, max_bytes=100, max_entry_bytes=10)
    assert [cache.get(key) for key in (b"small", b"small", b"x" * 11, b"x" * 11)] == [1, 1, 2, 3]
    assert len(cache) == 1


def test_a_schema_that_two_threads_build_at_once_counts_once():
    """Otherwise the count grows with every such chance until it evicts from an empty cache."""
    both = threading.Barrier(2, timeout=30)

    def build(encoded: bytes) -> bytes:
        both.wait()
        return encoded

    cache = SchemaCache(build, max_bytes=100)
    threads = [threading.Thread(target=cache.get, args=(b"same",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(cache), cache.bytes) == (1, 4)
