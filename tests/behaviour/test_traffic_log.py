"""The traffic log as an operator finds it, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from octoroute.telemetry.traffic_log.reader import lines, read, writers
from tests.support.fake import by_wish, completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, frames, question, settings, until


def logged(directory):
    return [read(line) for writer in writers(directory, "traffic") for line in lines(directory, writer)]


def traffic(directory, **more):
    return {"traffic": {"enabled": True, "directory": str(directory), **more}}


async def written(directory, count):
    await until(lambda: len(logged(directory)) >= count)
    return logged(directory)


async def test_c24_off_by_default_and_then_no_route_is_wrapped(gateway):
    assert gateway.app._hot is gateway.app._plain
    assert "traffic log" not in gateway.app.runtime.sink.observers


async def test_c24_a_line_for_each_request_with_both_bodies(make_gateway, fake, tmp_path):
    fake.then(whole(completion("an answer", api_key="sk-leaked-by-the-upstream")))
    gateway = await make_gateway(
        [endpoint(fake, id="a", api_key="sk-upstream-secret")],
        auth={"keys": ["client-secret"]},
        logging=traffic(tmp_path, redact=["[0-9]{16}"]),
    )
    answer = await gateway.ask(
        question("my card is 4111111111111111 and my key client-secret"),
        headers={"authorization": "Bearer client-secret", "x-request-id": "mine", "cookie": "session=1"},
    )
    assert answer.status_code == 200
    [line] = await written(tmp_path, 1)
    assert (line["request_id"], line["ending"], line["status"], line["endpoint"], line["key"]) == (
        "mine",
        "answered",
        200,
        "a",
        "key-1",
    )
    assert (line["method"], line["path"], line["model"]) == ("POST", "/v1/chat/completions", "model-a")
    assert line["request"]["body"]["messages"] == [{"role": "user", "content": "my card is *** and my key ***"}]
    assert line["request"]["headers"]["authorization"] == line["request"]["headers"]["cookie"] == "***"
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "an answer"
    assert line["response"]["bytes"] == len(answer.content)
    assert line["time"].endswith("Z")
    text = (tmp_path / "traffic.ndjson").read_text("utf-8")
    for word in ("client-secret", "sk-", "4111", "session"):
        assert word not in text


async def test_c24_every_ending_has_a_line(make_gateway, fake, tmp_path):
    gateway = await make_gateway(
        [endpoint(fake, id="a")], retry={"max_attempts": 1}, health={"failure_threshold": 9}, logging=traffic(tmp_path)
    )
    fake.then(stream(tokens(["one"]))).then(error(400)).then(error(500)).then(stream(tokens(["x"])[:2], end="reset")).then(hang)
    _, data = await gateway.streamed()
    await gateway.ask()
    await gateway.ask()
    await gateway.streamed()
    await gateway.ask(b"no json")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await gateway.ask()
    found = await written(tmp_path, 6)
    assert [line["ending"] for line in found] == ["answered", "refused", "failed", "broken", "refused", "abandoned"]
    assert [line["status"] for line in found] == [200, 400, 502, 200, 400, None]
    assert found[0]["response"]["body"] == data.decode()
    assert found[4]["request"]["body"] == "no json"


async def test_a_long_body_is_cut_and_says_so(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path, max_body_bytes=100))
    await gateway.ask(question("x" * 5000))
    [line] = await written(tmp_path, 1)
    assert line["request"]["cut"]
    assert len(line["request"]["body"]) == 100
    assert line["request"]["bytes"] > 5000


async def test_no_bodies_when_none_are_wanted(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path, max_body_bytes=0))
    await gateway.ask()
    [line] = await written(tmp_path, 1)
    assert "body" not in line["request"]
    assert "body" not in line["response"]
    assert line["response"]["bytes"] > 0


async def test_c24_a_disk_that_hangs_delays_nobody(make_gateway, fake, tmp_path):
    """A pipe that nobody reads takes 64 KiB and then blocks its writer, as a dead network disk does."""
    fake.always(by_wish)
    os.mkfifo(tmp_path / "traffic.ndjson")
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path, queue_bytes=65536))
    big = question("x" * 20000)
    answers = [await gateway.ask(big) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200}
    _, data = await gateway.streamed()
    assert frames(data)[-1] == "[DONE]"
    assert gateway.metric("octoroute_traffic_log_dropped_total") > 20
    reader = os.open(tmp_path / "traffic.ndjson", os.O_RDONLY | os.O_NONBLOCK)  # the disk is back

    def drained():
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 1 << 20)
        return gateway.app.recorder._log.pending_bytes == 0

    await until(drained)
    await asyncio.sleep(0.05)
    drained()
    os.close(reader)


async def test_c24_a_full_disk_fails_no_answer(make_gateway, fake, tmp_path):
    (tmp_path / "traffic.ndjson").symlink_to("/dev/full")
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path))
    for _ in range(20):
        assert (await gateway.ask()).status_code == 200
    await until(lambda: gateway.metric("octoroute_traffic_log_dropped_total") == 20)


async def test_a_directory_that_cannot_be_used_fails_no_answer(make_gateway, fake, tmp_path):
    (tmp_path / "file").write_text("")
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path / "file"))
    assert (await gateway.ask()).status_code == 200
    await until(lambda: gateway.metric("octoroute_traffic_log_dropped_total") == 1)


async def test_what_is_under_way_at_the_end_is_written(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, id="a")], logging=traffic(tmp_path))
    await asyncio.gather(*(gateway.ask() for _ in range(50)))
    await gateway.app.recorder.stop()
    assert len(logged(tmp_path)) == 50


async def test_a_reload_turns_it_on_changes_it_and_turns_it_off(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, id="a")])
    rows = [endpoint(fake, id="a")]
    await gateway.ask()
    await gateway.reload(settings(rows, logging=traffic(tmp_path)))
    await gateway.ask()
    await gateway.reload(settings(rows, logging=traffic(tmp_path, max_body_bytes=0)))
    await gateway.ask()
    await gateway.reload(settings(rows))
    await gateway.ask()
    first, second = await written(tmp_path, 2)
    assert ("body" in first["request"], "body" in second["request"]) == (True, False)
    assert gateway.app._hot is gateway.app._plain
    assert writers(tmp_path, "traffic") == ["traffic"]


async def test_c25_rotation_under_traffic_loses_nothing(make_gateway, fake, tmp_path):
    gateway = await make_gateway(
        [endpoint(fake, id="a")],
        logging={**traffic(tmp_path), "rotation": {"max_size_mb": 0.02, "max_backups": 0}},
    )
    for at in range(10):
        await asyncio.gather(*(gateway.ask(headers={"x-request-id": f"r{at}-{n}"}) for n in range(40)))
    found = await written(tmp_path, 400)
    assert sorted(line["request_id"] for line in found) == sorted(f"r{at}-{n}" for at in range(10) for n in range(40))
    assert len(list(tmp_path.glob("*.gz"))) > 5
