"""One order, or run, in one try: it does what the protocol's table says, and notes each POST and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, Refused
from airflow_provider_zuora.core.flow import Flow, Sleep, Token
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.submission import recovery
from airflow_provider_zuora.core.submission.idempotency_keys import (
    OUTSIDE,
    Generations,
    IdempotencyScope,
    TaskAttempt,
)
from airflow_provider_zuora.core.submission.post import Post, reword_error
from airflow_provider_zuora.core.submission.protocol import TABLE, Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore, SharedRecordStore
from airflow_provider_zuora.core.submission.submission_kinds import KINDS
from airflow_provider_zuora.core.vendors.base import CheckedDocument

log = logging.getLogger(__name__)

_MAY_BE_STORED = (
    "{title} may repeat this answer under its key for 24 hours: if the cause is gone, pass another "
    "idempotency_key."
)
LOCK_REST = 60.0  # seconds between a lock that was met and the next key


def submit_order(
    client: ApiClient,
    order: CheckedDocument,
    scope: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    *,
    raw_key: str | None = None,
    is_sole: bool = True,
    shared: SharedRecordStore | None = None,
) -> Flow[str]:
    """
    Submit an order, or a run, once and return its job's id, or ``order:<orderNumber>``; see `Submission`.

    :raises Refused, JobFailed: if the vendor refused it; the first try after a clear asks again.
    :raises LockContention: if it met a lock; the next try submits it again, a minute later at the earliest.
    :raises OutcomeUnknown: if only a person can tell whether the order exists.
    :raises ApiError: transient, if the next try goes on with the same key.
    """
    notes = yield from read_notes(attempt, shared, partial(client.check_allowed, order.request))
    submission = Submission(client, order, scope, attempt, notes, raw_key, is_sole=is_sole)
    with client.count_submission(order.kind):
        return (yield from submission.run())


def read_notes(
    attempt: TaskAttempt, shared: SharedRecordStore | None = None, check: Callable[[], None] | None = None
) -> Flow[RecordStore]:
    """
    Return what the tries of the task have noted, once the account is signed in.

    If signing in fails the first try notes that it has sent nothing.

    :param check: raises an `ApiError` if nothing may be submitted; called before the account signs in.
    """
    shared = shared or SharedRecordStore()
    with shared.reading:
        try:
            if check is not None:
                check()
            yield Token()  # of this account
        except ApiError:
            if shared.notes is None:
                yield from RecordStore(attempt).note_nothing_sent()
            raise
        if shared.notes is None:
            shared.notes = yield from RecordStore(attempt).load()
        return shared.notes


class Submission:
    """
    One order, or another `CheckedDocument`, in one try.

    :param notes: what the tries of the task have noted, loaded.
    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param place: ``alone``; ``list`` if it is one of a list, so that the task's options are not about this
        one; ``equals`` if that list holds equal ones.
    :param is_sole: True if the task submits no other order: what was sent before is this one, changed.
    """

    def __init__(
        self,
        client: ApiClient,
        order: CheckedDocument,
        scope: IdempotencyScope,
        attempt: TaskAttempt,
        notes: RecordStore,
        raw_key: str | None = None,
        *,
        place: str = "alone",
        is_sole: bool = True,
    ):
        self.client = client.with_redacted(order.secrets) if order.secrets else client
        self.order = order
        self.kind = KINDS[order.kind]
        self.notes = notes
        self.place = place
        is_alone = place == "alone"  # of a list no paths are kept
        self.keys = Generations(client, order, scope, attempt, raw_key, notes.is_complete, is_alone)
        noted = None
        if not notes.is_empty:
            noted = recovery.find_noted(notes, self.keys, is_alone=is_alone, is_sole=is_sole)
        self.is_noted = noted is not None
        if noted is None:
            self.record = self.keys.begin_record(0)
            self.is_inherited = self.keys.is_of_an_earlier_try(0)  # one may have ended with the key
            self.is_cleared = attempt.is_cleared
        else:
            self.record = noted
            self.is_inherited = noted.try_number != attempt.number
            self.is_cleared = noted.max_tries < attempt.max_tries
        if self.record.state is SubmissionState.OPEN:
            self.standing = Standing.UNDECIDED if self.record.unanswered else Standing.CLEAR
        else:
            self.standing = Standing[self.record.state.name]
        self.issued_at = self.record.decided_at
        self.post = Post(self.client, order.request, notes, self.keys.digest, order.kind)
        self.left_absent = False  # this try has gone on from a key because there was no order
        self.failure: ApiError | None = None  # of the job, in the vendor's words
        self.why = ""  # it had to be looked up
        self._kept = self.record

    def run(self) -> Flow[str]:
        """Submit the order, or find what an earlier try has made of it, and return its job's id."""
        if self.is_repeated:
            raise InvalidInput("Nothing was sent.", (self.kind.equal,))
        if self.is_noted and self.place == "alone" and self.order.number is None:
            yield from self.notes.save(self.record)  # the task's other orders are not this one
        event = Event.START
        while True:
            self.standing, action = TABLE[self.standing, event]
            if (yield from self._note(event)):
                self.standing, action = TABLE[self.standing, Event.FOUND]
            if action is Action.RETURN:
                break
            event = yield from self._perform(action)
        job_id = str(self.record.job_id)
        if self.keys.raw_key and self.post.answer is Event.ACCEPTED:
            yield from recovery.check_raw_key(self, job_id)  # it may be another order's
        return job_id

    @property
    def is_repeated(self) -> bool:
        """Return whether this try has submitted an equal order, which nothing tells from this one."""
        record, keys = self.record, self.keys
        is_of_this_try = record.try_number == keys.attempt.number and record.state is SubmissionState.STARTED
        return is_of_this_try and self.order.number is None and keys.scope.position is not None

    def _perform(self, action: Action) -> Flow[Event]:
        if action is Action.SEND:
            self.record, event = yield from self.post.send(self.record)
            return Event.ACCEPTED_BEFORE if event is Event.ACCEPTED and self.is_inherited else event
        if action is Action.CONSIDER:
            return self._consider()
        if action is Action.NEXT_KEY:
            return (yield from self._next_key())
        if action in ACTIONS:
            return (yield from ACTIONS[action](self))
        raise self._build_error(action)

    def _note(self, event: Event) -> Flow[bool]:
        """
        Note the submission as it is now, if that has changed.

        :return: True if another call in this very try has led it to a job: that is not written over.
        """
        self._settle(event)
        if self.record == self._kept:
            return False
        had_no_job = SubmissionState.STARTED not in (self._kept.state, self.record.state)
        found = (yield from self.notes.read_job(self.record)) if had_no_job and self.post.sent else None
        self._kept = self.record = found or self.record
        if found is None:
            yield from self.notes.save(self.record)
        return found is not None

    def _settle(self, event: Event) -> None:
        """Bring the record in line with the standing."""
        record, parsed, now = self.record, self.post.parsed, self.client.clock()
        reason = parsed.info.without_words if parsed and event is not Event.ACCEPTED else ""
        if event in Event.NOT_FOUND | Event.NOT_FOUND_STORED:
            record = replace(record, absence_believed=False)  # it has just been looked for
        if self.standing is Standing.REFUSED and record.state is SubmissionState.OPEN:
            is_locked = self.post.answer is Event.LOCKED
            decided_at = record.decided_at if record.locked else now  # it was met in an earlier try
            record = record.with_refusal(reason, decided_at, locked=is_locked)
        elif self.standing is Standing.ABSENT and record.state is not SubmissionState.ABSENT:
            record = record.with_absence(reason or "it is too old to be sent again", now)
        elif event is Event.NOT_FOUND_TURNED_AWAY:
            record = replace(record, unanswered=0, absence_believed=True)
        self.record = record

    def _consider(self) -> Event:
        """Return whether the end that is known is an earlier try's, after which this one is to try again."""
        # Without a record each try after a clear looks cleared: what may have done a part stays as it is.
        is_cleared = self.is_cleared and (self.kind.is_made_again or self.keys.is_remembered)
        may_go_on = not self.record.lasting or is_cleared or self._may_be_unasked
        if not (self.is_inherited and may_go_on):
            return Event.OVER
        return Event.AGAIN_ASKED if self.post.sent else Event.AGAIN

    @property
    def _may_be_unasked(self) -> bool:
        """Return whether the end may be unknown to the person who lets this try run: nothing is noted."""
        return self.kind.is_made_again and not self.keys.is_remembered

    @property
    def mark(self) -> str | None:
        """Return what the vendor can be asked for; None if there is nothing, or if it has another content."""
        has_changed = self.record.digest != self.keys.digest
        return None if self.kind.marks_content and has_changed else self.order.mark

    def _next_key(self) -> Flow[Event]:
        """Begin the next generation, after one that cannot make an order."""
        before = self.record
        if self.keys.raw_key:
            raise self._build_used_up_error()
        is_absent = before.state is SubmissionState.ABSENT
        if is_absent and self.left_absent and not self.is_inherited:
            raise before.to_error()  # one new key in a try is enough
        if before.absence_believed:
            if self.mark is None:
                self.why = "an earlier try sent it with another content, and it was not found then"
                raise recovery.build_question(self)
            words = "Looking for %s %s: it may have been made under an earlier key"
            log.warning(words, self.kind.noun, self.order.mark)
            if (yield from recovery.find_late_order(self)):
                return Event.FOUND
        self.left_absent |= is_absent
        if before.locked and (rest := before.decided_at + LOCK_REST - self.client.clock()) > 0:
            yield Sleep(rest)
        words = "Key %s cannot make the %s, the next one follows: %s"
        log.warning(words, before.key, self.kind.noun, before.reason)
        is_known = self.is_noted or bool(self.post.sent)
        generation = self.keys.generation_after(before, is_known=is_known)
        self.record = self._kept = self.keys.begin_record(generation, before)
        self.is_inherited = self.keys.is_of_an_earlier_try(generation)
        self.is_noted = False
        self.post = Post(self.client, self.order.request, self.notes, self.keys.digest, self.order.kind)
        return Event.BEGUN_BEFORE if self.record.unanswered else Event.BEGUN

    def _build_error(self, action: Action) -> ApiError:
        """Return the error that ends this try."""
        answer, record = self.post.answer, self.record
        if action is Action.STOP:
            error = self.post.build_error()
            if self.standing is not Standing.UNDECIDED or answer is Event.NO_ANSWER:
                return error
            noun = self.kind.noun
            words = (
                f"An earlier POST under key {record.key} may have made the {noun}: the next try, or a clear,"
            )
            return reword_error(error, f"{error} {words} sends the same key again.")
        if action is Action.ASK:
            # The key may have been used for this very order, in another POST.
            may_be_ours = record.unanswered or len(record.contents) > 1 or self.is_noted
            is_used_up = self.keys.raw_key and answer is Event.KEY_IN_USE and not may_be_ours
            return self._build_used_up_error() if is_used_up else recovery.build_question(self)
        if record.state is SubmissionState.FAILED:
            return self.failure or record.to_error()
        error = self.post.build_error() if self.post.parsed else record.to_error()
        if self.kind.allows_control or self.post.sent < 2:
            return error
        return reword_error(error, f"{error} {_MAY_BE_STORED.format(title=self.client.vendor.title)}")

    def _build_used_up_error(self) -> Refused:
        """Return the error of a raw key that cannot make the order."""
        why = f"is used up: {self.client.vendor.title} repeats its answer for 24 hours"
        if self.post.answer is Event.KEY_IN_USE:
            why = "was used for another request"
        known = f" What is known of it: {self.record.reason}" if self.record.reason else ""
        return Refused(f"The raw_idempotency_key {self.record.key} {why}. Pass another one.{known}")


ACTIONS: dict[Action, Callable[[Submission], Flow[Event]]] = {
    Action.READ_JOB: recovery.read_job,
    Action.LOOK_ONCE: recovery.look_once,
    Action.LOOK_UP: recovery.look_up,
}
