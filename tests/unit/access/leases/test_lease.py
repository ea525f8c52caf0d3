"""The ledger of a process that shares nothing."""

from octoroute.access.leases.base import LeaseRefusal
from octoroute.access.leases.lease import BudgetLease, MemoryLedger, added_up, settlements_of
from tests.support.lease_backends import charge


async def test_a_lease_is_settled_once():
    ledger = MemoryLedger(lambda: 0.0)
    lease = await ledger.reserve([charge("w", 6, 10)])
    assert isinstance(lease, BudgetLease)
    assert lease.left == (4,)
    for _ in range(2):
        ledger.settle(lease, (3,))
    assert (await ledger.read(["w"]))["w"].spent == 3
    refused = await ledger.reserve([charge("w", 8, 10)])
    assert isinstance(refused, LeaseRefusal)
    assert refused.left == 7


def test_what_is_not_held_is_not_released():
    lease = BudgetLease([charge("w", 6, 10)])
    assert settlements_of(lease, (2,))[0][:3] == ("w", 0, 2)
    lease.is_held = True
    assert settlements_of(lease, (2,))[0][:3] == ("w", 6, 2)


def test_settlements_that_are_added_up_are_one_for_each_window():
    leases = [BudgetLease([charge("v", 1, 9), charge("w", 1, 9)]) for _ in range(100)]
    (lease, spent), *rest = added_up([(lease, (1, 2)) for lease in leases])
    assert not rest
    assert {part.window: (part.released, part.spent) for part in settlements_of(lease, spent)} == {"v": (0, 100), "w": (0, 200)}
