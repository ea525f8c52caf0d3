"""What is refused in [aliases], each with its key."""

from __future__ import annotations

import pytest

from octoroute.errors import ConfigError
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings


def aliases_of(**aliases: str):
    rows = [row("qwen3-8b", id="local-1"), row("big")]
    return configured(settings(rows[:1], [], rows[1:], aliases=aliases)).aliases


@pytest.mark.parametrize("target", ["auto", "fast", "deep", "embedding", "qwen3-8b", "local-1", "big", "other"])
def test_an_alias_stands_for_anything_a_client_may_ask_for(target):
    assert aliases_of(x=target, other="auto")["x"] == target


def test_words_are_taken_in_any_case():
    assert aliases_of(x="AUTO", y="Deep") == {"x": "auto", "y": "deep"}


def test_the_name_of_an_endpoint_may_be_an_alias_too_because_the_endpoint_wins():
    assert aliases_of(big="fast") == {"big": "fast"}


@pytest.mark.parametrize(
    ("aliases", "path", "text"),
    [
        ({"x": "nowhere"}, "aliases.x", "neither a model nor an alias"),
        ({"gpt-*": "qwen3-8"}, "aliases", 'did you mean "qwen3-8b"?'),
        ({"x": "gpt-*", "gpt-*": "auto"}, "aliases.x", "glob"),
        ({"x": "x"}, "aliases.x", "x -> x"),
        ({"x": "y", "y": "x"}, "aliases.y", "y -> x -> y"),
        ({"x": "y", "y": "z", "z": "y"}, "aliases.z", "leads back to itself"),
        ({"auto": "big"}, "aliases.auto", "reserved"),
        ({"FAST": "big"}, "aliases.FAST", "reserved"),
        ({" x": "big"}, "aliases", "spaces"),
        ({"x" * 300: "big"}, "aliases", "longer than 256"),
    ],
)
def test_others_are_refused(aliases, path, text):
    with pytest.raises(ConfigError) as refused:
        aliases_of(**aliases)
    assert any(path in problem and text in problem for problem in refused.value.problems), refused.value.problems
