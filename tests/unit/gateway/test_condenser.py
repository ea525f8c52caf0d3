"""What the fast tier is asked for: summaries and descriptions, once for each content and client, in bounded time."""

from __future__ import annotations

import itertools
import json

import msgspec

from octoroute import dialects
from octoroute.domain.endpoint import Tier
from octoroute.domain.principal import Principal
from octoroute.gateway.condenser import MAX_PARALLEL, Condenser, HistorySource, SummarySize
from octoroute.gateway.internal_calls import InternalCalls
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

SIZE = SummarySize(700, 4000)
CHAT = dialects.inbound(lambda: 0.0)["openai"]
FAST = make_endpoint("fast", tier=Tier.FAST)


def source(**more):
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    request = CHAT.read(json.dumps(body).encode(), request_id="r", headers={})
    return HistorySource(msgspec.structs.replace(request, **more), CHAT, FAST, "messages")


def chunk(text):
    return [json.dumps({"role": role, "content": text}).encode() for role in ("user", "assistant")]


class Asked:
    def __init__(self, behave="ok", delay_s=0.0):
        self.bodies = []
        self.most = self.now = 0

        def record(_, body):
            self.bodies.append(body)
            return behave if isinstance(behave, str) else behave(body)

        self.spine = Spine([FAST, make_endpoint("other", tier=Tier.DEEP)], record, delay_s=lambda _: delay_s)
        ids = itertools.count(1)
        self.condenser = Condenser(InternalCalls(lambda: self.spine.gateway, lambda: f"own{next(ids)}"))


def test_a_chunk_is_told_as_a_transcript_without_tools():
    async def story():
        asked = Asked()
        found = await asked.condenser.summaries(source(), [chunk("hello")], SIZE, 5)
        assert found == (["hello from fast"], 1, "")
        (body,) = asked.bodies
        assert body["messages"][0]["role"] == "system"
        assert "at most 100 words" in body["messages"][0]["content"]
        assert body["messages"][1]["content"] == "USER: hello\nASSISTANT: hello"
        assert "tools" not in body
        assert (body.get("max_completion_tokens") or body["max_tokens"]) == 700 // 4 + 512

    run(story())


def test_only_what_is_new_is_asked_for():
    async def story():
        asked = Asked()
        await asked.condenser.summaries(source(), [chunk("a")], SIZE, 5)
        found = await asked.condenser.summaries(source(), [chunk("a"), chunk("b")], SIZE, 5)
        assert (len(found.texts), found.asked, len(asked.bodies)) == (2, 1, 2)
        await asked.condenser.summaries(source(principal=Principal(name="somebody")), [chunk("a")], SIZE, 5)
        await asked.condenser.summaries(source(headers={"x-api-key": "k"}), [chunk("a")], SIZE, 5)
        await asked.condenser.summaries(source(), [chunk("a")], SummarySize(100, 4000), 5)
        assert len(asked.bodies) == 5

    run(story())


def test_the_time_is_bounded_and_what_has_come_is_kept():
    async def story():
        asked = Asked(lambda body: "hang" if "slow" in json.dumps(body) else "ok")
        found = await asked.condenser.summaries(source(), [chunk("a"), chunk("slow")], SIZE, 5)
        assert found.texts == ["hello from fast", None]
        assert found.failure
        again = await asked.condenser.summaries(source(), [chunk("a")], SIZE, 5)
        assert again.asked == 0

    run(story())


def test_a_failure_is_named_by_its_code():
    async def story():
        asked = Asked("500")
        found = await asked.condenser.summaries(source(), [chunk("private words")], SIZE, 5)
        assert found.texts == [None]
        assert found.failure
        assert "private" not in found.failure

    run(story())


def test_a_chunk_that_cannot_be_read_is_a_failure():
    async def story():
        asked = Asked()
        found = await asked.condenser.summaries(source(), [[b'{"role":"user","content":[{"type":"nonsense"}]}']], SIZE, 5)
        assert found.texts == [None] or asked.bodies

    run(story())


def test_few_questions_are_under_way_at_once():
    async def story():
        asked = Asked(delay_s=1.0)
        await asked.condenser.summaries(source(), [chunk(str(number)) for number in range(10)], SIZE, 60)
        starts = sorted(when for _, _, when in asked.spine.transport.asked)
        assert len(starts) == 10
        assert all(later - earlier >= 1.0 for earlier, later in zip(starts, starts[MAX_PARALLEL:], strict=False))

    run(story())


def test_an_image_is_shown_and_described_once():
    async def story():
        asked = Asked()
        shown = b'{"url":"data:image/png;base64,iVBORw0KGgo="}'
        images = {shown: b'{"type":"image_url","image_url":%b}' % shown}
        for _again in range(2):
            found = await asked.condenser.descriptions(source(), images, 5)
            assert found.texts == ["hello from fast"]
        (body,) = asked.bodies
        assert [part["type"] for part in body["messages"][-1]["content"]] == ["text", "image_url"]

    run(story())
