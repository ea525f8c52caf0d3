"""The gateway inside another program: its states, and the requests it takes; answers are in tests/behaviour/test_library.py."""

from __future__ import annotations

import pytest

import octoroute
from octoroute.errors import BadRequest, ConfigError, UnknownModel

CONFIG = {"models": {"balanced": [{"name": "one", "base_url": "http://127.0.0.1:1/v1"}]}, "health": {"interval_seconds": 0}}
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def made() -> octoroute.Gateway:
    return octoroute.Gateway.from_dict(CONFIG, variables={})


def test_a_configuration_with_problems_is_raised():
    with pytest.raises(ConfigError):
        octoroute.Gateway.from_dict({"models": {"balanced": [{"name": 5}]}}, variables={})


async def test_it_answers_only_between_open_and_close():
    gateway = made()
    with pytest.raises(RuntimeError, match="not open"):
        await gateway.ask(QUESTION)
    async with gateway:
        with pytest.raises(UnknownModel):
            await gateway.ask({**QUESTION, "model": "nope"})
        with pytest.raises(RuntimeError, match="the gateway is open; create a new one"):
            await gateway.open()
    with pytest.raises(RuntimeError, match="not open"):
        await gateway.ask(QUESTION)
    with pytest.raises(RuntimeError, match="the gateway is closed; create a new one"):
        await gateway.open()
    await gateway.close()


@pytest.mark.parametrize("question", [{"messages": object()}, b"[]", b"{", {"model": "auto"}])
async def test_a_body_that_is_no_request_is_raised(question):
    async with made() as gateway:
        with pytest.raises(BadRequest):
            await gateway.ask(question)


async def test_a_stream_sends_nothing_before_its_first_item():
    async with made() as gateway:
        stream = gateway.stream({**QUESTION, "model": "nope"})
        assert stream.headers == {}
        with pytest.raises(UnknownModel):
            await anext(stream)
