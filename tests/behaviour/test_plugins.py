"""B25: vendors that other packages bring, in the real process and in the gateway; a crash in one is an endpoint's failure."""

import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from octoroute.errors import ConfigError
from octoroute.upstream.providers import plugins
from tests.support.fake import by_wish, completion, whole
from tests.support.live_gateway import configured, endpoint, question, settings

ACME = """
    import json
    from octoroute.domain.events import Finished, FinishReason, Started, TextDelta, UsageReported
    from octoroute.dialects.response.progress import Progress
    from octoroute.errors import BadUpstreamResponse
    from octoroute.domain.outcome import Usage


    class Acme:
        '''OpenAI's format behind a header and a path of its own.'''

        kind = "acme"
        dialect = "openai"
        passes = ()

        def url(self, endpoint, api, *, stream):
            return endpoint.base_url + "/acme/ask" if api == "chat" else None

        def headers(self, endpoint):
            return (("content-type", "application/json"), ("x-acme-key", endpoint.api_key.reveal()))

        def probe_url(self, endpoint):
            return endpoint.base_url + "/models"


    class Telex:
        '''A wire format of its own: one JSON object, `{"say": text}`.'''

        kind = "telex"
        dialect = "telex"
        passes = ()

        def __init__(self):
            self.outbound = Format()

        def url(self, endpoint, api, *, stream):
            return endpoint.base_url + "/telex"

        def headers(self, endpoint):
            return (("content-type", "application/json"),)

        def probe_url(self, endpoint):
            return endpoint.base_url


    class Format:
        name = "telex"

        def encode_request(self, conversation, endpoint, *, stream, notes=None):
            return json.dumps({"ask": conversation.turns[-1].content[0].text, "model": endpoint.model}).encode()

        def unsupported(self, conversation, endpoint):
            return "telex cannot call tools" if conversation.tools else None

        def tap(self):
            raise NotImplementedError

        def decoder(self, conversation=None, endpoint=None):
            return Decoder()

        def decode_response(self, body, conversation=None, endpoint=None):
            return [Started(), TextDelta(json.loads(body)["say"]), UsageReported(Usage(input_tokens=2, output_tokens=1)), Finished(FinishReason.STOP)]

        def read_error(self, status, headers, body):
            return None


    class Decoder:
        def feed(self, frames):
            events = []
            for line in frames.split(b"\\n\\n"):
                word = line.removeprefix(b"data: ").decode()
                if word == "STOP":
                    events.append(Finished(FinishReason.STOP))
                elif word:
                    events.append(TextDelta(word))
            return events

        def end(self):
            return []


    class Crashing(Acme):
        kind = "crashing"
        where = "url"

        def url(self, endpoint, api, *, stream):
            if endpoint.model == "url":
                raise RuntimeError("boom in url")
            return {"wrong": 17}.get(endpoint.model, endpoint.base_url + "/chat/completions")

        def headers(self, endpoint):
            if endpoint.model == "headers":
                raise KeyError("boom in headers")
            return () if endpoint.model != "pairs" else 3

        def probe_url(self, endpoint):
            raise ZeroDivisionError


    class CrashingFormat(Telex):
        kind = "crashing-format"
        dialect = "crashing-format"

        def __init__(self):
            self.outbound = BadFormat()


    class BadFormat(Format):
        name = "crashing-format"

        def encode_request(self, conversation, endpoint, **more):
            if endpoint.model == "encode_request":
                raise RuntimeError("boom in encode_request")
            return super().encode_request(conversation, endpoint, **more)

        def unsupported(self, conversation, endpoint):
            return 1 / 0 if endpoint.model == "unsupported" else None

        def read_error(self, status, headers, body):
            raise RuntimeError("boom in read_error")

        def decoder(self, conversation=None, endpoint=None):
            return BadDecoder(endpoint.model)

        def decode_response(self, body, conversation=None, endpoint=None):
            return ["no event"] if endpoint.model == "events" else 1 / 0


    class BadDecoder(Decoder):
        def __init__(self, model):
            self.model = model

        def feed(self, frames):
            if self.model == "late" and b"one" in frames:
                return [TextDelta("one ")]
            raise RuntimeError("boom in feed")


    class Imposter(Acme):
        kind = "openai"


    class Nameless(Acme):
        kind = "other"


    class Methodless:
        kind = "methodless"


    class Exploding(Acme):
        def __init__(self):
            raise SystemExit("I shall not be made")
"""
POINTS = {
    "acme": "Acme",
    "telex": "Telex",
    "crashing": "Crashing",
    "crashing-format": "CrashingFormat",
    "openai": "Imposter",
    "misnamed": "Nameless",
    "methodless": "Methodless",
    "exploding": "Exploding",
    "missing": "NotThere",
}


@pytest.fixture
def package(tmp_path) -> Path:
    """A distribution as pip leaves it behind."""
    site = tmp_path / "site"
    info = site / "acme_octoroute-1.2.3.dist-info"
    info.mkdir(parents=True)
    (site / "acme_octoroute.py").write_text(textwrap.dedent(ACME))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-octoroute\nVersion: 1.2.3\n")
    points = "\n".join(f"{name} = acme_octoroute:{thing}" for name, thing in POINTS.items())
    (info / "entry_points.txt").write_text(f"[octoroute.providers]\n{points}\n")
    return site


@pytest.fixture
def installed(package, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(package))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "acme_octoroute", raising=False)
    yield package
    sys.modules.pop("acme_octoroute", None)


async def test_b25_a_vendor_of_another_package_answers_in_the_real_process(make_process, fake, package):
    process = await make_process(
        [endpoint(fake, provider="acme", api_key="k-1")], env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{package}"}
    )
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{process.url}/v1/chat/completions", json=question())
    assert answer.json()["choices"][0]["message"]["content"] == "hello from fake"
    assert (fake.requests[0].path, fake.requests[0].headers["x-acme-key"]) == ("/v1/acme/ask", "k-1")
    assert "authorization" not in fake.requests[0].headers
    warning = await process.line(
        "the plug-in openai of acme-octoroute 1.2.3 is not used: openai is built in; its author must rename it"
    )
    assert warning["level"] == "warning"


async def test_b25_a_wire_format_of_its_own_whole_and_streamed(installed, make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, provider="telex")])
    fake.then(whole({"say": "stop."}))
    answer = (await gateway.ask()).json()
    assert answer["choices"][0]["message"]["content"] == "stop."
    assert fake.requests[0].json == {"ask": "hello there", "model": "model-a"}
    from tests.support.fake import stream

    fake.then(stream([b"data: one\n\n", b"data: two\n\ndata: STOP\n\n"]))
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert b'"one"' in data
    assert data.endswith(b"data: [DONE]\n\n")
    refused = await gateway.ask(tools=[{"type": "function", "function": {"name": "f"}}])
    assert refused.status_code == 400
    assert "telex cannot call tools" in refused.json()["error"]["message"]


@pytest.mark.parametrize("where", ["url", "headers", "wrong", "pairs"])
async def test_b25_a_crash_in_a_vendor_is_its_endpoints_failure(installed, make_gateway, make_fake, where):
    one, two = await make_fake("one"), await make_fake("two")
    gateway = await make_gateway(
        [endpoint(one, id="bad", model=where, provider="crashing", priority=2), endpoint(two, id="good", priority=1)]
    )
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "good")
    assert one.requests == []
    assert gateway.metric("octoroute_attempts_total", endpoint="bad", error="upstream_failed") == 1
    await gateway.quiet()


@pytest.mark.parametrize("where", ["encode_request", "unsupported", "whole", "events"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_b25_a_crash_in_a_wire_format_is_its_endpoints_failure(installed, make_gateway, make_fake, where, streamed):
    one, two = (await make_fake("one")).always(by_wish), (await make_fake("two")).always(by_wish)
    gateway = await make_gateway(
        [endpoint(one, id="bad", model=where, provider="crashing-format", priority=2), endpoint(two, id="good", priority=1)]
    )
    one.always(whole(completion()))
    answer = await gateway.ask(stream=streamed)
    assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "good")
    await gateway.quiet()


async def test_b25_a_crash_in_the_middle_of_a_stream_is_an_error_event(installed, make_gateway, fake):
    from tests.support.fake import stream

    gateway = await make_gateway([endpoint(fake, id="bad", model="late", provider="crashing-format")])
    fake.then(stream([b"data: one\n\n", 0.05, b"data: two\n\n"]))
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert b'"one "' in data
    assert b'"error"' in data
    assert not data.endswith(b"[DONE]\n\n")
    await gateway.quiet()


async def test_b25_when_it_is_the_only_one_the_client_is_told_in_the_usual_way(installed, make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, model="url", provider="crashing")])
    answer = await gateway.ask()
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "the plug-in crashing failed (3 attempts)"
    assert "boom" not in answer.text


async def test_b25_a_probe_that_crashes_ends_nothing(installed, make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", provider="crashing"), endpoint(fake, id="b")])
    await gateway.app.runtime.health_check.round()
    health = gateway.app.gateway.health
    assert {endpoint_id: record.failures for endpoint_id, record in health._probes.items()} == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("misnamed", "cannot be used: its kind is 'other' and its entry point 'misnamed'"),
        ("methodless", "cannot be used: it has no method url"),
        ("exploding", "cannot be loaded: it fails with SystemExit: I shall not be made"),
        ("missing", "cannot be loaded: it fails with AttributeError"),
    ],
)
def test_b25_one_that_cannot_be_used_is_a_configuration_error_naming_its_package(installed, kind, says):
    with pytest.raises(ConfigError) as caught:
        configured(settings([{"name": "m", "base_url": "http://127.0.0.1:9/v1", "provider": kind}]))
    assert f"the plug-in {kind} of acme-octoroute 1.2.3 {says}" in caught.value.problems[0]


def test_b25_one_that_nobody_uses_is_not_even_imported(installed):
    configured(settings([{"name": "m", "base_url": "http://127.0.0.1:9/v1"}]))
    assert "acme_octoroute" not in sys.modules
    assert "acme" in plugins.kinds()


def test_b25_a_kind_that_nobody_brings_is_refused_with_those_there_are(installed):
    with pytest.raises(ConfigError) as caught:
        configured(settings([{"name": "m", "base_url": "http://127.0.0.1:9/v1", "provider": "acne"}]))
    assert 'did you mean "acme"?' in caught.value.problems[0]


async def test_b25_a_reload_may_bring_one(installed, make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")])
    await gateway.reload(settings([endpoint(fake, id="a", provider="acme", api_key="k")]))
    assert (await gateway.ask()).status_code == 200
    assert fake.requests[0].path == "/v1/acme/ask"
