"""A log of a thousand orders, and a sandbox that differs from it by twenty of each fault."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.submission.submission_kinds import ORDER
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.hooks.submission_log import make_log
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.session.session import REGISTRY, SessionConfig
from airflow_provider_zuora.session.token_file import TokenFile
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET
from zuora_sandbox.order_store import StatusPlan

EACH = 20
DAY = "2024-07-01"
LATER = 7200.0
"""Seconds that have passed when the books are compared."""


def make_order(number: str | None, account: str = "A00000097", **more: Any) -> dict[str, Any]:
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    own = {"orderDate": DAY, "existingAccountNumber": account, "orderLineItems": [item]}
    return own | ({"orderNumber": number} if number else {}) | more


def make_context(task: str = "submit", number: int = 1, **more: Any) -> dict[str, Any]:
    ids = {"dag_id": "billing", "run_id": "scheduled__2024-07-01", "task_id": task}
    ti = SimpleNamespace(**ids, map_index=-1, try_number=number, max_tries=3, xcoms={})
    ti.xcom_push = lambda key, value: ti.xcoms.__setitem__(key, json.loads(json.dumps(value)))
    run = SimpleNamespace(queued_at=dt.datetime.now(dt.UTC), clear_number=0)
    return {"ti": ti, "task": SimpleNamespace(retries=3), "dag_run": run} | more


def add_order(sandbox: Any, order: dict[str, Any], **more: Any) -> str:
    """Let somebody else make an order; return its number."""
    plan = more.pop("plan", StatusPlan())
    return sandbox.state.order_store.add_order(order, plan, sandbox.now).number


def change(sandbox: Any, number: str, **values: Any) -> None:
    orders = sandbox.state.order_store.orders
    orders[number] = replace(orders[number], **values)


def log_intents(folder: Any, orders: list[dict[str, Any]], key: str = "cut-off", **more: Any) -> list[str]:
    """Write what a process leaves that is killed as it sends these orders; return their keys."""
    log = make_log([str(folder)], make_context(**more), time.time)
    keys = [f"{key}-{index}" for index in range(len(orders))]
    intents = [
        {"kind": "order", "key": name, "unanswered": 1, **ORDER.list_numbers(order)}
        for name, order in zip(keys, orders, strict=True)
    ]
    for step in log.note_intents(intents):
        step.call()
    return keys


def use_later_session(url: str, seconds: float) -> tuple[Any, str]:
    """Let this process have a session whose clock is ahead; return it, and the connection to its sandbox."""
    credentials = Credentials(url, CLIENT_ID, CLIENT_SECRET)
    config = SessionConfig(
        VENDORS["zuora"], credentials, TransportConfig(url), TokenFile.for_credentials(credentials)
    )
    source = SimpleNamespace(emit=lambda *_: None, mask=lambda _: None, read_credentials=lambda: None)
    timing = Timing(lambda: time.time() + seconds, time.monotonic)
    REGISTRY.reset()
    session = REGISTRY.make_session(config, source, timing=timing)
    REGISTRY.add(session)
    own = {"conn_type": "zuora", "host": url, "login": CLIENT_ID, "password": CLIENT_SECRET}
    return session, json.dumps(own)


@dataclass
class Books:
    """What is wrong, as numbers of orders; an order without a number is called by its job, or key."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    proposals: dict[str, tuple[str, str]] = field(default_factory=dict)


def spoil(sandbox: Any, folder: Any, count: int = 1000, plain: int = 100) -> Books:
    """
    Submit orders, and let the sandbox differ from the log by twenty of each fault.

    :param count: orders that are submitted; so many of them, ``plain``, have no number of their own.
    """
    each_own = count - plain - EACH
    numbered = [make_order(f"O-{n}", f"A{n % 300:08d}", description=f"Order {n}") for n in range(each_own)]
    unnumbered = [make_order(None, f"B{n:08d}", description=f"Plain {n}") for n in range(plain)]
    ZuoraHook(submission_log=str(folder)).create_orders(numbered + unnumbered, context=make_context())
    sandbox.end_due_jobs()
    store, found = sandbox.state.order_store, Books()
    names = [f"O-{n}" for n in range(each_own)]
    lost, deleted, doubled, moved = (names[at : at + EACH] for at in range(100, 100 + 4 * EACH, EACH))
    for number in lost:  # Zuora has taken them, and nothing has come of it
        [job_id] = [
            job.job_id for job in sandbox.state.jobs.values() if job.order.get("orderNumber") == number
        ]
        del sandbox.state.jobs[job_id], store.orders[number]
    for number in deleted:
        store.delete_order(number)
    by_hand = []
    for number in doubled:
        body = {name: value for name, value in store.orders[number].order.items() if name != "orderNumber"}
        by_hand.append([number, add_order(sandbox, body)])
    for number in moved:
        change(sandbox, number, account="A99999999")
    unknown = [make_order(f"U-{n}", f"A{n:08d}") for n in range(EACH)]
    log_intents(folder, unknown)
    for order in unknown[: EACH // 2]:
        add_order(sandbox, order)
    others = [add_order(sandbox, make_order(f"X-{n}", f"A{n:08d}", description="Sold")) for n in range(EACH)]
    found.faults = {
        "missing": [*lost, *deleted],
        "doubled": by_hand,
        "different": moved,
        "unknown": [order["orderNumber"] for order in unknown],
        "others": others,
    }
    found.proposals = {
        order["orderNumber"]: ("adopt_job_id", f"order:{order['orderNumber']}")
        if at < EACH // 2
        else ("clear the task", "")
        for at, order in enumerate(unknown)
    }
    return found
