"""The operators for bill runs and payment runs, executed as Airflow does; killed at each cut and retried."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jinja2
import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger
from tests.conftest import StateStore
from tests.core.run_tries import BILL_RUN, PAYMENT_RUN, refused
from zuora_sandbox import BillRunScript, PaymentRunScript, Receivable

OPERATORS = {"bill run": ZuoraBillRunOperator, "payment run": ZuoraPaymentRunOperator}
FIELDS = {"bill run": ("bill_run", BILL_RUN), "payment run": ("payment_run", PAYMENT_RUN)}
SCHEDULED = {
    "bill run": {
        "batches": ["Batch1"],
        "schedule": {"repeatFrom": "2034-08-01", "repeatType": "None", "runTime": 3},
    },
    "payment run": {"runDate": "2034-08-01 03:00:00", "batch": "Batch1"},
}
PAID = ("payments", "receivables", "invoices")
both = pytest.mark.parametrize("kind", OPERATORS)
deferred_or_not = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])


class Killed(BaseException):
    """What a test raises where the process would die."""


class TaskInstance(SimpleNamespace):
    def xcom_push(self, key, value):
        self.xcoms[key] = json.loads(json.dumps(value))


def new_context(number=1, store=None, *, max_tries=9):
    identity = {"dag_id": "d", "run_id": "r", "task_id": "close", "map_index": -1}
    ti = TaskInstance(**identity, try_number=number, max_tries=max_tries, xcoms={})
    found = {"ti": ti, "ds": "2024-07-31", "task": SimpleNamespace(retries=9)}
    return found if store is None else found | {"task_state_store": store}


def operator(kind="bill run", **options):
    field, run = FIELDS[kind]
    return OPERATORS[kind](task_id="close", **{field: run} | options)


def finish(task, context, make=operator):
    """Execute a task, and resume it in a new one as often as it defers; return result and deferrals."""
    deferrals = 0
    try:
        return task.execute(context), deferrals
    except TaskDeferred as deferral:
        deferred = deferral
    while True:
        deferrals += 1
        deferred.trigger.not_before = 0
        event = asyncio.run(fire(deferred.trigger))
        kwargs = json.loads(json.dumps(deferred.kwargs or {}))
        try:
            return make().execute_complete(context, json.loads(json.dumps(event)), **kwargs), deferrals
        except TaskDeferred as deferral:
            deferred = deferral


async def fire(trigger):
    events = trigger.run()
    try:
        return (await anext(events)).payload
    finally:
        await events.aclose()


def run(kind="bill run", context=None, **options):
    context = context or new_context()
    return finish(operator(kind, **options), context, lambda: operator(kind, **options))[0]


def runs(billing):
    state = billing.sandbox.state
    return [
        *(f"bill-run:{each}" for each in state.bill_runs.runs),
        *(f"payment-run:{each}" for each in state.payment_runs.runs),
    ]


def count_posts(billing):
    return sum(run.posts for run in billing.sandbox.state.bill_runs.runs.values())


def say(billing, **script):
    """Let the runs that are made from now on go so."""
    names = {each.name for each in fields(BillRunScript)}
    if set(script) <= names:
        billing.sandbox.add_script(BillRunScript(**script))
    if "invoices" not in script:
        billing.sandbox.add_script(PaymentRunScript(**script))


class TestABillRun:
    @deferred_or_not
    def test_it_ends_when_it_is_completed_and_says_what_it_made(self, billing, deferrable):
        context = new_context()
        end = run(context=context, deferrable=deferrable)
        [job_id] = runs(billing)
        name = billing.sandbox.state.bill_runs.runs[job_id[9:]].body["name"]
        assert end == {
            "job_id": job_id,
            "number": "BR-00000001",
            "name": name,
            "status": "Completed",
            "scheduled": False,
            "invoices": 1,
            "credit_memos": 0,
            "accounts": 1,
        }
        assert name.startswith("Month end af-")
        assert context["ti"].xcoms["job_id"] == job_id
        assert count_posts(billing) == 0

    @deferred_or_not
    def test_it_is_posted_if_asked_to(self, billing, deferrable):
        options = {"post": True, "post_invoice_date": "2024-08-01", "deferrable": deferrable}
        end, deferrals = finish(operator(**options), new_context(), lambda: operator(**options))
        assert end["status"] == "Posted"
        assert end["job_id"] == runs(billing)[0]
        assert end["invoices"] == 1
        [made] = billing.sandbox.state.bill_runs.runs.values()
        assert (made.posts, made.body["invoiceDate"]) == (1, "2024-08-01")
        assert deferrals == (2 if deferrable else 0)

    def test_one_that_zuora_posts_by_itself_is_not_posted_and_waited_for(self, billing):
        end = run(bill_run=BILL_RUN | {"autoPost": True}, post=True)
        assert end["status"] == "Posted"
        assert count_posts(billing) == 0

    def test_a_blank_date_of_invoices_is_none(self, billing):
        run(post=True, post_invoice_date="")
        assert count_posts(billing) == 1

    @deferred_or_not
    def test_an_error_that_zuora_names_fails_the_task_and_nothing_is_posted(self, billing, deferrable):
        say(billing, status="Completed", invoices=2, error="One account has no bill-to contact.")
        with pytest.raises(PermanentError) as caught:
            run(post=True, deferrable=deferrable)
        words = str(caught.value)
        assert "is Completed, but it has errors: One account has no bill-to contact.; invoices 2" in words
        assert "with fail_on_errors=False the task goes on" in words
        assert count_posts(billing) == 0

    def test_unless_that_is_allowed(self, billing, capsys):
        say(billing, status="Completed", invoices=2, error="One account failed.")
        end = run(post=True, fail_on_errors=False)
        assert (end["status"], end["invoices"], end["accounts"]) == ("Posted", 2, 1)
        assert "it has errors: One account failed." in capsys.readouterr().out

    @pytest.mark.parametrize("word", ["Error", "Canceled"])
    @deferred_or_not
    def test_one_that_fails_says_what_zuora_says_of_it(self, billing, word, deferrable):
        say(billing, status=word, invoices=2, error="Out of luck.")
        with pytest.raises(PermanentError) as caught:
            run(deferrable=deferrable)
        assert f"ended as {word}" in str(caught.value)
        words = "Out of luck.; invoices 2" if word == "Error" else "invoices 0"
        assert words in str(caught.value)

    def test_one_that_fails_has_failed_also_if_its_counts_cannot_be_read(self, billing, capsys):
        say(billing, status="Error")
        billing.fault(method="GET", path="/object-query", status=403, body=b'{"message": "No"}', times=None)
        with pytest.raises(PermanentError, match="what it came to cannot be read"):
            run()
        billing.sandbox.state.faults.clear()
        billing.fault(method="GET", path="/object-query", status=503, times=None)
        with pytest.raises(PermanentError, match="ended as Error"):
            run(idempotency_key="own")
        assert "What bill-run:" in capsys.readouterr().out

    @deferred_or_not
    def test_counts_that_are_not_there_yet_are_waited_for(self, billing, deferrable):
        known = billing.sandbox.settings
        billing.sandbox.settings = replace(known, object_query_lag_seconds=110.0)
        assert run(post=True, deferrable=deferrable)["invoices"] == 1

    def test_counts_that_cannot_be_read_now_are_left_to_the_next_try(self, billing):
        billing.fault(method="GET", path="/object-query", status=503, times=None)
        with pytest.raises(TransientError, match="GET /object-query/billing-runs"):
            run(post=True)
        billing.sandbox.state.faults.clear()
        assert run(context=new_context(2), post=True)["status"] == "Posted"
        assert count_posts(billing) == 1

    @deferred_or_not
    def test_counts_that_cannot_be_read_fail_the_task_as_it_cannot_know_of_errors(self, billing, deferrable):
        billing.fault(method="GET", path="/object-query", status=403, body=b'{"message": "No"}', times=None)
        with pytest.raises(PermanentError, match=r"but what it came to cannot be read.*fail_on_errors=False"):
            run(deferrable=deferrable)
        end = run(context=new_context(2), deferrable=deferrable, fail_on_errors=False)
        assert "invoices" not in end
        assert end["status"] == "Completed"
        assert len(runs(billing)) == 1

    def test_a_post_that_zuora_refuses_fails_the_task(self, billing):
        billing.fault(method="PUT", path="/v1/bill-runs", status=403, body=b'{"message": "No"}')
        with pytest.raises(PermanentError, match=r"PUT /v1/bill-runs/.*/post: HTTP 403"):
            run(post=True)

    @deferred_or_not
    def test_a_posting_that_comes_to_nothing_is_begun_again_by_the_next_try(self, billing, deferrable):
        say(billing, post_status="Completed", invoices=1)
        with pytest.raises(TransientError, match="it is Completed"):
            run(post=True, deferrable=deferrable, timeout=300)
        [made] = billing.sandbox.state.bill_runs.runs.values()
        made.script = BillRunScript()
        assert run(context=new_context(2), post=True, deferrable=deferrable)["status"] == "Posted"
        assert count_posts(billing) == 2

    def test_a_date_that_is_none_is_refused_before_anything_is_sent(self, billing):
        with pytest.raises(PermanentError, match="post_invoice_date: must be a calendar date"):
            run(post=True, post_invoice_date="1.8.2024")
        assert billing.ledger()["recent"] == []

    def test_a_scheduled_run_cannot_be_posted_by_the_task(self, billing):
        with pytest.raises(PermanentError, match="post: a scheduled run is not waited for"):
            run(bill_run=SCHEDULED["bill run"], post=True)
        assert runs(billing) == []

    def test_options_that_do_not_fit_are_refused_when_the_dag_is_parsed(self):
        with pytest.raises(ValueError, match="post_invoice_date: needs post=True"):
            operator(post_invoice_date="2024-08-01")
        with pytest.raises(ValueError, match="post: must be True or False"):
            operator(post="yes")


class TestAPaymentRun:
    @deferred_or_not
    def test_its_summary_is_returned_in_numbers_and_exact_texts(self, billing, deferrable):
        say(billing, receivables=[Receivable(56.10), Receivable(7, "EUR")])
        end = run("payment run", deferrable=deferrable)

        def amounts(paid):
            names = [
                name for name in end["amounts"]["USD"] if name not in ("payments", "receivables", "invoices")
            ]
            return dict.fromkeys(names, "0") | dict.fromkeys(("payments", "receivables", "invoices"), paid)

        assert end == {
            "job_id": runs(billing)[0],
            "number": "PR-00000001",
            "status": "Completed",
            "scheduled": False,
            "payments": 2,
            "errors": 0,
            "receivables": 2,
            "unprocessed_receivables": 0,
            "invoices": 2,
            "debit_memos": 0,
            "unprocessed_invoices": 0,
            "unprocessed_debit_memos": 0,
            "credit_memos": 0,
            "unapplied_payments": 0,
            "credit_balance_adjustments": 0,
            "amounts": {"USD": amounts("56.1"), "EUR": amounts("7")},
        }

    @deferred_or_not
    def test_errors_fail_the_task_when_they_stand_still(self, billing, deferrable):
        say(billing, receivables=[Receivable(), Receivable(status="Error"), Receivable(seconds=60)])
        with pytest.raises(PermanentError, match="it has errors: payments 2, errors 1, receivables 3"):
            run("payment run", deferrable=deferrable)

    @pytest.mark.parametrize(
        ("receivables", "is_warned_of"),
        [([], True), ([Receivable()], False)],
    )
    def test_a_run_that_collected_nothing_is_warned_of(self, billing, capsys, receivables, is_warned_of):
        say(billing, receivables=receivables)
        assert run("payment run", settle_timeout=0)["payments"] == len(receivables)
        assert ("is Completed, with 0 payments" in capsys.readouterr().out) == is_warned_of

    def test_unless_that_is_allowed(self, billing):
        say(billing, receivables=[Receivable(status="Error")])
        assert run("payment run", fail_on_errors=False, settle_timeout=0)["errors"] == 1

    def test_payments_that_still_process_are_waited_for(self, billing):
        say(billing, receivables=[Receivable(seconds=45), Receivable(seconds=60)])
        assert run("payment run", deferrable=False, settle_timeout=timedelta(minutes=1))["errors"] == 0
        assert billing.naps.count(15.0) >= 2

    def test_one_that_would_collect_from_all_is_refused_before_anything_is_sent(self, billing):
        with pytest.raises(PermanentError, match="names no account, so it would collect from all of them"):
            run("payment run", payment_run={"targetDate": "2024-07-31"})
        assert billing.ledger()["recent"] == []
        run("payment run", payment_run={"targetDate": "2024-07-31"}, allow_all_accounts=True)
        assert len(runs(billing)) == 1

    def test_a_lost_answer_and_a_key_that_is_too_old_are_a_question(self, billing):
        billing.fault(method="POST", path="/v1/payment-runs", kind="reset", when="after")
        billing.fault(method="POST", path="/v1/payment-runs", status=400, body=refused(), times=None)
        with pytest.raises(OutcomeUnknownError, match="Whether this payment run exists is unknown"):
            run("payment run")

    def test_options_that_do_not_fit_are_refused_when_the_dag_is_parsed(self):
        with pytest.raises(ValueError, match="allow_all_accounts: must be True or False"):
            operator("payment run", allow_all_accounts=1)
        with pytest.raises(ValueError, match="settle_timeout: must be a number of seconds"):
            operator("payment run", settle_timeout=-1)


@both
class TestBoth:
    def test_a_run_that_is_to_begin_later_is_not_waited_for(self, billing, kind):
        field, _ = FIELDS[kind]
        end, deferrals = finish(operator(kind, **{field: SCHEDULED[kind]}), new_context())
        assert deferrals == 0
        assert (end["status"], end["scheduled"]) == ("Pending", True)
        assert end["job_id"] == runs(billing)[0]
        assert end["number"]
        assert end["scheduled_for"] == "2034-08-01 03:00:00"
        assert "invoices" not in end

    def test_but_one_whose_time_has_come_is(self, billing, kind):
        field, _ = FIELDS[kind]
        run(kind, **{field: SCHEDULED[kind]})
        billing.naps.append(20 * 365 * 86400.0)
        end = run(kind, new_context(2), **{field: SCHEDULED[kind]}, idempotency_key="own")
        assert (end["status"], end["scheduled"]) == ("Pending", True), "a new one, which is about to begin"
        billing.naps.append(5.0)
        options = {field: SCHEDULED[kind], "idempotency_key": "own", "deferrable": False}
        end = run(kind, new_context(3), **options)
        assert (end["status"], end["scheduled"]) == ("Completed", False)

    def test_the_body_is_a_template_and_may_be_json_text(self, billing, kind):
        field, document = FIELDS[kind]
        text = json.dumps(document | {"targetDate": "{{ ds }}"})
        for given in (document | {"targetDate": "{{ ds }}"}, text):
            task = operator(kind, **{field: given})
            task.render_template_fields(new_context(), jinja2.sandbox.SandboxedEnvironment())
            finish(task, new_context())
        state = billing.sandbox.state
        [made] = [*state.bill_runs.runs.values(), *state.payment_runs.runs.values()]
        assert made.body["targetDate"] == "2024-07-31"

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("{", "is no JSON"),
            ("[1]", "must be an object or its JSON text, not of type list"),
            (5, "of type int"),
        ],
    )
    def test_what_is_no_body_is_refused(self, billing, kind, given, words):
        field, _ = FIELDS[kind]
        with pytest.raises(PermanentError, match=f"{field}: .*{words}"):
            run(kind, **{field: given})
        assert billing.ledger()["recent"] == []

    def test_a_wait_that_is_too_short_is_retried_with_the_same_run(self, billing, kind):
        with pytest.raises(TransientError, match="A retry of this task waits for the same run"):
            run(kind, timeout=1e-9)
        with pytest.raises(TransientError, match="has not ended in time, it is Pending"):
            run(kind, new_context(2), timeout=1e-9, deferrable=False)
        assert len(runs(billing)) == 1

    def test_the_wait_for_all_of_it_has_one_deadline(self, billing, kind):
        with pytest.raises(TaskDeferred) as deferral:
            operator(kind, timeout=500).execute(new_context())
        assert 400 < deferral.value.trigger.deadline - time.time() <= 500
        assert time.time() - 100 < deferral.value.kwargs["started"] <= time.time()

    def test_a_killed_task_stops_nothing_and_says_how_a_person_does(self, billing, kind, capsys):
        operator(kind).on_kill()
        words = capsys.readouterr().out
        assert f"The {kind} goes on in Zuora: a killed task stops none" in words
        assert ("/cancel" in words) == (kind == "bill run")
        assert billing.ledger()["recent"] == []

    def test_it_is_always_waited_for(self, kind):
        with pytest.raises(ValueError, match="wait_for_completion: a run is always waited for"):
            operator(kind, wait_for_completion=True)
        with pytest.raises(ValueError, match="fail_on_errors: must be True or False"):
            operator(kind, fail_on_errors="no")

    def test_a_run_that_is_there_is_adopted(self, billing, kind):
        job_id = run(kind, idempotency_key="other")["job_id"]
        assert run(kind, adopt_job_id=job_id)["job_id"] == job_id
        assert len(runs(billing)) == 1

    def test_a_failed_run_is_made_again_by_a_clear_and_not_by_a_retry(self, billing, kind):
        say(billing, status="Error")
        store = {"task_state_store": StateStore()}
        for number in (1, 2):
            with pytest.raises(PermanentError, match="ended as Error"):
                run(kind, new_context(number) | store)
        assert len(runs(billing)) == 1
        say(billing, status="Completed")
        run(kind, new_context(3, max_tries=19) | store)
        assert len(runs(billing)) == 2

    def test_a_failed_run_is_not_made_again_before_airflow_3_3(self, billing, kind):
        say(billing, status="Error")
        for number, max_tries in ((1, 9), (2, 10), (3, 10)):
            with pytest.raises(PermanentError, match="ended as Error"):
                run(kind, new_context(number, max_tries=max_tries))
        assert len(runs(billing)) == 1

    def test_what_a_subclass_submits_twice_are_two_runs(self, billing, kind):
        field, document = FIELDS[kind]

        class Twice(OPERATORS[kind]):
            def execute(self, context):
                setattr(self, field, document | {"targetDate": "2024-08-31"})
                return super().execute(context)

        store, context = StateStore(), new_context()
        context["task_state_store"] = store
        run(kind, context, deferrable=False)
        Twice(task_id="close", deferrable=False, **{field: document}).execute(context)
        assert len(runs(billing)) == 2


class TestKilledAtEachCut:
    """A task that is killed and retried makes one run, posts it once, and reports it."""

    @pytest.fixture(params=[True, False], ids=["remembered", "not remembered"])
    def store(self, request):
        return StateStore() if request.param else None

    @pytest.mark.parametrize("post", [True, False])
    @pytest.mark.parametrize("deferrable", [True, False])
    def test_a_bill_run(self, billing, store, post, deferrable):
        options = {"post": post, "deferrable": deferrable}
        cuts = ("submit", "wait", "completed", *(["post"] if post else []), "xcom")
        for number, cut in enumerate(cuts, 1):
            self.kill(billing, cut, new_context(number, store), options)
        end = run(context=new_context(len(cuts) + 1, store), **options)
        assert runs(billing) == [end["job_id"]]
        assert count_posts(billing) == int(post)
        assert end["status"] == ("Posted" if post else "Completed")

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_a_payment_run(self, billing, store, deferrable):
        options = {"deferrable": deferrable}
        for number, cut in enumerate(("submit", "wait", "completed", "xcom"), 1):
            self.kill(billing, cut, new_context(number, store), options, "payment run")
        end = run("payment run", new_context(5, store), **options)
        assert runs(billing) == [end["job_id"]]

    def kill(self, billing, cut, context, options, kind="bill run"):
        """Run a task until it dies at a cut."""

        class Dying(OPERATORS[kind]):
            def _submit(self, run, context):
                if cut == "submit":  # the answer is lost with the process
                    super()._submit(run, context)
                    raise Killed
                return super()._submit(run, context)

            def _wait(self, job_id, context, started):
                dies = cut == "wait" and job_id.startswith(f"{kind.replace(' ', '-')}:")
                if dies or (cut == "post" and job_id.startswith("bill-run-post:")):
                    raise Killed
                return super()._wait(job_id, context, started)

            def _finish(self, job, result, context, started):
                if cut == "completed":
                    raise Killed
                return super()._finish(job, result, context, started)

        field, document = FIELDS[kind]

        def make():
            return Dying(task_id="close", **{field: document}, **options)

        if cut == "xcom":
            finish(make(), context, make)  # its result is lost
            return
        with pytest.raises(Killed):
            finish(make(), context, make)


class TestWhatStrangersFound:
    @pytest.mark.parametrize("moment", ["2020-08-01 03:00:00", "now"])
    def test_a_payment_run_whose_time_has_come_is_waited_for(self, billing, moment):
        now = datetime.fromtimestamp(time.time(), UTC)
        moment = now.strftime("%Y-%m-%d %H:00:00") if moment == "now" else moment
        say(billing, status="Error")
        body = {"runDate": moment, "batch": "Batch1"}
        with pytest.raises(PermanentError, match="ended as Error"):
            run("payment run", payment_run=body)

    def test_a_run_that_is_to_post_itself_has_ended_when_it_is_posted(self, billing):
        result = run("bill run", bill_run=BILL_RUN | {"autoPost": True})
        assert result["status"] == "Posted"
        assert result["job_id"].startswith("bill-run:")

    @both
    @pytest.mark.parametrize("other", ["bill-run:other", "payment-run:other"])
    def test_the_event_of_another_run_is_not_acted_on(self, billing, kind, other):
        event = asyncio.run(fire(ZuoraJobTrigger(job_id=other, unknown_until=0.0)))
        expected = {"job_id": f"{kind.replace(' ', '-')}:ours"}
        with pytest.raises(PermanentError, match=r"is not about .*: nothing is done"):
            operator(kind).execute_complete(new_context(), event, expected)
        with pytest.raises(PermanentError, match="is not about"):
            operator(kind).execute_complete(new_context(), {"status": "nothing"}, expected)
        assert count_posts(billing) == 0
