"""Files as OpenAI's types have them; the routes are tested in tests/behaviour/test_batches.py."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from octoroute.server.routes.files import file_object, list_object, page_limit
from octoroute.store.files import StoredFile


def test_a_file_is_what_the_sdk_says():
    types = pytest.importorskip("openai.types", reason="pip install --group sdks")
    file = StoredFile("file-1", "o", "batch", "in.jsonl", 7, 1.5)
    read = types.FileObject.model_validate(file_object(file), strict=True)
    assert (read.bytes, read.purpose, read.status, read.created_at) == (7, "batch", "processed", 1)
    assert "o" not in file_object(file).values()


def test_lists_and_limits():
    rows = [{"id": str(at)} for at in range(3)]
    assert list_object(rows, 2) == {"object": "list", "data": rows[:2], "first_id": "0", "last_id": "1", "has_more": True}
    assert list_object([], 2)["last_id"] is None
    assert (page_limit(None, 20, 100), page_limit("100", 20, 100)) == (20, 100)
    for wrong in ("0", "101", "-1", "x", "", "9" * 5000, "\u0663"):
        with pytest.raises(BadRequest):
            page_limit(wrong, 20, 100)
