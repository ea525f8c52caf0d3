"""Which requests are translated in a thread, and that what they do there comes back."""

from __future__ import annotations

import json
import threading
import time

import pytest

from octoroute import dialects
from octoroute.domain.principal import Principal
from octoroute.errors import BadRequest
from octoroute.gateway.offload import (
    LARGE_BODY_BYTES,
    LARGE_TRANSLATION_BYTES,
    by_size,
    is_large_body,
    is_large_translation,
    off_loop,
    read_request,
)

INBOUND = dialects.inbound(time.time)


def read(**body):
    return INBOUND["openai"].read(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}], **body}).encode(), request_id="r", headers={}
    )


def tool(**parameters):
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


@pytest.mark.parametrize(
    ("body", "translation", "whole"),
    [
        ({}, False, False),
        ({"user": "x" * LARGE_TRANSLATION_BYTES}, True, False),
        ({"user": "x" * LARGE_BODY_BYTES}, True, True),
        ({"tools": tool(type="object")}, False, False),
        ({"tools": tool(**{"$ref": "#/$defs/a"})}, True, False),
        ({"user": '"$ref"'}, False, False),
    ],
)
def test_size_and_references_decide(body, translation, whole):
    assert (is_large_translation(read(**body)), is_large_body(read(**body))) == (translation, whole)


async def test_the_work_is_done_in_a_thread_and_its_errors_come_back():
    assert await off_loop(threading.get_ident) != threading.get_ident()

    def refuse() -> None:
        raise BadRequest("no", param="p")

    with pytest.raises(BadRequest, match="no"):
        await off_loop(refuse)


@pytest.mark.parametrize(("size", "in_thread"), [(10, False), (LARGE_BODY_BYTES, True)])
async def test_a_large_body_is_read_in_the_thread(monkeypatch, size, in_thread):
    inbound, threads = INBOUND["openai"], []
    own_read = inbound.read

    def traced(*args, **kwargs):
        threads.append(threading.get_ident())
        return own_read(*args, **kwargs)

    monkeypatch.setattr(inbound, "read", traced)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a" * size}]}).encode()
    request = await read_request(inbound, body, request_id="r", headers={}, principal=Principal(name="key-1"))
    assert (request.id, request.key_name) == ("r", "key-1")
    assert (threads != [threading.get_ident()]) is in_thread


@pytest.mark.parametrize(("size", "off"), [(LARGE_BODY_BYTES, False), (LARGE_BODY_BYTES + 1, True)])
async def test_a_function_of_many_bytes_is_called_in_the_thread(size, off):
    assert (await by_size(size, threading.get_ident) != threading.get_ident()) == off
