"""Eleven servers say the same thing in their own ways; clients of every dialect, each with its official SDK, must hear the same.

The SDKs validate strictly whatever octoroute has written itself.
"""

from __future__ import annotations

import json

import pytest

from tests.support.fake import stream, whole
from tests.support.live_gateway import endpoint
from tests.support.sdks import RAISES, TALKS, Heard
from tests.support.servers import SERVERS, Cite, Ollama, Saying
from tests.support.vendors import Call

SAYINGS = {
    "text": Saying("The answer is 42, naïve 漢字 😀."),
    "thinking": Saying("Forty-two.", thinking="Let me think about it."),
    "a call": Saying(calls=[Call("add", {"a": 1, "b": 2}, "call_1")], finish="tools"),
    "text and parallel calls": Saying(
        "I will ask.", calls=[Call("weather", {"city": "Zürich\n"}, "call_1"), Call("weather", {"city": "Oslo"}, "call_2")], finish="tools"
    ),
    "thinking and a call": Saying(thinking="A sum.", calls=[Call("add", {"a": 3, "b": 4}, "call_9")], finish="tools"),
    "cut": Saying("Once upon a", finish="length"),
    "citations": Saying(
        "Größe 😀: Oslo has 700,000 people. Zürich has 440,000 people, 漢字 or not.",
        cites=[
            Cite("https://a.org/oslo?q=1&r=ø", "Oslo", "Oslo has 700,000 people."),
            Cite("https://b.org/", "Zürich: a city", "Zürich has 440,000 people, 漢字"),
        ],
    ),
    "refusal": Saying(refusal="I cannot help with that.", finish="refusal"),
}  # fmt: skip
OWN = {"chat": "openai", "messages": "anthropic", "generate": "gemini"}
"""The kind of endpoint whose bytes each client gets unchanged."""

servers = pytest.mark.parametrize("server", SERVERS)
clients = pytest.mark.parametrize("client", [client for client in TALKS if client != "ollama"])
"""Ollama's format has no ids of calls, no count of cached tokens, and one end for everything; tests/e2e/test_matrix.py has its client."""


async def talk_to(gateway, client: str, server, **more):
    talk = TALKS[client](gateway.url, tools=("add", "weather"), max_tokens=8000, **more)
    if OWN.get(client) != server.kind and hasattr(talk.sdk, "_strict_response_validation"):
        talk.sdk._strict_response_validation = True
    return talk


async def close(talk) -> None:
    await (talk.close() if hasattr(talk, "close") else talk.sdk.close())


def row(fake, server) -> dict:
    kind = {"provider": server.kind} if server.kind != "openai" else {}
    return endpoint(f"http://127.0.0.1:{fake.port}{server.path}", "m", id="a", **kind, **server.settings)


def streamed_by(server, pieces):
    return stream(pieces, content_type="application/vnd.amazon.eventstream" if server.kind == "bedrock" else "text/event-stream")


@servers
@clients
async def test_the_same_is_heard(make_gateway, fake, server, client):
    server = SERVERS[server]
    gateway = await make_gateway([row(fake, server)])
    for name, says in SAYINGS.items():
        for streamed in (True, False):
            fake.always(streamed_by(server, server.frames(says)) if streamed else whole(server.body(says)))
            talk = await talk_to(gateway, client, server, thinks=bool(says.thinking))
            talk.say("hello")
            try:
                heard = await talk.answer(streamed=streamed)
            finally:
                await close(talk)
            must_match(heard, says, server, client, f"{name}, {'streamed' if streamed else 'whole'}")


def must_match(heard: Heard, says: Saying, server, client: str, case: str) -> None:
    own = OWN.get(client) == server.kind and "mend-tool-calls" not in server.settings.get("quirks", ())
    if not says.refusal:
        assert heard.text == says.text, case
    assert [(call.name, call.arguments) for call in heard.calls] == [(call.name, call.arguments) for call in says.calls], case
    if not (own and server.kind == "gemini"):  # which gives no ids
        assert len({call.id for call in heard.calls}) == len(says.calls), case
    assert heard.stop == says.finish, case
    assert heard.usage == (says.input, 0 if isinstance(server, Ollama) else says.cached, says.output), case
    must_cite(heard, says, server, client, case)
    if says.thinking and server.thinks and not (own and server.kind == "openai" and server.thinks != "reasoning_content"):
        assert heard.thought == says.thinking, case


def must_cite(heard: Heard, says: Saying, server, client: str, case: str) -> None:
    """A stream to a Messages client has said the text of a block before its citation is known, so the block may be larger. White
    space alone is no block there, so it may be at the end of one.
    """
    if not getattr(server, "cites", False):
        return
    assert [(url, title) for url, title, _ in heard.citations] == [(cite.url, cite.title) for cite in says.cites], case
    for (_, _, words), cite in zip(heard.citations, says.cites, strict=True):
        assert (cite.words in words) if client == "messages" and case.endswith("streamed") else words.strip() == cite.words, case


@servers
@clients
@pytest.mark.parametrize("begun", [False, True], ids=["at first", "in the middle"])
async def test_an_error_is_heard_as_one(make_gateway, fake, server, client, begun):
    server = SERVERS[server]
    gateway = await make_gateway([row(fake, server)])
    frames = server.frames(SAYINGS["text"])
    pieces = [*frames[:4], 0.01, server.failing(), *frames[4:]] if begun else [server.failing(), *frames[-1:]]
    fake.always(streamed_by(server, pieces))
    talk = TALKS[client](gateway.url, max_tokens=8000)
    talk.say("hello")
    try:
        with pytest.raises(RAISES[client][0]) as caught:
            await talk.answer(streamed=True)
    finally:
        await close(talk)
    assert "overloaded" in json.dumps(str(caught.value)).lower()
