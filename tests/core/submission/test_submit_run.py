"""A bill run or a payment run, submitted: once, whatever is lost; and what cannot be known is asked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    InvalidInput,
    JobFailed,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unreadable,
)
from airflow_provider_zuora.core.submission.adoption import adopt_run
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.submission_kinds import KINDS
from airflow_provider_zuora.core.vendors.zuora.bill_run_rules import check_bill_run
from tests.core.run_tries import (
    BILL_RUN,
    CLEARED,
    FIRST,
    HOUR,
    PATHS,
    PAYMENT_RUN,
    RETRY,
    Billing,
    check,
    refused,
    submit,
)
from tests.core.runners import Memory
from tests.core.tries import BY
from zuora_sandbox import Fault

both = pytest.mark.parametrize("kind", PATHS)
stored_or_not = pytest.mark.parametrize("is_remembered", [True, False], ids=["remembered", "not remembered"])


def lost(kind, when="after", **more):
    return Fault("POST", PATHS[kind], when=when, kind="reset", **more)


def refusal(kind, when="before", **more):
    """Return the fault of an edge, or of Zuora, that says no in Zuora's words."""
    return Fault("POST", PATHS[kind], when=when, status=400, body=refused(), **more)


def submit_and_die(tenant, memory, attempt=FIRST, kind="bill run", **options):
    """Let a try send the run and be killed before it hears of it."""
    tries = submit(tenant, memory, attempt, kind, **options)
    while not tenant.keys:
        tries.act()
    tries.kill()


@both
def test_a_run_is_sent_with_a_key_and_its_id_is_returned(kind):
    tenant = Billing()
    end = submit(tenant, Memory(), kind=kind).run().end
    assert [end] == tenant.runs
    assert tenant.keys[0].startswith("af-")


def test_the_name_is_the_authors_own_text_and_a_mark_that_stays_from_try_to_try():
    (first, again, other) = (
        check("bill run", BILL_RUN),
        check("bill run", dict(reversed(BILL_RUN.items()))),
        check("bill run", BILL_RUN, replace(BY, identity=("dag", "another run", "task"))),
    )
    assert first.document["name"] == first.mark == again.mark
    assert first.mark.startswith("Month end af-")
    assert len(first.mark) == len("Month end af-") + 16
    assert other.mark != first.mark
    assert check("bill run", BILL_RUN | {"batches": ["Batch2"]}).mark != first.mark
    assert check("bill run", BILL_RUN | {"name": None}).mark.startswith("Airflow af-")
    assert check_bill_run(BILL_RUN).mark is None
    assert json.loads(first.request.body) == first.document


@both
@stored_or_not
def test_a_try_that_is_killed_at_any_step_leaves_one_run_and_the_next_one_finds_it(kind, is_remembered):
    whole = Billing()
    submit(whole, Memory() if is_remembered else None, kind=kind).run()
    for steps in range(12):
        tenant, memory = Billing(), Memory() if is_remembered else None
        submit(tenant, memory, kind=kind).run(steps).kill()
        end = submit(tenant, memory, RETRY, kind).run().end
        assert tenant.runs == [end], steps


@both
@stored_or_not
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(kind, is_remembered, when):
    tenant = Billing(lost(kind, when))
    end = submit(tenant, Memory() if is_remembered else None, kind=kind).run().end
    assert tenant.runs == [end]
    assert len(set(tenant.keys)) == 1
    assert len(tenant.keys) == 2


@both
def test_no_request_is_sent_to_prove_that_an_answer_is_stored(kind):
    tenant = Billing(lost(kind, "before"), refusal(kind, "instead"))
    submit(tenant, Memory(), kind=kind).run()
    assert len(tenant.keys) == 6
    assert len(set(tenant.keys)) == 1
    assert not KINDS[kind].allows_control


@both
def test_a_refusal_is_believed_if_nothing_was_sent_before(kind):
    tenant = Billing(refusal(kind, "instead"))
    end = submit(tenant, Memory(), kind=kind).run().end
    assert isinstance(end, Refused)
    assert len(tenant.keys) == 1


@both
def test_a_refusal_that_a_clear_meets_again_may_be_a_stored_one(kind):
    tenant, memory = Billing(refusal(kind, "instead")), Memory()
    first = submit(tenant, memory, FIRST, kind).run().end
    assert "another idempotency_key" not in str(first)
    end = submit(tenant, memory, CLEARED, kind).run().end
    assert isinstance(end, Refused)
    assert (
        "Zuora may repeat this answer under its key for 24 hours: if the cause is gone, pass another"
        in str(end)
    )
    assert len(set(tenant.keys)) == 1


def test_a_bill_run_that_is_refused_after_a_lost_answer_is_looked_up_by_its_name():
    tenant = Billing(lost("bill run"), refusal("bill run", times=None))
    end = submit(tenant, Memory()).run().end
    assert tenant.runs == [end]
    assert tenant.asked_for[-1] == "GET /object-query/billing-runs"


def test_a_bill_run_that_is_not_found_twice_was_refused():
    tenant = Billing(lost("bill run", "before"), refusal("bill run", times=None))
    end = submit(tenant, Memory()).run().end
    assert isinstance(end, Refused)
    assert tenant.asked_for.count("GET /object-query/billing-runs") == 2
    assert 600.0 in tenant.clock.naps
    assert tenant.runs == []


def test_a_payment_run_cannot_be_looked_up_so_a_person_is_asked():
    tenant = Billing(lost("payment run"), refusal("payment run", times=None))
    end = submit(tenant, Memory(), kind="payment run").run().end
    assert isinstance(end, OutcomeUnknown)
    words = str(end)
    assert "Whether this payment run exists is unknown: it is refused, but an earlier POST" in words
    assert ", and it has no name to look it up by. It was not sent again, that could make it twice." in words
    assert "1. Look in Zuora for a payment run with the target date 2024-07-31, made since then" in words
    assert "2. It is there: pass payment-run:<its id> as adopt_job_id, and clear the task." in words
    assert "3. It is not: pass another idempotency_key that ends in the time" in words
    assert len(tenant.runs) == 1


def test_the_question_about_a_payment_run_that_is_to_run_later_says_when():
    later = {"runDate": "2024-08-01 03:00:00", "batch": "Batch1"}
    tenant = Billing(lost("payment run"), refusal("payment run", times=None))
    end = submit(tenant, Memory(), kind="payment run", document=later).run().end
    assert "a payment run that is to run at 2024-08-01 03:00:00, made since then" in str(end)


@stored_or_not
@both
@pytest.mark.parametrize("later", [RETRY, CLEARED], ids=["retried", "cleared"])
def test_a_key_that_is_too_old_is_not_sent_again(kind, is_remembered, later):
    tenant, memory = Billing(), Memory() if is_remembered else None
    began = tenant.clock()
    submit_and_die(tenant, memory, FIRST, kind)
    [made] = tenant.runs
    tenant.clock.now += 30 * HOUR
    sent = len(tenant.keys)
    attempt = replace(later, since=began)
    end = submit(tenant, memory, attempt, kind).run().end
    assert len(tenant.keys) == sent
    assert tenant.runs == [made]
    if kind == "payment run":
        assert isinstance(end, OutcomeUnknown)
        assert "its key is too old to be sent again" in str(end)
    else:
        assert end == made


def test_a_bill_run_of_which_nothing_came_is_made_by_the_next_key_after_two_look_ups():
    tenant, memory = Billing(lost("bill run", "before", times=6)), Memory()
    submit(tenant, memory).run()
    tenant.clock.now += 30 * HOUR
    end = submit(tenant, memory, RETRY).run().end
    assert tenant.runs == [end]
    assert len(set(tenant.keys)) == 2


def test_two_runs_of_one_name_are_a_question():
    tenant = Billing(lost("bill run"), refusal("bill run", times=None))
    tries = submit(tenant, Memory())
    while len(tenant.keys) < 2:
        tries.act()
    runs = tenant.sandbox.state.bill_runs
    [run] = runs.runs.values()
    runs.add_run("f" * 32, run.body, "", run.script, run.created, tenant.sandbox.settings)
    end = tries.run().end
    assert isinstance(end, OutcomeUnknown)
    assert "There are 2 bill runs with the name Month end af-" in str(end)
    assert f"bill-run:{'f' * 32}" in str(end)


def test_a_name_that_cannot_be_looked_up_is_a_question_with_the_reason():
    tenant = Billing(lost("bill run"), refusal("bill run", times=None))
    body = b'{"reasons":[{"code":50000027,"message":"Invalid filter parameter: name"}]}'
    tenant.sandbox.add_fault(Fault("GET", "/object-query", status=400, body=body, times=None))
    end = submit(tenant, Memory()).run().end
    assert isinstance(end, OutcomeUnknown)
    assert "and it cannot be looked up" in str(end)
    assert "Look in Zuora for a bill run with the name 'Month end af-" in str(end)


class TestAFailedRun:
    @both
    @stored_or_not
    def test_a_retry_makes_no_other_one(self, kind, is_remembered):
        tenant, memory = Billing(), Memory() if is_remembered else None
        tenant.end_runs_as("Error")
        submit(tenant, memory, FIRST, kind).run()
        end = submit(tenant, memory, RETRY, kind).run().end
        assert isinstance(end, JobFailed)
        assert len(tenant.runs) == 1

    @both
    def test_a_clear_does_not_either_if_nothing_is_remembered(self, kind):
        """Each retry after a clear looks cleared then, and would make one more."""
        tenant = Billing()
        tenant.end_runs_as("Error")
        submit(tenant, None, FIRST, kind).run()
        for number in (2, 3, 4):
            end = submit(tenant, None, replace(CLEARED, number=number), kind).run().end
            assert isinstance(end, JobFailed)
        assert len(tenant.runs) == 1

    @both
    def test_a_clear_does(self, kind):
        tenant, memory = Billing(), Memory()
        tenant.end_runs_as("Canceled")
        first = submit(tenant, memory, FIRST, kind).run().end
        tenant.end_runs_as("Completed")
        end = submit(tenant, memory, CLEARED, kind).run().end
        assert tenant.runs == [first, end]
        again = replace(CLEARED, number=3)
        assert submit(tenant, memory, again, kind).run().end == end
        assert len(tenant.runs) == 2

    def test_it_does_not_hide_the_one_that_was_made_after_it(self):
        tenant, memory = Billing(), Memory()
        tenant.end_runs_as("Error")
        first = submit(tenant, memory).run().end
        tenant.end_runs_as("Completed")
        tenant.sandbox.add_fault(lost("bill run"))
        tenant.sandbox.add_fault(refusal("bill run", times=None))
        end = submit(tenant, memory, CLEARED).run().end
        assert tenant.runs == [first, end]


class TestARunThatHasChanged:
    OTHER = BILL_RUN | {"targetDate": "2024-08-31"}

    def test_the_run_that_was_sent_counts(self):
        tenant, memory = Billing(), Memory()
        first = submit(tenant, memory, is_sole=True).run().end
        assert submit(tenant, memory, RETRY, document=self.OTHER, is_sole=True).run().end == first
        assert tenant.runs == [first]

    def test_it_is_never_looked_up_by_the_name_that_it_would_have_now(self):
        tenant, memory = Billing(), Memory()
        submit_and_die(tenant, memory, is_sole=True)
        tenant.clock.now += 30 * HOUR
        end = submit(tenant, memory, RETRY, document=self.OTHER, is_sole=True).run().end
        assert isinstance(end, OutcomeUnknown)
        assert len(tenant.runs) == 1

    def test_nor_if_the_first_one_was_not_found(self):
        tenant, memory = Billing(lost("bill run", "before", times=6)), Memory()
        submit(tenant, memory, is_sole=True).run()
        tenant.clock.now += 30 * HOUR
        tries = submit(tenant, memory, RETRY, is_sole=True)
        while tenant.asked_for.count("GET /object-query/billing-runs") < 2:
            tries.act()
        while len(set(tenant.keys)) < 2:
            tries.act()
        tries.kill()
        noted = memory["zuora_submission:2"]["submissions"][0]
        noted |= {"state": "absent", "unanswered": 0, "absence_believed": True}
        end = submit(tenant, memory, replace(RETRY, number=3), document=self.OTHER, is_sole=True).run().end
        assert isinstance(end, OutcomeUnknown)
        assert "an earlier try sent it with another content" in str(end)

    def test_one_of_several_is_a_question(self):
        tenant, memory = Billing(), Memory()
        submit(tenant, memory, is_sole=False).run()
        end = submit(tenant, memory, RETRY, document=self.OTHER, is_sole=False).run().end
        assert isinstance(end, OutcomeUnknown)
        assert "Earlier tries of this task have sent 1 bill runs, and this is none of them" in str(end)

    def test_an_own_key_tells_runs_apart_by_their_content(self):
        tenant, own = Billing(), IdempotencyScope("", ("own",))
        ends = [submit(tenant, None, document=each, scope=own).run().end for each in (BILL_RUN, self.OTHER)]
        assert tenant.runs == ends


def test_an_equal_run_of_the_same_try_is_refused():
    tenant, memory = Billing(), Memory()
    submit(tenant, memory).run()
    end = submit(tenant, memory).run().end
    assert isinstance(end, InvalidInput)
    assert "bill_run: this task has submitted an equal one; pass an idempotency_key" in str(end)
    assert len(tenant.runs) == 1


def test_runs_and_orders_of_one_task_are_not_mistaken_for_one_another():
    tenant, memory = Billing(), Memory()
    bill = submit(tenant, memory).run().end
    pay = submit(tenant, memory, kind="payment run").run().end
    assert submit(tenant, memory, RETRY).run().end == bill
    assert submit(tenant, memory, RETRY, kind="payment run").run().end == pay
    prints = {BY.fingerprint(None), BY.fingerprint(None, "bill run"), BY.fingerprint(None, "payment run")}
    assert len(prints) == 3
    assert BY.fingerprint(None) == BY.fingerprint(None, "order")


class TestAdoption:
    def adopt(self, tenant, job_id, memory=None, kind="bill run"):
        document = BILL_RUN if kind == "bill run" else PAYMENT_RUN
        return tenant.run(adopt_run(tenant.client(), job_id, check(kind, document), BY, FIRST), memory)

    @both
    def test_a_run_is_taken_and_nothing_is_sent(self, kind):
        tenant, memory = Billing(), Memory()
        other = IdempotencyScope("", ("other",))
        job_id = submit(tenant, None, kind=kind, scope=other).run().end
        assert self.adopt(tenant, job_id.partition(":")[2], memory, kind) == job_id
        assert submit(tenant, memory, RETRY, kind).run().end == job_id
        assert tenant.runs == [job_id]

    def test_another_kind_is_refused(self):
        with pytest.raises(InvalidInput, match="adopt_job_id: must be bill-run: and the id of a bill run"):
            self.adopt(Billing(), "payment-run:1")

    def test_one_that_has_failed_is_refused(self):
        tenant = Billing()
        tenant.end_runs_as("Error")
        job_id = submit(tenant, None).run().end
        with pytest.raises(Refused, match="there is no bill run to adopt"):
            self.adopt(tenant, job_id)

    def test_one_that_is_not_there_is_refused(self):
        with pytest.raises(NotFound, match="knows no bill-run:1; nothing was submitted"):
            self.adopt(Billing(), "bill-run:1")


@pytest.mark.parametrize(
    "body",
    [
        {"data": None},
        {"data": [1]},
        {"data": [], "nextPage": "x"},
        {"data": [{"id": "1", "name": "Another"}]},
        {"data": [{"name": "Month end"}]},
        {},
    ],
)
def test_a_list_that_is_not_by_the_name_says_nothing(body):
    tenant = Billing(lost("bill run"), refusal("bill run", times=None))
    tenant.sandbox.add_fault(
        Fault("GET", "/object-query", status=200, body=json.dumps(body).encode(), times=None)
    )
    end = submit(tenant, Memory()).run().end
    assert isinstance(end, OutcomeUnknown)
    assert isinstance(end.__cause__, Unreadable)


def test_a_failed_run_beside_others_of_later_keys_is_a_question_if_it_may_be_this_one():
    tenant, memory = Billing(), Memory()
    tenant.end_runs_as("Error")
    submit(tenant, memory).run()
    tenant.sandbox.add_fault(lost("bill run"))
    tenant.sandbox.add_fault(refusal("bill run", times=None))
    end = submit(tenant, memory, CLEARED).run().end
    assert isinstance(end, OutcomeUnknown)
    assert "There are 2 bill runs" in str(end)


def test_a_failed_run_is_that_of_the_first_key():
    tenant = Billing(lost("bill run"), refusal("bill run", times=None))
    tenant.end_runs_as("Error")
    end = submit(tenant, Memory(), TaskAttempt()).run().end
    assert tenant.runs == [end]
