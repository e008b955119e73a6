"""One order, in one try: it does what the protocol's table says, and notes what was sent and heard."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Refused,
    WrongOrder,
)
from airflow_provider_zuora.core.flow import Sleep, StatefulFlow
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.submission.authority import Heard
from airflow_provider_zuora.core.submission.generations import Generations
from airflow_provider_zuora.core.submission.order_lookup import find_order, order_difference
from airflow_provider_zuora.core.submission.post import CLOCKS_APART, KEY_AGE, UNDER_WAY, Post, retold
from airflow_provider_zuora.core.submission.protocol import TABLE, Action, Event, Standing
from airflow_provider_zuora.core.submission.questions import question
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.result import check_result, expectation

log = logging.getLogger(__name__)

LOCK_REST = 60.0  # seconds between a lock that was met and the next key
_LAG = 600.0  # seconds in which a job that was issued may not be known everywhere yet
_LAG_POLL = 15.0  # seconds
_STANDINGS = {
    SubmissionState.STARTED: Standing.STARTED,
    SubmissionState.REFUSED: Standing.REFUSED,
    SubmissionState.FAILED: Standing.FAILED,
    SubmissionState.ABSENT: Standing.ABSENT,
}
_WHY = {
    Standing.STUCK: "its key is too old to be sent again",
    Standing.CONTRADICTED: "it is refused, but an earlier POST under its key may have made it",
    Standing.MISUSED: "its key was used for another request",
    Standing.LOST: "its job is not known any more",
}
EQUAL = "order: this task has submitted an equal one; give each an orderNumber, or an idempotency_key"


class Submission(Generations):
    """One order, in one try; for its parameters see `Generations`."""

    def __init__(self, *given: Any, **options: Any):
        super().__init__(*given, **options)
        self.standing = self._standing()
        self.issued = self.record.decided_at
        self.post = self._new_post()
        self.left_absent = False  # this try has gone on from a key because there was no order
        self.failure: ApiError | None = None  # of the job, in the vendor's words
        self.why = ""  # it had to be looked up
        self._kept = self.record

    def run(self) -> StatefulFlow[str]:
        """
        Submit the order, or find what an earlier try has made of it, and return its job's id.

        :raises ApiError: as `api.submit_order` tells.
        """
        if self.is_repeated:
            raise InvalidInput("Nothing was sent.", (EQUAL,))
        if self.is_noted and self.alone and self.number is None:  # the task's other orders are not this one
            yield from self.notes.save(self.record)
        event = Event.START
        while True:
            self.standing, action = TABLE[self.standing, event]
            if (yield from self._note(event)):
                self.standing, action = TABLE[self.standing, Event.FOUND]
            if action is Action.RETURN:
                return (yield from self._job_id())
            event = yield from self._do(action)

    def _do(self, action: Action) -> StatefulFlow[Event]:
        if action is Action.SEND:
            self.record, event = yield from self.post.send(self.record)
            return Event.ACCEPTED_BEFORE if event is Event.ACCEPTED and self.is_inherited else event
        if action is Action.READ_JOB:
            return (yield from self._read_job())
        if action is Action.LOOK_ONCE:
            return (yield from self._look_once())
        if action is Action.LOOK_UP:
            return (yield from self._look_up())
        if action is Action.NEXT_KEY:
            return (yield from self._next_key())
        if action is Action.CONSIDER:
            return self._consider()
        raise self._ended(action)

    def _standing(self) -> Standing:
        open_one = Standing.UNDECIDED if self.record.unanswered else Standing.CLEAR
        return _STANDINGS.get(self.record.state, open_one)

    def _new_post(self) -> Post:
        return Post(self.client, self.request, self.notes, self.digest)

    # -- what it does ---------------------------------------------------------------------------------------

    def _note(self, event: Event) -> StatefulFlow[bool]:
        """
        Note where the submission stands now, if that has changed.

        :return: True if another call in this very try has led it to a job: that is not written over.
        """
        self.record = self._settled(event)
        if self.record == self._kept:
            return False
        had_no_job = SubmissionState.STARTED not in (self._kept.state, self.record.state)
        found = (yield from self.notes.job_of(self.record)) if had_no_job and self.post.sent else None
        self._kept = self.record = found or self.record
        if found is None:
            yield from self.notes.save(self.record)
        return found is not None

    def _settled(self, event: Event) -> SubmissionRecord:
        """Return the record as its standing makes it."""
        record, now = self.record, self.client.clock()
        said = self.post.parsed.info.bare if self.post.parsed else ""
        if event in Event.NOT_FOUND | Event.NOT_FOUND_STORED:
            record = replace(record, absence_believed=False)  # it has just been looked for
        if self.standing is Standing.REFUSED and record.state is SubmissionState.OPEN:
            locked = self.post.heard is Heard.LOCKED
            met = record.decided_at if record.locked else now  # it was met in an earlier try
            return record.refused(said, met, locked=locked)
        if self.standing is Standing.ABSENT and record.state is not SubmissionState.ABSENT:
            return record.absent(said or "it is too old to be sent again", now)
        if event is Event.NOT_FOUND_TURNED_AWAY:
            return replace(record, unanswered=0, absence_believed=True)
        return record

    def _read_job(self) -> StatefulFlow[Event]:
        """Find out what has become of the job of an earlier try."""
        job_id = str(self.record.job_id)
        try:
            job = yield from self._known_job(job_id)
        except ApiError as error:
            if error.transient:
                raise
            log.warning("Job %s cannot be read, and counts as under way: %s", job_id, error)
            return Event.RUNS
        if job is None:
            return Event.JOB_UNKNOWN if self.client.clock() - self.issued >= _LAG else Event.RUNS
        check_result(job, expectation(self.document))
        if job.state is JobState.FAILED:
            self.record = self.record.failed(job, self.client.clock())
            self.failure = job.build_error()
            return Event.JOB_FAILED
        log.info("An earlier try started job %s, which is %s; nothing is submitted", job_id, job.status)
        return Event.RUNS

    def _known_job(self, job_id: str) -> StatefulFlow[Job | None]:
        """
        Return a job of an earlier try, None if it is not known.

        If nobody noted when it was issued, that may have been a moment ago.
        """
        heard = self.client.clock()
        while True:
            try:
                return (yield from self.client.job(job_id))
            except NotFound:
                log.warning("%s does not know job %s, or not yet", self.client.vendor.title, job_id)
                if self.issued or self.client.clock() - heard >= _LAG:
                    return None
            yield Sleep(_LAG_POLL)

    def _look_up(self) -> StatefulFlow[Event]:
        """Look for the order by its number."""
        self.why = (
            _WHY[self.standing] if not self.post.is_proven else "its key gets the same answer each time"
        )
        if self.number is None:
            return Event.NO_NUMBER
        log.warning("Looking for order %s: %s", self.number, self.why)
        if (rest := self._not_sent_any_more() - self.client.clock()) > 0:
            yield Sleep(min(rest, UNDER_WAY + CLOCKS_APART))
        try:
            order_id = yield from find_order(self.client, self.document)
        except OutcomeUnknown:
            raise
        except ApiError as error:
            if error.transient:
                raise
            self.why += f", and it cannot be looked up: {error}"
            raise self._unknown() from error
        if order_id is None:
            refused = self.post.heard in (Heard.REFUSED, Heard.LOCKED)
            contradicted = self.standing is Standing.CONTRADICTED
            if not contradicted:
                return Event.NOT_FOUND
            if not refused:
                return Event.NOT_FOUND_TURNED_AWAY
            return Event.NOT_FOUND_STORED if self.post.is_proven else Event.NOT_FOUND
        self.record = self.record.started(order_id, self.client.clock())
        return Event.FOUND

    def _not_sent_any_more(self) -> float:
        """Return when no other try, by whatever clock, sends a key that is too old."""
        is_old = self.standing is Standing.STUCK and not self.post.is_proven
        return self.record.first_post + KEY_AGE + UNDER_WAY + CLOCKS_APART if is_old else 0.0

    def _look_once(self) -> StatefulFlow[Event]:
        """Look whether the order is there already; where it is not nothing is known."""
        try:
            order_id = (yield from find_order(self.client, self.document, once=True)) if self.number else None
        except ApiError as error:  # what ends this try is that nothing is known
            log.warning("Order %s cannot be looked up: %s", self.number, error)
            order_id = None
        if order_id is None:
            return Event.NOT_FOUND_YET
        self.record = self.record.started(order_id, self.client.clock())
        return Event.FOUND

    def _consider(self) -> Event:
        """Return whether the end that is known is an earlier try's, after which this one is to try again."""
        may_go_on = self.record.is_passing or self.is_cleared or not self.is_remembered
        if not (self.is_inherited and may_go_on):
            return Event.OVER
        return Event.AGAIN_ASKED if self.post.sent else Event.AGAIN

    def _next_key(self) -> StatefulFlow[Event]:
        """Begin the next generation, after one that cannot make an order."""
        before = self.record
        if self.raw_key:
            raise self._used_up()
        if before.state is SubmissionState.ABSENT:
            if self.left_absent and not self.is_inherited:
                raise before.error()  # one new key in a try is enough
            self.left_absent = True
        elif before.absence_believed and (yield from self._came_late()):
            return Event.FOUND
        if before.locked and (rest := before.decided_at + LOCK_REST - self.client.clock()) > 0:
            yield Sleep(rest)
        log.warning("Key %s cannot make the order, the next one follows: %s", before.key, before.reason)
        self.record = self._kept = self.begun(
            self.generation_after(before, was_sent=bool(self.post.sent)), before
        )
        self.is_inherited = self.is_of_an_earlier_try(self.record.generation)
        self.is_noted = False
        self.post = self._new_post()
        return Event.BEGUN_BEFORE if self.record.unanswered else Event.BEGUN

    def _came_late(self) -> StatefulFlow[bool]:
        """Return whether the order is there that was not there when the key before was left."""
        log.warning("Looking for order %s: it may have been made under an earlier key", self.number)
        order_id = yield from find_order(self.client, self.document)
        if order_id is not None:
            self.record = self.record.started(order_id, self.client.clock())
        return order_id is not None

    def _job_id(self) -> StatefulFlow[str]:
        """Return the job's id; the one that a raw key led to is read first: it may be another order's."""
        job_id = str(self.record.job_id)
        if self.raw_key and self.post.heard is Heard.ACCEPTED:
            yield from self._check_raw(job_id)
        return job_id

    def _check_raw(self, job_id: str) -> StatefulFlow[None]:
        """
        Compare what a raw key led to with the order, as far as job and order can be read by now.

        :raises Refused: if it is another order's.
        """
        try:
            job = yield from self.client.job(job_id)
            check_result(job, expectation(self.document))
            number = job.result.get("orderNumber") if isinstance(job.result, dict) else None
            other = (yield from order_difference(self.client, self.document, number)) if number else ""
        except WrongOrder:
            raise
        except ApiError as error:
            if error.transient:
                raise
            log.warning("What raw key %s led to cannot be read: %s", self.record.key, error)
        else:
            if other:
                raise WrongOrder(
                    f"The raw_idempotency_key {self.record.key} led to order {number}, of which {other}."
                )

    # -- how it ends badly ----------------------------------------------------------------------------------

    def _ended(self, action: Action) -> ApiError:
        """Return the error that ends this try."""
        if action is Action.STOP:
            return self._stopped()
        if action is Action.ASK:
            return self._asked()
        if self.record.state is SubmissionState.FAILED:
            return self.failure or self.record.error()
        return self.post.error() if self.post.parsed else self.record.error()

    def _stopped(self) -> ApiError:
        """Return the error of an answer after which the next try sends the same key."""
        error = self.post.error()
        if self.standing is not Standing.UNDECIDED or self.post.heard is Heard.NO_ANSWER:
            return error
        return retold(
            error,
            f"{error} An earlier POST under key {self.record.key} may have made the order: the next try, or "
            "a clear, sends the same key again.",
        )

    def _asked(self) -> ApiError:
        """Return the question to a person, or what is known of a raw key."""
        if self.raw_key and self.post.heard is Heard.KEY_IN_USE and not self.may_be_ours:
            return self._used_up()
        return self._unknown()

    @property
    def may_be_ours(self) -> bool:
        """Return whether the key may have been used for this very order, in another POST."""
        return bool(self.record.unanswered or len(self.record.contents) > 1 or self.is_noted)

    def _used_up(self) -> Refused:
        used = f"is used up: {self.client.vendor.title} repeats its answer for 24 hours"
        why = "was used for another request" if self.post.heard is Heard.KEY_IN_USE else used
        known = f" What is known of it: {self.record.reason}" if self.record.reason else ""
        return Refused(f"The raw_idempotency_key {self.record.key} {why}. Pass another one.{known}")

    def _unknown(self) -> OutcomeUnknown:
        title, now = self.client.vendor.title, self.client.clock()
        return OutcomeUnknown(
            question(self.record, self.document, title, self.why, now, ways_on=self.ways_on),
            info=self.post.parsed.info if self.post.parsed else None,
        )
