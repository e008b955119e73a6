"""Everything that a sandbox remembers; a reset replaces it with an empty `State`."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from zuora_sandbox.answers import Violation, unzip_body
from zuora_sandbox.bill_runs.runs import BillRuns
from zuora_sandbox.data_query.jobs import QueryJobs
from zuora_sandbox.exports import Exports
from zuora_sandbox.faults import Fault
from zuora_sandbox.idempotency import IdempotencyStore
from zuora_sandbox.jobs import Job
from zuora_sandbox.journal import MadeOrder, SeenRequest
from zuora_sandbox.messages import Request, Response
from zuora_sandbox.order_store import OrderStore
from zuora_sandbox.payment_runs.store import PaymentRuns
from zuora_sandbox.plans import Plan, take_first
from zuora_sandbox.scripts import Script

S = TypeVar("S", bound=Script)

RECENT = 5000
"""How many requests the ledger lists; older requests are only counted."""


def make_duplicate_violation(number: str) -> Violation:
    """Return the violation for an order number that is taken; it is our reading, Zuora documents none."""
    return Violation(30, f"The order number {number} is taken by another order.")


IN_FLIGHT = 1.0
"""For so many seconds after a Retry-After, requests may arrive that were sent before the client read it."""


@dataclass(slots=True)
class MinuteCounter:
    """Counts events per clock minute."""

    minute: int = 0
    counted: int = 0

    def count(self, now: float) -> int:
        """Count one event, and return how many there were in its minute so far."""
        minute = int(now // 60)
        self.minute, self.counted = minute, self.counted + 1 if self.minute == minute else 1
        return self.counted


@dataclass(slots=True)
class CoolDown:
    """
    The time in which a client must not ask: Retry-After of a 429 or 503, or RateLimit-Reset of a 429.

    :param early_requests: how many requests came within such a time.
    """

    since: float = 0.0
    until: float = 0.0
    early_requests: int = 0

    def note_response(self, response: Response, now: float, takes: float) -> None:
        """Note the answer to a request, which takes so many seconds to be sent."""
        self.early_requests += self.since + takes + IN_FLIGHT < now < self.until
        reset = response.header("RateLimit-Reset") if response.status == 429 else ""
        asked = response.header("Retry-After") or reset
        if response.status in (429, 503) and asked.isdecimal():
            self.since = now if now >= self.until else self.since
            self.until = max(self.until, now + takes + float(asked))


@dataclass(slots=True)
class State:
    """
    What happened so far.

    :param tokens: when each bearer token expires, by token.
    :param issued: all tokens that were ever issued.
    :param waiting: end, sequence number and id of each job that has not ended; a heap.
    :param maker_ids: the ids of the jobs that made an order, in the order in which they ended.
    :param counts: how many requests were answered, by method and path template.
    :param answers: how many, by the HTTP status, or by the damage of what was sent.
    :param spoiled: how many requests met each fault, by its label.
    :param calls: the calls without the sign-ins, which are in ``sign_ins``.
    :param exposed_tokens: how many requests at the file origin carried an Authorization.
    """

    tokens: dict[str, float] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    waiting: list[tuple[float, int, str]] = field(default_factory=list)
    maker_ids: list[str] = field(default_factory=list)
    order_store: OrderStore = field(default_factory=OrderStore)
    idempotency_store: IdempotencyStore = field(default_factory=IdempotencyStore)
    exports: Exports = field(default_factory=Exports)
    query_jobs: QueryJobs = field(default_factory=QueryJobs)
    bill_runs: BillRuns = field(default_factory=BillRuns)
    payment_runs: PaymentRuns = field(default_factory=PaymentRuns)
    scripts: list[Plan[Script]] = field(default_factory=list)
    faults: list[Plan[Fault]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    spoiled: Counter[str] = field(default_factory=Counter)
    recent: deque[SeenRequest] = field(default_factory=lambda: deque(maxlen=RECENT))
    calls: MinuteCounter = field(default_factory=MinuteCounter)
    sign_ins: MinuteCounter = field(default_factory=MinuteCounter)
    cool_down: CoolDown = field(default_factory=CoolDown)
    exposed_tokens: int = 0

    def issue_token(self, token: str, until: float) -> None:
        """Make a token valid until then."""
        self.tokens[token] = until
        self.issued.append(token)

    def accept_job(self, job: Job) -> None:
        """Add a job, which ends when it is due."""
        self.jobs[job.job_id] = job
        heapq.heappush(self.waiting, (job.due, len(self.jobs), job.job_id))

    def end_due_jobs(self, now: float) -> None:
        """End the jobs that are due, first by their end, then by their acceptance."""
        while self.waiting and self.waiting[0][0] <= now:
            _, _, job_id = heapq.heappop(self.waiting)
            self.jobs[job_id] = self._end_job(self.jobs[job_id])
        self.order_store.delete_due(now)
        self.exports.end_due_jobs(now)

    def _end_job(self, job: Job) -> Job:
        if job.end.status != "Completed" or job.kind != "create" or job.end.refusal:
            return replace(job, status=job.end.status, errors=job.end.errors)
        number = job.order.get("orderNumber")
        if number in self.order_store.orders and not job.end.may_repeat_number:
            violation = make_duplicate_violation(number)
            return replace(job, status="Failed", errors=f"[{violation.code}]: {violation.message}")
        stored_order = self.order_store.add_order(job.order, job.end.status_plan, job.due)
        self.maker_ids.append(job.job_id)
        return replace(job, status="Completed", stored_order=stored_order)

    def take_fault(self, request: Request) -> Fault | None:
        """Return the fault that applies to a request, if any, and count it down."""
        fault = take_first(self.faults, self.faults, lambda each: each.matches(request))
        if fault is not None:
            self.spoiled[fault.label] += 1
        return fault

    def take_script(
        self, kind: type[S], asked: Request | str, is_for: Callable[[S], bool] = lambda _: True
    ) -> S:
        """
        Return the script of this kind that was added last and applies, and count it down; or one of no words.

        :param asked: the text in which it looks for its ``contains``.
        :param is_for: whether a script of this kind is for the request in other respects.
        """
        text = asked if isinstance(asked, str) else unzip_body(asked).decode(errors="replace")

        def matches(script: Script) -> bool:
            return type(script) is kind and script.contains in text and is_for(script)

        found = take_first(self.scripts, reversed(self.scripts), matches)
        return found if isinstance(found, kind) else kind()

    def note_request(self, request: Request, template: str, response: Response, now: float) -> None:
        """Add a request and its answer to the ledger; the status 0 means no answer."""
        self.counts[f"{request.method} {template}"] += 1
        self.answers[response.damage or str(response.status)] += 1
        self.recent.append(SeenRequest(request, response, now))

    def list_orders(self, now: float) -> list[MadeOrder]:
        """Return the orders that were made and not deleted, in the order in which their jobs completed."""
        gone = set(map(id, self.order_store.deleted))
        return [
            MadeOrder(
                made.number, made.account, made.get_status(now), job_id, self.jobs[job_id].key, made.order
            )
            for job_id in self.maker_ids
            if (made := self.jobs[job_id].stored_order) and id(made) not in gone
        ]

    def make_ledger(self, now: float) -> dict[str, Any]:
        """Return what happened so far as a JSON object."""
        return {
            "signIns": len(self.issued),
            "tokens": list(self.issued),
            "requests": dict(self.counts),
            "answers": dict(self.answers),
            "faults": dict(self.spoiled),
            "askedInQuiet": self.cool_down.early_requests,
            "exposedTokens": self.exposed_tokens,
            "recent": [each.make_row() for each in self.recent],
            "jobs": [_make_job_row(job) for job in self.jobs.values()],
            "orders": [
                {
                    "orderNumber": made.order_number,
                    "accountNumber": made.account_number,
                    "orderDate": made.body["orderDate"],
                    "description": made.body.get("description"),
                    "status": made.status,
                    "jobId": made.job_id,
                    "idempotencyKey": made.idempotency_key,
                }
                for made in self.list_orders(now)
            ],
            "deletedOrders": [stored.number for stored in self.order_store.deleted],
            "accounts": {number: dict(held) for number, held in self.order_store.accounts.items()},
        }


def _make_job_row(job: Job) -> dict[str, Any]:
    number = job.stored_order.number if job.stored_order else job.order.get("orderNumber")
    return {
        "jobId": job.job_id,
        "kind": job.kind,
        "status": job.status,
        "errors": job.errors,
        "orderNumber": number,
        "idempotencyKey": job.key,
        "made": job.stored_order is not None,
    }
