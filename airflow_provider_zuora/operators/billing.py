"""Bill runs and payment runs: each submitted once, waited for, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.core.validation import check_flags, check_seconds
from airflow_provider_zuora.core.vendors.zuora import bill_run_rules, payment_run_rules
from airflow_provider_zuora.core.vendors.zuora.bill_runs import BILL_RUN, BILL_RUN_POST, is_postable
from airflow_provider_zuora.core.vendors.zuora.field_rules import is_date
from airflow_provider_zuora.guards import Guard
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.operators.runs import BaseRunOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ZuoraBillRunOperator(BaseRunOperator):
    """
    Create a bill run in Zuora, once, wait for it, and post it if asked to.

    A run that is Completed has made drafts. It ends with that, unless ``post`` or its own ``autoPost`` is
    true: then it ends when it is Posted. Each run gets a name that no other submission has, the name in
    ``bill_run`` and a mark, by which it is found again if an answer is lost. A run with a ``schedule`` is not
    waited for until it begins: the task returns it as scheduled. What is promised: docs/exactly-once.md.

    :param bill_run: the body of "Create a bill run", or its JSON text; a template, checked before it is sent.
    :param post: post the run when it is Completed; not with ``fail_on_errors`` if it has errors.
    :param post_invoice_date: of all its invoices, ``2026-03-01``; None or blank: they keep theirs.
    :param fail_on_errors: fail if the run is Completed and Zuora names an error of it; False: log it.
    :param zuora_conn_id: the Airflow connection.
    :param idempotency_key: replaces dag, run, task and map index in the key; the content stays part of it.
    :param adopt_job_id: ``bill-run:<id>`` to take instead of creating one; blank: create it.
    :param submission_log: a path, or a store's URL, below which the run is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param guard: an ``OrderGuard``, or its fields as a dict; a template. ``max_amount`` is compared with what
        the run has drafted, before it is posted; one with ``autoPost`` is refused: docs/guards.md.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, with the posting, or a timedelta; the run goes on.
    :return: ``job_id``, ``number``, ``name``, ``status``, ``scheduled``, and what it made: ``invoices``,
        ``credit_memos``, ``accounts``; of a scheduled run ``scheduled_for`` instead.
    :raises PermanentError: (no retries) if a rule is broken, or Zuora refuses the run, or it fails.
    :raises GuardRefusedError: (no retries) if a guard refuses it, or cannot tell.
    :raises OutcomeUnknownError: (no retries) if only a person can tell whether the run exists.
    :raises TransientError: (retries) if Zuora could not be reached, or ``timeout`` passed.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has submitted.
    __supports_durable_execution: ClassVar[bool] = True
    noun = receipt_kind = "bill run"
    run_field = "bill_run"
    number_field = "billRunNumber"
    moment_field = "scheduledExecutionTime"
    how_to_stop = (
        "To stop it, cancel it in Zuora, or with ZuoraHook.request('PUT', '/v1/bill-runs/<id>/cancel', "
        "json={}); one that is Processing is terminated in Zuora's UI."
    )
    post: bool
    post_invoice_date: str | None
    template_fields: Sequence[str] = (
        "bill_run",
        "post_invoice_date",
        "zuora_conn_id",
        "idempotency_key",
        "adopt_job_id",
        "submission_log",
        "guard",
    )

    def __init__(  # noqa: PLR0913 - each option is named, so that a type checker knows it
        self,
        *,
        bill_run: Mapping[str, Any] | str,
        post: bool = False,
        post_invoice_date: str | None = None,
        fail_on_errors: bool = True,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        submission_log: LogPath = None,
        guard: Guard = None,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 14400.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
        check_flags({"post": post})
        if post_invoice_date is not None and not post:
            raise ValueError("post_invoice_date: needs post=True")

    def _check_run(self, run: Mapping[str, Any]) -> bool:
        is_scheduled = bill_run_rules.is_scheduled(run)
        if is_scheduled and self.post:
            self.hook._refuse(["post: a scheduled run is not waited for; let it have autoPost"])
        if self.post_invoice_date and not is_date(self.post_invoice_date):
            self.hook._refuse(["post_invoice_date: must be a calendar date, written YYYY-MM-DD"])
        return is_scheduled

    def _submit(self, run: Mapping[str, Any], context: Context) -> str:
        is_sole = self._is_own_execute and getattr(context["ti"], "task_id", None) == self.task_id
        key, adopted = self.idempotency_key, self.adopt_job_id
        pausing = self.choose_pausing(may_defer=is_sole)
        return self.hook._create_bill_run(run, context, key, adopted, is_sole=is_sole, pausing=pausing)

    def _choose_end(self, run: Mapping[str, Any], job_id: str) -> str:
        """Return the posting of a run that is to post itself: Zuora's answer may not say so."""
        is_auto = run.get("autoPost") is True
        return BILL_RUN_POST.prefix + job_id.removeprefix(BILL_RUN.prefix) if is_auto else job_id

    def _finish(self, job: Job, result: dict[str, Any], context: Context, started: float) -> Any:
        """Post the run if it is to be posted and is not yet."""
        if not (self.post and is_postable(job)):
            return result
        self.log.info("Posting %s: %s", job.job_id, result)
        posting = self.hook.post_bill_run(job.job_id, self.post_invoice_date or None)
        return self._wait(posting, context, started)

    def _describe_run(self, job: Job, page: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
        described = super()._describe_run(job, page, counts)
        run_id = job.job_id.removeprefix(BILL_RUN_POST.prefix).removeprefix(BILL_RUN.prefix)
        return {**described, "job_id": BILL_RUN.prefix + run_id, "name": page.get("name")}


class ZuoraPaymentRunOperator(BaseRunOperator):
    """
    Create a payment run in Zuora, once, wait for it, and return its summary.

    It collects money at once. A body that would collect from all accounts, because it has no filter or its
    ``data`` is empty, is refused. Nothing in Zuora tells one payment run from another: if an answer is lost
    for good, the task fails and asks a person. Completed does not mean that anything was paid: the summary
    says that. It counts payments that still process as errors, so it is read until it has none, or stands
    still for a minute. What is promised: docs/exactly-once.md.

    :param payment_run: the body of "Create a payment run", or its JSON text; a template, checked before it
        is sent.
    :param allow_all_accounts: True: it may collect from all accounts.
    :param fail_on_errors: fail if the summary has errors; False: log them.
    :param settle_timeout: seconds, or a timedelta, for which a summary with errors may be read again; a
        worker does that.
    :param zuora_conn_id: the Airflow connection.
    :param idempotency_key: replaces dag, run, task and map index in the key; the content stays part of it.
    :param adopt_job_id: ``payment-run:<id>`` to take instead of creating one; blank: create it.
    :param submission_log: a path, or a store's URL, below which the run is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param guard: an ``OrderGuard``, or its fields as a dict; a template. ``max_amount`` is compared, before
        the run is created, with what its ``accountId``, ``billingRunId`` or ``data`` select; with any other
        filter it is refused: docs/guards.md.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, or a timedelta; the run goes on at Zuora.
    :return: ``job_id``, ``number``, ``status``, ``scheduled``, each number of the summary (``payments``,
        ``errors``, ``receivables``, ``unprocessed_receivables`` and so on), and ``amounts``: by currency, as
        exact texts; of a scheduled run ``scheduled_for`` instead.
    :raises PermanentError: (no retries) if a rule is broken, or Zuora refuses the run, or it fails.
    :raises GuardRefusedError: (no retries) if a guard refuses it, or cannot tell.
    :raises OutcomeUnknownError: (no retries) if only a person can tell whether the run exists.
    :raises TransientError: (retries) if Zuora could not be reached, or ``timeout`` passed.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has submitted.
    __supports_durable_execution: ClassVar[bool] = True
    noun = receipt_kind = "payment run"
    run_field = "payment_run"
    number_field = "number"
    moment_field = "runDate"
    how_to_stop = "Zuora's API cannot stop one; one that is scheduled can be cancelled in Zuora's UI."
    allow_all_accounts: bool
    template_fields: Sequence[str] = (
        "payment_run",
        "zuora_conn_id",
        "idempotency_key",
        "adopt_job_id",
        "submission_log",
        "guard",
    )

    def __init__(  # noqa: PLR0913 - each option is named, so that a type checker knows it
        self,
        *,
        payment_run: Mapping[str, Any] | str,
        allow_all_accounts: bool = False,
        fail_on_errors: bool = True,
        settle_timeout: timedelta | float = 600.0,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        idempotency_key: str | None = None,
        adopt_job_id: str | None = None,
        submission_log: LogPath = None,
        guard: Guard = None,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 14400.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
        check_flags({"allow_all_accounts": allow_all_accounts})
        self.settle_seconds = check_seconds("settle_timeout", settle_timeout, zero=True)

    def _check_run(self, run: Mapping[str, Any]) -> bool:
        return payment_run_rules.is_scheduled(run)

    def _finish(self, job: Job, result: dict[str, Any], context: Context, started: float) -> Any:
        """Warn of what was left uncollected: Zuora calls that no error."""
        left = result.get("unprocessed_receivables")
        if left or not result.get("payments"):
            words = "%s is %s, with %s payments; %s receivables were not processed"
            self.log.warning(words, job.job_id, job.status, result.get("payments"), left)
        return result

    def _submit(self, run: Mapping[str, Any], context: Context) -> str:
        is_sole = self._is_own_execute and getattr(context["ti"], "task_id", None) == self.task_id
        key, adopted = self.idempotency_key, self.adopt_job_id
        options = {"is_sole": is_sole, "pausing": self.choose_pausing(may_defer=is_sole)}
        return self.hook._create_payment_run(
            run, context, key, adopted, allow_all_accounts=self.allow_all_accounts, **options
        )
