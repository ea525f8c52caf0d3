"""Data URLs and media types."""

from __future__ import annotations

import pytest

from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import ask, user


def test_p75_odd_data_urls():
    def source(url):
        return ask(user([{"type": "image_url", "image_url": {"url": url}}]))["messages"][0]["content"][0]["source"]

    assert source("data:image/jpg;name=x;base64,AAAA") == {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}
    assert source("https://x/y") == {"type": "url", "url": "https://x/y"}
    for bad in ("data:image/svg+xml;base64,AA", "data:image/png,plain", "ftp://x/y", "data:"):
        with pytest.raises(BadRequest):
            source(bad)
