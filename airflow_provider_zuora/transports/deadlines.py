"""Bound how long the tasks of an event loop wait for their answers, with one timer for all of them."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Deadline:
    """When one task's wait for an answer is over; times are the loop's."""

    task: asyncio.Task[Any]
    end: float
    cancel_requests: int  # how often others had asked the task to cancel before
    handler: Any = None  # the connection that it was given; its `last_received` is when something last came
    reason: str = ""  # why it is over; empty while it is not


class Deadlines:
    """
    Cancel the tasks whose answers do not come, or do not end, in time.

    One timer serves all: aiohttp's own are two for each answer, which is mostly there in a moment.

    :param silence: seconds without a byte, from the end of the request on; ``total`` is for all of an answer.
    """

    def __init__(self, silence: float, total: float):
        self._silence, self._total = silence, total
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pending: set[Deadline] = set()

    def __bool__(self) -> bool:
        """Return whether a task is waiting."""
        return bool(self._pending)

    def begin(self) -> Deadline:
        """Count from now on for the running task."""
        task, now = asyncio.current_task(), self._loop.time()
        assert task is not None  # aiohttp itself demands one
        deadline = Deadline(task, now + self._total, task.cancelling())
        self._pending.add(deadline)
        if self._timer is None:
            self._timer = self._loop.call_at(now + min(self._silence, self._total), self._cancel_late_tasks)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """Leave a task alone."""
        if deadline in self._pending:
            self._pending.remove(deadline)
            if deadline.reason:
                deadline.task.uncancel()  # another error came first

    def pop_reason(self, deadline: Deadline) -> str:
        """Return why the running task was cancelled from here; empty if somebody else cancelled it, too."""
        self._pending.remove(deadline)
        is_ours = deadline.reason and deadline.task.uncancel() <= deadline.cancel_requests
        return deadline.reason if is_ours else ""

    def _cancel_late_tasks(self) -> None:
        """Cancel what is late; the timer is set to when another one may be, whatever begins meanwhile."""
        self._timer = None
        now, earliest = self._loop.time(), math.inf
        for deadline in self._pending:
            if deadline.reason:
                continue  # it was cancelled before, and has not ended yet
            due = deadline.end
            if deadline.handler is not None:
                due = min(due, deadline.handler.last_received + self._silence)
            if now < due:
                earliest = min(earliest, due)
                continue
            deadline.reason = f"nothing came for {self._silence:.0f} s"
            if now >= deadline.end:
                deadline.reason = f"it took longer than {self._total:.0f} s in all"
            deadline.task.cancel()
        if earliest < math.inf:
            self._timer = self._loop.call_at(min(now + self._silence, earliest), self._cancel_late_tasks)
