"""A process that reserves and settles as fast as it can: python -m tests.support.lease_load BACKEND ATTEMPTS LIMIT [open]

Settles some leases at the end only. Prints what it settled, as JSON. With `open` it settles none, prints what it holds, and stays.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import time

from octoroute.access.leases.base import LeaseRefusal
from octoroute.access.leases.lease import BudgetLease
from octoroute.access.leases.ledger import Ledger
from octoroute.runtime.tasks import TaskOwner
from tests.support.lease_backends import charge, make

CONCURRENCY = 64
TTL_S = 2.0


async def main(word: str, attempts: int, limit: int, *, stays: bool) -> None:
    tasks, numbers = TaskOwner(), itertools.count()
    chance = random.Random(os.getpid())
    ledger = Ledger(
        make(word, owner_ttl_s=TTL_S),
        new_owner=lambda: f"{os.getpid()}-{next(numbers)}",
        start=lambda work: tasks.start("leases", work()),
        wall=time.time,
    )
    spent = refused = 0
    late: list[BudgetLease] = []
    left = iter(range(attempts))

    async def client() -> None:
        nonlocal spent, refused
        for _ in left:
            amount = chance.randint(1, 9)
            lease = await ledger.reserve(
                [
                    charge("key:a|usd|day", amount, limit),
                    charge("key:a|usd|month", amount, 2 * limit),
                    charge("all|usd|day", amount, limit),
                ]
            )
            if isinstance(lease, LeaseRefusal):
                refused += 1
                continue
            await asyncio.sleep(0)
            if stays or chance.random() < 0.02:
                late.append(lease)
                continue
            actual = chance.randint(0, amount)
            ledger.settle(lease, (actual,) * 3)
            spent += actual

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    if stays:
        report(spent=spent, held=sum(lease.charges[0].amount for lease in late), refused=refused)
        await asyncio.Event().wait()
    for lease in late:
        ledger.settle(lease, [charge.amount for charge in lease.charges])
        spent += lease.charges[0].amount
    report(spent=spent, held=0, refused=refused)
    await tasks.stop()
    await ledger.close()


def report(**numbers: int) -> None:
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), stays="open" in sys.argv))
