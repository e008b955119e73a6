"""Equal orders without a number in one try of a task: several, or a loud failure; never one for all."""

from __future__ import annotations

import json
import threading
from datetime import date
from decimal import Decimal

import pytest

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from tests.core.tries import NUMBERED
from tests.core.tries import ORDER as PLAIN
from tests.one_airflow import Airflow
from zuora_sandbox import Sandbox, Settings, serve

EQUAL = "this task has submitted an equal one"

VERSIONS = pytest.mark.parametrize("version", [2.11, 3.3])


def context_of(clock, version):
    airflow = Airflow(clock, version)
    airflow.number += 1
    return airflow.context()


@VERSIONS
def test_a_second_hook_refuses_what_the_first_one_has_submitted(zuora, clock, version):
    context = context_of(clock, version)
    ZuoraHook().create_order(PLAIN, context=context)
    with pytest.raises(PermanentError, match=EQUAL):
        ZuoraHook().create_order(PLAIN, context=context)

    assert len(zuora.posts()) == 1


@VERSIONS
def test_a_list_of_another_hook_is_refused_with_what_the_first_one_has_submitted(zuora, clock, version):
    context = context_of(clock, version)
    ZuoraHook().create_orders([PLAIN], context=context)
    with pytest.raises(PermanentError, match=EQUAL):
        ZuoraHook().create_orders([PLAIN, NUMBERED], context=context)

    assert len(zuora.posts()) == 1


@VERSIONS
def test_a_second_operator_refuses_what_the_first_one_has_submitted(zuora, clock, version):
    context = context_of(clock, version)
    ZuoraCreateOrderOperator(task_id="a", order=PLAIN).execute(context)
    with pytest.raises(PermanentError, match=EQUAL):
        ZuoraCreateOrderOperator(task_id="b", order=PLAIN).execute(context)

    assert len(zuora.posts()) == 1


@VERSIONS
def test_of_two_threads_one_submits_and_one_is_refused(zuora, clock, version):
    context, hook, ends = context_of(clock, version), ZuoraHook(), []
    both = threading.Barrier(2)

    def submit():
        both.wait(30)
        try:
            ends.append(hook.create_order(PLAIN, context=context))
        except PermanentError as error:
            ends.append(EQUAL in str(error))

    threads = [threading.Thread(target=submit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(zuora.posts()) == 1
    assert sorted(map(type, ends), key=str) == [bool, str]


@VERSIONS
def test_two_tries_submit_it_once(zuora, clock, version):
    airflow = Airflow(clock, version)
    first, second = (airflow.try_once(PLAIN) for _ in range(2))

    assert first == second
    assert len(zuora.ledger()["jobs"]) == 1


def test_what_has_a_number_is_the_same_order_however_often_it_comes(zuora, clock):
    context = context_of(clock, 2.11)
    assert ZuoraHook().create_order(NUMBERED, context=context) == ZuoraHook().create_order(
        NUMBERED, context=context
    )


def test_two_connections_to_one_tenant_have_no_two_orders_under_one_key(zuora, clock, monkeypatch):
    context = context_of(clock, 2.11)
    host = zuora.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", zuora.connection(host=host))
    ZuoraHook().create_order(PLAIN, context=context)
    with pytest.raises(OutcomeUnknownError, match="was returned for two orders of this task"):
        ZuoraHook("elsewhere").create_order(PLAIN, context=context)


def test_two_connections_to_one_tenant_may_submit_one_order_by_its_number(zuora, clock, monkeypatch):
    context = context_of(clock, 2.11)
    host = zuora.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", zuora.connection(host=host))
    first = ZuoraHook().create_order(NUMBERED, context=context)

    assert ZuoraHook("elsewhere").create_order(NUMBERED, context=context) == first


def test_two_tenants_have_an_order_each(zuora, clock, monkeypatch):
    context = context_of(clock, 2.11)
    with serve(Sandbox(Settings(job_seconds=0), clock)) as other:
        monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", zuora.connection(host=other.url))
        jobs = {
            ZuoraHook(each).create_order(PLAIN, context=context) for each in ("zuora_default", "elsewhere")
        }

    assert len(jobs) == 2


@pytest.mark.parametrize(
    "other",
    [
        dict(reversed(PLAIN.items())),
        PLAIN | {"orderDate": date(2024, 7, 1)},
        PLAIN | {"orderLineItems": tuple(PLAIN["orderLineItems"])},
        PLAIN | {"orderLineItems": [PLAIN["orderLineItems"][0] | {"amountPerUnit": Decimal(250)}]},
    ],
    ids=["another sequence", "a date", "a tuple", "a Decimal"],
)
def test_an_equal_order_is_one_however_it_is_spelt_in_python(zuora, clock, other):
    context = context_of(clock, 2.11)
    ZuoraHook().create_order(PLAIN, context=context)
    with pytest.raises(PermanentError, match=EQUAL):
        ZuoraHook().create_order(other, context=context)


@VERSIONS
def test_an_order_of_a_list_whose_job_is_another_ones_is_unknown(zuora, clock, version):
    """A cache answers all POSTs with the first answer."""
    context, first = context_of(clock, version), NUMBERED
    job_id = ZuoraHook().create_order(first, context=context)
    body = json.dumps({"success": True, "jobId": job_id}).encode()
    zuora.fault(method="POST", path="/v1/async/orders", when="before", status=200, body=body, times=None)
    entries = ZuoraHook().create_orders(
        [PLAIN | {"orderNumber": "O-2"}, PLAIN, PLAIN], context=context, concurrency=1
    )

    assert [entry.state for entry in entries] == ["unknown"] * 3
    assert all("was returned for two orders of this task" in str(entry.error) for entry in entries)


def test_what_failed_may_be_submitted_again(zuora, clock):
    context = context_of(clock, 2.11)
    zuora.fault(method="POST", path="/v1/async/orders", when="before", status=429, body=b"{}", times=6)
    with pytest.raises(TransientError):
        ZuoraHook().create_order(PLAIN, context=context)

    assert ZuoraHook().create_order(PLAIN, context=context)


@VERSIONS
@pytest.mark.parametrize("key", [None, "k"])
def test_orders_that_come_in_another_order_in_a_retry_are_two_or_a_loud_failure(zuora, clock, version, key):
    """By operators that are called in a loop, which cannot know that the task has several orders."""

    def submit(*texts):
        for text in texts:
            order = PLAIN | {"description": text}
            task = ZuoraCreateOrderOperator(task_id="submit", order=order, idempotency_key=key)
            yield task.execute(context)

    airflow = Airflow(clock, version)
    airflow.number += 1
    context = airflow.context()
    zuora.fault(method="POST", path="/v1/async/orders", when="after", kind="reset", times=6)
    with pytest.raises(TransientError):
        list(submit("A", "B"))
    airflow.number += 1
    context = airflow.context()
    clock.now += 60
    if version == 2.11:
        assert len(set(submit("B", "A"))) == 2
    else:  # by what the first try noted, B is A, changed
        with pytest.raises(PermanentError, match=r"an equal one|was returned for two orders of this task"):
            list(submit("B", "A"))


@pytest.mark.parametrize("then", ["retry", "clear"])
def test_what_several_threads_of_a_task_submit_is_all_noted(zuora, clock, then):
    airflow = Airflow(clock, 3.3)
    airflow.number += 1
    context, hook, together = airflow.context(), ZuoraHook(), threading.Barrier(4)
    orders = [PLAIN | {"description": f"number {index}"} for index in range(4)]

    def submit(order):
        together.wait(30)
        hook.create_order(order, context=context)

    threads = [threading.Thread(target=submit, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += 30 * 3600
    airflow.clear() if then == "clear" else None
    airflow.number += 1
    context = airflow.context()
    jobs = [ZuoraHook().create_order(order, context=context) for order in orders]

    assert sorted(jobs) == sorted(job["jobId"] for job in zuora.ledger()["jobs"])
