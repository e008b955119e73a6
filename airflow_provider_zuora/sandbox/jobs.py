"""The life of a job: Processing until its time has come, then the end that it was given when it was accepted.

Source: "Retrieve the status and response of a job" of Zuora's v1 API reference. How a job ends is told by
the settings, or by the order itself in ``customFields.Sandbox__c``: directives, separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_zuora.sandbox.books import Booked
from airflow_provider_zuora.sandbox.results import created, previewed
from airflow_provider_zuora.sandbox.settings import Settings

FIELD = "Sandbox__c"


@dataclass(frozen=True, slots=True)
class End:
    """
    How a job will end.

    :param seconds: how long it says Processing first.
    :param status: the status word it will have; only Completed makes an order.
    :param errors: its ``errors`` text, None where it has none.
    :param order_status: the status of the order it makes.
    """

    seconds: float
    status: str
    errors: str | None
    order_status: str


DIRECTIVES: dict[str, Callable[[End, str], End]] = {
    "fail": lambda end, text: replace(end, status="Failed", errors=text),
    "pending": lambda end, _: replace(end, order_status="Pending"),
    "processing": lambda end, text: replace(end, seconds=float(text)),
    "status": lambda end, text: replace(end, status=text),
}
"""What an order can say of its job; each takes the rest of its text."""

BETWEEN = re.compile(rf";\s*(?=(?:{'|'.join(DIRECTIVES)})\b)")


def end_of(order: dict[str, Any], kind: str, settings: Settings) -> End:
    """
    Return how the job of an order will end.

    :param kind: ``create`` or ``preview``; `Settings.fail_jobs` is for create jobs only.
    :raises ValueError: the order holds a directive that means nothing; the text says which.
    """
    errors = settings.fail_jobs if kind == "create" else ""
    status = "Failed" if errors else "Completed"
    end = End(settings.job_seconds, status, errors or None, settings.order_status)
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
    end: End
    status: str = "Processing"
    errors: str | None = None
    booked: Booked | None = None

    @property
    def due(self) -> float:
        """Return when it ends."""
        return self.accepted + self.end.seconds

    def body(self, version: str) -> dict[str, Any]:
        """
        Return the answer to GET /v1/async-jobs/{jobId}.

        :param version: the Zuora-Version of that request; it decides which fields name the subscriptions.
        """
        result: dict[str, Any] | None = None
        if self.status == "Completed":
            result = (
                previewed(self.order)
                if self.booked is None
                else created(self.booked, version, ids=self.return_ids)
            )
        return {"errors": self.errors, "result": result, "status": self.status, "success": True}
