"""What the stories of submissions share: tries of one task, and answers of an edge."""

from __future__ import annotations

from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission import Submission
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.tries import BY, NUMBERED, ORDER, POST, body, submit
from zuora_sandbox import Fault

HOUR = 3600
FIRST, RETRY = TaskAttempt(1, 1), TaskAttempt(2, 1)
CLEARED = TaskAttempt(2, 2, is_cleared=True)
EDGE = Fault("POST", POST, status=400, body=body(90000020))
FORBIDDEN = Fault("POST", POST, status=403, body=b'{"code": 403, "message": "Forbidden"}')


def kill_after_post(zuora, memory, attempt, order=ORDER, **options):
    """Let a try send the order and be killed before it hears of it."""
    sent, actor = len(zuora.keys), submit(zuora, memory, attempt, order, **options)
    while len(zuora.keys) == sent:
        actor.act()
    actor.kill()


def prepare(zuora, order=NUMBERED, attempt=FIRST, **options):
    return Submission(zuora.client(), check_order(order), BY, attempt, RecordStore(attempt), **options)
