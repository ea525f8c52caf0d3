"""Amounts that a process holds in advance, so that most reservations need not wait for the backend.

They are held in the backend like every other amount, so they admit nothing above a limit. They are small beside what is left,
shrink with it, and are given back when they are not used: near a limit at once, because another process may be refused meanwhile.
The last few requests before a limit ask the backend each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from octoroute.access.leases.base import Charge, Settlement

SHARE_OF_LEFT = 8
"""At most this part of what is left in a window is held in advance by one process."""
REQUESTS_AHEAD = 32
"""At most so many requests like the last one are covered in advance."""


class Advance:
    """What is held in advance in one window."""

    __slots__ = ("amount", "charge", "is_asked", "is_used", "left")

    def __init__(self, charge: Charge, left: int) -> None:
        self.charge = charge
        """The last one that was reserved in the window."""
        self.amount = 0
        self.left = left
        """In the window, without `amount`, when the backend was asked last."""
        self.is_used = True
        self.is_asked = False
        """An exchange that may raise `amount` is under way."""

    @property
    def wanted(self) -> int:
        """0: too little is left to cover another request."""
        share = self.left // SHARE_OF_LEFT
        return min(self.charge.amount * REQUESTS_AHEAD, share) if share >= self.charge.amount else 0

    @property
    def is_near(self) -> bool:
        """Something is held, and what is left does not suffice for every process to hold as much as it likes."""
        return self.amount > 0 and self.left < self.charge.amount * REQUESTS_AHEAD * SHARE_OF_LEFT


class Allotment:
    def __init__(self) -> None:
        self._advances: dict[str, Advance] = {}

    def take(self, charges: Sequence[Charge]) -> tuple[int, ...] | None:
        """Reserve all of `charges` from what is held in advance, and return what is left in each window; None: it is not enough."""
        advances = [self._advances.get(charge.window) for charge in charges]
        for charge, advance in zip(charges, advances, strict=True):
            if advance is None or advance.amount < charge.amount or advance.charge.limit != charge.limit:
                return None
        left: list[int] = []
        for charge, advance in zip(charges, advances, strict=True):
            assert advance is not None
            advance.amount -= charge.amount
            advance.charge = charge
            advance.is_used = True
            left.append(advance.left + advance.amount)
        return tuple(left)

    def granted(self, charges: Sequence[Charge], left: Sequence[int]) -> None:
        """The backend has granted a reservation, and has so much left."""
        for charge, amount in zip(charges, left, strict=True):
            advance = self._advances.get(charge.window)
            if advance is None:
                self._advances[charge.window] = Advance(charge, amount)
            else:
                advance.charge, advance.left, advance.is_used = charge, amount, True

    def give_back(self, charges: Iterable[Charge]) -> list[Settlement]:
        """Give back what is held in advance in the windows of a reservation that it does not cover."""
        windows = {charge.window for charge in charges}
        return [part for window in windows for part in self._emptied(self._advances.get(window))]

    @property
    def is_near(self) -> bool:
        """Something is held near a limit."""
        return any(advance.is_near for advance in self._advances.values())

    def give_back_unused(self, now: float, *, only_near: bool = False) -> list[Settlement]:
        """Give back what nothing was taken from since the last call, and forget windows that have ended."""
        returned: list[Settlement] = []
        for window, advance in list(self._advances.items()):
            if only_near and not advance.is_near:
                continue
            if not advance.is_used or advance.charge.ends_at <= now:
                returned += self._emptied(advance)
                del self._advances[window]
            advance.is_used = False
        return returned

    @staticmethod
    def _emptied(advance: Advance | None) -> list[Settlement]:
        if advance is None or not advance.amount:
            return []
        amount, advance.amount = advance.amount, 0
        return [Settlement(advance.charge.window, amount, 0, advance.charge.ends_at)]

    def asks(self, now: float) -> list[Charge]:
        """What should be held in advance beside what is; `answered` must be called for each."""
        found: list[Charge] = []
        for advance in self._advances.values():
            wanted = advance.wanted
            if (
                advance.is_asked
                or not advance.is_used
                or advance.amount * 2 > wanted
                or advance.charge.ends_at <= now
                or not wanted
            ):
                continue
            advance.is_asked = True
            found.append(advance.charge._replace(amount=wanted - advance.amount))
        return found

    def answered(self, charge: Charge, left: int | None) -> None:
        """`charge` was asked for. `left`: in its window; None: it was refused."""
        advance = self._advances.get(charge.window)
        if advance is None:  # given back meanwhile, and the window forgotten
            advance = self._advances[charge.window] = Advance(charge, left or 0)
            advance.is_used = False
        advance.is_asked = False
        if left is None:
            advance.left = 0
        else:
            advance.amount += charge.amount
            advance.left = left

    def clear(self) -> None:
        """The backend holds nothing of it any more."""
        self._advances.clear()
