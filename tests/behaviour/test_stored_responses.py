"""Clients of the Responses API that let the gateway keep their conversation."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.fake import completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import Clock, endpoint, until
from tests.support.vendors import Says
from tests.support.vendors.responses import Responses

KEYS = {"auth": {"keys": ["key-of-ann", "key-of-bob"]}}
ANN = {"authorization": "Bearer key-of-ann"}
BOB = {"authorization": "Bearer key-of-bob"}


async def create(gateway, text="hello", headers=None, status=200, **more):
    body = {"model": "auto", "input": text, **more}
    response = await gateway.ask(body, "/v1/responses", headers)
    assert response.status_code == status, response.text
    return response.json() if status == 200 else response.json()["error"]


def completed(message: dict, finish: str) -> dict:
    return completion(choices=[{"index": 0, "message": message, "finish_reason": finish}])


def final(data: bytes) -> dict:
    """The response in the last event of a stream."""
    last = [line for line in data.decode().splitlines() if line.startswith("data: ")][-1]
    return json.loads(last.removeprefix("data: "))["response"]


async def create_streamed(gateway, text="hello", **more):
    response = await gateway.ask({"model": "auto", "input": text, "stream": True, **more}, "/v1/responses")
    assert response.status_code == 200
    return final(response.content)


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


async def test_a_conversation_of_three_turns_goes_on_by_its_id(gateway, fake):
    first = await create(gateway, "my name is Ann", instructions="be short")
    second = await create_streamed(gateway, "what is it?", previous_response_id=first["id"])
    third = await create(gateway, [{"role": "user", "content": "and again"}], previous_response_id=second["id"])
    assert said(fake.requests[2]) == [
        ("user", "my name is Ann"),
        ("assistant", "hello from fake"),
        ("user", "what is it?"),
        ("assistant", "hello from fake"),
        ("user", "and again"),
    ]
    assert "be short" not in fake.requests[1].body.decode()
    assert (first["previous_response_id"], third["previous_response_id"]) == (None, second["id"])
    assert len({turn["id"] for turn in (first, second, third)}) == 3


async def test_a_conversation_forks(gateway, fake):
    first = await create(gateway, "one")
    for text in ("left", "right"):
        await create(gateway, text, previous_response_id=first["id"])
    assert [said(request)[-1] for request in fake.requests[1:]] == [("user", "left"), ("user", "right")]
    assert all(len(said(request)) == 3 for request in fake.requests[1:])


async def test_tools_are_not_inherited_and_calls_are(gateway, fake):
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    fake.then(whole(completed({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")))
    tool = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}}
    first = await create(gateway, "1+1?", tools=[tool])
    [item] = first["output"]
    result = {"type": "function_call_output", "call_id": item["call_id"], "output": "2"}
    await create(gateway, [result], previous_response_id=first["id"])
    asked = fake.requests[1].json
    assert "tools" not in asked
    assert [message["role"] for message in asked["messages"]] == ["user", "assistant", "tool"]
    assert asked["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert asked["messages"][2]["content"] == "2"


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_was_answered_is_what_is_read_back(gateway, streamed):
    made = await (create_streamed if streamed else create)(gateway, "hello", metadata={"a": "b"})
    read = await gateway.get(f"/v1/responses/{made['id']}")
    assert read.status_code == 200
    assert read.json() == made
    assert (made["store"], made["status"], made["metadata"]) == (True, "completed", {"a": "b"})


async def test_an_item_is_sent_by_its_id(gateway, fake):
    first = await create(gateway, "hello")
    item = first["output"][0]
    for reference in ({"type": "item_reference", "id": item["id"]}, {"id": item["id"]}):
        asked = [{"role": "user", "content": "hello"}, reference, {"role": "user", "content": "go on"}]
        await create(gateway, asked, store=False)
        assert said(fake.requests[-1]) == [("user", "hello"), ("assistant", "hello from fake"), ("user", "go on")]


async def test_an_item_of_the_input_is_sent_by_the_id_it_is_listed_with(gateway, fake):
    first = await create(gateway, "a secret word")
    [listed] = (await gateway.get(f"/v1/responses/{first['id']}/input_items")).json()["data"]
    await create(gateway, [{"type": "item_reference", "id": listed["id"]}])
    assert said(fake.requests[-1]) == [("user", "a secret word")]


@pytest.mark.parametrize("id", ["resp_none", "", "x" * 5000, "../../etc/passwd", "resp_ü"])
async def test_an_unknown_predecessor_is_told_apart_by_its_code(gateway, fake, id):
    if not id:
        return
    told = await create(gateway, previous_response_id=id, status=400)
    assert (told["code"], told["param"], told["type"]) == (
        "previous_response_not_found",
        "previous_response_id",
        "invalid_request_error",
    )
    assert len(told["message"]) < 400
    assert not fake.requests


async def test_an_unknown_item_is_a_404_that_names_its_place(gateway, fake):
    told = await create(gateway, [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "rs_1"}], status=404)
    assert (told["code"], told["param"]) == ("not_stored", "input[1]")
    assert "store: true" in told["message"]
    assert not fake.requests


async def test_what_another_key_made_does_not_exist(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], **KEYS)
    made = await create(gateway, headers=ANN)
    path = f"/v1/responses/{made['id']}"
    for method, there in (("GET", ""), ("GET", "/input_items"), ("DELETE", ""), ("POST", "/cancel")):
        of_ann = await gateway.client.request(method, path + there, headers=BOB)
        unknown = await gateway.client.request(method, "/v1/responses/resp_none" + there, headers=BOB)
        assert (of_ann.status_code, unknown.status_code) == (404, 404)
        assert of_ann.text.replace(made["id"], "resp_none") == unknown.text
    assert (await create(gateway, headers=BOB, status=400, previous_response_id=made["id"]))[
        "code"
    ] == "previous_response_not_found"
    reference = [{"type": "item_reference", "id": made["output"][0]["id"]}]
    assert (await create(gateway, reference, headers=BOB, status=404))["code"] == "not_stored"
    place = [{"type": "item_reference", "id": f"msg_{made['id'].removeprefix('resp_')}_in0"}]
    assert (await create(gateway, place, headers=BOB, status=404))["code"] == "not_stored"
    assert (await gateway.get(path, headers=ANN)).json() == made
    assert (await gateway.get(path)).status_code == 401


async def test_a_key_keeps_what_it_made_when_the_order_of_keys_changes(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], **KEYS)
    made = await create(gateway, headers=ANN)
    from tests.support.live_gateway import settings

    await gateway.reload(settings([endpoint(fake)], auth={"keys": ["key-of-bob", "key-of-ann"]}))
    path = f"/v1/responses/{made['id']}"
    assert (await gateway.get(path, headers=ANN)).status_code == 200
    assert (await gateway.get(path, headers=BOB)).status_code == 404


async def test_deleted_is_gone_and_so_is_what_continues_it(gateway):
    first = await create(gateway)
    second = await create(gateway, previous_response_id=first["id"])
    response = await gateway.client.delete(f"/v1/responses/{first['id']}")
    assert (response.status_code, response.json()) == (200, {"id": first["id"], "object": "response", "deleted": True})
    for id in (first["id"], second["id"]):
        assert (await create(gateway, previous_response_id=id, status=400))["code"] == "previous_response_not_found"
    assert (await gateway.get(f"/v1/responses/{first['id']}")).status_code == 404
    assert (await gateway.get(f"/v1/responses/{second['id']}")).status_code == 200
    assert (await gateway.client.delete(f"/v1/responses/{first['id']}")).status_code == 404
    assert len((await gateway.get(f"/v1/responses/{second['id']}/input_items")).json()["data"]) == 1


async def test_store_false_is_not_stored(gateway):
    made = await create(gateway, store=False)
    assert made["store"] is False
    assert (await gateway.get(f"/v1/responses/{made['id']}")).status_code == 404
    assert (await create(gateway, previous_response_id=made["id"], status=400))["code"] == "previous_response_not_found"


async def test_a_response_is_forgotten_in_time_counted_from_its_last_use(make_gateway, fake):
    clock = Clock()
    gateway = await make_gateway([endpoint(fake)], parts={"clock": clock}, store={"responses_ttl_seconds": 100})
    first = await create(gateway)
    clock.pass_(99)
    second = await create(gateway, previous_response_id=first["id"])
    clock.pass_(99)
    assert (await gateway.get(f"/v1/responses/{first['id']}")).status_code == 200
    clock.pass_(1)
    assert (await gateway.get(f"/v1/responses/{second['id']}")).status_code == 404
    assert (await create(gateway, previous_response_id=second["id"], status=400))["code"] == "previous_response_not_found"


async def test_nothing_is_stored_if_the_operator_says_so(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], store={"responses_ttl_seconds": 0})
    made = await create(gateway)
    assert (await gateway.get(f"/v1/responses/{made['id']}")).status_code == 404


async def test_a_stream_that_breaks_or_is_left_is_not_stored(gateway, fake):
    fake.then(stream(tokens()[:2], end="cut"))
    response = await gateway.ask({"model": "auto", "input": "hi", "stream": True}, "/v1/responses")
    ids = [json.loads(line[6:])["response"]["id"] for line in response.text.splitlines() if '"response.created"' in line[:60]]
    assert (await gateway.get(f"/v1/responses/{ids[0]}")).status_code == 404
    fake.then(stream(tokens()[:2], end="hang"))
    body = json.dumps({"model": "auto", "input": "hi", "stream": True}).encode()
    asked = {"content-type": "application/json"}
    async with gateway.client.stream("POST", "/v1/responses", content=body, headers=asked) as left:
        first = await anext(left.aiter_lines())
        assert first.startswith("event:")
    await fake.hung_up_on()
    await gateway.quiet()
    assert gateway.app._kept.responses.store.size == 0


async def test_what_the_model_had_no_room_to_finish_is_stored_and_can_be_continued(gateway, fake):
    fake.then(whole(completed({"role": "assistant", "content": "half a"}, "length")))
    made = await create(gateway, max_output_tokens=16)
    assert made["status"] == "incomplete"
    await create(gateway, "go on", previous_response_id=made["id"])
    assert said(fake.requests[1])[1] == ("assistant", "half a")


async def test_a_failed_request_stores_nothing(gateway, fake):
    fake.then(error(400, "no"))
    await create(gateway, status=400)
    assert gateway.app._kept.responses.store.size == 0


async def test_the_input_is_listed_in_pages(gateway):
    first = await create(gateway, [{"role": "user", "content": f"n{n}"} for n in range(4)])
    second = await create(gateway, "last", previous_response_id=first["id"])
    path = f"/v1/responses/{second['id']}/input_items"
    whole_list = (await gateway.get(path, params={"order": "asc"})).json()
    texts = [item["content"][0]["text"] for item in whole_list["data"]]
    assert texts == ["n0", "n1", "n2", "n3", "hello from fake", "last"]
    ids = [item["id"] for item in whole_list["data"]]
    assert len(set(ids)) == 6
    assert (whole_list["object"], whole_list["has_more"]) == ("list", False)
    assert (whole_list["first_id"], whole_list["last_id"]) == (ids[0], ids[-1])
    assert [item["id"] for item in (await gateway.get(path)).json()["data"]] == ids[::-1]
    found, after = [], None
    while True:
        page = (await gateway.get(path, params={"limit": 4, "order": "asc", **({"after": after} if after else {})})).json()
        found += [item["id"] for item in page["data"]]
        if not page["has_more"]:
            break
        after = page["last_id"]
    assert found == ids
    assert page["data"][0]["type"] == "message"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "x"}, "after"),
    ],
)
async def test_a_page_that_cannot_be_is_a_400(gateway, query, param):
    made = await create(gateway)
    response = await gateway.get(f"/v1/responses/{made['id']}/input_items", params=query)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_a_response_that_was_not_made_in_the_background_cannot_be_cancelled(gateway):
    made = await create(gateway)
    response = await gateway.client.post(f"/v1/responses/{made['id']}/cancel")
    assert response.status_code == 400
    assert "background" in response.json()["error"]["message"]
    assert (await gateway.client.post("/v1/responses/resp_x/cancel")).status_code == 404


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"previous_response_id": 7}, "previous_response_id"),
        ({"store": "yes"}, "store"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"input": [7]}, "input"),
        ({"input": 7}, "input"),
    ],
)
async def test_a_field_of_another_shape_is_named(gateway, fake, change, param):
    told = await create(gateway, **change, status=400)
    assert told["param"].partition("[")[0].strip(".") == param, told
    assert not fake.requests


async def test_a_conversation_has_the_size_limit_of_a_request(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"max_request_bytes": 10_000})
    made = await create(gateway, "x" * 6000)
    told = await create(gateway, "y" * 6000, previous_response_id=made["id"], status=413)
    assert "compact" in told["message"]
    assert len(fake.requests) == 1
    await create(gateway, "y", previous_response_id=made["id"])


async def test_the_bytes_are_bounded_and_the_oldest_go_first(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], store={"responses_max_bytes": 60_000})
    ids = [(await create(gateway, "x" * 10_000))["id"] for _ in range(8)]
    kept = [id for id in ids if (await gateway.get(f"/v1/responses/{id}")).status_code == 200]
    assert 2 <= len(kept) < 8
    assert kept == ids[-len(kept) :]
    assert gateway.app._kept.responses.store.size <= 60_000


async def test_tokens_are_counted_with_the_conversation(gateway, fake):
    made = await create(gateway, "a long beginning " * 50)
    plain = await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses/input_tokens")
    chained = await gateway.ask({"input": "hi", "previous_response_id": made["id"]}, "/v1/responses/input_tokens")
    assert (plain.status_code, plain.json()["object"]) == (200, "response.input_tokens")
    assert chained.json()["input_tokens"] > plain.json()["input_tokens"] + 100
    assert len(fake.requests) == 1


async def test_a_conversation_is_compacted_and_goes_on(gateway, fake):
    first = await create(gateway, "build a boat")
    fake.then(whole(completion("SUMMARY: the boat is half built")))
    body = {"model": "auto", "input": "with a mast", "previous_response_id": first["id"]}
    response = await gateway.ask(body, "/v1/responses/compact")
    assert response.status_code == 200, response.text
    compacted = response.json()
    assert compacted["object"] == "response.compaction"
    assert [item["type"] for item in compacted["output"]] == ["message", "message", "compaction"]
    assert [item["content"][0]["text"] for item in compacted["output"][:2]] == ["build a boat", "with a mast"]
    assert compacted["usage"]["total_tokens"] > 0
    asked = fake.requests[1].body.decode()
    assert "build a boat" in asked
    assert "hello from fake" in asked
    assert response.headers["x-octoroute-endpoint"] == "a"

    await create(gateway, [*compacted["output"], {"role": "user", "content": "go on"}])
    history = said(fake.requests[2])
    assert [role for role, _ in history] == ["user"] * 4 or len(history) == 1
    assert "SUMMARY: the boat is half built" in fake.requests[2].body.decode()


async def test_a_model_that_writes_no_summary_is_a_502(gateway, fake):
    fake.always(whole(completion("")))
    response = await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses/compact")
    assert response.status_code == 502
    assert (await gateway.ask({"model": "auto", "input": []}, "/v1/responses/compact")).status_code == 400


async def test_a_client_that_leaves_a_compaction_closes_the_upstream(gateway, fake):
    fake.then(hang)
    task = asyncio.ensure_future(gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses/compact"))
    await fake.asked()
    task.cancel()
    await fake.hung_up_on()
    await until(lambda: not fake.in_flight)


@pytest.mark.parametrize("path", ["/responses", "/v1/v1/responses", "/v1/responses/"])
async def test_paths_forgive_here_too(gateway, path):
    made = await create(gateway)
    response = await gateway.get(f"{path.rstrip('/')}/{made['id']}")
    assert response.status_code == 200
    assert (await gateway.get("/v1/responses")).status_code == 405


async def test_an_endpoint_that_speaks_responses_gets_the_whole_conversation(make_gateway, fake):
    """Its own server knows nothing of the gateway's ids, and the next turn may go to another account."""
    vendor = Responses()
    gateway = await make_gateway([endpoint(fake, wire="responses")])
    turns = [Says("It is sunny.", thinking="I look."), Says("Still sunny.")]
    fake.then(whole(vendor.whole(turns[0])), stream(vendor.frames(turns[1])))
    first = await create(gateway, "weather?")
    second = await create_streamed(gateway, "and now?", previous_response_id=first["id"])
    assert fake.requests[1].path == "/v1/responses"
    asked = fake.requests[1].json
    assert "previous_response_id" not in asked
    assert [item.get("role") or item["type"] for item in asked["input"]] == ["user", "reasoning", "assistant", "user"]
    for made in (first, second):
        assert (await gateway.get(f"/v1/responses/{made['id']}")).json() == made
    reference = [{"role": "user", "content": "x"}, {"type": "item_reference", "id": first["output"][-1]["id"]}]
    fake.then(whole(vendor.whole(turns[0])))
    await create(gateway, reference, store=False)
    assert fake.requests[2].json["input"][1] == first["output"][-1]
