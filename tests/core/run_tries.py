"""Tries of one task that submits a run, against the sandbox in memory; see `tests.core.tries`."""

from __future__ import annotations

import json
import random
from typing import Any

from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.bill_run_rules import check_bill_run, name_bill_run
from airflow_provider_zuora.core.vendors.zuora.payment_run_rules import check_payment_run
from airflow_provider_zuora.core.vendors.zuora.runs import CheckedRun
from tests.core.runners import Memory, Tenant
from tests.core.tries import BY, Actor
from tests.submission_logs import LogInMemory
from zuora_sandbox import BillRunScript, Fault, PaymentRunScript

BILL_RUN = {"name": "Month end", "targetDate": "2024-07-31", "batches": ["Batch1"]}
PAYMENT_RUN = {"targetDate": "2024-07-31", "batch": "Batch1"}
PATHS = {"bill run": "/v1/bill-runs", "payment run": "/v1/payment-runs"}
AT_ONCE = {f"{kind}_run_{phase}seconds": 0.0 for kind in ("bill", "payment") for phase in ("queue_", "")}
HOUR = 3600.0
FIRST, RETRY = TaskAttempt(1, 1), TaskAttempt(2, 1)
CLEARED = TaskAttempt(2, 2, is_cleared=True)


def refused(code: int = 58730220) -> bytes:
    return json.dumps({"success": False, "reasons": [{"code": str(code), "message": "no"}]}).encode()


class Billing(Tenant):
    """A tenant with runs, which notes each request; its POSTs meet the faults that it is given."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults, **AT_ONCE)
        self.asked_for: list[str] = []
        self.keys: list[str] = []
        self.log = LogInMemory()

    def _send(self, request: Request) -> Response:
        if request.path in PATHS.values() and request.method == "POST":
            self.keys.append(request.headers.get("Idempotency-Key", ""))
            self.log.check_has_intent(request)
        # Ids depend on which POST this is, not on who has read what before it.
        self.sandbox.rng.seed(f"{len(self.keys)} {request}")
        if not request.path.startswith("/oauth"):
            self.asked_for.append(str(request))
        return super()._send(request)

    @property
    def runs(self) -> list[str]:
        """The job ids of all runs."""
        state = self.sandbox.state
        return [
            *(f"bill-run:{run_id}" for run_id in state.bill_runs.runs),
            *(f"payment-run:{run_id}" for run_id in state.payment_runs.runs),
        ]

    def end_runs_as(self, word: str) -> None:
        """Let the runs that are made from now on end with this word."""
        self.sandbox.add_script(BillRunScript(status=word))
        self.sandbox.add_script(PaymentRunScript(status=word))

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The bodies of the posts that came through."""
        return [json.loads(request.body) for request in self.sent if request.path.endswith("/post")]


def check(kind: str, document: Any, scope: IdempotencyScope = BY) -> CheckedRun:
    if kind == "payment run":
        return check_payment_run(document)
    checked = check_bill_run(document)
    return name_bill_run(checked, scope.mark(checked.content))


def submit(
    tenant: Billing,
    memory: Memory | None,
    attempt: TaskAttempt = FIRST,
    kind: str = "bill run",
    document: Any = None,
    scope: IdempotencyScope = BY,
    **options: Any,
) -> Actor:
    """Return a try that is about to submit a run."""
    document = document or (BILL_RUN if kind == "bill run" else PAYMENT_RUN)
    tenant.rng = random.Random(repr(attempt))
    options["submission_log"] = tenant.log.open(attempt.number, tenant.clock)
    flow = submit_order(tenant.client(), check(kind, document, scope), scope, attempt, **options)
    return Actor(tenant, memory, flow)
