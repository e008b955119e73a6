"""One order, or run, in one try: it does what the protocol's table says, and notes each POST and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, SignInRefused
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, Flow, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.metrics import THROTTLED_SECONDS
from airflow_provider_zuora.core.submission import endings, guarding, pauses, recovery
from airflow_provider_zuora.core.submission.beginnings import read_notes, sign_in
from airflow_provider_zuora.core.submission.idempotency_keys import (
    OUTSIDE,
    Generations,
    IdempotencyScope,
    TaskAttempt,
)
from airflow_provider_zuora.core.submission.logging_facts import describe_end, log_intent
from airflow_provider_zuora.core.submission.next_key import begin_next_key
from airflow_provider_zuora.core.submission.post import Post
from airflow_provider_zuora.core.submission.protocol import TABLE, Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionState
from airflow_provider_zuora.core.submission.record_store import RecordStore, SharedRecordStore
from airflow_provider_zuora.core.submission.submission_kinds import KINDS
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, SubmissionLog, log_end
from airflow_provider_zuora.core.vendors.base import CheckedDocument

log = logging.getLogger(__name__)

READS = (Action.READ_JOB, Action.LOOK_ONCE, Action.LOOK_UP, Action.NEXT_KEY)


def submit_order(  # noqa: PLR0913 - what a try is made of
    client: ApiClient,
    order: CheckedDocument,
    scope: IdempotencyScope,
    attempt: TaskAttempt = OUTSIDE,
    *,
    raw_key: str | None = None,
    is_sole: bool = True,
    shared: SharedRecordStore | None = None,
    state: pauses.State | None = None,
    submission_log: SubmissionLog = NO_LOG,
    guard: guarding.SubmissionGuard = guarding.NO_GUARD,
) -> Flow[str]:
    """
    Submit an order, or a run, once and return its job's id, or ``order:<orderNumber>``; see `Submission`.

    :param state: that of the `Sleep` after which this process goes on with the try, which submits nothing
        else; None: it begins.
    :raises Refused, JobFailed: if the vendor refused it; the first try after a clear asks again.
    :raises LockContention: if it met a lock; the next try submits it again, a minute later at the earliest.
    :raises OutcomeUnknown: if only a person can tell whether the order exists.
    :raises GuardRefused: if a guard refuses it: it was not sent, by no try.
    :raises LogUnavailable: if what is about to be sent could not be logged: it was not sent.
    :raises ApiError: transient, if the next try goes on with the same key.
    """
    known = pauses.read_state(state, attempt)
    asked = (partial(client.check_allowed, order.request), sign_in(client, known))
    sent, has_begun = pauses.find_sent(known), "submission" in known

    def begin(notes: RecordStore) -> Submission:
        submission = Submission(client, order, scope, attempt, notes, raw_key, is_sole=is_sole)
        submission.log, submission.check_guard = submission_log, guard.check
        return submission

    yield from guarding.check_place(guard, client, attempt, sent, begin)
    try:
        noun = KINDS[order.kind].noun
        notes = yield from read_notes(attempt, shared, *asked, has_begun=has_begun, noun=noun)
    except ApiError as error:
        if error.transient or sent is None:
            raise
        raise endings.build_sent_error(sent, error) from error
    submission = begin(notes)
    submission.go_on(known.get("submission"))
    with client.count_submission(order.kind):
        return (yield from log_end(submission_log, partial(describe_end, submission), submission.run()))


class Submission:
    """
    One order, or another `CheckedDocument`, in one try.

    :param notes: what the tries of the task have noted, loaded.
    :param raw_key: sent as it is instead of a key of ours; then there are no generations.
    :param place: ``alone``; ``list`` if it is one of a list, so that the task's options are not about this
        one; ``equals`` if that list holds equal ones.
    :param is_sole: True if the task submits no other order: what was sent before is this one, changed.
    :ivar is_adopted: True if what is there replaces it.
    """

    log: SubmissionLog = NO_LOG
    check_guard: Callable[[Submission], Flow[None]] = staticmethod(guarding.NO_GUARD.check)
    is_guarded = False  # the guards have let it pass in this process
    is_adopted = False

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
        self.hasty_client = self.client.with_longest_pause(LONGEST_PAUSE) if place == "alone" else self.client
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
        self.post = self.make_post()
        self.left_absent = False  # this try has gone on from a key because there was no order
        self.failure: ApiError | None = None  # of the job, in the vendor's words
        self.why = ""  # it had to be looked up
        self.kept = self.record  # as it is noted
        self.passed: set[str] = set()  # the pauses of the action that are over
        self.waited = 0.0  # seconds that the vendor has asked for in the action
        self._action: Action | None = None  # that is under way

    def go_on(self, values: pauses.State | None) -> None:
        """Go on with what an earlier process of this try has left, if there is anything."""
        self._action = None if values is None else pauses.restore(self, values)

    def run(self) -> Flow[str]:
        """Submit the order, or find what an earlier try has made of it, and return its job's id."""
        event = Event.START if self._action is None else (yield from self._perform(self._action))
        if event is Event.START:
            if self.is_repeated:
                raise InvalidInput("Nothing was sent.", (self.kind.equal,))
            if self.is_noted and self.place == "alone" and self.order.number is None:
                yield from self.notes.save(self.record)  # the task's other orders are not this one
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

    @property
    def is_known_sent(self) -> bool:
        """Return whether this content is known to have gone out, and may be there: it passed the guards."""
        record = self.record
        is_there = record.state is SubmissionState.STARTED or record.state is SubmissionState.OPEN
        is_noted = self.is_noted and is_there and record.may_exist and self.keys.digest in record.contents
        return bool(self.post.sent) or is_noted

    def pause(self, name: str, seconds: float) -> Flow[None]:
        """Pause; another process may go on with the action, and knows by the name how far that has come."""
        action = self._action if self.place == "alone" else None
        yield Sleep(seconds, action and pauses.pack(self, action, name, seconds))
        self.passed.add(name)

    def may_pause(self, error: ApiError) -> bool:
        """Return whether what could not be read is read again, after a pause that the vendor asks for."""
        return self.place == "alone" and pauses.asks_for_pause(error, self.waited)

    def make_post(self) -> Post:
        """Return the POSTs of this try under the key of the record."""
        pause = partial(self.pause, pauses.POST)
        what = (self.hasty_client, self.order.request, self.notes, self.keys.digest)
        return Post(*what, pause, partial(log_intent, self), self.order.kind)

    def _perform(self, action: Action) -> Flow[Event]:
        self._action = action
        while True:
            try:
                event = yield from self._do(action)
                break
            except ApiError as error:
                if isinstance(error, SignInRefused) and action in (Action.SEND, *READS):
                    raise endings.name_open_post(self.record, self.kind.noun, error) from error
                if action not in READS or not self.may_pause(error):
                    raise
                seconds = error.retry_after
                log.warning("Asking again in %.0f s: %s", seconds, error)
            self.waited += seconds
            self.client.emit(THROTTLED_SECONDS, seconds)
            yield from self.pause(pauses.READ, seconds)
        self.passed.clear()
        self.waited = 0.0
        return event

    def _do(self, action: Action) -> Flow[Event]:
        if action is Action.CONSIDER:
            return self._consider()
        if action in ACTIONS:
            return (yield from ACTIONS[action](self))
        raise endings.build_error(self, action)

    def _note(self, event: Event) -> Flow[bool]:
        """
        Note the submission as it is now, if that has changed.

        :return: True if another call in this very try has led it to a job: that is not written over.
        """
        self._settle(event)
        if self.record == self.kept:
            return False
        had_no_job = SubmissionState.STARTED not in (self.kept.state, self.record.state)
        found = (yield from self.notes.read_job(self.record)) if had_no_job and self.post.sent else None
        self.kept = self.record = found or self.record
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


ACTIONS: dict[Action, Callable[[Submission], Flow[Event]]] = {
    Action.SEND: guarding.send,
    Action.NEXT_KEY: begin_next_key,
    **recovery.ACTIONS,
}
