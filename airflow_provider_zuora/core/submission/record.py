"""What is known of one submission under one key, as the next try needs it; values, no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from airflow_provider_zuora.core.errors import ApiError, JobFailed, LockContention, Refused
from airflow_provider_zuora.core.job import Job

_MOST_TRACK_IDS = 8


class SubmissionState(Enum):
    """What is known of the POSTs under one key."""

    OPEN = "open"  # no answer decides for the key yet; `unanswered` POSTs may have made an order
    STARTED = "started"  # there is a job; how it ends is the vendor's to say
    REFUSED = "refused"  # the vendor refused it, and no POST under this key can have made an order
    FAILED = "failed"  # there was a job, and it failed
    ABSENT = "absent"  # there is no order, and this key is not sent again


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One submission, under one key; all times are seconds since 1970. The names are those of stored JSON."""

    submitter: str  # fingerprint of who submits which order
    order_number: str | None
    account: str  # fingerprint of URL, client id, entity and orgs
    key: str
    generation: int
    digest: str  # of the content that the key was made for
    contents: tuple[str, ...]  # digests of all that went out under it; several if the order has changed
    params: tuple[tuple[str, str], ...]  # the query of the POST; a key belongs to it
    first_post: float  # when a POST was first sent under this key, or a time before that
    try_number: int  # Airflow's, of the try that wrote this last
    max_tries: int  # Airflow's then; clearing the task raises it
    state: SubmissionState = SubmissionState.OPEN
    unanswered: int = 0  # POSTs that may have made an order; each is counted before it is sent
    job_id: str | None = None
    lasting: bool = False  # a refusal or a failure that is permanent
    locked: bool = False  # it met a lock
    absence_believed: bool = False  # the key before was left because no order was found: one may come late
    decided_at: float = 0.0  # when the job, the refusal, the failure or the absence was seen
    reason: str = ""  # what was seen, without the vendor's words: these may quote the order
    paths: Mapping[str, str] | None = None  # hashes of the order's values, see `keys.hash_paths`
    track_ids: tuple[str, ...] = ()  # of the last POSTs

    @property
    def may_exist(self) -> bool:
        """Return whether there may be what was submitted, as far as this tells: also what was not found."""
        states = (SubmissionState.STARTED, SubmissionState.ABSENT)
        return bool(self.unanswered) or self.absence_believed or self.state in states

    def count_post(self, track_id: str, digest: str) -> SubmissionRecord:
        """Return the record as it is noted before a POST of this content: one more may make an order."""
        return replace(
            self.with_content(digest),
            state=SubmissionState.OPEN,
            unanswered=self.unanswered + 1,
            track_ids=(*self.track_ids, track_id)[-_MOST_TRACK_IDS:],
        )

    def discount_post(self) -> SubmissionRecord:
        """Return the record after an answer whose own POST has made no order."""
        return replace(self, unanswered=max(0, self.unanswered - 1))

    def with_content(self, digest: str) -> SubmissionRecord:
        """Return the record as one that this content may have gone out under, too."""
        return self if digest in self.contents else replace(self, contents=(*self.contents, digest))

    def with_job(self, job_id: str, now: float) -> SubmissionRecord:
        """Return the record with the job that it led to."""
        return replace(self, state=SubmissionState.STARTED, job_id=job_id, unanswered=0, decided_at=now)

    def with_refusal(self, reason: str, now: float, *, locked: bool) -> SubmissionRecord:
        """Return the record after a refusal that decides for the key."""
        refused = replace(self, state=SubmissionState.REFUSED, unanswered=0, decided_at=now, reason=reason)
        return replace(refused, lasting=not locked, locked=locked)

    def with_failure(self, job: Job, now: float) -> SubmissionRecord:
        """Return the record as its failed job leaves it."""
        reason = f"Job {job.job_id} ended as {job.status}"
        if job.info:
            reason += f": {job.info.without_words}"
        decided_at = self.decided_at if self.state is SubmissionState.FAILED else now
        failed = replace(self, state=SubmissionState.FAILED, decided_at=decided_at, reason=reason)
        return replace(failed, lasting=not job.transient, locked=job.locked)

    def with_absence(self, reason: str, now: float) -> SubmissionRecord:
        """Return the record of a key that is left because there is no order."""
        return replace(self, state=SubmissionState.ABSENT, unanswered=0, decided_at=now, reason=reason)

    def to_error(self) -> ApiError:
        """Return the error that the end of this submission amounts to."""
        if self.locked:
            return LockContention(self.reason, transient=True)
        kinds = {SubmissionState.FAILED: JobFailed, SubmissionState.REFUSED: Refused}
        return kinds.get(self.state, ApiError)(self.reason, transient=not self.lasting)
