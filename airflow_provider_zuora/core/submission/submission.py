"""One order, in one try: it does what the protocol's table says, and notes what was sent and heard."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import ApiError, InvalidInput, NotFound, OutcomeUnknown, Refused
from airflow_provider_zuora.core.jobs import Job, JobState
from airflow_provider_zuora.core.masking import hidden_values
from airflow_provider_zuora.core.submission.authority import Heard
from airflow_provider_zuora.core.submission.keys import (
    ISSUED,
    Submitter,
    account_of,
    changed_paths,
    digest_of,
    path_hashes,
)
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.order_lookup import find_order
from airflow_provider_zuora.core.submission.post import KEY_AGE, Post
from airflow_provider_zuora.core.submission.protocol import TABLE, Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.result import check_result, expectation
from airflow_provider_zuora.core.wire import Memoir, Pause, Request

log = logging.getLogger(__name__)

LOCK_REST = 60.0  # seconds between a lock that was met and the next key
_WINDOW = 1000  # generations that belong to each 23 hours of a run of which nothing is remembered
_LAG = 600.0  # seconds in which a job that was issued may not be known everywhere yet
_LAG_POLL = 15.0  # seconds
_STANDINGS = {
    SubmissionState.STARTED: Standing.STARTED,
    SubmissionState.REFUSED: Standing.REFUSED,
    SubmissionState.FAILED: Standing.FAILED,
    SubmissionState.ABSENT: Standing.ABSENT,
}
_WHY = {
    Standing.STUCK: "its key is too old to be sent again, or gets an answer each time that decides nothing",
    Standing.CONTRADICTED: "it is refused, but an earlier POST under its key may have made it",
    Standing.MISUSED: "its key was used for another request",
    Standing.LOST: "its job is not known any more",
}
_EQUAL = "order: this task has submitted an equal one; give each an orderNumber, or an idempotency_key"
_WAYS_ON_IN_A_LIST = (
    "2. It is there: take it out of the list, and clear the task.\n"
    "3. It is not: take it out of the list too, and submit it in another task."
)


class Submission:
    """
    One order, in one try.

    :param document: the order, checked.
    :param request: the POST of it, without a key.
    :param notes: what the tries of the task have noted, loaded.
    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param alone: False if the task submits others too, so that its options are not about this one.
    """

    def __init__(
        self,
        client: Client,
        document: Mapping[str, Any],
        request: Request,
        by: Submitter,
        attempt: Try,
        notes: Notes,
        raw_key: str | None = None,
        *,
        alone: bool = True,
    ):
        self.client = client.hiding(hidden_values(document))
        self.document = document
        self.request = request
        self.by = by
        self.attempt = attempt
        self.notes = notes
        self.raw_key = raw_key
        self.alone = alone
        self.digest = digest_of(client, request, document)
        self.number: str | None = document.get("orderNumber")
        self.submitter, self.account = by.fingerprint(self.number), account_of(client)
        self.is_cleared = attempt.cleared
        self.is_inherited = False  # an earlier try may have ended with the key
        self.is_noted = False  # the record is of the notes
        self.is_remembered = notes.is_complete
        self.record = self._begin()
        self.standing = self._standing()
        self.issued = self.record.decided_at
        self.post = self._new_post()
        self.left_absent = False  # this try has gone on from a key because there was no order
        self.failure: ApiError | None = None  # of the job, in the vendor's words
        self.why = ""  # it had to be looked up
        self._kept = self.record

    def run(self) -> Memoir[str]:
        """
        Submit the order, or find what an earlier try has made of it, and return its job's id.

        :raises ApiError: as `api.submit_order` tells.
        """
        if self.is_repeated:
            raise InvalidInput("Nothing was sent.", (_EQUAL,))
        event = Event.START
        while True:
            self.standing, action = TABLE[self.standing, event]
            yield from self._note(event)
            if action is Action.RETURN:
                return (yield from self._job_id())
            event = yield from self._do(action)

    def _do(self, action: Action) -> Memoir[Event]:
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

    # -- where it begins ------------------------------------------------------------------------------------

    def _begin(self) -> SubmissionRecord:
        """Return what is known of this order, from the notes if they tell of it."""
        noted = self._noted()
        if noted is not None:
            self.is_cleared = noted.max_tries < self.attempt.max_tries
            self.is_inherited = noted.try_number != self.attempt.number
            self.is_noted = True
            return noted
        begun = self.begun(0)
        self.is_inherited = self._is_of_an_earlier_try(0)
        return begun

    def _noted(self) -> SubmissionRecord | None:
        """Return what an earlier try has noted of this order, also if the order has changed since."""
        if self.alone and self.notes.is_of_another_account(self.submitter, self.account):
            log.warning("What earlier tries noted of this order is of another account: it is not used")
        exact = self.notes.find(self.submitter, self.account, self.digest)
        if exact is not None and self.raw_key not in (None, exact.key):
            log.warning("An earlier try sent this order under key %s: it is not used", exact.key)
            return None
        if exact is not None or not (self.alone or self.number):
            return exact
        others = [
            record
            for record in self.notes.of(self.submitter, self.account)
            if self.raw_key in (None, record.key)
        ]
        if self.number is None and any(record.try_number == self.attempt.number for record in others):
            return None  # the task submits several orders, and this is another one
        others = [record for record in others if not self._is_done_with(record)]
        if self.number is None and len(others) > 1:
            raise OutcomeUnknown(
                f"Earlier tries of this task have sent {len(others)} orders without an orderNumber, and this "
                "is none of them. Whether it is one of them that has changed is unknown; nothing was sent. "
                "Give each order an orderNumber, or pass an idempotency_key for each, and clear the task."
            )
        if not others:
            return None
        changed = changed_paths(others[-1].paths or {}, path_hashes(self.client, self.document))
        log.warning(
            "The order has changed since an earlier try sent it under key %s. What that try has made of it "
            "counts, and may lack these changes: %s",
            others[-1].key,
            ", ".join(changed) or "the entity, the orgs or return_ids",
        )
        return others[-1]

    def _is_done_with(self, record: SubmissionRecord) -> bool:
        """Return whether a clear has ended this submission, so that a changed order is another one."""
        is_cleared = record.max_tries < self.attempt.max_tries
        return is_cleared and record.state is not SubmissionState.OPEN

    @property
    def is_repeated(self) -> bool:
        """Return whether this try has submitted an equal order, which nothing tells from this one."""
        is_own = (
            self.record.try_number == self.attempt.number and self.record.state is SubmissionState.STARTED
        )
        return self.alone and is_own and self.number is None and self.by.position is not None

    def begun(self, generation: int, before: SubmissionRecord | None = None) -> SubmissionRecord:
        """Return the record of a generation; all generations are of the content of the first."""
        digest = before.digest if before else self.digest
        is_absent = before is not None and before.state is SubmissionState.ABSENT
        was_sent = self._may_have_been_sent(generation)
        return SubmissionRecord(
            submitter=self.submitter,
            order_number=self.number,
            account=self.account,
            key=self.raw_key or self.by.key(digest, self.number, generation),
            generation=generation,
            digest=digest,
            contents=(self.digest,),
            params=self.request.params,
            paths=path_hashes(self.client, self.document)
            if self.alone
            else None,  # of a list, nothing is kept
            first_post=self._first_post(before) if was_sent else self.client.clock(),
            try_number=self.attempt.number,
            max_tries=self.attempt.max_tries,
            unanswered=int(was_sent),
            absence_believed=is_absent,
        )

    def _first_post(self, before: SubmissionRecord | None) -> float:
        """Return a time before which a key that nobody remembers was not sent, or came to nothing."""
        absent = before.decided_at if before and before.state is SubmissionState.ABSENT else -math.inf
        return max(self._since, absent)

    def _may_have_been_sent(self, generation: int) -> bool:
        """Return whether an earlier try may have sent this key although nothing is noted of it."""
        if self.is_remembered:  # but perhaps by another of the mapped tasks
            return self.attempt.moved and self.number is not None and generation == 0
        return not self.attempt.is_first

    def _is_of_an_earlier_try(self, generation: int) -> bool:
        """Return whether an earlier try would have ended with this key: each goes one key further."""
        further = max(self.attempt.moved, self.attempt.cleared)
        was_sent = self._may_have_been_sent(generation)
        return was_sent and generation % _WINDOW < self.attempt.number - 1 + further

    @property
    def _since(self) -> float:
        """Return a time before which no try can have sent a key."""
        now = self.client.clock()
        known = (self.attempt.since, self.by.issued_at)
        return max((moment for moment in known if moment is not None), default=now)

    def _standing(self) -> Standing:
        open_one = Standing.UNDECIDED if self.record.unanswered else Standing.CLEAR
        return _STANDINGS.get(self.record.state, open_one)

    def _new_post(self) -> Post:
        return Post(self.client, self.request, self.notes, self.digest)

    # -- what it does ---------------------------------------------------------------------------------------

    def _note(self, event: Event) -> Memoir[None]:
        """Note where the submission stands now, if that has changed."""
        self.record = self._settled(event)
        if self.record != self._kept:
            self._kept = self.record
            yield from self.notes.save(self.record)

    def _settled(self, event: Event) -> SubmissionRecord:
        """Return the record as its standing makes it."""
        record, now = self.record, self.client.clock()
        said = self.post.reading.answer.bare if self.post.reading else ""
        if self.standing is Standing.REFUSED and record.state is SubmissionState.OPEN:
            locked = self.post.heard is Heard.LOCKED
            met = record.decided_at if locked and record.locked else now  # it was met in an earlier try
            return record.refused(said, met, locked=locked)
        if self.standing is Standing.ABSENT and record.state is not SubmissionState.ABSENT:
            return record.absent(said or "it is too old to be sent again", now)
        if event is Event.NOT_FOUND_TURNED_AWAY:
            return replace(record, unanswered=0, absence_believed=True)
        return record

    def _read_job(self) -> Memoir[Event]:
        """Find out what has become of the job of an earlier try."""
        job_id = str(self.record.job_id)
        job = yield from self._known_job(job_id)
        if job is None:
            return Event.JOB_UNKNOWN if self.client.clock() - self.issued >= _LAG else Event.RUNS
        check_result(job, expectation(self.document))
        if job.state is JobState.FAILED:
            self.record = self.record.failed(job, self.client.clock())
            self.failure = job.failure()
            return Event.JOB_FAILED
        log.info("An earlier try started job %s, which is %s; nothing is submitted", job_id, job.status)
        return Event.RUNS

    def _known_job(self, job_id: str) -> Memoir[Job | None]:
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
            yield Pause(_LAG_POLL)

    def _look_up(self) -> Memoir[Event]:
        """Look for the order by its number."""
        self.why = _WHY[self.standing]
        if self.number is None:
            return Event.NO_NUMBER
        log.warning("Looking for order %s: %s", self.number, self.why)
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
            return Event.NOT_FOUND_TURNED_AWAY if contradicted and not refused else Event.NOT_FOUND
        self.record = self.record.started(order_id, self.client.clock())
        return Event.FOUND

    def _look_once(self) -> Memoir[Event]:
        """Look whether the order is there already; where it is not nothing is known."""
        order_id = (yield from find_order(self.client, self.document, once=True)) if self.number else None
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

    def _next_key(self) -> Memoir[Event]:
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
            yield Pause(rest)
        log.warning("Key %s cannot make the order, the next one follows: %s", before.key, before.reason)
        self.record = self._kept = self.begun(self._generation_after(before), before)
        self.is_inherited = self._is_of_an_earlier_try(self.record.generation)
        self.is_noted = False
        self.post = self._new_post()
        return Event.BEGUN_BEFORE if self.record.unanswered else Event.BEGUN

    def _generation_after(self, before: SubmissionRecord) -> int:
        """
        Return the next generation.

        Where a run is too old for its first keys and nobody remembers them, they are not sent. Those of its
        second 23 hours begin at 1000, and so on, so that the tries of a window agree on them.
        """
        if self.is_noted or self.is_remembered or self.post.sent:
            return before.generation + 1
        return max(before.generation, int((self.client.clock() - self._since) // KEY_AGE) * _WINDOW)

    def _came_late(self) -> Memoir[bool]:
        """Return whether the order is there that was not there when the key before was left."""
        log.warning("Looking for order %s: it may have been made under an earlier key", self.number)
        order_id = yield from find_order(self.client, self.document)
        if order_id is not None:
            self.record = self.record.started(order_id, self.client.clock())
        return order_id is not None

    def _job_id(self) -> Memoir[str]:
        """Return the job's id; the one that a raw key led to is read first: it may be another order's."""
        job_id = str(self.record.job_id)
        if self.raw_key and self.post.heard is Heard.ACCEPTED:
            try:
                job = yield from self.client.job(job_id)
            except NotFound:
                log.warning("%s does not know job %s yet", self.client.vendor.title, job_id)
            else:
                check_result(job, expectation(self.document))
        return job_id

    # -- how it ends badly ----------------------------------------------------------------------------------

    def _ended(self, action: Action) -> ApiError:
        """Return the error that ends this try."""
        if action is Action.ASK:
            misused = self.raw_key and self.post.heard is Heard.KEY_IN_USE
            return self._used_up() if misused else self._unknown()
        if action is Action.STOP:
            return self._stopped()
        if self.record.state is SubmissionState.FAILED:
            return self.failure or self.record.error()
        return self.post.error() if self.post.reading else self.record.error()

    def _stopped(self) -> ApiError:
        """Return the error of an answer after which the next try sends the same key."""
        error = self.post.error()
        if self.standing is not Standing.UNDECIDED or self.post.heard is Heard.NO_ANSWER:
            return error
        told = type(error)(
            f"{error} An earlier POST under key {self.record.key} may have made the order: the next try, or "
            "a clear, sends the same key again.",
            transient=error.transient,
        )
        told.answer = error.answer
        return told

    def _used_up(self) -> Refused:
        used = self.post.heard is Heard.KEY_IN_USE
        why = (
            "was used for another request"
            if used
            else f"is used up: {self.client.vendor.title} repeats its answer for 24 hours"
        )
        return Refused(
            f"The raw_idempotency_key {self.record.key} {why}. Pass another one. {self.record.reason}"
        )

    def _unknown(self) -> OutcomeUnknown:
        record, title = self.record, self.client.vendor.title
        order = f"order {self.number}" if self.number else "an order"
        new = self.document.get("newAccount") or {}
        names = (self.document.get(name) for name in ("existingAccountNumber", "existingAccountId"))
        account = next((name for name in names if name), new.get("name"))
        no_number = "" if self.number else ", and it has no orderNumber to look it up by"
        return OutcomeUnknown(
            f"Whether this order exists is unknown: {self.why}{no_number}. It was not sent again, that could "
            "make it twice.\n"
            f"Key {record.key}, {self._sent()}.\n"
            f"1. Look in {title} for {order} of account {account}, dated {self.document['orderDate']}, made "
            f"since then (give it some minutes).\n{self._ways_on()} More: docs/exactly-once.md",
            answer=self.post.reading.answer if self.post.reading else None,
        )

    def _sent(self) -> str:
        record = self.record
        if not record.track_ids:
            return "not sent by this try"
        since = f"first sent {_written(record.first_post)}, " if record.first_post > 0 else ""
        return f"{since}Track-Ids {', '.join(record.track_ids)}"

    def _ways_on(self) -> str:
        if not self.alone:
            return _WAYS_ON_IN_A_LIST
        moment = datetime.fromtimestamp(self.client.clock(), UTC).strftime(ISSUED)
        return (
            "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
            f"3. It is not: pass another idempotency_key that ends in the time, such as again-{moment}, and "
            "clear the task within 23 hours."
        )


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
