"""Audio, images, rerank, moderations, decisions: bodies and answers of any type pass unchanged but for the model."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from tests.support.fake import error, event, hang, raw, stream, whole
from tests.support.live_gateway import LiveGateway, endpoint, talk

TABLES = {
    "audio/transcriptions": "audio",
    "audio/translations": "audio",
    "audio/speech": "audio",
    "images/generations": "image",
    "images/edits": "image",
    "images/variations": "image",
    "rerank": "rerank",
    "moderations": "moderation",
    "decisions": "decision",
    "systemone": "decision",
}
FORMS = ["audio/transcriptions", "audio/translations", "images/edits", "images/variations"]
EVERY_BYTE = bytes(range(256)) * 300


@pytest.fixture
def make(make_gateway, fake):
    async def open_(*models: str, other=None, **tables) -> LiveGateway:
        def rows(kind: str):
            found = [endpoint(fake, name, id=f"{kind}-{name}", model=f"up-{name}") for name in models or ("m1",)]
            return found + ([endpoint(other, "m1", id=f"{kind}-other", model="up-other", priority=0)] if other else [])

        kinds = {kind: rows(kind) for kind in dict.fromkeys(TABLES.values())}
        return await make_gateway([endpoint(fake, "chat")], models={"fast": [endpoint(fake, "chat")], **kinds}, **tables)

    return open_


def form(*fields: tuple[str, bytes], boundary: str = "XyZ'1") -> tuple[bytes, dict[str, str]]:
    parts = b"".join(
        b"--%b\r\n%b\r\n" % (boundary.encode(), head + b"\r\n\r\n" + value) for head, value in (part(*one) for one in fields)
    )
    return parts + b"--%b--\r\n" % boundary.encode(), {"content-type": f'multipart/form-data; boundary="{boundary}"'}


def part(name: str, value: bytes) -> tuple[bytes, bytes]:
    more = b'; filename="a; name=\\"model\\".wav"\r\nContent-Type: audio/wav' if name == "file" else b""
    return b'Content-Disposition: form-data; name="%b"%b' % (name.encode(), more), value


def problem(answer) -> str:
    return answer.json()["error"]["message"]


@pytest.mark.parametrize("api", TABLES)
async def test_json_passes_unchanged_but_for_the_model(make, fake, api):
    gateway = await make()
    said = b'{"b64": [1.50],\n "usage": {"total_tokens": 7}, "new": null}'
    fake.always(whole(said))
    sent = b'{ "input":"h\\u0069",  "model" : "m1", "x_unknown": {"a": [1.0, 2e5]}, "octoroute":{} }'
    answer = await gateway.ask(sent, f"/v1/{api}")
    assert (answer.status_code, answer.content) == (200, said)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-octoroute-tier"] == TABLES[api]
    assert (answer.headers["x-octoroute-endpoint"], answer.headers["x-octoroute-attempts"]) == (f"{TABLES[api]}-m1", "1")
    seen = fake.requests[0]
    assert seen.path == f"/v1/{api}"
    assert seen.body == b'{ "input":"h\\u0069",  "model" : "up-m1", "x_unknown": {"a": [1.0, 2e5]} }'
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.parametrize("api", FORMS)
@pytest.mark.parametrize("first", [True, False])
async def test_a_form_passes_byte_for_byte_but_for_the_model(make, fake, api, first):
    gateway = await make()
    fake.always(whole({"text": "hi"}))
    model, file = ("model", b"m1"), ("file", EVERY_BYTE + b"\r\n--XyZ'\r\n")
    fields = [model, file, ("prompt", "ä\r\n".encode())] if first else [("x_unknown", b""), file, model]
    body, headers = form(*fields)
    answer = await gateway.ask(b"preamble\r\n" + body + b"epilogue", f"/v1/{api}", headers)
    assert answer.status_code == 200, answer.text
    seen = fake.requests[0]
    assert seen.body == b"preamble\r\n" + body.replace(b"\r\n\r\nm1\r\n", b"\r\n\r\nup-m1\r\n") + b"epilogue"
    assert seen.headers["content-type"] == headers["content-type"]


async def test_speech_streams_as_it_is_made(make, fake):
    gateway = await make()
    fake.always(stream([EVERY_BYTE, 0.2, b"\x00end"], content_type="audio/mpeg"))
    pieces = []
    body = json.dumps({"model": "auto", "input": "hi", "voice": "alloy"}).encode()
    headers = {"content-type": "application/json"}
    async with gateway.client.stream("POST", "/v1/audio/speech", content=body, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
        async for piece in answer.aiter_raw():
            pieces.append((piece, asyncio.get_running_loop().time()))
    assert b"".join(piece for piece, _ in pieces) == EVERY_BYTE + b"\x00end"
    assert pieces[-1][1] - pieces[0][1] > 0.1


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain; charset=utf-8", b"1\n00:00"),
        ("text/vtt", b"WEBVTT\n"),
        ("application/x-ndjson", b"{}\n{}\n"),
        ("image/png", EVERY_BYTE),
    ],
)
async def test_an_answer_of_any_type_passes(make, fake, content_type, body):
    gateway = await make()
    fake.always(whole(body, headers={"content-type": content_type}))
    answer = await gateway.ask({"model": "m1"}, "/v1/audio/transcriptions")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, body, content_type)


async def test_an_answer_without_a_type_is_just_bytes(make, fake):
    gateway = await make()
    fake.always(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"))
    answer = await gateway.ask({"model": "m1"}, "/v1/audio/speech")
    assert (answer.content, answer.headers["content-type"]) == (b"abc", "application/octet-stream")


async def test_partial_images_stream_as_events(make, fake):
    gateway = await make()
    frames = [event({"b64_json": "A" * 200_000, "i": i}, "image_generation.partial_image") for i in range(3)]
    fake.always(stream([piece for frame in frames for piece in (frame[:99_999], frame[99_999:])]))
    answer = await gateway.ask({"model": "m1", "prompt": "a cat", "stream": True, "partial_images": 2}, "/v1/images/generations")
    assert answer.content == b"".join(frames)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert fake.requests[0].json["stream"] is True


async def test_another_endpoint_is_asked_until_the_first_byte(make, fake, make_fake):
    other = await make_fake("other")
    gateway = await make(other=other)
    other.always(whole(b"audio", headers={"content-type": "audio/wav"}))
    fake.always(error(503))
    body, headers = form(("model", b"m1"), ("file", EVERY_BYTE))
    answer = await gateway.ask(body, "/v1/audio/transcriptions", headers)
    assert answer.status_code == 200, answer.text
    assert (answer.content, answer.headers["x-octoroute-endpoint"]) == (b"audio", "audio-other")
    assert answer.headers["x-octoroute-attempts"] == "2"
    assert other.requests[0].body == body.replace(b"\r\n\r\nm1\r\n", b"\r\n\r\nup-other\r\n")


async def test_audio_that_breaks_off_is_no_complete_answer_and_has_no_foreign_bytes(make, fake):
    gateway = await make()
    fake.always(stream([EVERY_BYTE], end="cut", content_type="audio/mpeg"))
    data = b'{"model":"m1"}'
    head = b"POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data)
    answer = await talk(gateway.url, head + data)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"error" not in answer
    assert EVERY_BYTE[:1000] in answer


async def test_events_that_break_off_end_with_an_error_event(make, fake):
    gateway = await make()
    fake.always(stream([event({"a": 1})], end="cut"))
    answer = await gateway.ask({"model": "m1", "stream": True}, "/v1/images/generations")
    assert answer.content.startswith(event({"a": 1}))
    assert b'data: {"error"' in answer.content


async def test_silence_puts_nothing_into_audio(make_gateway, fake):
    models = {"audio": [endpoint(fake, "tts", id="a")], "image": [endpoint(fake, "tts", id="i")]}
    gateway = await make_gateway([], models=models, parts={"keep_alive_s": 0.05})
    fake.then(stream([b"one", 0.3, b"two"], content_type="audio/pcm"), stream([event(1), 0.3, event(2)]))
    assert (await gateway.ask({"model": "tts"}, "/v1/audio/speech")).content == b"onetwo"
    assert b": keep-alive\n\n" in (await gateway.ask({"model": "tts"}, "/v1/images/generations")).content


async def test_a_client_that_leaves_ends_the_upstream(make, fake):
    gateway = await make()
    fake.always(hang)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await gateway.ask({"model": "m1"}, "/v1/audio/speech")
    await gateway.quiet()
    await fake.hung_up_on()


async def test_a_refusal_is_relayed_and_counted_as_the_clients(make, fake):
    gateway = await make()
    fake.always(error(400, "voice: no such voice"))
    answer = await gateway.ask({"model": "m1"}, "/v1/audio/speech")
    assert (answer.status_code, problem(answer)) == (400, "voice: no such voice")
    assert (await gateway.row("audio-m1"))["circuit"] == "closed"


# the model


@pytest.mark.parametrize("api", TABLES)
async def test_without_the_table_the_answer_names_it(make_gateway, fake, api):
    gateway = await make_gateway([endpoint(fake, "m1")])
    answer = await gateway.ask({"model": "m1"}, f"/v1/{api}")
    assert answer.status_code == 404
    assert f"[[models.{TABLES[api]}]]" in problem(answer)


@pytest.mark.parametrize("api", TABLES)
@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}])
async def test_a_missing_model_is_the_only_one_where_vendors_have_a_default(make, fake, api, body):
    gateway = await make()
    fake.always(whole({}))
    answer = await gateway.ask({"input": "hi", **body}, f"/v1/{api}")
    if TABLES[api] in {"image", "moderation"}:
        assert answer.status_code == 200
        assert fake.requests[0].json == {"input": "hi", "model": "up-m1"}
    else:
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
        assert problem(answer).startswith("model: is missing")


async def test_a_missing_model_among_several_is_a_400_with_their_names(make, fake):
    gateway = await make("m1", "m2")
    answer = await gateway.ask({"input": "hi"}, "/v1/moderations")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "m1, m2" in problem(answer)
    fake.always(whole({}))
    assert (await gateway.ask({"input": "hi", "model": "auto"}, "/v1/moderations")).status_code == 200
    assert (await gateway.ask({"input": "hi", "model": "chat"}, "/v1/moderations")).status_code == 404
    assert len(fake.requests) == 1


async def test_a_form_without_a_model_gets_the_only_one(make, fake):
    gateway = await make()
    fake.always(whole({}))
    body, headers = form(("image", EVERY_BYTE), ("prompt", b"a cat"))
    assert (await gateway.ask(body, "/v1/images/edits", headers)).status_code == 200
    added = b'--XyZ\'1\r\nContent-Disposition: form-data; name="model"\r\n\r\nup-m1\r\n'
    assert fake.requests[0].body == added + body
    assert (await gateway.ask(body, "/v1/audio/transcriptions", headers)).status_code == 400


async def test_aliases_name_such_models_too(make, fake):
    gateway = await make(aliases={"whisper-*": "m1"})
    fake.always(whole({}))
    body, headers = form(("model", b"whisper-1"), ("file", b"x"))
    assert (await gateway.ask(body, "/v1/audio/transcriptions", headers)).status_code == 200
    assert b"up-m1" in fake.requests[0].body


# what everything else has


async def test_keys_limits_metrics_and_the_log_are_those_of_everything_else(make, fake):
    gateway = await make(auth={"keys": ["gw-1234567890"]}, server={"max_request_bytes": 1000})
    fake.always(whole({"usage": {"input_tokens": 5, "output_tokens": 2}}))
    key = {"authorization": "Bearer gw-1234567890"}
    assert (await gateway.ask({"model": "m1"}, "/v1/rerank")).status_code == 401
    assert (await gateway.ask({"model": "m1"}, "/v1/rerank", key)).status_code == 200
    body, headers = form(("model", b"m1"), ("file", b"x" * 2000))
    assert (await gateway.ask(body, "/v1/images/edits", {**headers, **key})).status_code == 413
    assert gateway.metric("octoroute_requests_total", tier="rerank") == 1
    assert gateway.metric("octoroute_tokens_total", endpoint="rerank-m1") == 7
    row = next(one for one in (await gateway.get("/models", headers=key)).json()["models"] if one["tier"] == "rerank")
    assert row["in_flight"] == 0


@pytest.mark.parametrize("api", [api for api in TABLES if api not in FORMS])
async def test_a_form_where_none_is_taken_is_a_415(make, api):
    gateway = await make()
    body, headers = form(("model", b"m1"))
    assert (await gateway.ask(body, f"/v1/{api}", headers)).status_code == 415
    assert (await gateway.ask(body, "/v1/chat/completions", headers)).status_code == 415


async def test_other_types_where_forms_are_taken_are_a_415_that_says_so(make):
    gateway = await make()
    answer = await gateway.ask(b"x", "/v1/audio/transcriptions", {"content-type": "audio/wav"})
    assert answer.status_code == 415
    assert "multipart/form-data" in problem(answer)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data"),
        (b"--c--\r\n", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm1', "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nm1\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: attachment\r\n\r\nm1\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--bx\r\n", "multipart/form-data; boundary=b"),
        (b'--b\nContent-Disposition: form-data; name="model"\n\nm1\n--b--\n', "multipart/form-data; boundary=b"),
        ((b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm1\r\n' * 2) + b"--b--", "multipart/form-data; boundary=b"),
        ((b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 2000) + b"--b--", "multipart/form-data; boundary=b"),
        (b"--b\r\nX: " + b"x" * 20_000 + b"\r\n\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\r\n--b--', "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + b"m" * 9999 + b"\r\n--b--",
            "multipart/form-data; boundary=b",
        ),
        (b"--b--", "multipart/form-data; boundary=" + "b" * 500),
    ],
)
async def test_a_hostile_form_is_a_400_that_says_what_is_wrong(make, fake, body, content_type):
    gateway = await make()
    answer = await gateway.ask(body, "/v1/audio/transcriptions", {"content-type": content_type})
    assert answer.status_code == 400, answer.text
    assert len(problem(answer)) > 20
    assert not fake.requests


async def test_cohere_asks_in_its_own_way(make, fake):
    gateway = await make()
    said = {"id": "x", "results": [{"index": 1, "relevance_score": 0.98}], "meta": {"billed_units": {"search_units": 1}}}
    fake.always(whole(said))
    body = {"model": "m1", "query": "capital?", "documents": ["a", "b"], "top_n": 1}
    for path in ("/v2/rerank", "/v1/rerank", "/rerank"):
        assert (await gateway.ask(body, path)).json() == said
    assert {one.path for one in fake.requests} == {"/v1/rerank"}


async def test_check_and_lists_know_such_models(make):
    gateway = await make()
    listed = [one["id"] for one in (await gateway.get("/v1/models")).json()["data"]]
    assert "m1" in listed


async def test_behind_the_traffic_log_and_cors_bytes_are_the_same(make, fake, tmp_path):
    page = {"origin": "https://chat.example.com"}
    gateway = await make(
        server={"cors_origins": [page["origin"]]},
        logging={"traffic": {"enabled": True, "directory": str(tmp_path)}},
    )
    fake.then(
        stream([EVERY_BYTE, b"end"], content_type="audio/mpeg"), whole({}), stream([EVERY_BYTE], end="cut", content_type="a/b")
    )
    answer = await gateway.ask({"model": "m1"}, "/v1/audio/speech", page)
    assert answer.content == EVERY_BYTE + b"end"
    assert "x-octoroute-tier" in answer.headers["access-control-expose-headers"]
    body, headers = form(("model", b"m1"), ("file", EVERY_BYTE))
    assert (await gateway.ask(body, "/v1/audio/transcriptions", {**headers, **page})).status_code == 200
    assert EVERY_BYTE in fake.requests[1].body
    with pytest.raises(httpx2.RemoteProtocolError):
        await gateway.ask({"model": "m1"}, "/v1/audio/speech", page)
    assert (await gateway.ask({"model": "m1"}, "/v1/nowhere", page)).status_code == 404
