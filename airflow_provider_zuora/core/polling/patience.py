"""How long a list's looks go on while the vendor does not answer: a few failures, a while, and no longer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import ONCE, READ, RetryBudget

ROUND = 300.0  # seconds; 2,000 jobs that answer in 2 s each, 20 at once, take 200
_ROW = 3  # looks in a row


@dataclass(slots=True)
class Patience:
    """
    What the looks of one round have met so far; all times are seconds on the round's clock.

    The first look that meets a passing failure repeats itself, the next ones do not, and after three in a row
    no more are begun: a vendor that is silent costs each of them the timeout of the connection.

    :param clock: returns seconds, and nobody sets it.
    :param deadline: no look is repeated later than this.
    """

    clock: Callable[[], float]
    deadline: float = math.inf
    error: ApiError | None = None
    _failed: int = 0
    _until: float = 0.0

    def __post_init__(self) -> None:
        """Begin the round."""
        self._until = self.clock() + ROUND

    @property
    def lost(self) -> bool:
        """Return whether the vendor is away: the last few looks all failed for a passing reason."""
        return self._failed >= _ROW

    @property
    def over(self) -> bool:
        """Return whether no more looks are to be begun."""
        return self.lost or self.clock() >= self._until

    @property
    def budget(self) -> RetryBudget:
        """Return how long the next look may be repeated."""
        if self._failed:
            return ONCE
        left = min(self.deadline, self._until) - self.clock()
        return replace(READ, seconds=max(0.0, min(READ.seconds, left)))

    def answered(self) -> None:
        """Take note that the vendor has answered."""
        self._failed = 0

    def failed(self, error: ApiError) -> None:
        """Take note of a look that failed for a passing reason."""
        self._failed += 1
        self.error = error
