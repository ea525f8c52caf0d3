"""octoroute in-process: the same answers and the same errors as over HTTP, and nothing of a server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

import octoroute
from octoroute.errors import BadRequest, BadUpstreamResponse, ConfigError, Exhausted, UnknownModel, UpstreamRejected
from tests.support.fake import by_wish, chunk, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, question, settings, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def open_gateway(started):
    async def opened(*args, **tables) -> octoroute.Gateway:
        gateway = octoroute.Gateway.from_dict(settings(*args, **tables), variables={"KEY": "from-variables"})
        return await started.enter_async_context(gateway)

    return opened


@pytest.fixture
async def gateway(open_gateway, fake):
    fake.always(by_wish)
    return await open_gateway([endpoint(fake, id="a", api_key="${KEY}")])


async def test_a_whole_answer_with_who_gave_it(gateway, fake):
    answer = await gateway.ask(question())
    assert answer.json()["choices"][0]["message"]["content"] == "one two three"
    assert (answer.tier, answer.endpoint, answer.headers["x-octoroute-strategy"]) == ("fast", "a", "rule")
    assert answer.request_id.startswith("req_")
    assert fake.requests[0].headers["authorization"] == "Bearer from-variables"
    assert fake.requests[0].json["model"] == "model-a"


async def test_a_streamed_answer_chunk_by_chunk(gateway, fake):
    chunks = gateway.stream(question())
    assert fake.requests == []
    text = "".join([choice["delta"].get("content") or "" async for item in chunks for choice in item["choices"]])
    assert text == "one two three "
    assert chunks.headers["x-octoroute-endpoint"] == "a"
    assert fake.requests[0].json["stream"] is True


async def test_bytes_are_as_good_and_unknown_fields_survive(gateway, fake):
    await gateway.ask(json.dumps(question(stream=True, made_up={"deep": [1.50, None]})).encode())
    assert fake.requests[0].json["made_up"] == {"deep": [1.5, None]}
    assert fake.requests[0].json["stream"] is False
    await gateway.ask(question())
    assert "stream" not in fake.requests[1].json


async def test_any_dialect(gateway):
    asked = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    answer = (await gateway.ask(asked, dialect="anthropic")).json()
    assert (answer["type"], answer["content"][0]["text"]) == ("message", "one two three")
    events = [event["type"] async for event in gateway.stream(asked, dialect="anthropic")]
    assert (events[0], events[-1]) == ("message_start", "message_stop")
    answer = (await gateway.ask({"model": "auto", "input": "hi"}, dialect="responses")).json()
    assert answer["output"][0]["content"][0]["text"] == "one two three"


async def test_hints_are_headers(open_gateway, make_fake):
    fast, deep = await make_fake("fast"), await make_fake("deep")
    gateway = await open_gateway([endpoint(fast, "f")], deep=[endpoint(deep, "d")])
    answer = await gateway.ask(question(), headers={"X-Octoroute-Importance": "high", "x-octoroute-task-type": "deep_analysis"})
    assert answer.tier == "deep"


async def test_one_endpoint_fails_and_the_next_answers(open_gateway, make_fake):
    bad, good = await make_fake("bad"), await make_fake("good")
    gateway = await open_gateway([endpoint(bad, id="bad", priority=2), endpoint(good, id="good")])
    bad.always(error(500))
    good.always(by_wish)
    answer = await gateway.ask(question())
    assert (answer.endpoint, answer.headers["x-octoroute-attempts"]) == ("good", "2")
    async with gateway.stream(question()) as chunks:
        assert len([item async for item in chunks]) > 3


async def test_what_goes_wrong_is_raised(gateway, fake):
    with pytest.raises(UnknownModel):
        await gateway.ask(question(model="nobody"))
    with pytest.raises(BadRequest, match="messages"):
        await gateway.ask({"model": "auto"})
    with pytest.raises(BadRequest, match="not valid JSON"):
        await gateway.ask(b'{"model": ')
    with pytest.raises(BadRequest, match="cannot be encoded as JSON"):
        await gateway.ask({"model": "auto", "messages": [{"role": "user", "content": object()}]})
    with pytest.raises(UnknownModel):
        async for _ in gateway.stream(question(model="nobody")):
            pass
    fake.always(error(422, "too odd"))
    with pytest.raises(UpstreamRejected) as declined:
        await gateway.ask(question())
    assert (declined.value.status, b"too odd" in declined.value.body) == (422, True)
    fake.always(error(500))
    with pytest.raises(Exhausted) as exhausted:
        await gateway.ask(question())
    assert exhausted.value.status == 502


async def test_a_stream_that_breaks_is_raised_after_what_came(gateway, fake):
    fake.always(stream([chunk({"role": "assistant", "content": "half"})], end="cut"))
    seen = []
    with pytest.raises(BadUpstreamResponse):
        async for item in gateway.stream(question()):
            seen.append(item)
    assert seen[0]["choices"][0]["delta"]["content"] == "half"
    assert all("error" not in item for item in seen)


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_leaving_early_closes_the_endpoint_and_is_nobodys_failure(gateway, fake, how):
    fake.always(stream(tokens(["one"])[:2], end="hang"))

    async def read():
        async with gateway.stream(question()) as chunks:
            async for _ in chunks:
                if how == "close":
                    return

    task = asyncio.ensure_future(read())
    await fake.asked()
    if how == "cancel":
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.wait([task])
    await fake.hung_up_on()
    fake.always(by_wish)
    assert (await gateway.ask(question())).headers["x-octoroute-attempts"] == "1"


async def test_cancelling_before_the_first_event_closes_the_endpoint(gateway, fake):
    fake.always(hang)
    task = asyncio.ensure_future(gateway.ask(question()))
    await fake.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.hung_up_on()


async def test_while_it_is_open_endpoints_are_probed_and_closing_ends_everything(fake):
    gateway = octoroute.Gateway.from_dict(settings([endpoint(fake)], health={"interval_seconds": 0.05}))
    async with gateway:
        await until(lambda: len(fake.probes) >= 2)
        before = len(asyncio.all_tasks())
    assert len(asyncio.all_tasks()) < before
    assert fake.open_connections == 0 or await fake.hung_up_on() is None
    await gateway.close()
    with pytest.raises(RuntimeError, match="not open"):
        await gateway.ask(question())
    with pytest.raises(RuntimeError, match="closed"):
        await gateway.open()


async def test_it_must_be_opened(fake):
    gateway = octoroute.Gateway.from_dict(settings([endpoint(fake)]))
    with pytest.raises(RuntimeError, match="not open; use it in `async with`"):
        await gateway.ask(question())
    await gateway.close()


def test_a_configuration_that_is_wrong_says_everything():
    with pytest.raises(ConfigError) as caught:
        octoroute.Gateway.from_dict({"models": {"fast": [{"name": "m"}]}, "sever": {}})
    assert len(caught.value.problems) == 2


async def test_from_a_file_and_the_same_over_http(tmp_path, fake, make_gateway):
    tree = settings([endpoint(fake, id="a")])
    fake.always(
        whole({"id": "x", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]})
    )
    (tmp_path / "config.toml").write_text(tomli_w.dumps(tree))
    served = await make_gateway([endpoint(fake, id="a")])
    async with octoroute.Gateway.from_file(tmp_path / "config.toml", variables={}) as gateway:
        mine, theirs = await gateway.ask(question()), await served.ask()
    assert mine.body == theirs.content
    for name in ("tier", "endpoint", "model", "strategy", "attempts"):
        assert mine.headers[f"x-octoroute-{name}"] == theirs.headers[f"x-octoroute-{name}"]


async def test_two_gateways_in_one_program_do_not_know_each_other(open_gateway, make_fake):
    one, two = (await make_fake("one")).always(error(500)), (await make_fake("two")).always(by_wish)
    first, second = await open_gateway([endpoint(one, "m", id="m")]), await open_gateway([endpoint(two, "m", id="m")])
    for _ in range(3):
        with pytest.raises(Exhausted):
            await first.ask(question())
    assert (await second.ask(question())).endpoint == "m"


def test_it_imports_no_server_and_the_package_alone_imports_nothing():
    code = (
        "import sys, octoroute\n"
        "assert {name for name in sys.modules if name.startswith('octoroute')} == {'octoroute'}, 'the package alone'\n"
        "assert not {'msgspec', 'structlog', 'asyncio'} & set(sys.modules)\n"
        "octoroute.Gateway\n"
        "assert not {'starlette', 'uvicorn', 'octoroute.server'} & set(sys.modules), 'a server'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


async def test_its_lines_go_to_logging_and_nothing_is_printed(tmp_path, fake):
    (tmp_path / "config.toml").write_text(tomli_w.dumps(settings([endpoint(fake)])))
    code = (
        "import asyncio, logging, octoroute, sys\n"
        "async def main():\n"
        "    async with octoroute.Gateway.from_file('config.toml') as gateway:\n"
        "        await gateway.ask({'model': 'auto', 'messages': [{'role': 'user', 'content': 'hi'}]})\n"
        "if len(sys.argv) > 1: logging.basicConfig(level=logging.INFO)\n"
        "asyncio.run(main())\n"
    )
    for argument, heard in ((), b""), (("loud",), b"INFO:octoroute.request:event='request'"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, *argument),
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, told = await process.communicate()
        assert (process.returncode, out) == (0, b""), told
        assert told == b"" if not argument else heard in told


async def test_the_example_runs(tmp_path, fake):
    fake.always(by_wish)
    (tmp_path / "config.toml").write_text(tomli_w.dumps(settings([endpoint(fake, id="a")])))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / "in_process.py"), "config.toml", "hello"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    assert (process.returncode, told) == (0, b"")
    assert out.decode().splitlines() == ["fast (a): one two three", "one two three "]


def test_the_page_shows_what_the_example_does():
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    code = (ROOT / "examples" / "in_process.py").read_text("utf-8")
    for call in ("octoroute.Gateway.from_file(", "await gateway.ask(question)", "gateway.stream(question)"):
        assert call in page
        assert call in code
