"""An order, submitted: which key is sent with it, and what is refused before anything is sent."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, compute_digest
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import Script, answer

ORDER = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "subscriptions": [{"orderActions": [{"type": "RenewSubscription"}]}],
}
TASK = ("dag", "run", "task")
BY = IdempotencyScope("", TASK, -1)
ACCEPTED = answer(200, {"jobId": "j-1", "success": True})
JOB = answer(200, {"success": True, "status": "Processing"})  # read once: the key may be another order's
SCOPE = {"Zuora-Entity-Ids": "e1", "Zuora-Org-Ids": "o1"}


def sent(order=ORDER, by=BY, scope=SCOPE, return_ids=False, **options):
    """Return the one request of a submission."""
    checked = check_order(order, return_ids=return_ids)
    script = Script([ACCEPTED, *([JOB] if "raw_key" in options else [])])
    assert script.run(submit_order(script.client(**scope), checked, by, **options)) == "j-1"
    request, *_ = script.sent
    return request


def key(*arguments, **options):
    return sent(*arguments, **options).headers.get("Idempotency-Key", "")


def test_an_order_is_sent_with_a_key_of_67_characters_that_tells_nothing():
    request = sent()
    assert str(request) == "POST /v1/async/orders"
    assert json.loads(request.body) == ORDER
    assert re.fullmatch(r"af-[0-9a-f]{64}", request.headers.get("Idempotency-Key", ""))


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("headers", "scope"),
    [
        (SCOPE, '{"Zuora-Entity-Ids":"e1","Zuora-Org-Ids":"o1"}'),
        ({}, '{"Zuora-Entity-Ids":"","Zuora-Org-Ids":""}'),
    ],
)
def test_the_key_stays_what_it_is_from_release_to_release(headers, scope):
    """A task that is retried after an upgrade must send the key that it sent before."""
    order = json.dumps(ORDER, sort_keys=True, separators=(",", ":"))
    digest = sha256(f'["POST","/v1/async/orders",[["returnIds","true"]],{scope},{order}]')
    assert key(scope=headers, return_ids=True) == "af-" + sha256(f'["",["dag","run","task",-1],"{digest}",0]')


LINKED = {
    "an order": {},
    "ids": {"return_ids": True},
    "a number": {"order": ORDER | {"orderNumber": "O-1"}},
    "a number that is null": {"order": ORDER | {"orderNumber": None, "description": None}},
    "another order of keys": {"order": dict(reversed(ORDER.items()))},
    "a mapped task": {"by": IdempotencyScope("", TASK, 7)},
    "a mapped task with a number": {
        "by": IdempotencyScope("", TASK, 7),
        "order": ORDER | {"orderNumber": "7"},
    },
    "a user's key": {"by": IdempotencyScope("n", ("my key",))},
    "no scope": {"scope": {}},
}


@pytest.mark.parametrize("options", LINKED.values(), ids=LINKED)
def test_the_key_that_is_sent_is_made_of_the_content_the_order_number_and_who_submits(options):
    order, by = options.get("order", ORDER), options.get("by", BY)
    client = Script([]).client(**options.get("scope", SCOPE))
    checked = check_order(order, return_ids=options.get("return_ids", False))
    assert key(**options) == by.key(compute_digest(client, checked), order.get("orderNumber"))


def test_a_raw_key_is_sent_as_it_is():
    assert key(raw_key="My key: 7/9") == "My key: 7/9"
    assert key(by=IdempotencyScope("", ("my key",)), raw_key="x" * 254) == "x" * 254


def test_the_identity_of_a_task_is_no_header_and_may_hold_anything():
    assert key(by=IdempotencyScope("ü", ("dag ü", "manual__2024-07-01T00:00:00+00:00", "x" * 300), 3))
