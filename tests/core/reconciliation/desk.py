"""A log in memory and a sandbox in memory, compared without I/O; time is a number."""

from __future__ import annotations

from typing import Any

from airflow_provider_zuora.core.reconciliation.comparison import Comparison, Window
from airflow_provider_zuora.core.reconciliation.findings import find_all
from airflow_provider_zuora.core.reconciliation.logged_orders import read_books
from airflow_provider_zuora.core.reconciliation.report import Result
from airflow_provider_zuora.core.reconciliation.zuora_orders import read_zuora
from airflow_provider_zuora.core.submission.idempotency_keys import sha256
from airflow_provider_zuora.core.submission.log_lines import Line, make_line
from airflow_provider_zuora.core.submission.submission_kinds import ORDER
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.books import add_order, make_order
from tests.core.runners import Tenant
from tests.submission_logs import check_line

HOUR, MARGIN = 3600.0, 600.0
TASK = {"dag_id": "billing", "run_id": "r", "task_id": "submit", "map_index": -1, "try_number": 1}


class Desk(Tenant):
    """Where both sides lie; the window is the hour from its beginning."""

    def __init__(self, *faults: Any, **settings: Any) -> None:
        super().__init__(*faults, **{"job_seconds": 0} | settings)
        self.lines: list[Line] = []
        self.began = self.clock.now

    def log(self, event: str, key: str | None, order: dict[str, Any], **facts: Any) -> None:
        """Write a line."""
        own = {"kind": "order", "key": key, "digest": sha256(order)}
        line = make_line(event, self.clock(), TASK | own | ORDER.list_numbers(order) | facts)
        check_line(line)
        self.lines.append(line)

    def cut(self, key: str, order: dict[str, Any], **facts: Any) -> None:
        """Leave what a process leaves that is killed as it sends an order."""
        self.log("intent", key, order, unanswered=1, **facts)

    def submit(self, key: str, order: dict[str, Any], **facts: Any) -> str:
        """Send an order as a task does; return its job."""
        self.cut(key, order, **facts)
        job_id = self.run(self.client().submit(check_order(order).request, "order"))
        self.log("end", key, order, outcome="submitted", job_id=job_id, **facts)
        self.sandbox.end_due_jobs()
        return job_id

    def refuse(self, key: str, order: dict[str, Any], outcome: str = "refused", **facts: Any) -> None:
        """Leave what a try leaves that has ended without an order."""
        self.cut(key, order, **{name: facts[name] for name in ("try_number",) if name in facts})
        self.log("end", key, order, outcome=outcome, **facts)

    def forget_jobs(self) -> None:
        self.sandbox.state.jobs.clear()

    def make(self, number: str | None = None, account: str = "A00000097", **more: Any) -> str:
        """Let somebody else make an order; return its number."""
        plan = {"plan": more.pop("plan")} if "plan" in more else {}
        return add_order(self.sandbox, make_order(number, account, **more), **plan)

    def compare(self, later: float = HOUR, end: float = HOUR, start: float = 0.0) -> Result:
        """Compare them so many seconds later."""
        self.clock.now += later
        books = read_books(self.lines)
        known = Comparison(books, Window(self.began + start, self.began + end, MARGIN))
        self.sent.clear()
        read_zuora(known, lambda make: self.run(make(self.client())), self._run_each)
        entries, others = find_all(known, self.clock())
        return Result(self.began + start, self.began + end, entries, others, known.listed, books.unread)

    def _run_each(self, make: Any) -> list[Any]:
        return [self.run(flow) for flow in make(self.client())]

    def find(self, **options: Any) -> dict[str, str]:
        """Return the finding of each key."""
        return {entry.order.key: str(entry.finding) for entry in self.compare(**options).entries}

    def find_one(self, **options: Any) -> Any:
        [entry] = self.compare(**options).entries
        return entry
