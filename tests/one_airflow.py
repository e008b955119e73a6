"""One task instance of one run, and what an Airflow of some version does to it, by a clock of the test's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_zuora.exceptions import TransientError
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from tests.conftest import StateStore, Zuora
from tests.core.runners import Clock
from zuora_sandbox import Sandbox, Settings, serve


class Airflow:
    """
    One task instance of one run, and what this Airflow does to it.

    :param version: 2.11, 3.3 or 3.4; ``wipes``: [state_store] clear_on_success.
    """

    def __init__(
        self,
        clock: Clock,
        version: float,
        *,
        wipes: bool = False,
        run_id: str = "r",
        map_index: int = -1,
        retries: int = 2,
        dag_id: str = "d",
    ):
        self.clock, self.version, self.wipes = clock, version, wipes
        self.retries, self.max_tries, self.number = retries, retries, 0
        self.store = None if version < 3.3 else StateStore()
        self.ids = {"dag_id": dag_id, "run_id": run_id, "task_id": "submit", "map_index": map_index}
        self.due = self.queued = self._now()
        self.clear_number = 0
        self.xcoms: dict[str, Any] = {}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def clear(self) -> None:
        self.max_tries = self.number + self.retries
        self.clear_number += 1
        self.queued = self._now()
        if self.store is not None and self.version >= 3.4:
            self.store.kept.clear()

    def context(self) -> dict[str, Any]:
        run: dict[str, Any] = {"clear_number": self.clear_number, "start_date": self.queued}
        if self.version < 3:
            run |= {"queued_at": self.queued, "data_interval_end": self.due, "logical_date": self.due}
        else:
            run |= {"run_after": self.due}
        ti = SimpleNamespace(
            **self.ids,
            try_number=self.number,
            max_tries=self.max_tries,
            xcom_push=self._push,
            xcom_pull=lambda *, key, **_: self.xcoms.get(key),
        )
        return {
            "ti": ti,
            "task": SimpleNamespace(retries=self.retries),
            "dag_run": SimpleNamespace(**run),
            **({} if self.store is None else {"task_state_store": self.store}),
        }

    def _push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def try_once(self, order: Any, **options: Any) -> Any:
        """
        Execute the task in one more try: of a list the operator for many orders.

        A long pause ends its process; another one, with an operator of its own, goes on.
        """
        self.number += 1
        self.xcoms.clear()
        context = self.context()
        try:
            return self._start(order, options, context).execute(context)
        except TaskDeferred as deferred:
            deferral = deferred
        while True:
            event = {"status": "over", "seconds": deferral.trigger.seconds}
            self.clock.sleep(event["seconds"])
            given = json.loads(json.dumps(deferral.kwargs)) | {"event": event}
            try:
                task = self._start(order, options, context)
                return task.resume_execution(deferral.method_name, given, context)
            except TaskDeferred as deferred:
                deferral = deferred

    def _start(self, order: Any, options: dict[str, Any], context: dict[str, Any]) -> Any:
        options = {"task_id": "submit", "retries": self.retries} | options
        kind: Any = ZuoraCreateOrderOperator if isinstance(order, dict) else ZuoraCreateOrdersOperator
        context["task"] = kind(**{"order" if isinstance(order, dict) else "orders": order}, **options)
        return context["task"]

    def run(self, order: Any, **options: Any) -> Any:
        """Run the task until it succeeds, fails permanently, or has no retries left; return its result."""
        while True:
            try:
                result = self.try_once(order, **options)
            except TransientError:
                if self.number > self.max_tries:
                    raise
                continue
            if self.wipes and self.store is not None:
                self.store.kept.clear()
            return result

    @property
    def states(self) -> list[str]:
        """Return what the last try of a list says of each order."""
        return [entry["state"] for entry in self.xcoms["submit_results"]]


@dataclass
class Worker(Clock):
    """
    The clock of a worker, which may go wrong.

    :param ahead: seconds by which it is ahead of everybody else's.
    """

    ahead: float = 0.0

    def __call__(self) -> float:
        return self.now + self.ahead


@contextmanager
def serve_zuora(clock: Clock, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Zuora]:
    """
    Serve a sandbox and make `zuora_default` a connection to it; both live by a clock of the test's.

    If that is a `Worker`'s it is wrong for the connection alone.
    """

    async def nap(seconds: float) -> None:
        clock.sleep(seconds)

    with serve(Sandbox(Settings(**{"job_seconds": 0} | settings), lambda: clock.now)) as server:
        zuora = Zuora(server.sandbox, server.url)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection())
        session = zuora.use_session(clock=clock, sleep=clock.sleep, asleep=nap)
        yield zuora
        session.close()
