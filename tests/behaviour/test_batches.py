"""Files and batches, as a client of OpenAI's Batch API sees them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from octoroute.runtime import batch_run, line_gate
from tests.support.fake import whole
from tests.support.jobs import begin, jsonl, line, results, until, upload
from tests.support.live_gateway import endpoint, settings

CLIENTS = [
    {"name": "team", "key": "the-key-of-team"},
    {"name": "other", "key": "the-key-of-other"},
    {"name": "small", "key": "the-key-of-small", "tiers": ["fast"], "budget_usd": {"day": 0.00005}},
    {"name": "slow", "key": "the-key-of-slow", "requests_per_minute": 1},
]


def as_client(name: str) -> dict[str, str]:
    return {"x-api-key": f"the-key-of-{name}"}


TEAM = as_client("team")


@pytest.fixture
def tree(fake, tmp_path):
    def tree(**tables):
        return settings(
            [endpoint(fake, id="a", price={"input": 1.0, "output": 1.0})],
            deep=[endpoint(fake, name="big", id="b")],
            **{"store": {"url": f"sqlite:///{tmp_path}/h.db"}, "auth": {"clients": CLIENTS}, **tables},
        )

    return tree


@pytest.fixture
def start(make_gateway, tree):
    async def start(parts=None, **tables):
        return await make_gateway(
            parts=parts, **{name: table for name, table in tree(**tables).items() if name != "models"}, **models(tree)
        )

    return start


def models(tree):
    return {"models": tree()["models"]}


def times(fake) -> Counter[str]:
    return Counter(seen.json["messages"][0]["content"] for seen in fake.requests)


async def test_a_batch_answers_every_line_and_says_what_failed(start, fake):
    gateway = await start()
    lines = [line(number) for number in range(12)]
    lines[3]["body"]["model"] = "no-such-model"
    lines[5]["body"]["messages"] = "no list"
    batch = await begin(gateway, jsonl(*lines), TEAM, metadata={"run": "7"})
    assert (batch["status"], batch["request_counts"]["total"]) == ("validating", 0)
    batch = await until(gateway, batch, headers=TEAM)
    assert batch["status"] == "completed"
    assert batch["metadata"] == {"run": "7"}
    assert batch["request_counts"] == {"total": 12, "completed": 10, "failed": 2}
    good, bad = await results(gateway, batch["output_file_id"], TEAM), await results(gateway, batch["error_file_id"], TEAM)
    assert [one["custom_id"] for one in good] == [f"r{number}" for number in range(12) if number not in {3, 5}]
    assert {one["response"]["status_code"] for one in good} == {200}
    assert good[0]["response"]["body"]["choices"][0]["message"]["content"] == "hello from fake"
    assert [(one["custom_id"], one["response"]["status_code"]) for one in bad] == [("r3", 404), ("r5", 400)]
    assert bad[0]["response"]["body"]["error"]["code"] == "model_not_found"
    assert sum(times(fake).values()) == 10


async def test_a_file_that_is_no_batch_fails_with_line_numbers(start, fake):
    gateway = await start()
    wrong = [line(1), {**line(1)}, {**line(2), "url": "/v1/embeddings"}, {**line(3), "custom_id": None}]
    batch = await until(gateway, await begin(gateway, jsonl(*wrong) + b"\nno json\n", TEAM), headers=TEAM)
    assert (batch["status"], batch["output_file_id"]) == ("failed", None)
    assert [(error["line"], error["code"]) for error in batch["errors"]["data"]] == [
        (2, "duplicate_custom_id"),
        (3, "mismatched_endpoint"),
        (4, "missing_required_parameter"),
        (6, "invalid_json_line"),
    ]
    blank = await until(gateway, await begin(gateway, b"\n \n", TEAM), headers=TEAM)
    assert [error["code"] for error in blank["errors"]["data"]] == ["empty_file"]
    assert not fake.requests


async def test_what_one_key_stores_is_nobody_elses(start):
    gateway = await start()
    batch = await until(gateway, await begin(gateway, jsonl(line(1)), TEAM), headers=TEAM)
    other, client = as_client("other"), gateway.client
    for path in (
        f"/v1/files/{batch['input_file_id']}",
        f"/v1/files/{batch['output_file_id']}/content",
        f"/v1/batches/{batch['id']}",
    ):
        assert (await client.get(path, headers=other)).status_code == 404, path
        assert (await client.get(path, headers=TEAM)).status_code == 200, path
    assert (await client.delete(f"/v1/files/{batch['input_file_id']}", headers=other)).status_code == 404
    assert (await client.post(f"/v1/batches/{batch['id']}/cancel", headers=other)).status_code == 404
    body = {"input_file_id": batch["input_file_id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    assert (await client.post("/v1/batches", json=body, headers=other)).status_code == 400
    for path in ("/v1/files", "/v1/batches"):
        assert (await client.get(path, headers=other)).json()["data"] == []
        assert (await client.get(path)).status_code == 401


async def test_a_restricted_key_stays_restricted_and_within_its_budget(start, fake):
    """Each request costs 10 millionths of a USD, of 50."""
    gateway = await start(parts={"wall": lambda: 1_800_000_000.0}, batches={"concurrency": 1})
    small = as_client("small")
    lines = [line(1, model="big"), line(2, model="deep"), *(line(number, max_tokens=5) for number in range(3, 13))]
    batch = await until(gateway, await begin(gateway, jsonl(*lines), small, completion_window="1h"), headers=small)
    bad = {one["custom_id"]: one["response"] for one in await results(gateway, batch["error_file_id"], small)}
    assert [bad.pop(name)["status_code"] for name in ("r1", "r2")] == [403, 403]
    assert 1 <= len(await results(gateway, batch["output_file_id"], small)) == len(fake.requests) <= 5
    assert {response["body"]["error"]["code"] for response in bad.values()} == {"budget_exceeded"}


@pytest.mark.parametrize(
    ("now", "status"), [([], 401), ([{**CLIENTS[0], "tiers": ["deep"]}], 403), ([{**CLIENTS[0], "role": "viewer"}], 403)]
)
async def test_what_a_key_may_do_now_counts_and_not_what_it_could_do_then(start, tree, fake, now, status, monkeypatch):
    monkeypatch.setattr(line_gate, "PAUSE_S", 0.02)
    gateway = await start(batches={"concurrency": 0})
    batch = await until(gateway, await begin(gateway, jsonl(line(1)), TEAM), {"in_progress"}, TEAM)
    await gateway.reload(tree(auth={"clients": [CLIENTS[1], *now]}))
    stores = gateway.app._kept.jobs.stores
    async with asyncio.timeout(10):
        while (found := await stores.batches.get("client:team", batch["id"])).status != "completed":
            await asyncio.sleep(0.02)
    (refused,) = [piece async for piece in stores.files.pieces(found.progress.error_file)]
    assert json.loads(refused)["response"]["status_code"] == status
    assert not fake.requests


async def test_a_limit_is_waited_for(start, fake, monkeypatch):
    """Of two requests a minute allows one: the other comes when its time has come."""
    monkeypatch.setattr(batch_run, "MIN_WAIT_S", 0.0)
    slept = []
    real = asyncio.sleep

    async def sleep(seconds):
        slept.append(seconds)
        now.at += seconds
        await real(0)

    class Now:
        at = 1_800_000_000.0

        def __call__(self):
            return self.at

    now = Now()
    gateway = await start(parts={"wall": now, "clock": now})
    monkeypatch.setattr(batch_run.asyncio, "sleep", sleep)
    slow = as_client("slow")
    batch = await begin(gateway, jsonl(line(1), line(2)), slow)
    async with asyncio.timeout(10):
        while batch["status"] != "completed":
            await real(0.02)
            batch = (await gateway.client.get(f"/v1/batches/{batch['id']}", headers=slow)).json()
    assert batch["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert max(slept) > 1


async def test_a_line_is_asked_again_when_the_endpoint_failed(start, fake, monkeypatch):
    monkeypatch.setattr(batch_run, "RETRY_S", (0.0, 0.0))
    monkeypatch.setattr(batch_run, "MIN_WAIT_S", 0.0)
    gateway = await start(retry={"max_attempts": 1}, health={"failure_threshold": 100})
    fake.then(whole({"error": {"message": "no"}}, 500), whole({"error": {"message": "no"}}, 500))
    batch = await until(gateway, await begin(gateway, jsonl(line(1)), TEAM), headers=TEAM)
    assert batch["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    fake.then(*[whole({"error": {"message": "no"}}, 500)] * 3)
    batch = await until(gateway, await begin(gateway, jsonl(line(1)), TEAM), headers=TEAM)
    (failed,) = await results(gateway, batch["error_file_id"], TEAM)
    assert failed["response"]["status_code"] == 502


async def test_a_batch_is_cancelled_with_what_it_has(start, fake):
    gateway = await start(batches={"concurrency": 1})
    stuck = asyncio.Event()

    async def hang(exchange):
        stuck.set()
        await asyncio.Event().wait()

    fake.then(whole({"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}), hang)
    batch = await begin(gateway, jsonl(line(1), line(2), line(3)), TEAM)
    await stuck.wait()
    cancelled = (await gateway.client.post(f"/v1/batches/{batch['id']}/cancel", headers=TEAM)).json()
    assert cancelled["status"] in {"cancelling", "cancelled"}
    refused = await gateway.client.delete(f"/v1/files/{batch['input_file_id']}", headers=TEAM)
    batch = await until(gateway, cancelled, headers=TEAM)
    assert batch["status"] == "cancelled"
    assert batch["cancelled_at"] >= batch["cancelling_at"]
    assert batch["request_counts"] == {"total": 3, "completed": 1, "failed": 0}
    assert [one["custom_id"] for one in await results(gateway, batch["output_file_id"], TEAM)] == ["r1"]
    again = await gateway.client.post(f"/v1/batches/{batch['id']}/cancel", headers=TEAM)
    assert again.status_code == 400
    assert refused.status_code in {200, 400}


async def test_what_is_not_asked_in_time_expires(start, fake, monkeypatch):
    monkeypatch.setattr(line_gate, "PAUSE_S", 0.02)

    class Now:
        at = 1_800_000_000.0

        def __call__(self):
            return self.at

    now = Now()
    gateway = await start(parts={"wall": now}, batches={"concurrency": 0})
    batch = await until(gateway, await begin(gateway, jsonl(line(1), line(2)), TEAM), {"in_progress"}, TEAM)
    now.at += 86400
    batch = await until(gateway, batch, headers=TEAM)
    assert batch["status"] == "expired"
    assert batch["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    assert {one["error"]["code"] for one in await results(gateway, batch["error_file_id"], TEAM)} == {"batch_expired"}
    assert not fake.requests


async def test_responses_and_embeddings_are_asked_too(start, fake):
    gateway = await start()
    made = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "fast", "input": "hello"}}
    batch = await until(gateway, await begin(gateway, jsonl(made), TEAM, endpoint="/v1/responses"), headers=TEAM)
    (answer,) = await results(gateway, batch["output_file_id"], TEAM)
    id = answer["response"]["body"]["id"]
    assert (await gateway.client.get(f"/v1/responses/{id}", headers=TEAM)).json() == answer["response"]["body"]
    none = {**made, "url": "/v1/embeddings", "body": {"model": "e", "input": "x"}}
    batch = await until(gateway, await begin(gateway, jsonl(none), TEAM, endpoint="/v1/embeddings"), headers=TEAM)
    (failed,) = await results(gateway, batch["error_file_id"], TEAM)
    assert failed["response"]["status_code"] == 404


async def test_files_and_batches_are_listed_in_pages(start):
    gateway = await start(batches={"concurrency": 0})
    made = [await begin(gateway, jsonl(line(number)), TEAM) for number in range(3)]

    async def listed(path):
        return (await gateway.client.get(path, headers=TEAM)).json()

    first = await listed("/v1/batches?limit=2")
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == ([made[2]["id"], made[1]["id"]], True)
    rest = await listed(f"/v1/batches?limit=2&after={first['last_id']}")
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == ([made[0]["id"]], False)
    files = await listed("/v1/files?order=asc&limit=2")
    assert [file["id"] for file in files["data"]] == [made[0]["input_file_id"], made[1]["input_file_id"]]
    assert (await listed("/v1/files?purpose=batch_output"))["data"] == []
    for path in ("/v1/files?limit=0", "/v1/files?after=file-x", "/v1/batches?limit=x", "/v1/batches?after=b", "/v1/files?order=up"):
        assert (await gateway.client.get(path, headers=TEAM)).status_code == 400, path


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input_file_id"),
        ({"input_file_id": 7}, "input_file_id"),
        ({"input_file_id": "file-x", "endpoint": "/v1/chat/completions", "completion_window": "24h"}, "input_file_id"),
        ({"input_file_id": "file-x", "endpoint": "/admin/config", "completion_window": "24h"}, "endpoint"),
        ({"input_file_id": "file-x", "endpoint": "/v1/chat/completions", "completion_window": "soon"}, "completion_window"),
        ({"input_file_id": "file-x", "endpoint": "/v1/chat/completions", "completion_window": "999h"}, "completion_window"),
        (
            {
                "input_file_id": "x",
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {"a": "b" * 513},
            },
            "metadata",
        ),
        ([], None),
    ],
)
async def test_a_bad_field_of_a_batch_is_named(start, body, param):
    gateway = await start()
    answer = await gateway.client.post("/v1/batches", json=body, headers=TEAM)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_bad_upload_is_refused_and_leaves_nothing(start):
    gateway = await start(batches={"max_file_bytes": 3_000_000, "max_stored_bytes": 4_000_000})
    client = gateway.client
    data = jsonl(line(1))
    assert (await upload(gateway, data, TEAM, purpose="fine-tune")).status_code == 400
    assert (await upload(gateway, b"", TEAM)).status_code == 400
    assert (
        await upload(gateway, data, TEAM, **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "9"})
    ).status_code == 400
    assert (await client.post("/v1/files", data={"purpose": "batch"}, headers=TEAM)).status_code == 415
    assert (await client.post("/v1/files", json={"purpose": "batch"}, headers=TEAM)).status_code == 415
    assert (await client.post("/v1/files", files={"purpose": (None, "batch")}, headers=TEAM)).status_code == 400
    cut = {**TEAM, "content-type": "multipart/form-data; boundary=b"}
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n' + data
    assert (await client.post("/v1/files", content=head, headers=cut)).status_code == 400
    assert (await upload(gateway, b"x" * 3_000_001, TEAM)).status_code == 413
    assert (await upload(gateway, b"x" * 3_000_000, TEAM)).status_code == 200
    assert (await upload(gateway, b"x" * 1_000_001, TEAM)).status_code == 413
    assert len((await client.get("/v1/files", headers=TEAM)).json()["data"]) == 1
    assert await gateway.app._kept.jobs.stores.files.used_bytes("client:team") == 3_000_000


async def test_a_file_comes_back_as_it_went_and_expires(start):
    gateway = await start()
    data = bytes(range(256)) * 20_000
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = (await upload(gateway, data, TEAM, **fields)).json()
    assert (file["bytes"], file["expires_at"] - file["created_at"], file["filename"]) == (len(data), 3600, "in.jsonl")
    content = await gateway.client.get(f"/v1/files/{file['id']}/content", headers=TEAM)
    assert content.content == data
    gone = await gateway.client.delete(f"/v1/files/{file['id']}", headers=TEAM)
    assert gone.json() == {"id": file["id"], "object": "file", "deleted": True}
    assert (await gateway.client.get(f"/v1/files/{file['id']}/content", headers=TEAM)).status_code == 404


async def test_without_a_database_it_is_said_what_is_missing(start):
    gateway = await start(store={"url": "none"})
    for answer in (await upload(gateway, b"x", TEAM), await gateway.client.get("/v1/batches", headers=TEAM)):
        assert answer.status_code == 400
        assert "store.url" in json.loads(answer.content)["error"]["message"]
