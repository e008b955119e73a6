"""
Submit one order again and again to a served sandbox, each first try killed by SIGKILL before another step.

``python -m tests.core.submission.killed_tries URL FOLDER``: FOLDER is where each order has a submission log;
both are called as the step. One more is killed by the kernel in the middle of the write of its intent, and
one in that of its end. It prints a JSON line after each try, and waits for one before it goes on.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from airflow_provider_zuora.core.flow import Flow, RunInThread
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from airflow_provider_zuora.hooks.submission_log import make_log
from airflow_provider_zuora.session.session import REGISTRY, SessionConfig
from airflow_provider_zuora.transports.config import TransportConfig
from tests.core.tries import ORDER
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET

MOST_STEPS = 40
PIECE = 100  # bytes of a part that are written before the kernel kills
WRITES = {"in-the-intent": 1, "in-the-end": 2}
SOURCE = SimpleNamespace(emit=lambda *_: None, mask=lambda _: None, read_credentials=lambda: None)


def kill_before(flow: Flow[str], step: int) -> Flow[str]:
    """Run a flow until it is about to do a step, counted from 0, and die."""
    answer, count = None, 0
    while True:
        try:
            asked = flow.send(answer)
        except StopIteration as done:
            return done.value
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        answer = yield asked


def kill_in_write(flow: Flow[str], number: int) -> Flow[str]:
    """Run a flow until it writes to its log for the first, or second, time; the kernel kills it there."""
    answer, writes = None, 0
    while True:
        try:
            asked = flow.send(answer)
        except StopIteration as done:
            return done.value
        writes += isinstance(asked, RunInThread)
        if writes == number:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (PIECE, PIECE))
        answer = yield asked


def submit(url: str, folder: str, name: str, attempt: TaskAttempt) -> tuple[Any, Flow[str]]:
    """Return a session, and the flow of a try in it."""
    config = SessionConfig(VENDORS["zuora"], Credentials(url, CLIENT_ID, CLIENT_SECRET), TransportConfig(url))
    session = REGISTRY.make_session(config, SOURCE)  # type: ignore[arg-type]
    ti = SimpleNamespace(
        dag_id="dag", run_id=name, task_id="task", map_index=-1, try_number=attempt.number, max_tries=1
    )
    log = make_log([f"{folder}/{name}"], {"ti": ti}, time.time)
    order = check_order(ORDER | {"orderNumber": name})
    scope = IdempotencyScope("", ("dag", name, "task"), -1)
    return session, submit_order(session.client(), order, scope, attempt, submission_log=log)


def is_killed(kill: Any, *where: Any) -> bool:
    """Let a process of its own submit, and return whether it was killed."""
    child = os.fork()
    if not child:
        session, flow = submit(*where, TaskAttempt(1, 1))
        session.run(kill(flow))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def live(url: str, folder: str) -> Iterator[dict[str, Any]]:
    began = time.time()
    kills: dict[str, Any] = {
        **{f"step-{step}": lambda flow, step=step: kill_before(flow, step) for step in range(MOST_STEPS)},
        **{name: lambda flow, number=number: kill_in_write(flow, number) for name, number in WRITES.items()},
    }
    has_ended = False
    for name, kill in kills.items():
        if has_ended and name not in WRITES:
            continue
        was_killed = is_killed(kill, url, folder, name)
        has_ended |= not was_killed
        print(json.dumps({"name": name, "killed": was_killed, "retried": False}), flush=True)
        sys.stdin.readline()  # the test looks at what the first try has left
        session, flow = submit(url, folder, name, TaskAttempt(2, 1, since=began))
        yield {"name": name, "killed": was_killed, "retried": True, "job": session.run(flow)}


if __name__ == "__main__":
    for row in live(*sys.argv[1:]):
        print(json.dumps(row), flush=True)
        sys.stdin.readline()
