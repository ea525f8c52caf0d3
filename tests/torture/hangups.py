"""Clients that leave at any moment."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from random import Random

from tests.support.wire import Wire
from tests.torture.asking import Account
from tests.torture.stage import SETTLED_S, Figures, clients, drawn, leave, stage


async def storm(url: str, seconds: float, concurrency: int, seed: int) -> list[Account]:
    """Requests whose clients leave at once, before the first event, in the middle, or after the end; in the end all at once.

    Who does not wait for the end asks for an answer that would go on long after anybody looks whether it does.
    """
    random = Random(seed)
    numbers = itertools.count()
    accounts: list[Account] = []
    until = time.monotonic() + seconds

    async def client() -> None:
        wire = Wire(url)
        while (remains_s := until - time.monotonic()) > 0:
            patience_s = random.choice([0, random.random() * 0.05, random.random() * 0.6, random.random() * 0.6, remains_s])
            endless = {} if patience_s == remains_s else {"words": 1000, "pace_s": 0.05}
            slowness = {
                "before_s": random.choice([random.random() * 0.4, 60 if endless else 0]),
                "pace_s": random.choice([0, 0.01]),
            }
            ask = drawn(random, f"h{next(numbers)}", **{**slowness, **endless})
            accounts.append(await leave(wire, ask, min(patience_s, remains_s), rudely=random.random() < 0.5))
        wire.close()

    await clients(concurrency, client)
    return accounts


async def hangups(
    *, seconds: float = 60, concurrency: int = 64, seed: int = 0, upstream: str = "native", settled_s: float = SETTLED_S
) -> Figures:
    """When the last client has left, the endpoints are asked nothing any more, and nothing is left open; each request is settled
    once. A client that leaves before its request is taken up may leave no trace, if no endpoint was asked for it.
    """
    async with stage(2, upstream) as its:
        accounts = await storm(its.gateway.url, seconds, concurrency, seed)
        quiet_s = await its.quiet(settled_s)
        left = await its.check_nothing_is_left()
        lines = await its.check_same_story(accounts)
    abandoned = [line for line in lines if line["ending"] == "abandoned"]
    seen = Counter("after the first event" if "first_event_ms" in line else "before" for line in abandoned)
    assert len(seen) == 2, f"not all kinds of hang-ups have happened: {seen}"
    assert all(line["status"] == (200 if "first_event_ms" in line else 499) for line in abandoned)
    return {
        "requests": len(accounts),
        "endings": dict(Counter(account.ending for account in accounts)),
        "abandoned": dict(seen),
        "quiet_after_s": round(quiet_s, 2),
        **left,
    }
