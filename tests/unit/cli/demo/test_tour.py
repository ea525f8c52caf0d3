"""The tour tells what the gateway does, and ends with an error when that is not what it should be."""

import io

import httpx2
import pytest

from octoroute.cli.demo.screen import Screen
from octoroute.cli.demo.tour import GuidedTour, _why, words_of
from octoroute.errors import OctorouteError


def response(*lines: str) -> httpx2.Response:
    return httpx2.Response(200, content="".join(f"{line}\n\n" for line in lines).encode())


CHUNK = 'data: {"choices": [{"delta": {"content": "%s"}}]}'


async def test_the_words_of_a_stream_without_its_comments_and_its_end():
    stream = response(": keep-alive", CHUNK % "one", 'data: {"choices": []}', CHUNK % " two", "data: [DONE]")
    assert [word async for word in words_of(stream)] == ["one", " two"]


async def test_an_error_event_ends_the_tour():
    with pytest.raises(OctorouteError, match="a response was cut off"):
        [word async for word in words_of(response(CHUNK % "one", 'data: {"error": {"message": "x"}}'))]


async def test_a_gateway_that_is_not_there_ends_the_tour():
    with pytest.raises(OctorouteError, match="no response from the gateway"):
        await GuidedTour(Screen(io.StringIO(), {}), []).guide("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("explained", "by", "attempts", "text"),
    [
        ({"strategy": "rule", "reason": "small talk"}, "rule", "1", "by rule: small talk"),
        ({"strategy": "rule", "reason": "code"}, "rule", "2", "by rule: code; 2 attempts, one answer"),
        ({"strategy": "rule", "reason": "x"}, "llm", "1", "by llm: no rule applies, so the router model decided"),
        (
            {"strategy": "default", "reason": "x"},
            "default",
            "1",
            "by default: no rule applies, and the router model gave no decision",
        ),
    ],
)
def test_the_reason_is_that_of_the_explanation_unless_a_model_decided(explained, by, attempts, text):
    assert _why(explained, {"x-octoroute-strategy": by, "x-octoroute-attempts": attempts}) == text
