"""Every official SDK against every kind of vendor, streamed and whole: what the SDK hears, and what the vendor was asked.

The vendors check each request by their own SDK's types and answer it in the same; see tests/support/vendors.
"""

from __future__ import annotations

import base64

import pytest

openai = pytest.importorskip("openai", reason="the e2e group is not installed")
anthropic = pytest.importorskip("anthropic", reason="the e2e group is not installed")
pytest.importorskip("google.genai", reason="the e2e group is not installed")
pytest.importorskip("ollama", reason="the e2e group is not installed")

from tests.support.fake import stream, whole  # noqa: E402 - only where the SDKs are
from tests.support.sdks import RAISES, TALKS, City  # noqa: E402
from tests.support.vendors import VENDORS, Asked, Call, Image, Says, Thought  # noqa: E402

PNG = Image("image/png", base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(200))).decode())
NO = "I cannot help with that."
CITY = '{"name": "Ulm", "inhabitants": 126000}'
SAME = {
    ("chat", "openai"),
    ("chat", "azure"),
    ("responses", "responses"),
    ("messages", "anthropic"),
    ("generate", "gemini"),
}
"""One dialect in and out: the upstream's own bytes come back."""

pairs = pytest.mark.parametrize("kind", VENDORS)
clients = pytest.mark.parametrize("client", TALKS)
ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@ways
@pairs
@clients
async def test_text(street, client, kind, streamed):
    there = await street(kind, Says("Grüße aus Ulm, \U0001f600 and a line\nbreak"))
    talk = there.talk(client, model="the-model", system="be brief", max_tokens=77)
    talk.say("hello there")
    heard = await talk.answer(streamed=streamed)
    assert (heard.text, heard.stop, heard.calls) == ("Grüße aus Ulm, \U0001f600 and a line\nbreak", "stop", [])
    assert (there.asked.system, there.asked.turns, there.asked.stream) == ("be brief", [("user", "hello there")], streamed)
    assert there.asked.max_tokens == 77
    if (client, kind) not in SAME:
        assert heard.model == "the-model"


@ways
@pairs
@clients
async def test_usage_with_cached_tokens(street, client, kind, streamed):
    there = await street(kind, Says("hi", input=1000, cached=400, output=30))
    talk = there.talk(client)
    talk.say("hello there")
    cached = 0 if client == "ollama" else 400
    assert (await talk.answer(streamed=streamed)).usage == (1000, cached, 30)
    await there.gateway.quiet()
    counted = {word: there.gateway.metric("octoroute_tokens_total", kind=word) for word in ("input", "output", "cached")}
    assert counted == {"input": 1000, "output": 30, "cached": 400}


@ways
@pairs
@clients
async def test_two_parallel_calls_and_their_results(street, client, kind, streamed):
    def model(asked: Asked) -> Says:
        results = asked.results()
        if not results:
            return Says("Let me see.", [Call("weather", {"city": "Ulm"}), Call("add", {"a": 2, "b": 3})], "tools")
        return Says(f"{results['weather(Ulm)']}, and {results['add(2,3)']}.")

    there = await street(kind, model)
    talk = there.talk(client, tools=["add", "weather"])
    talk.say("what is the weather in Ulm, and 2 + 3?")
    heard = await talk.answer(streamed=streamed)
    assert heard.stop == "tools"
    assert heard.text == "Let me see."
    assert [(call.name, call.arguments) for call in heard.calls] == [("weather", {"city": "Ulm"}), ("add", {"a": 2, "b": 3})]
    assert len({call.id for call in heard.calls}) == 2 or client in {"generate", "ollama"}  # their calls need no ids
    assert set(there.asked.tools) == {"add", "weather"}
    assert there.asked.tools["add"]["required"] == ["a", "b"]
    talk.give([(heard.calls[0], "sunny, 21 °C"), (heard.calls[1], "5")])
    heard = await talk.answer(streamed=streamed)
    assert (heard.text, heard.stop) == ("sunny, 21 °C, and 5.", "stop")


@ways
@pairs
@clients
async def test_an_image(street, client, kind, streamed):
    there = await street(kind, Says("a pattern"))
    talk = there.talk(client)
    talk.say("what is this?", PNG)
    assert (await talk.answer(streamed=streamed)).text == "a pattern"
    assert there.asked.turns == [("user", "what is this?"), ("user", PNG)]


@ways
@pairs
@clients
async def test_thinking_and_its_way_back(street, client, kind, streamed):
    """It is heard, and when the history is sent again every server gets what it can read: its own words, or none."""

    def model(asked: Asked) -> Says:
        results = asked.results()
        if not results:
            return Says("", [Call("add", {"a": 2, "b": 3})], "tools", thinking="I should add them, and carefully.")
        return Says(f"It is {results['add(2,3)']}.", thinking="Now I know.")

    there = await street(kind, model)
    talk = there.talk(client, tools=["add"], max_tokens=5000, thinks=True)
    talk.say("what is 2 + 3?")
    heard = await talk.answer(streamed=streamed)
    assert heard.thought == "I should add them, and carefully."
    talk.give([(heard.calls[0], "5")])
    heard = await talk.answer(streamed=streamed)
    assert (heard.text, heard.thought) == ("It is 5.", "Now I know.")
    shown = "".join(thought.text for thought in there.asked.said(Thought))
    signed = kind in {"anthropic", "bedrock", "responses"} and client != "ollama"  # has no place for a signature
    assert shown == ("I should add them, and carefully." if signed or kind == client_kind(client) else "")


def client_kind(client: str) -> str:
    return {"messages": "anthropic", "generate": "gemini"}.get(client, "")


@ways
@pairs
@clients
async def test_structured_output(street, client, kind, streamed):
    there = await street(kind, Says(CITY))
    talk = there.talk(client)
    talk.say("where are we?")
    heard = await talk.answer(streamed=streamed, structured=True)
    assert heard.parsed == City(name="Ulm", inhabitants=126000)
    assert there.asked.schema is not None
    assert set(there.asked.schema["properties"]) == {"name", "inhabitants"}


@ways
@pairs
@clients
async def test_a_refusal(street, client, kind, streamed):
    """Gemini refuses without a word."""
    there = await street(kind, Says(finish="refusal", refusal="" if kind == "gemini" else NO))
    talk = there.talk(client)
    talk.say("something bad")
    heard = await talk.answer(streamed=streamed)
    assert heard.stop == ("stop" if client == "ollama" else "refusal")
    assert not heard.calls
    if kind != "gemini":
        assert NO in {heard.refusal, heard.text}
    assert (await there.gateway.row("a"))["consecutive_failures"] == 0


@ways
@pairs
@clients
async def test_a_length_stop(street, client, kind, streamed):
    there = await street(kind, Says("and so it goes on and", finish="length"))
    talk = there.talk(client, max_tokens=20)
    talk.say("tell me everything")
    heard = await talk.answer(streamed=streamed)
    assert (heard.text, heard.stop) == ("and so it goes on and", "length")
    assert there.asked.max_tokens == 20


# status of the upstream → what the SDK raises, and the status it sees
ERRORS = {
    400: ("BadRequestError", 400),
    429: ("RateLimitError", 429),
    500: ("InternalServerError", 502),
}


@ways
@pairs
@clients
@pytest.mark.parametrize("status", ERRORS)
async def test_an_error_before_the_first_event(street, client, kind, streamed, status):
    there = await street(kind)
    there.fake.always(whole(VENDORS[kind]().error(status, "the words of the upstream"), status, {"retry-after": "7"}))
    talk = there.talk(client)
    talk.say("hello there")
    kind_of_error, where = RAISES[client]
    name, seen = ERRORS[status]
    with pytest.raises(kind_of_error) as error:
        await talk.answer(streamed=streamed)
    assert getattr(error.value, where) == seen
    if client in {"chat", "responses", "messages"}:
        assert type(error.value).__name__ == name
        assert error.value.body is not None
    if client != "ollama":  # its SDK keeps no headers
        assert error.value.response.headers.get("retry-after") == "7"
    assert ("the words of the upstream" in str(error.value)) == (status == 400)


@pairs
@clients
async def test_an_error_as_the_first_event_of_a_stream_is_a_status(street, client, kind):
    there = await street(kind)
    there.fake.always(stream(VENDORS[kind]().broken(Says())[-1:]))
    talk = there.talk(client)
    talk.say("hello there")
    kind_of_error, where = RAISES[client]
    with pytest.raises(kind_of_error) as error:
        await talk.answer(streamed=True)
    assert getattr(error.value, where) == 502


@pairs
@clients
async def test_an_error_after_the_first_event(street, client, kind):
    there = await street(kind)
    *good, bad = VENDORS[kind]().broken(Says("the first half of an answer"))
    there.fake.always(stream([*good, 0.05, bad]))
    talk = there.talk(client)
    talk.say("hello there")
    with pytest.raises(RAISES[client][0]):
        await talk.answer(streamed=True)
    await there.gateway.quiet()
    assert there.gateway.metric("octoroute_outcomes_total", outcome="broken") == 1


@pairs
@clients
async def test_an_answer_cut_in_the_middle_is_an_error_too(street, client, kind):
    there = await street(kind)
    there.fake.always(stream([*VENDORS[kind]().frames(Says("an answer that is cut"))[:3], 0.05], end="cut"))
    talk = there.talk(client)
    talk.say("hello there")
    with pytest.raises(RAISES[client][0]):
        await talk.answer(streamed=True)
