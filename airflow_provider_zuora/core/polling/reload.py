"""Read again what a trigger has seen and could not carry: an end that was seen is not lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from airflow_provider_zuora.core.errors import ApiError, JobFailed, NotFound, ResultLost, TimedOut
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.job import ORDER, Job
from airflow_provider_zuora.core.polling.events import COMPLETED, ENDED, LATE, DeferredResults, End
from airflow_provider_zuora.core.polling.patience import Patience
from airflow_provider_zuora.core.polling.wait import issued_job
from airflow_provider_zuora.core.times import write_second

log = logging.getLogger(__name__)


def reread_ends(client: ApiClient, unread: DeferredResults) -> Iterator[Flow[End]]:
    """Yield a flow for each job, which returns its end and raises no error of the vendor's."""
    patience = Patience(client.ticks)
    orders = unread.orders or ("",) * len(unread.job_ids)
    for job_id, letter, order in zip(unread.job_ids, unread.letters, orders, strict=True):
        yield _Reread(client, job_id, letter, order, unread.seen, patience).end()


@dataclass(frozen=True, slots=True)
class _Reread:
    """One job, and what the trigger has seen of it: see `DeferredResults`."""

    client: ApiClient
    job_id: str
    letter: str
    order: str
    seen: float
    patience: Patience

    def end(self) -> Flow[End]:
        """Return the end that is found now, or what is left of the one that was seen."""
        if self.patience.over:
            return self._left(f"it was not read again, the last reads had failed: {self.patience.error}")
        failure: ApiError | None
        try:
            job = yield from self._read(self.job_id)
        except ApiError as error:
            why, failure = str(error), error
        else:
            if job.ended:
                return End(self.job_id, job)
            why, failure = self.client.vendor.described(job), None
        if self.letter == COMPLETED and self.order:
            return (yield from self._by_order(why))
        return self._left(why, failure)

    def _by_order(self, why: str) -> Flow[End]:
        """Return the end with what the order of the job tells: less than the result, and enough to go on."""
        try:
            found = yield from self._read(ORDER + self.order)
        except ApiError as another:
            return self._left(f"{why}; its order {self.order}: {another}", another)
        if not found.ended:
            return self._left(f"{why}; its order {self.order} is {found.status}")
        log.warning(
            "Job %s was seen to complete, and its result cannot be read any more (%s). What is returned is "
            "what %s tells of its order %s",
            self.job_id,
            why,
            self.client.vendor.title,
            self.order,
        )
        return End(self.job_id, replace(found, job_id=self.job_id))

    def _read(self, job_id: str) -> Flow[Job]:
        """Read a job that there must be: a few times, if the vendor says that there is none."""
        read = issued_job if self.letter in (COMPLETED, ENDED) else ApiClient.job
        try:
            job = yield from read(self.client, job_id, self.patience.budget)
        except ApiError as error:
            if error.transient:
                self.patience.failed(error)
            else:
                self.patience.answered()
            raise
        self.patience.answered()
        return job

    def _left(self, why: str, error: ApiError | None = None) -> End:
        """Return the end without the job: an error that says what was seen, and why there is no more."""
        passing = error is None or error.transient
        if self.letter == COMPLETED:
            order = f", order {self.order}," if self.order else ""
            said = (
                f"Job {self.job_id}{order} was seen Completed at {self._time}, so it has done its work; "
                f"its result cannot be read: {why}. Do not submit it again; look it up at "
                f"{self.client.vendor.title}."
            )
            return End(self.job_id, error=ResultLost(said, transient=passing))
        if self.letter == ENDED and isinstance(error, NotFound):
            said = f"Job {self.job_id} was seen to have failed at {self._time}; why cannot be read: {why}"
            return End(self.job_id, error=JobFailed(said))
        if error is not None:
            return End(self.job_id, error=error)
        if self.letter == LATE:
            said = (
                f"Job {self.job_id} has not ended in time, {why}. It goes on at {self.client.vendor.title}."
            )
            return End(self.job_id, error=TimedOut(said))
        how = "Looks at it had failed; the log of the triggerer says how."
        said = f"Job {self.job_id} was given up, {why}. {how}"
        return End(self.job_id, error=ApiError(said, transient=True))

    @property
    def _time(self) -> str:
        return write_second(self.seen)
