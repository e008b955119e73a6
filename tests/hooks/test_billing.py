"""Bill runs and payment runs by the hook: in a Python task, and outside of one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.conftest import StateStore
from tests.core.run_tries import BILL_RUN, PAYMENT_RUN

TASK = {"dag_id": "d", "run_id": "r", "task_id": "close", "map_index": -1, "max_tries": 1}


def context(number=1, store=None):
    found = {"ti": SimpleNamespace(**TASK, try_number=number)}
    return found if store is None else found | {"task_state_store": store}


def runs(billing):
    state = billing.sandbox.state
    return [*state.bill_runs.runs, *state.payment_runs.runs]


def test_a_bill_run_is_created_once_for_a_task_and_posted(billing):
    hook, first = ZuoraHook(), context()
    job_id = hook.create_bill_run(BILL_RUN, context=first)
    assert ZuoraHook().create_bill_run(BILL_RUN, context=context(2)) == job_id
    assert [f"bill-run:{run}" for run in runs(billing)] == [job_id]
    assert hook.wait_for_job(job_id).result["billRunNumber"] == "BR-00000001"
    posting = hook.post_bill_run(job_id, "2024-08-01")
    assert hook.wait_for_job(posting).job.status == "Posted"
    assert hook.post_bill_run(job_id) == posting
    [run] = billing.sandbox.state.bill_runs.runs.values()
    assert (run.posts, run.body["invoiceDate"]) == (1, "2024-08-01")


def test_a_payment_run_is_created_once_for_a_task(billing):
    job_id = ZuoraHook().create_payment_run(PAYMENT_RUN, context=context())
    assert ZuoraHook().create_payment_run(PAYMENT_RUN, context=context(2)) == job_id
    assert [f"payment-run:{run}" for run in runs(billing)] == [job_id]


def test_outside_of_a_task_each_call_is_a_run_of_its_own_unless_it_has_a_key(billing):
    hook = ZuoraHook()
    ends = [hook.create_bill_run(BILL_RUN) for _ in range(2)]
    assert len(set(ends)) == 2
    keyed = [hook.create_bill_run(BILL_RUN, idempotency_key="own") for _ in range(2)]
    assert len(set(keyed)) == 1
    assert len(runs(billing)) == 3


def test_an_equal_run_of_the_same_try_is_refused(billing):
    first = context(store=StateStore())
    for create, run, name in (
        (ZuoraHook().create_bill_run, BILL_RUN, "bill_run"),
        (ZuoraHook().create_payment_run, PAYMENT_RUN, "payment_run"),
    ):
        create(run, context=first)
        with pytest.raises(PermanentError, match=f"{name}: this task has submitted an equal one"):
            create(run, context=first)
    assert len(runs(billing)) == 2


def test_runs_that_differ_are_told_apart(billing):
    first = context(store=StateStore())
    other = BILL_RUN | {"targetDate": "2024-08-31"}
    ends = [ZuoraHook().create_bill_run(run, context=first) for run in (BILL_RUN, other)]
    assert len(set(ends)) == 2
    second = context(2, first["task_state_store"])
    again = [ZuoraHook().create_bill_run(run, context=second) for run in (other, BILL_RUN)]
    assert again == ends[::-1]


def test_a_job_that_is_returned_for_two_runs_is_a_question(billing):
    first = context(store=StateStore())
    job_id = ZuoraHook().create_bill_run(BILL_RUN, context=first)
    billing.fault(method="POST", path="/v1/bill-runs", when="after", kind="change", change={"id": job_id[9:]})
    with pytest.raises(OutcomeUnknownError, match="was returned for two bill runs of this task") as caught:
        ZuoraHook().create_bill_run(BILL_RUN | {"targetDate": "2024-08-31"}, context=first)
    assert "give each an own idempotency_key" in str(caught.value)


def test_a_run_that_is_there_is_adopted(billing):
    job_id = ZuoraHook().create_bill_run(BILL_RUN)
    assert ZuoraHook().create_bill_run(BILL_RUN, adopt_job_id=f" {job_id} ", context=context()) == job_id
    payments = ZuoraHook().create_payment_run(PAYMENT_RUN)
    assert ZuoraHook().create_payment_run(PAYMENT_RUN, adopt_job_id=payments) == payments
    assert len(runs(billing)) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"idempotency_key": ""}, "idempotency_key: must have 1 to 254 characters"),
        ({"idempotency_key": 5}, "idempotency_key: must be a text"),
        ({"adopt_job_id": 5}, "adopt_job_id: must be a text"),
    ],
)
def test_an_option_that_is_wrong_is_refused_before_anything_is_sent(billing, options, words):
    for create, run in (
        (ZuoraHook().create_bill_run, BILL_RUN),
        (ZuoraHook().create_payment_run, PAYMENT_RUN),
    ):
        with pytest.raises(PermanentError, match=words):
            create(run, **options)
    assert billing.ledger()["recent"] == []


def test_a_body_that_breaks_a_rule_is_refused_before_anything_is_sent(billing):
    hook = ZuoraHook()
    with pytest.raises(PermanentError, match=r"\$.targetDate: is required"):
        hook.create_bill_run({"batches": ["Batch1"]})
    with pytest.raises(PermanentError, match="names no account, so it would collect from all of them"):
        hook.create_payment_run({"targetDate": "2024-07-31"})
    with pytest.raises(PermanentError, match="allow_all_accounts: must be True or False"):
        hook.create_payment_run(PAYMENT_RUN, allow_all_accounts="yes")
    with pytest.raises(PermanentError, match="job_id: must be a text"):
        hook.post_bill_run(5)
    assert billing.ledger()["recent"] == []
    assert hook.create_payment_run({"targetDate": "2024-07-31"}, allow_all_accounts=True)


def test_what_is_unknown_is_left_to_the_next_try(billing):
    billing.fault(method="POST", path="/v1/payment-runs", kind="reset", when="after", times=6)
    with pytest.raises(TransientError):
        ZuoraHook().create_payment_run(PAYMENT_RUN, context=context())
    assert len(runs(billing)) == 1
    ZuoraHook().create_payment_run(PAYMENT_RUN, context=context(2))
    assert len(runs(billing)) == 1
