"""What formats share about citations."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.dialects.response.citations import BlockCitations, read_source, source_file_id, source_link
from octoroute.domain.events import SourceCited


class _Page(msgspec.Struct):
    url: str = ""
    start: int | None = None


PAGE = msgspec.json.Decoder(_Page)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"url": "u", "start": 3}, _Page("u", 3)),
        ({"url": "u", "start": "3"}, _Page("u", 3)),
        ({"url": "u", "start": {}}, _Page("u")),
        ({"url": []}, _Page()),
        ("text", None),
        (None, None),
        ([1], None),
    ],
)
def test_a_field_of_another_type_costs_the_field(value, read):
    assert read_source(value, PAGE) == read


def test_every_source_has_a_link():
    assert source_link(SourceCited(url="https://a.org", document=2)) == "https://a.org"
    assert source_link(SourceCited(document=2)) == "#document-3"
    assert source_link(SourceCited(file_id="file_1")) == "#file_1"
    assert source_file_id(SourceCited()) == "document-1"


def test_a_citation_is_for_the_block_in_which_it_came():
    cites = BlockCitations()
    cites.chars += 5
    assert cites.close() == ()
    cites.add(SourceCited(url="a"))
    cites.add(None)
    cites.chars += 3
    cites.add(SourceCited(url="b"))
    assert cites.close() == [SourceCited(url="a", start=5, end=8), SourceCited(url="b", start=5, end=8)]
    cites.chars += 1
    cites.add(SourceCited(url="c"))
    assert cites.close() == [SourceCited(url="c", start=8, end=9)]
    assert cites.close() == ()
