"""A tenant with the order O-1 that tries of a task delete, in memory; a try can be killed before any step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.order_absence import Deletion
from airflow_provider_zuora.core.submission.order_deletion import delete_order
from tests.core.runners import Memory, Tenant
from tests.submission_logs import LogInMemory
from zuora_sandbox import Fault

ORDER = {
    "orderNumber": "O-1",
    "existingAccountNumber": "A-1",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {"terms": {}, "subscriptionNumber": "S-1"},
                }
            ]
        }
    ],
}
FIRST, RETRY, CLEARED = TaskAttempt(1, 1), TaskAttempt(2, 1), TaskAttempt(2, 2, is_cleared=True)


class Killed(BaseException):
    """What a test raises where the process would die."""


class Orders(Tenant):
    """A tenant with an order; what a test asks for itself is not among what was `sent`."""

    def __init__(self, *faults: Fault, **settings: Any) -> None:
        super().__init__(**settings)
        self.log = LogInMemory()
        self.make_order()
        for fault in faults:
            self.sandbox.add_fault(fault)

    def make_order(self, **fields: Any) -> None:
        """Let somebody make the order, which takes a minute."""
        headers = {"Content-Type": "application/json"}
        body = json.dumps({**ORDER, **fields}).encode()
        self.ask(Request("POST", "/v1/async/orders", (), headers, body))
        self.clock.now += 60

    def invoice(self) -> None:
        """Let somebody bill the order."""
        self.sandbox.list_orders()  # its job ends
        self.sandbox.state.order_store.orders["O-1"].invoice = "INV00000001"

    def ask(self, request: Request) -> Response:
        """Ask as somebody else does."""
        token = self._token(None)  # type: ignore[arg-type]
        request.headers = {**request.headers, "Authorization": f"Bearer {token}"}
        return super()._send(request)

    def _token(self, step: Any) -> str:
        before = len(self.sent), len(self.asked)
        if step is not None:
            return super()._token(step)
        if self.grant is None:
            self.grant = self.run(self.client().sign_in())
            del self.sent[before[0] :]
        return self.grant.token

    def _send(self, request: Request) -> Response:
        if request.method in ("DELETE", "PUT"):
            assert [line for line in self.log.lines if line["event"] == "intent"], "sent unlogged"
        return super()._send(request)

    @property
    def deleted(self) -> list[str]:
        """The numbers of the orders that are gone."""
        return list(self.ledger["deletedOrders"])

    def count(self, method: str) -> int:
        """Return how many requests of a method were sent."""
        return [request.method for request in self.sent].count(method)

    def tell(self) -> list[tuple[str, str | None, int]]:
        """Return event, outcome and try of each line of the log."""
        return [(line["event"], line["outcome"], line["try_number"]) for line in self.log.lines]

    def delete(
        self,
        memory: Memory | None = None,
        attempt: TaskAttempt = FIRST,
        wrap: Callable[[Flow[Deletion]], Flow[Deletion]] = lambda flow: flow,
        number: str = "O-1",
        **options: Any,
    ) -> Deletion:
        """Run a try that deletes an order."""
        log = self.log.open(attempt.number, self.clock)
        options = {"is_remembered": memory is not None} | options
        return self.run(wrap(delete_order(self.client(), number, attempt, log, **options)), memory)


def kill_before(step: int) -> Callable[[Flow[Any]], Flow[Any]]:
    """Return what kills a flow that is about to do a step, counted from 0."""

    def wrap(flow: Flow[Any]) -> Flow[Any]:
        answer: Any = None
        count = 0
        while True:
            try:
                asked = flow.send(answer)
            except StopIteration as done:
                return done.value
            if count == step:
                flow.close()
                raise Killed
            count += 1
            answer = yield asked

    return wrap
