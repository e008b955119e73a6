"""Asynchronous jobs: Processing until they are due, then with the end that was decided at their start.

Source: "Retrieve the status and response of a job" of Zuora's v1 API reference. How a job ends is decided by
the settings, by an `OrderScript`, or by the order itself with directives in ``customFields.Sandbox__c``,
separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zuora_sandbox.order_store import StatusPlan, StoredOrder
from zuora_sandbox.results import make_create_result, make_preview_result, make_refused_result
from zuora_sandbox.scripts import OrderScript
from zuora_sandbox.settings import Settings

FIELD = "Sandbox__c"


@dataclass(frozen=True, slots=True)
class JobEnd:
    """
    How a job will end.

    :param seconds: how long its status is Processing.
    :param status: its status then; only Completed makes an order.
    :param errors: the text of its ``errors``, or None.
    :param status_plan: the statuses of the order that it makes.
    :param refusal: the ``errors`` in its result, which then has ``success: false``, and no order is made; or
        an empty text.
    :param may_repeat_number: whether its order may have the number of another order.
    :param prices: the price list that a preview goes by.
    :param preview: its result instead, if a script says so.
    """

    seconds: float
    status: str
    errors: str | None
    status_plan: StatusPlan
    refusal: str = ""
    may_repeat_number: bool = False
    prices: Mapping[str, float | str] = field(default_factory=dict, repr=False)
    preview: Mapping[str, Any] | None = field(default=None, repr=False)


DIRECTIVES: dict[str, Callable[[JobEnd, str], JobEnd]] = {
    "fail": lambda end, text: replace(end, status="Failed", errors=text),
    "order": lambda end, text: replace(end, status_plan=replace(end.status_plan, first=text)),
    "pending": lambda end, _: replace(end, status_plan=replace(end.status_plan, first="Pending")),
    "processing": lambda end, text: replace(end, seconds=float(text)),
    "refuse": lambda end, text: replace(end, status="Completed", errors=None, refusal=text),
    "status": lambda end, text: replace(end, status=text),
}
"""The directives that an order can hold; each takes the rest of its text."""

BETWEEN = re.compile(rf";\s*(?=(?:{'|'.join(DIRECTIVES)})\b)")


def decide_end(order: dict[str, Any], kind: str, settings: Settings, script: OrderScript) -> JobEnd:
    """
    Decide how the job of an order will end.

    :param kind: ``create`` or ``preview``; the failures in `Settings` are for create jobs only.
    :param script: comes before the settings; the order's own directives come before both.
    :raises ValueError: if the order holds an invalid directive; the message says which.
    """
    errors = script.errors or (settings.fail_jobs if kind == "create" else "")
    first = script.order_status or settings.order_status
    end = JobEnd(
        settings.job_seconds if script.seconds is None else script.seconds,
        status=script.status or ("Failed" if errors else "Completed"),
        errors=errors or None,
        status_plan=StatusPlan(first, settings.order_seconds, settings.order_next_status),
        refusal=settings.fail_results if kind == "create" and not errors else "",
        may_repeat_number=settings.duplicate_order_numbers == "accept",
        prices=settings.prices,
        preview=script.preview,
    )
    text = (order.get("customFields") or {}).get(FIELD) or ""
    for directive in BETWEEN.split(text) if text else ():
        word, _, argument = directive.strip().partition(" ")
        if word not in DIRECTIVES:
            raise ValueError(f"{FIELD} says {directive!r}; it knows {', '.join(DIRECTIVES)}")
        end = DIRECTIVES[word](end, argument.strip())
    return end


@dataclass(frozen=True, slots=True)
class Job:
    """
    One asynchronous job.

    :param accepted: when it was accepted, in seconds of the sandbox's clock.
    :param key: the idempotency key of its request.
    :param status: its current status; Processing until it has ended.
    :param stored_order: the order that it made, once it has completed.
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
        """Return when it ends, in seconds of the sandbox's clock."""
        return self.accepted + self.end.seconds

    def make_page(self, version: str) -> dict[str, Any]:
        """
        Return the body for GET /v1/async-jobs/{jobId}.

        :param version: the Zuora-Version of the request, which decides how subscriptions are listed.
        """
        result = self._make_result(version) if self.status == "Completed" else None
        return {"errors": self.errors, "result": result, "status": self.status, "success": True}

    def _make_result(self, version: str) -> dict[str, Any]:
        if self.end.refusal:
            return make_refused_result(self.end.refusal)
        if self.stored_order is None:
            given = self.end.preview
            return make_preview_result(self.order, self.end.prices) if given is None else dict(given)
        return make_create_result(self.stored_order, version, ids=self.return_ids)
