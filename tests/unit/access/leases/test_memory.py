"""Leases in memory; tests/contract/test_leases.py holds what every backend does."""

from octoroute.access.leases.base import KEEP_S, Charge, LeaseBatch
from octoroute.access.leases.memory import MemoryLeases


async def test_windows_and_owners_are_forgotten_some_time_after_their_end():
    now = 1000.0
    leases = MemoryLeases(lambda: now, owner_ttl_s=5.0)
    for number in range(50):
        leases.exchange_now(LeaseBatch(owner=f"o{number}", sequence=1, reservations=[[Charge(f"w{number}", 1, 9, now + 60)]]))
    now += KEEP_S + 120
    leases.exchange_now(LeaseBatch(owner="new", sequence=1, reservations=[[Charge("w", 1, 9, now + 60)]]))
    assert len(leases._spent) == len(leases._ends_at) == len(leases._owners) == len(leases._held) == 1
