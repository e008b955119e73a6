"""Read again what a trigger has seen and could not carry: a result that was seen is not lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from airflow_provider_zuora.core.errors import ApiError, JobFailed, NotFound, ResultLost, TimedOut
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import ORDER, Job, JobResult, ResultState
from airflow_provider_zuora.core.polling.events import DeferredResults
from airflow_provider_zuora.core.polling.job_list import Outage
from airflow_provider_zuora.core.polling.wait import read_new_job
from airflow_provider_zuora.core.times import write_second

log = logging.getLogger(__name__)


def reload_results(client: ApiClient, deferred: DeferredResults) -> Iterator[Flow[JobResult]]:
    """Yield a flow for each job, which returns its result and raises no error of the vendor's."""
    outage = Outage(client.ticks)
    numbers = deferred.order_numbers or ("",) * len(deferred.job_ids)
    for job_id, state, number in zip(deferred.job_ids, deferred.states, numbers, strict=True):
        yield _Reload(client, job_id, state, number, deferred.seen_at, outage).read_result()


@dataclass(frozen=True, slots=True)
class _Reload:
    """One job, and what the trigger has seen of it: see `DeferredResults`."""

    client: ApiClient
    job_id: str
    state: ResultState
    order_number: str
    seen_at: float
    outage: Outage

    def read_result(self) -> Flow[JobResult]:
        """Return the result that is found now, or what is left of the one that was seen."""
        if self.outage.is_over:
            return self._explain(f"it was not read again, the last reads had failed: {self.outage.error}")
        failure: ApiError | None
        try:
            job = yield from self._read(self.job_id)
        except ApiError as error:
            why, failure = str(error), error
        else:
            if job.has_ended:
                return JobResult.of_job(job)
            why, failure = self.client.vendor.describe(job), None
        if self.state is ResultState.COMPLETED and self.order_number:
            return (yield from self._read_order(why))
        return self._explain(why, failure)

    def _read_order(self, why: str) -> Flow[JobResult]:
        """Return the result that the job's order tells: less than the job's own, and enough to go on."""
        try:
            found = yield from self._read(ORDER + self.order_number)
        except ApiError as error:
            return self._explain(f"{why}; its order {self.order_number}: {error}", error)
        if not found.has_ended:
            return self._explain(f"{why}; its order {self.order_number} is {found.status}")
        log.warning(
            "Job %s was seen to complete, and its result cannot be read any more (%s). What is returned is "
            "what %s tells of its order %s",
            self.job_id,
            why,
            self.client.vendor.title,
            self.order_number,
        )
        return JobResult.of_job(replace(found, job_id=self.job_id))

    def _read(self, job_id: str) -> Flow[Job]:
        """Read a job that there must be: a few times, if the vendor says that there is none."""
        has_ended = self.state in (ResultState.COMPLETED, ResultState.FAILED)
        read = read_new_job if has_ended else ApiClient.get_job
        try:
            job = yield from read(self.client, job_id, self.outage.budget)
        except ApiError as error:
            self.outage.note(error if error.transient else None)
            raise
        self.outage.note(None)
        return job

    def _explain(self, why: str, error: ApiError | None = None) -> JobResult:
        """Return the result without the job: an error that says what was seen, and why there is no more."""
        return JobResult(self.job_id, error=self._build_error(why, error))

    def _build_error(self, why: str, error: ApiError | None) -> ApiError:
        seen_at, title = write_second(self.seen_at), self.client.vendor.title
        if self.state is ResultState.COMPLETED:
            order = f", order {self.order_number}," if self.order_number else ""
            return ResultLost(
                f"Job {self.job_id}{order} was seen Completed at {seen_at}, so it has done its work; its "
                f"result cannot be read: {why}. Do not submit it again; look it up at {title}.",
                transient=error is None or error.transient,
            )
        if self.state is ResultState.FAILED and isinstance(error, NotFound):
            return JobFailed(
                f"Job {self.job_id} was seen to have failed at {seen_at}; why cannot be read: {why}"
            )
        if error is not None:
            return error
        if self.state is ResultState.TIMED_OUT:
            return TimedOut(f"Job {self.job_id} has not ended in time, {why}. It goes on at {title}.")
        how = "Polls had failed; the log of the triggerer says how."
        return ApiError(f"Job {self.job_id} was given up, {why}. {how}", transient=True)
