"""What the operators for bill runs and payment runs have in common: each submits, waits and counts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from airflow_provider_zuora.airflow_context.deferral import FIRST_POLL, JobWait
from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.json_text import BrokenText, read_json
from airflow_provider_zuora.core.polling.run_totals import describe_totals
from airflow_provider_zuora.core.polling.wait import PollSchedule
from airflow_provider_zuora.core.times import read_moment
from airflow_provider_zuora.core.validation import check_flags
from airflow_provider_zuora.core.vendors.base import RunTotals
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_error
from airflow_provider_zuora.guards import GuardedTask
from airflow_provider_zuora.hooks.limits import choose_interval
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.links import ZuoraLink
from airflow_provider_zuora.operators.base import BaseJobOperator
from airflow_provider_zuora.version_compat import JOB_ID

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_COUNTING = 120.0  # seconds in which Zuora's lists may not know yet how a bill run ended
_EAST_MOST = 14 * 3600.0  # seconds by which a zone may be ahead of UTC


class BaseRunOperator(GuardedTask, BaseJobOperator):
    """An operator that submits a run, waits for it, and returns what it came to."""

    hook_class = ZuoraHook
    operator_extra_links = (ZuoraLink(),)
    zuora_conn_id: str
    submission_log: LogPath
    noun: ClassVar[str]
    run_field: ClassVar[str]  # the option that holds its body
    number_field: ClassVar[str]  # of Zuora's answer
    moment_field: ClassVar[str]  # of Zuora's answer: when it begins
    how_to_stop: ClassVar[str]  # what a person does; a task that is killed stops nothing
    next_try = "waits for the same run"
    wait_for_completion = True
    fail_on_errors: bool
    idempotency_key: str | None
    adopt_job_id: str | None
    settle_seconds: float = _COUNTING

    @cached_property
    @override
    def hook(self) -> ZuoraHook:
        return ZuoraHook(self.zuora_conn_id, self.submission_log, self.rendered_guard)

    def __init__(self, **kwargs: Any):
        if "wait_for_completion" in kwargs:
            raise ValueError("wait_for_completion: a run is always waited for; leave this option out")
        super().__init__(**kwargs)
        check_flags({"fail_on_errors": self.fail_on_errors})
        self.keep_guard(self.guard)

    def execute(self, context: Context) -> Any:
        """Submit the run, or find the one that an earlier try has submitted, and wait for it."""
        with self.reporting(context) as notes:
            started = time.time() if notes.began is None else notes.began
            self.check_options()
            run = self._read_run()
            is_scheduled = self._check_run(run)
            with self.deferring_pauses(context):
                job_id = self._submit(run, context)
            notes.job_ids = [job_id]
            context["ti"].xcom_push(key=JOB_ID, value=job_id)
            waiting = self.hook._read_waiting_run(job_id) if is_scheduled else None
            if waiting and _is_future(waiting[1].get(self.moment_field), time.time()):
                job, page = waiting
                self.log.info("%s is scheduled, and %s: it is not waited for", job_id, job.status)
                notes.state = "scheduled"
                return self._describe_run(job, page, {}) | {"scheduled_for": page.get(self.moment_field)}
            return self._wait(self._choose_end(run, job_id), context, started)

    def execute_complete(
        self,
        context: Context,
        event: Any = None,
        expected: Mapping[str, str] | None = None,
        started: float | None = None,
    ) -> Any:
        """
        Go on from the trigger's event.

        :param expected: the job that was waited for, ``job_id``.
        :param started: when the wait began, in seconds since 1970.
        """
        with self.reporting(context) as notes:
            job_id = (expected or {}).get("job_id")
            notes.job_ids = [job_id] if job_id else []
            results = self.read_results(event)
            if [result.job_id for result in results] != [job_id]:
                raise PermanentError(
                    f"The trigger fired an event that is not about {job_id}: nothing is done."
                )
            return self._go_on(results[0], context, time.time() if started is None else started)

    def _choose_end(self, run: Mapping[str, Any], job_id: str) -> str:
        """Return the job whose end is that of the run, as it was asked for."""
        return job_id

    @override
    def list_expected_again(self, context: Context) -> dict[str, str]:
        return {"job_id": self.find_job_id(context)}

    def on_kill(self) -> None:
        """Log that the run goes on, and how a person stops it."""
        self.log.warning(
            "The %s goes on in Zuora: a killed task stops none, and the next try waits for the same one. %s",
            self.noun,
            self.how_to_stop,
        )

    def _check_run(self, run: Mapping[str, Any]) -> bool:
        """Return whether the run begins later; raise a `PermanentError` if it does not fit the options."""
        raise NotImplementedError

    def _submit(self, run: Mapping[str, Any], context: Context) -> str:
        raise NotImplementedError

    def _finish(self, job: Job, result: dict[str, Any], context: Context, started: float) -> Any:
        """Return the result of a run that has ended well, or go on with it."""
        return result

    def _read_run(self) -> Mapping[str, Any]:
        """Return the body of the run; a template may have made text of it."""
        run = getattr(self, self.run_field)
        if isinstance(run, str):
            try:
                run = read_json(run)
            except BrokenText as error:
                self.hook._refuse([f"{self.run_field}: {error}"])
        if not isinstance(run, Mapping):
            kind = type(run).__name__
            self.hook._refuse([f"{self.run_field}: must be an object or its JSON text, not of type {kind}"])
        return run

    @property
    def _is_own_execute(self) -> bool:
        """Return whether Airflow calls execute() once in a try: a subclass may do so for several runs."""
        return type(self).execute is BaseRunOperator.execute

    def _wait(self, job_id: str, context: Context, started: float) -> Any:
        if self.deferrable:
            wait = JobWait.start(self.time_limit, self.hook, [job_id], started=started)
            schedule = PollSchedule(choose_interval(self.poll_interval), first=FIRST_POLL)
            kwargs = {"expected": {"job_id": job_id}, "started": started}
            [result] = self.poll_or_defer(wait, schedule, context, kwargs=kwargs)
        else:
            left = max(0.0, self.time_limit - (time.time() - started))
            result = self.wait_here(job_id, left, self.poll_interval)
        return self._go_on(result, context, started)

    def _go_on(self, waited: JobResult, context: Context, started: float) -> Any:
        """Return what a run that has ended came to, or raise what is wrong with it."""
        job = waited.job
        if job is not None and job.state is JobState.FAILED:
            waited = replace(waited, job=self._explain_failure(job))
        page = self._conclude(waited, context, {})
        assert job is not None, "there is no error"
        totals = self.hook._read_totals(job, self.settle_seconds)
        counts = totals.values if isinstance(totals, RunTotals) else {}
        described = self._describe_run(job, page, counts)  # a receipt has the counts of a failure, too
        self._check_totals(job, totals)
        return self._finish(job, described, context, started)

    def _explain_failure(self, job: Job) -> Job:
        """Return a failed run with what Zuora says and counts of it: it may have done a part of its work."""
        try:
            totals = self.hook._read_totals(job, 0.0)
        except TransientError as error:
            self.log.warning("What %s came to cannot be read: %s", job.job_id, error)
            return job
        self._note_counts(totals.values if isinstance(totals, RunTotals) else {})
        words = describe_totals(totals)
        self.log.error("%s ended as %s: %s", job.job_id, job.status, words)
        return replace(job, info=job.info.with_words([*job.info.messages, words])) if job.info else job

    def _check_totals(self, job: Job, totals: RunTotals | ApiError) -> None:
        """Raise a `PermanentError` if something failed, or if that is unknown; log it if that is allowed."""
        if isinstance(totals, RunTotals) and not totals.errors:
            return
        words = f"{job.job_id} is {job.status}, but {self._describe_errors(totals)}"
        if not self.fail_on_errors:
            self.log.warning(words)
            return
        hint = "Look at it in Zuora; with fail_on_errors=False the task goes on."
        if isinstance(totals, ApiError):
            raise convert_error(totals, PermanentError, f"{words}. {hint}") from totals
        raise PermanentError(f"{words}. {hint}")

    def _note_counts(self, counts: Mapping[str, Any]) -> None:
        """Note for the receipt what is counted of a run; not its amounts."""
        self.notes.facts |= {name: count for name, count in counts.items() if isinstance(count, int)}

    def _describe_errors(self, totals: RunTotals | ApiError) -> str:
        words = describe_totals(totals)
        return words if isinstance(totals, ApiError) else f"it has errors: {words}"

    def _describe_run(self, job: Job, page: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the task returns of a run, and note what is no amount and no name."""
        own = {f"{self.noun}_number".replace(" ", "_"): page.get(self.number_field), "status": job.status}
        self.notes.facts |= own
        self._note_counts(counts)
        return {
            **counts,
            "job_id": job.job_id,
            "number": page.get(self.number_field),
            "status": job.status,
            "scheduled": not job.has_ended,
        }


def _is_future(moment: object, now: float) -> bool:
    """Return whether a moment of Zuora's lies in the future in any zone: it names none."""
    seconds = read_moment(moment) if isinstance(moment, str) else None
    return seconds is not None and seconds - _EAST_MOST > now
