"""Batches as clients make them, and stores for them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

OVER = {"completed", "failed", "expired", "cancelled"}


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def line(number: int, model: str = "fast", url: str = "/v1/chat/completions", **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"question {number}"}], **more}
    return {"custom_id": f"r{number}", "method": "POST", "url": url, "body": body}


async def upload(gateway, data: bytes, headers=None, **fields: str):
    given = {"purpose": "batch", **fields}
    return await gateway.client.post("/v1/files", files={"file": ("in.jsonl", data)}, data=given, headers=headers)


async def begin(gateway, data: bytes, headers=None, **more: Any) -> dict[str, Any]:
    file = (await upload(gateway, data, headers)).json()
    body = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h", **more}
    made = await gateway.client.post("/v1/batches", json=body, headers=headers)
    assert made.status_code == 200, made.text
    return made.json()


async def until(gateway, batch: dict[str, Any], statuses=OVER, headers=None) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while batch["status"] not in statuses:
            await asyncio.sleep(0.02)
            batch = (await gateway.client.get(f"/v1/batches/{batch['id']}", headers=headers)).json()
    return batch


async def results(gateway, file: str | None, headers=None) -> list[dict[str, Any]]:
    if file is None:
        return []
    return [json.loads(one) for one in (await gateway.client.get(f"/v1/files/{file}/content", headers=headers)).text.splitlines()]
