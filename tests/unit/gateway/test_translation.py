"""A request is decoded once for all endpoints that need a translation, and again only when it was changed."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute import dialects
from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.domain.conversation import Conversation
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.settings import QueueSettings
from octoroute.gateway.translation import Translator
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

BODY = {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


class DecodeCounter(AnthropicInbound):
    def __init__(self) -> None:
        self.decodes = 0

    def conversation(self, request, endpoint) -> Conversation:
        self.decodes += 1
        return super().conversation(request, endpoint)


def counted(endpoints, behave, **more):
    counter = DecodeCounter()
    return Spine(endpoints, behave, inbound={**dialects.inbound(lambda: 0.0), "anthropic": counter}, **more), counter


def ask(spine, **more):
    return spine.ask(spine.request(dialect="anthropic", **{**BODY, **more}))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fault", ["500", "unreachable", "garbage"])
def test_a_translated_request_is_decoded_once_however_many_attempts_it_takes(count, fault):
    async def story():
        endpoints = [make_endpoint(f"e{n}", priority=9 - n) for n in range(count)]
        spine, counter = counted(endpoints, lambda *_: fault)
        told = await ask(spine)
        assert told.status != 200
        assert told.asked == [endpoint.id for endpoint in endpoints]
        assert counter.decodes == 1

    run(story())


def test_a_request_that_needs_no_translation_is_not_decoded():
    async def story():
        spine, counter = counted([make_endpoint("a", kind="anthropic"), make_endpoint("b", kind="anthropic")], lambda *_: "500")
        assert (await ask(spine)).status != 200
        assert counter.decodes == 0

    run(story())


def test_only_the_endpoints_of_another_dialect_get_the_decoded_request():
    async def story():
        endpoints = [make_endpoint("same", kind="anthropic", priority=2), make_endpoint("other", priority=1)]
        spine, counter = counted(endpoints, {"same": "500"})
        told = await ask(spine)
        assert (told.status, told.asked, counter.decodes) == (200, ["same", "other"], 1)

    run(story())


def test_a_truncated_request_is_decoded_anew():
    async def story():
        seen = []

        def behave(model, body):
            seen.append([message["content"] for message in body["messages"]])
            return "ok"

        spine, counter = counted(
            [make_endpoint("a", context_window=300)], behave, context=ContextPolicy(policy="truncate", reserve_output="none")
        )
        turns = [{"role": role, "content": f"{n} " + "word " * 100} for n in range(3) for role in ("user", "assistant")]
        told = await ask(spine, messages=[*turns, {"role": "user", "content": "the last"}])
        assert told.status == 200
        assert "the last" in json.dumps(seen[0])
        assert "0 word" not in json.dumps(seen[0])
        assert counter.decodes == 2

    run(story())


def test_a_queued_request_is_not_decoded_again_when_its_turn_comes():
    async def story():
        spine, counter = counted(
            [make_endpoint("a", max_in_flight=1)], {}, waiting=QueueSettings(max_waiting=5), delay_s=lambda _: 1.0
        )
        answers = await asyncio.gather(*(ask(spine) for _ in range(3)))
        assert [told.status for told in answers] == [200] * 3
        assert counter.decodes == 3

    run(story())


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", {"messages": [{"role": "user", "content": "hello"}]}),
        ("anthropic", BODY),
        ("responses", {"input": "hello"}),
    ],
)
def test_a_json_body_means_the_same_for_every_endpoint(dialect, body):
    """The law that lets attempts share the decoded request."""
    inbound = dialects.inbound(lambda: 0.0)[dialect]
    request = inbound.read(json.dumps({"model": "auto", **body}).encode(), request_id="r", headers={})
    plain, tuned = make_endpoint("a"), make_endpoint("b", kind="gemini", max_tokens=7, temperature=0.25)
    assert inbound.conversation(request, plain) == inbound.conversation(request, tuned)


def test_a_plain_message_takes_the_defaults_of_each_endpoint_it_is_sent_to():
    async def story():
        seen = []

        def behave(model, body):
            seen.append((model, body.get("max_tokens") or body.get("max_completion_tokens")))
            return "500" if model == "a" else "ok"

        endpoints = [make_endpoint("a", max_tokens=11, priority=2), make_endpoint("b", max_tokens=22, priority=1)]
        spine = Spine(endpoints, behave)
        inbound = spine.gateway.inbound["simple"]
        request = inbound.read(b'{"message": "hello"}', request_id="r", headers={})
        assert (await spine.ask(request)).status == 200
        assert seen == [("a", 11), ("b", 22)]

    run(story())


def test_the_decoded_request_is_of_no_use_to_an_endpoint_of_the_clients_dialect():
    upstream = UpstreamClient(None, PROVIDERS, dialects.outbound(lambda: 0.0))
    inbound = dialects.inbound(lambda: 0.0)
    request = inbound["openai"].read(
        b'{"model": "auto", "odd": 1, "messages": [{"role": "user", "content": "x"}]}', request_id="r", headers={}
    )
    conversation = inbound["openai"].conversation(request, make_endpoint("a"))
    made = Translator(inbound, upstream).upstream_request(request, make_endpoint("a"), None, conversation)
    assert made.conversation is None
    assert json.loads(made.body) == {"model": "a", "odd": 1, "messages": [{"role": "user", "content": "x"}]}
