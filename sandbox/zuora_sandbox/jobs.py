"""The life of a job: Processing until its time has come, then the end that it was given when it was accepted.

Source: "Retrieve the status and response of a job" of Zuora's v1 API reference. How a job ends is told by
the settings, or by the order itself in ``customFields.Sandbox__c``: directives, separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from zuora_sandbox.order_store import StatusPlan, StoredOrder
from zuora_sandbox.results import make_create_result, make_preview_result, make_refused_result
from zuora_sandbox.settings import Settings

FIELD = "Sandbox__c"


@dataclass(frozen=True, slots=True)
class JobEnd:
    """
    How a job will end.

    :param seconds: how long it says Processing first.
    :param status: the status word it will have; only Completed makes an order.
    :param errors: its ``errors`` text, None where it has none.
    :param order_life: the status of the order it makes.
    :param refusal: the ``errors`` in its result, which then says ``success: false``; it makes no order.
    :param may_repeat_number: whether its order may have the number of another.
    """

    seconds: float
    status: str
    errors: str | None
    status_plan: StatusPlan
    refusal: str = ""
    may_repeat_number: bool = False


DIRECTIVES: dict[str, Callable[[JobEnd, str], JobEnd]] = {
    "fail": lambda end, text: replace(end, status="Failed", errors=text),
    "order": lambda end, text: replace(end, status_plan=replace(end.status_plan, first=text)),
    "pending": lambda end, _: replace(end, status_plan=replace(end.status_plan, first="Pending")),
    "processing": lambda end, text: replace(end, seconds=float(text)),
    "refuse": lambda end, text: replace(end, status="Completed", errors=None, refusal=text),
    "status": lambda end, text: replace(end, status=text),
}
"""What an order can say of its job; each takes the rest of its text."""

BETWEEN = re.compile(rf";\s*(?=(?:{'|'.join(DIRECTIVES)})\b)")


def decide_end(order: dict[str, Any], kind: str, settings: Settings) -> JobEnd:
    """
    Return how the job of an order will end.

    :param kind: ``create`` or ``preview``; what `Settings` says of failures is for create jobs only.
    :raises ValueError: the order holds a directive that means nothing; the text says which.
    """
    errors = settings.fail_jobs if kind == "create" else ""
    end = JobEnd(
        settings.job_seconds,
        status="Failed" if errors else "Completed",
        errors=errors or None,
        status_plan=StatusPlan(settings.order_status, settings.order_seconds, settings.order_next_status),
        refusal=settings.fail_results if kind == "create" and not errors else "",
        may_repeat_number=settings.duplicate_order_numbers == "accept",
    )
    told = (order.get("customFields") or {}).get(FIELD) or ""
    for directive in BETWEEN.split(told) if told else ():
        word, _, text = directive.strip().partition(" ")
        if word not in DIRECTIVES:
            raise ValueError(f"{FIELD} says {directive!r}; it knows {', '.join(DIRECTIVES)}")
        end = DIRECTIVES[word](end, text.strip())
    return end


@dataclass(frozen=True, slots=True)
class Job:
    """
    One asynchronous job.

    :param due: when it ends, in seconds of the sandbox's clock.
    :param key: the idempotency key of the request that made it.
    :param status: its status word now; Processing until it has been settled.
    :param booked: the order that it made, once it has completed.
    """

    job_id: str
    kind: str
    order: dict[str, Any] = field(repr=False)
    return_ids: bool
    key: str
    accepted: float
    end: JobEnd
    status: str = "Processing"
    errors: str | None = None
    stored_order: StoredOrder | None = None

    @property
    def due(self) -> float:
        """Return when it ends."""
        return self.accepted + self.end.seconds

    def make_page(self, version: str) -> dict[str, Any]:
        """
        Return the answer to GET /v1/async-jobs/{jobId}.

        :param version: the Zuora-Version of that request; it decides which fields name the subscriptions.
        """
        result = self._make_result(version) if self.status == "Completed" else None
        return {"errors": self.errors, "result": result, "status": self.status, "success": True}

    def _make_result(self, version: str) -> dict[str, Any]:
        if self.end.refusal:
            return make_refused_result(self.end.refusal)
        if self.stored_order is None:
            return make_preview_result(self.order)
        return make_create_result(self.stored_order, version, ids=self.return_ids)
