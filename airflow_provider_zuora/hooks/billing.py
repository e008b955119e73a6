"""Bill runs and payment runs, each submitted once; a base of Zuora's hook, and no hook of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import ON_WORKER, Pausing
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.validation import (
    KEY_LENGTH,
    find_flag_violations,
    find_header_violation,
    find_text_violations,
)
from airflow_provider_zuora.core.vendors.base import RunTotals
from airflow_provider_zuora.core.vendors.zuora.runs import CheckedRun
from airflow_provider_zuora.exceptions import convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.version_compat import NEVER_EXPIRE, get_running_context


class BaseBillingHook(BaseJobHook):
    """What a hook for Zuora does with bill runs and payment runs."""

    conn_type = "zuora"
    submission_log: Any  # besides the log of the connection; None: there is no other
    guard: Any  # likewise

    def create_bill_run(
        self,
        bill_run: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Check a bill run, create it once, and return its job id, ``bill-run:<id>``.

        The Idempotency-Key is made as in `create_order`. Zuora can be asked for a run by its name, so each
        gets one that no other submission has: its own text, and a mark. The run makes drafts, see
        `post_bill_run`.

        :param bill_run: the body of Zuora's "Create a bill run"; checked before it is sent.
        :param idempotency_key: replaces dag, run, task and map index in the key.
        :param adopt_job_id: a run's job id that replaces this one: nothing is sent.
        :param context: the task's context; None: that of the running task.
        :raises PermanentError: if a rule is broken (one line each, nothing was sent), or Zuora refuses it.
        :raises OutcomeUnknownError: if only a person can tell whether the run exists.
        :raises TransientError: if it is unknown whether Zuora accepted it: a retry sends the same key.
        """
        return self._create_bill_run(bill_run, context, idempotency_key, adopt_job_id)

    def create_payment_run(
        self,
        payment_run: Mapping[str, Any],
        *,
        allow_all_accounts: bool = False,
        idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Check a payment run, create it once, and return its job id, ``payment-run:<id>``.

        Nothing in Zuora tells one payment run from another, so it cannot be looked for: if the answer is lost
        and the key is too old to be sent again, a person is asked.

        :param payment_run: the body of Zuora's "Create a payment run"; checked before it is sent.
        :param allow_all_accounts: False: a body that would collect from all accounts, because it has no
            filter or its ``data`` is empty, is refused.
        :param idempotency_key: replaces dag, run, task and map index in the key.
        :param adopt_job_id: a run's job id that replaces this one: nothing is sent.
        :param context: the task's context; None: that of the running task.
        :raises PermanentError: if a rule is broken (one line each, nothing was sent), or Zuora refuses it.
        :raises OutcomeUnknownError: if only a person can tell whether the run exists.
        :raises TransientError: if it is unknown whether Zuora accepted it: a retry sends the same key.
        """
        return self._create_payment_run(
            payment_run, context, idempotency_key, adopt_job_id, allow_all_accounts=allow_all_accounts
        )

    def post_bill_run(self, job_id: str, invoice_date: str | None = None) -> str:
        """
        Post a completed bill run, and return ``bill-run-post:<id>``, a job that has ended when it is Posted.

        Posting has no Idempotency-Key: it is sent again only after a read says that the run is still
        Completed. One that is posted, or about to be, is a success.

        :param job_id: ``bill-run:<id>``.
        :param invoice_date: of all its invoices, ``2026-03-01``; None: they keep theirs.
        :raises GuardRefusedError: if a guard refuses what the run has drafted.
        :raises PermanentError: if the run is not Completed, or Zuora refuses to post it.
        :raises TransientError: if it is unknown whether it is posted: a retry reads it first.
        """
        from airflow_provider_zuora.core.guarding.amounts import check_drafts
        from airflow_provider_zuora.core.submission.bill_run_post import post_bill_run
        from airflow_provider_zuora.hooks.guards import check_change
        from airflow_provider_zuora.hooks.submission_log import open_log

        self._refuse(find_text_violations({"job_id": job_id, "invoice_date": invoice_date}))
        context = get_running_context()
        with convert_errors():
            guards = check_change(self, "posting", context)
        submission_log = open_log(self, context)
        options = (job_id, invoice_date, submission_log, partial(check_drafts, guards))
        return self._run(lambda client: post_bill_run(client, *options))

    def _create_bill_run(
        self, bill_run: object, context: Any, key: str | None, adopted: str | None, **options: Any
    ) -> str:
        from airflow_provider_zuora.core.vendors.zuora.bill_run_rules import check_bill_run

        with convert_errors():
            checked = check_bill_run(bill_run)
        return self._submit_run(checked, context, key, adopted, **options)

    def _create_payment_run(
        self,
        payment_run: object,
        context: Any,
        key: str | None,
        adopted: str | None,
        *,
        allow_all_accounts: bool,
        **options: Any,
    ) -> str:
        from airflow_provider_zuora.core.vendors.zuora.payment_run_rules import check_payment_run

        self._refuse(find_flag_violations({"allow_all_accounts": allow_all_accounts}))
        with convert_errors():
            checked = check_payment_run(payment_run, allow_all_accounts=allow_all_accounts)
        return self._submit_run(checked, context, key, adopted, **options)

    def _submit_run(
        self,
        checked: CheckedRun,
        context: Any,
        key: str | None,
        adopted: str | None,
        *,
        is_sole: bool = False,
        pausing: Pausing = ON_WORKER,
    ) -> str:
        from airflow_provider_zuora.airflow_context.task import begin_call
        from airflow_provider_zuora.core.submission.adoption import adopt_run
        from airflow_provider_zuora.core.submission.idempotency_keys import build_shared_job_error
        from airflow_provider_zuora.core.submission.submission import submit_order
        from airflow_provider_zuora.core.vendors.zuora.bill_run_rules import name_bill_run
        from airflow_provider_zuora.hooks.guards import open_guard
        from airflow_provider_zuora.hooks.submission_log import open_log

        # is_sole: the task submits no other run, so each try means the same one, even with another content
        self._refuse(find_text_violations({"adopt_job_id": adopted}))
        if key is not None and (wrong := find_header_violation(key, KEY_LENGTH)):
            self._refuse([f"idempotency_key: {wrong}"])
        settings, context = self._settings, context or get_running_context()
        namespace = settings.fields["idempotency_namespace"]
        call = begin_call(context, settings.credentials, namespace, key, NEVER_EXPIRE)
        if checked.kind == "bill run":
            checked = name_bill_run(checked, call.scope.mark(checked.content))
        who = (checked, call.scope, call.attempt)
        with convert_errors():
            options: dict[str, Any] = {"shared": call.shared, "submission_log": open_log(self, context)}
            if adopted and adopted.strip():
                flow = adopt_run(settings.client, adopted.strip(), *who, **options)
                return settings.session.run(flow, call.store)
            with call.claim_order(checked, None):
                options |= {"is_sole": is_sole, "state": pausing.state, "guard": open_guard(self, context)}
                flow = submit_order(settings.client, *who, **options)
                job_id = settings.session.run(flow, call.store, pausing)
            if call.is_task and call.is_of_another(job_id, checked.content, is_numbered=False):
                raise build_shared_job_error(job_id, checked.kind)
        self.log.info("Zuora has the %s as job %s", checked.kind, job_id)
        return job_id

    def _read_waiting_run(self, job_id: str) -> tuple[Job, Mapping[str, Any]] | None:
        """Return a run that waits for its time, and its page; None if it does not wait."""
        from airflow_provider_zuora.core.polling.run_totals import read_waiting_run

        return self._run(lambda client: read_waiting_run(client, job_id))

    def _read_totals(self, job: Job, seconds: float) -> RunTotals | ApiError:
        """Return what a run came to, or why that cannot be read; a transient reason is raised."""
        from airflow_provider_zuora.core.polling.run_totals import read_totals

        with convert_errors():
            try:
                return self.session.run(read_totals(self._settings.client, job, seconds))
            except ApiError as error:
                if error.transient:
                    raise
                return error
