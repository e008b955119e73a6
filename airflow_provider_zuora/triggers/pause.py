"""Let time pass in the triggerer, in place of a worker that would sleep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_zuora.core.flow import PAUSE_OVER


class ZuoraPauseTrigger(BaseTrigger):
    """
    Fire one event after so many seconds; it asks nobody anything.

    They are counted by a clock that nobody sets, and another triggerer counts them anew: what follows may
    rest on it that they have passed. Its path stands in the databases of users: it must not change.

    :param seconds: that pass.
    """

    def __init__(self, *, seconds: float = 0.0, **others: Any):
        super().__init__()
        self.seconds = seconds
        if others:
            self.log.warning("Ignored the arguments of another release: %s", ", ".join(sorted(others)))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the argument."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire the event."""
        await asyncio.sleep(self.seconds)
        yield TriggerEvent({"status": PAUSE_OVER, "seconds": self.seconds})
