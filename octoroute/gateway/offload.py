"""Does the work of large requests in a thread, one request at a time, so that the event loop serves the others meanwhile.

Reading and translating take time in proportion to a request's size, up to half a second a megabyte of small items. A thread costs a
tenth of a millisecond, which small requests are spared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from octoroute.dialects.base import Inbound
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.principal import Principal
from octoroute.domain.request import Request

LARGE_BODY_BYTES = 256 * 1024
"""A body that is read, or passed on with another model in it."""
LARGE_TRANSLATION_BYTES = 32 * 1024
"""A body that is translated."""
_REFERENCE = b'"$ref"'
"""In a schema it can stand for much more than its size."""

P = ParamSpec("P")
T = TypeVar("T")

_worker = ThreadPoolExecutor(1, thread_name_prefix="large-request")


def is_large_translation(request: Request) -> bool:
    """Whether translating the request may take longer than others should wait."""
    body = request.body
    if not isinstance(body, RequestBody):
        return False
    return len(body.raw) > LARGE_TRANSLATION_BYTES or (request.facts.tools and _REFERENCE in body.raw)


def is_large_body(request: Request) -> bool:
    return isinstance(request.body, RequestBody) and len(request.body.raw) > LARGE_BODY_BYTES


async def read_request(
    inbound: Inbound, body: bytes, *, request_id: str, headers: Mapping[str, str], principal: Principal | None = None
) -> Request:
    """Return what `Inbound.read` returns; a large body is read in the thread. Raises what `Inbound.read` raises."""
    if len(body) > LARGE_BODY_BYTES:
        return await off_loop(inbound.read, body, request_id=request_id, headers=headers, principal=principal)
    return inbound.read(body, request_id=request_id, headers=headers, principal=principal)


async def by_size(size: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a pure function whose time goes by `size` bytes: in the thread if they are many."""
    return await off_loop(function, *args, **kwargs) if size > LARGE_BODY_BYTES else function(*args, **kwargs)


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a pure function in the thread. A caller that is cancelled does not wait for it."""
    return await asyncio.get_running_loop().run_in_executor(_worker, partial(function, *args, **kwargs))
