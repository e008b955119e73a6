"""Which try of a task submits; what the exactly-once protocol knows of Airflow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """
    Which try of a task submits; the defaults are those of a submission outside of Airflow.

    :param number: Airflow's try number.
    :param max_tries: Airflow's; clearing a task raises it.
    :param cleared: True where the task was cleared since it first ran.
    :param since: when its run was first queued, or a time before that, in seconds since 1970; None: now.
    :param anew: True where this is the first try after a clear.
    :param remembers: True where the notes of the tries before can be read, unless a clear has wiped them.
    :param moved: True where another of the mapped tasks may have had this order before the run was cleared.
    """

    number: int = 1
    max_tries: int = 0
    cleared: bool = False
    since: float | None = None
    moved: bool = False
    anew: bool = False
    remembers: bool = False

    @property
    def is_first(self) -> bool:
        """Return whether certainly no other try can have sent the order before."""
        return self.number <= 1 and not self.cleared and not self.moved


OUTSIDE = TaskAttempt()
"""A submission outside of a task."""
