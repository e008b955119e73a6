"""The sandbox of somebody's own tests: no job takes time, and what becomes of an order is said in a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from zuora_sandbox.answers import HTTP_STATUS
from zuora_sandbox.faults import Fault
from zuora_sandbox.journal import MadeOrder, SeenRequest
from zuora_sandbox.scripts import OrderScript, Script
from zuora_sandbox.server import Server
from zuora_sandbox.settings import CLIENT_ID, CLIENT_SECRET, Settings
from zuora_sandbox.tenant import check_seconds

SUBMIT = "/v1/async/orders"
LOCKED = 58730050
"""The code that Zuora's guides give for a lock."""

CONN_TYPES = ("zuora", "elastic_path")
_SHOWN_REQUESTS = 20

INSTANT = Settings(
    job_seconds=0,
    export_seconds=0,
    query_queue_seconds=0,
    query_seconds=0,
    bill_run_queue_seconds=0,
    bill_run_seconds=0,
    bill_run_post_seconds=0,
    bill_run_auto_post_lag_seconds=0,
    bill_run_cancel_seconds=0,
    bill_run_delete_seconds=0,
    payment_run_queue_seconds=0,
    payment_run_seconds=0,
)
"""Every job has ended when it is polled for the first time, so that no task is deferred and no test waits."""


class ZuoraSandbox:
    """
    What the fixture ``zuora_sandbox`` gives: a served sandbox, and Airflow connections that lead to it.

    What `fail`, `delay`, `refuse`, `lock`, `lose_answer` and `limit_rate` say is for the order with that
    number alone, or, without a number, for every order. What they have no words for is a `Fault` or a script.
    If one of all these met no request, the test ends with an error.

    ``url`` is its base URL, ``sandbox`` the `Sandbox` itself. ``allows_unused_answers = True`` lets a test
    pass in which a scripted answer met no request.

    :param set_variable: sets an environment variable for the time of the test.
    """

    def __init__(self, server: Server, set_variable: Callable[[str, str], None]) -> None:
        self.sandbox, self.url = server.sandbox, server.url
        self.allows_unused_answers = False
        self._set_variable = set_variable
        past = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        for name in ("no_proxy", "NO_PROXY"):  # a proxy of the environment does not reach this machine
            set_variable(name, f"{past},127.0.0.1" if past else "127.0.0.1")
        self.add_connection("zuora_default")
        self.add_connection("elastic_path_default", "elastic_path")

    def advance(self, seconds: float) -> None:
        """Move the clock of the sandbox forward, by which its jobs end and its tokens expire."""
        self.sandbox.advance(seconds)

    def change_settings(self, **settings: Any) -> None:
        """Change some of the `Settings`, such as ``order_status="Pending"``, for all that follows."""
        self.sandbox.change_settings(**settings)

    def add_fault(self, fault: Fault) -> None:
        """Spoil single requests; the fault that was added first and matches applies."""
        self.sandbox.add_fault(fault)

    def add_script(self, script: Script) -> None:
        """Say what becomes of orders, queries or runs; the script that was added last and matches applies."""
        self.sandbox.add_script(script)

    def add_connection(self, conn_id: str, conn_type: str = "zuora", **extra: Any) -> None:
        """
        Let one more Airflow connection lead here until the test ends, by a variable of the environment.

        :param conn_type: ``zuora`` or ``elastic_path``.
        :param extra: the fields of its ``extra``.
        """
        if conn_type not in CONN_TYPES:
            raise ValueError(f"conn_type is {conn_type!r}; it can be {' or '.join(CONN_TYPES)}")
        own = {"host": self.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
        text = json.dumps({"conn_type": conn_type, **own, "extra": extra})
        self._set_variable(f"AIRFLOW_CONN_{conn_id.upper()}", text)

    def fail(
        self, *, errors: str, order_number: str = "", kind: str = "create", times: int | None = None
    ) -> None:
        """
        Accept the order, and let its job end as Failed.

        :param errors: the words of the job, such as ``[40000020]: The rate plan is not effective.``
        :param kind: ``create``, or ``preview`` for the job of a preview.
        :param times: for how many submissions; None: for all of them.
        """
        self.add_script(OrderScript(errors=errors, order_number=order_number, kind=kind, times=times))

    def delay(
        self, *, seconds: float, order_number: str = "", kind: str = "create", times: int | None = None
    ) -> None:
        """Let the job of the order say Processing for so many seconds of the clock that `advance` moves."""
        check_seconds("seconds", seconds)
        self.add_script(OrderScript(seconds=seconds, order_number=order_number, kind=kind, times=times))

    def refuse(
        self,
        *,
        message: str,
        code: int = 53200020,
        order_number: str = "",
        path: str = SUBMIT,
        times: int | None = None,
    ) -> None:
        """
        Refuse the request, so that there is no job.

        :param code: Zuora's code of eight digits; the last two, its category, decide the HTTP status.
        :param path: how the path begins; that of orders is the path of their previews too.
        :param times: how many requests; None: all of them.
        :raises ValueError: if Zuora has no such category.
        """
        if code % 100 not in HTTP_STATUS:
            raise ValueError(f"code is {code}; it ends with one of {', '.join(map(str, HTTP_STATUS))}")
        body = {"success": False, "reasons": [{"code": code, "message": message}]}
        self._add_answer(HTTP_STATUS[code % 100], body, order_number, path, times, when="instead")

    def lock(self, *, order_number: str = "", path: str = SUBMIT, times: int | None = 1) -> None:
        """Refuse the request because of a lock: something else works on the same account."""
        text = "Operation failed due to a lock competition, please retry later."
        self.refuse(message=text, code=LOCKED, order_number=order_number, path=path, times=times)

    def lose_answer(self, *, order_number: str = "", path: str = SUBMIT, times: int | None = 1) -> None:
        """Do what the request asks for, and reset the connection instead of answering."""
        fault = Fault("POST", path, times, when="after", kind="reset", order_number=order_number)
        self.add_fault(fault)

    def limit_rate(
        self, *, retry_after: int = 1, order_number: str = "", path: str = SUBMIT, times: int | None = 1
    ) -> None:
        """Answer HTTP 429 with a Retry-After of so many seconds, for which a client really waits."""
        check_seconds("retry_after", retry_after)
        body = {"reasons": [{"code": 70, "message": "API Rate limit exceeded for the minute"}]}
        headers = {"Retry-After": str(retry_after)}
        self._add_answer(429, body, order_number, path, times, headers=headers)

    def _add_answer(
        self,
        status: int,
        body: Any,
        order_number: str,
        path: str,
        times: int | None,
        **more: Any,
    ) -> None:
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        text = json.dumps(body).encode()
        fault = Fault(
            "POST", path, times, status=status, body=text, headers=headers, order_number=order_number, **more
        )
        self.add_fault(fault)

    @property
    def orders(self) -> list[MadeOrder]:
        """Return the orders that were made, in the order in which their jobs completed."""
        return self.sandbox.list_orders()

    @property
    def requests(self) -> list[SeenRequest]:
        """Return the last 5,000 requests, sign-ins included, in the order in which they came."""
        return list(self.sandbox.state.recent)

    def describe_unused(self) -> str:
        """Return which faults and scripts met no request, and which requests came; empty if each met one."""
        state = self.sandbox.state
        faults = [str(plan) for plan in state.faults if not plan.is_met]
        unused = faults + [str(plan) for plan in state.scripts if not plan.is_met]
        if not unused:
            return ""
        seen = [str(each) for each in self.requests[-_SHOWN_REQUESTS:]] or ["none"]
        lines = ["What the test has scripted for zuora_sandbox met no request:", *unused]
        return "\n  ".join(lines) + "\n" + "\n  ".join(["The last requests were:", *seen])
