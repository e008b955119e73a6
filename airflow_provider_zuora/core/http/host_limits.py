"""What all processes of a host know of one account's limits, and how a request starts by it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

WINDOW = 60.0  # seconds; Zuora's shortest window
_SPARE = (
    0.01  # this part of a window is not spent: a request may arrive a window later than it was counted for
)
_SCARCE = 10  # less than this part of a window is left
_COUNTED = 1000  # requests; while fewer are left, or less than a fifth, the processes count them together
_COUNTED_PART = 5
_ROUNDED = 1.0  # seconds; by so much the end of a window may be rounded
_ON_THE_WAY = 1.0  # seconds; a request that starts so long before the end of a window may arrive after it
_LONGEST = 86_400.0 + WINDOW  # seconds; a moment that is farther away is none that we have written


@dataclass(frozen=True, slots=True)
class HostLimits:
    """
    One account's limits; moments are seconds of the host's monotonic clock.

    :ivar cool_down_until: before that, nothing starts.
    :ivar most: requests of a window; 0: so many are left that nobody counts.
    :ivar left: how many of them may still start in this window.
    :ivar earliest: when it begins anew, at the earliest.
    :ivar latest: the same, at the latest; by then it has.
    :ivar length: its seconds.
    :ivar next_start: when the next request may start while little is left.
    :ivar early: requests that may arrive in the next window, as they start so late in this one.
    """

    cool_down_until: float = 0.0
    most: float = 0.0
    left: float = 0.0
    earliest: float = 0.0
    latest: float = 0.0
    length: float = WINDOW
    next_start: float = 0.0
    early: float = 0.0

    def is_possible(self, now: float) -> bool:
        """Return whether these can be limits at all; a file may hold anything."""
        moments = (self.cool_down_until, self.earliest, self.latest, self.next_start)
        return self.length > 0 <= self.most and all(moment - now <= _LONGEST for moment in moments)


@dataclass(frozen=True, slots=True)
class StatedWindow:
    """What one answer leaves: ``left`` of ``most`` until a moment from ``earliest`` to ``latest``."""

    most: float
    left: float
    earliest: float
    latest: float
    length: float

    @classmethod
    def of(
        cls, most: float, left: float, length: float, reset: float, began: float, ended: float
    ) -> StatedWindow:
        """Return it; the answer was made between two moments, and its seconds may be rounded either way."""
        left = max(0.0, left - most * _SPARE)
        return cls(most, left, began + reset - _ROUNDED, ended + reset + _ROUNDED, length)


@dataclass(slots=True)
class Start:
    """
    The start of one request, taken out of a window: when it may be.

    :ivar is_taken: False: the window is spent until ``due``; then it has to be asked for again.
    """

    due: float
    is_taken: bool = True

    def take(self, limits: HostLimits) -> HostLimits:
        """Take one start at ``due`` or later, and return what is left."""
        if not limits.most:
            return limits
        now = self.due
        if now >= limits.latest:
            limits = _begin_window(limits, now)
        scarce = limits.left * _SCARCE < limits.most
        due = max(now, limits.next_start) if scarce else now
        if limits.left < 1 or due >= limits.latest:
            self.due, self.is_taken = limits.latest, False
            return limits
        self.due = due
        next_start = due + (limits.latest - due) / limits.left if scarce else limits.next_start
        early = limits.early + (due >= limits.earliest - _ON_THE_WAY)
        return replace(limits, left=limits.left - 1, next_start=next_start, early=early)


def _spare_some(most: float) -> float:
    """Return how many requests of a window may start; of one that has a single request, that one."""
    return max(1.0, most * (1 - _SPARE))


def _begin_window(limits: HostLimits, now: float) -> HostLimits:
    """Return the limits in the window of now; those that started early are taken out of the next one."""
    passed = (now - limits.latest) // limits.length + 1
    shift = passed * limits.length
    return replace(
        limits,
        left=_spare_some(limits.most) - (limits.early if passed == 1 else 0.0),
        earliest=limits.earliest + shift,
        latest=limits.latest + shift,
        next_start=0.0,
        early=0.0,
    )


def is_counted(left: float, most: float) -> bool:
    """Return whether so few requests are left that the processes of a host count them together."""
    return left < max(_COUNTED, most / _COUNTED_PART)


def add_window(limits: HostLimits, stated: StatedWindow) -> HostLimits:
    """Return the limits as they are known after an answer; unchanged, if it tells nothing new."""
    is_known = limits.most == stated.most
    if is_known and _is_same(limits, stated, 0.0):
        # What is under way is taken, and not yet stated: the smaller number is the right one.
        left = min(limits.left, stated.left)
        if not is_counted(left, stated.most):
            return replace(limits, most=0.0)
        earliest, latest = max(limits.earliest, stated.earliest), min(limits.latest, stated.latest)
        return replace(limits, left=left, earliest=earliest, latest=latest)
    if is_known and _is_same(limits, stated, -limits.length):
        return limits  # an answer that came late
    if not is_counted(stated.left, stated.most):
        return replace(limits, most=0.0) if limits.most else limits
    left = stated.left
    if is_known and _is_same(limits, stated, limits.length):
        left = min(left, _spare_some(stated.most) - limits.early)  # the next one has begun
    found = (stated.most, left, stated.earliest, stated.latest, stated.length)
    return HostLimits(limits.cool_down_until, *found)


def _is_same(limits: HostLimits, stated: StatedWindow, shift: float) -> bool:
    """Return whether the known window, or one so many seconds from it, may be the one that is stated."""
    return limits.earliest + shift <= stated.latest and stated.earliest <= limits.latest + shift


def add_cool_down(limits: HostLimits, until: float) -> HostLimits:
    """Return the limits after an answer that asks to wait; the longest wait counts."""
    return replace(limits, cool_down_until=max(limits.cool_down_until, until))


Change = Callable[[HostLimits], HostLimits]


class SharedLimits(Protocol):
    """Where the processes of a host keep the limits of one account, and its connections' slots."""

    def is_due(self, now: float) -> bool:
        """Return whether `open` is to be called before the next `read`."""

    def open(self, now: float) -> None:
        """Open it, or look whether it is still the right one; this may block."""

    def read(self, now: float) -> HostLimits:
        """Return the limits; this neither blocks nor raises."""

    def update(self, change: Change, now: float) -> None:
        """Change the limits while no other process does; this may block."""

    def take_slot(self, most: int) -> int | None:
        """Return the number of a free slot, None if there is none; this neither blocks nor raises."""

    def give_back(self, slot: int) -> None:
        """Let another request have a slot."""

    def renew_after_fork(self) -> None:
        """Leave what is open to the parent."""


@dataclass(slots=True)
class Turn:
    """
    The turn of one request.

    :param most: connections of all processes of a host; 0: any number.
    :ivar began: when it was admitted.
    :ivar slot: the number of its connection, None while it has none.
    """

    most: int = 0
    began: float = 0.0
    slot: int | None = None

    def take_slot(self, shared: SharedLimits) -> bool:
        """Take a slot, if it needs one and has none; return whether it lacks none."""
        if self.most and self.slot is None:
            self.slot = shared.take_slot(self.most)
            return self.slot is not None
        return True

    def give_back_slot(self, shared: SharedLimits) -> None:
        """Give the slot back, if it has one."""
        if self.slot is not None:
            shared.give_back(self.slot)
