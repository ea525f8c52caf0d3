"""Data URLs and media types."""

from __future__ import annotations

import pytest

from octoroute.dialects.request.media import document_from_file, standard_base64
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


@pytest.mark.parametrize(("given", "standard"), [("_-8", "/+8="), ("_-8=", "/+8="), ("/+8=", "/+8="), ("YQ", "YQ=="), ("", "")])
def test_base64_of_either_alphabet(given, standard):
    assert standard_base64(given) == standard


@pytest.mark.parametrize(("given", "kind"), [("YQ==", "application/pdf"), ("data:text/csv;base64,YQ==", "text/csv")])
def test_a_file_is_a_data_url_or_a_pdf(given, kind):
    document = document_from_file(given, "a", "file")
    assert (document.media_type, document.data, document.title) == (kind, "YQ==", "a")
