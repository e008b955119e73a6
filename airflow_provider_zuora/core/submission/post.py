"""Send an order, or a run, under one key, as often as a try may; each POST is noted before it is sent."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.errors import ApiError, LockContention, RateLimited, TurnedAway, Unreadable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import make_error
from airflow_provider_zuora.core.http.retry import WRITE, delay_before_retry
from airflow_provider_zuora.core.messages import ParsedResponse, Request, ResponseKind
from airflow_provider_zuora.core.submission.idempotency_keys import KEY_AGE
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission_kinds import KINDS

log = logging.getLogger(__name__)

UNDER_WAY = 120.0  # seconds by which a try that began in time may still send a key that has come of age
CLOCKS_APART = 600.0  # seconds by which the clocks of two machines may differ
PROOF_SECONDS = 30.0  # between two answers that must be the same one to prove that it is stored
REFUSALS = Event.REFUSED | Event.LOCKED
PROVABLE = REFUSALS | Event.LIMITED | Event.NO_ANSWER
UNSETTLED = Event.ACCEPTED | Event.NO_ANSWER | Event.IN_PROGRESS
"""The answers after which their POST, or one that was not counted, may have made an order."""
_EVENTS = {
    ResponseKind.REFUSED: Event.REFUSED,
    ResponseKind.NOT_FOUND: Event.REFUSED,
    ResponseKind.LOCKED: Event.LOCKED,
    ResponseKind.LIMITED: Event.LIMITED,
    ResponseKind.HELD: Event.LIMITED,
    ResponseKind.DENIED: Event.TURNED_AWAY,
    ResponseKind.TOKEN: Event.SIGN_IN_REFUSED,
    ResponseKind.IN_PROGRESS: Event.IN_PROGRESS,
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LEAST_DIGITS = 4  # different ones; a random UUID has nine or more
_CODE = re.compile(r"[0-9]{8}")
_NEXT_TRY = "the next try sends the same idempotency key."


def classify_answer(parsed: ParsedResponse, job_id: str) -> Event:
    """
    Return what an answer decides, as the table "What an answer decides" of docs/exactly-once.md has it.

    :param job_id: the one that it names, empty if it names none.
    """
    if parsed.kind is ResponseKind.OK and job_id:
        return Event.ACCEPTED
    if parsed.info.status == 422:
        return Event.KEY_IN_USE
    has_code = parsed.whole and any(_CODE.fullmatch(code) for code in parsed.info.codes)
    event = _EVENTS.get(parsed.kind, Event.NO_ANSWER)
    if event in REFUSALS and not has_code:
        return Event.TURNED_AWAY
    return Event.REFUSED if event is Event.TURNED_AWAY and has_code else event


def read_request_id(parsed: ParsedResponse) -> str:
    """Return the request id of an answer that was not cut off, if it is a UUID; an empty text otherwise."""
    request_id = parsed.info.request_id.lower()
    is_uuid = parsed.arrived and _UUID.fullmatch(request_id) and len(set(request_id)) > _LEAST_DIGITS
    return request_id if is_uuid else ""


@dataclass(frozen=True, slots=True)
class Repetition:
    """
    The proof that a vendor stores an answer under a key: the same request id twice, half a minute apart.

    In between, a request under another key is answered with another request id: an edge may give all its
    answers one id.
    """

    request_id: str = ""  # of the first answer, if it has one that can prove anything
    since: float = 0.0  # seconds on the client's clock
    control: str = ""  # the request id of the answer in between

    def proves(self, parsed: ParsedResponse, now: float) -> bool:
        """Return whether this answer is the first one, repeated."""
        varies = bool(self.control) and self.control != self.request_id
        is_apart = now - self.since >= PROOF_SECONDS
        return bool(self.request_id) and varies and is_apart and read_request_id(parsed) == self.request_id


@dataclass(slots=True)
class Post:
    """
    The POSTs of one try under one key.

    :param request: the POST of the order, or run, without a key; ``digest``: of the content that is sent.
    :param pause: a pause after which another process may go on.
    :param log_intent: writes what is about to be sent to the submission log; raises `LogUnavailable`.
    """

    client: ApiClient
    request: Request
    notes: RecordStore
    digest: str
    pause: Callable[[float], Flow[None]]
    log_intent: Callable[[SubmissionRecord], Flow[None]]
    kind: str = "order"  # in `Vendor.kinds`
    sent: int = 0  # POSTs
    parsed: ParsedResponse | None = None  # the last answer
    answer: Event = Event.NO_ANSWER  # what it decides
    is_proven: bool = False  # to be the one that is stored under the key
    has_paused: bool = False  # since the last answer, in an earlier process of this try
    began: float = 0.0
    repetition: Repetition = field(default_factory=Repetition)

    def send(self, record: SubmissionRecord) -> Flow[tuple[SubmissionRecord, Event]]:
        """
        Send the order once more and return the record as the answer leaves it, and the event.

        Nothing is sent if that is `OLD` or `ENOUGH`.

        :raises ApiError: if a later try of this task has begun.
        :raises LogUnavailable: if the log could not be written.
        """
        client = self.client
        if not self.sent:
            self.began = client.clock()  # an order of a list waits for its turn
        pause = self._delay()
        event = self._find_end(record, pause)
        if event is not None:
            return record, event
        if self.parsed is not None and pause:
            error = self.build_error()
            log.warning("POST %d of %d, next in %.1f s: %s", self.sent, WRITE.attempts, pause, error)
            client.count_pause(self.parsed, pause)
            yield from self.pause(pause)
        self.has_paused = False
        track_id = client.make_track_id()
        record = record.count_post(track_id, self.digest)
        yield from self.log_intent(record)
        yield from self.notes.note_post(record)
        if self._was_stopped():  # while it paused, or noted it
            return record.discount_post(), Event.ENOUGH
        if self._is_old(record):
            return record.discount_post(), Event.OLD
        self.sent += 1
        headers = {**self.request.headers, "Idempotency-Key": record.key}
        request = replace(self.request, params=record.params, headers=headers)  # a key belongs to its query
        self.parsed = yield from client.send_once(request, track_id)
        return (yield from self._decide(record, self.parsed))

    def _find_end(self, record: SubmissionRecord, pause: float) -> Event | None:
        """Return why nothing is sent after a pause, None if something is."""
        if self._was_stopped():
            return Event.ENOUGH
        if self._is_old(record):
            return Event.OLD
        is_late = self.client.clock() - self.began + pause > WRITE.seconds and not self.has_paused
        if self.sent >= WRITE.attempts or is_late:
            return Event.ENOUGH  # a pause of hours makes no key old: the next try goes on with it
        return Event.OLD if self._is_old(record, pause) else None

    def _decide(
        self, record: SubmissionRecord, parsed: ParsedResponse
    ) -> Flow[tuple[SubmissionRecord, Event]]:
        """Return the record as an answer leaves it, and the event."""
        vendor = self.client.vendor
        job_id = vendor.kinds[self.kind].read_id(parsed.body) if isinstance(parsed.body, dict) else ""
        self.answer = classify_answer(parsed, job_id)
        if self.answer is Event.ACCEPTED:
            log.info("%s started job %s: %s", self.client.vendor.title, job_id, parsed.info)
            return record.with_job(job_id, self.client.clock()), Event.ACCEPTED
        if self.answer not in UNSETTLED:
            record = record.discount_post()
        self.is_proven = yield from self._prove(parsed)
        is_after_absence = record.absence_believed and self.answer in REFUSALS
        event = Event.REFUSED_AFTER_ABSENCE if is_after_absence else self.answer
        return record, Event[f"{event.name}_STORED"] if self.is_proven else event

    def _prove(self, parsed: ParsedResponse) -> Flow[bool]:
        """Return whether this answer is proven to be the stored one; if it seems so, ask for the proof."""
        if not KINDS[self.kind].allows_control:
            return False
        request_id, has_code = read_request_id(parsed), any(len(code) == 8 for code in parsed.info.codes)
        if self.answer not in PROVABLE or not request_id or (self.answer is Event.LIMITED and not has_code):
            return False  # a limit without a code is a gateway's
        if self.repetition.request_id != request_id:
            self.repetition = Repetition(request_id, self.client.clock())
            return False
        if self.repetition.proves(parsed, self.client.clock()):
            return True
        if not self.repetition.control:
            control = (yield from self._send_control()) or request_id
            self.repetition = replace(self.repetition, control=control)
        return False

    def _send_control(self) -> Flow[str]:
        """Return the request id of the answer to an empty order, which cannot be made, under another key."""
        track_id = self.client.make_track_id()
        empty = replace(self.request, body=b"{}").with_headers({"Idempotency-Key": f"control-{track_id}"})
        log.info("Sending an empty order, to see whether each answer has a request id of its own")
        return read_request_id((yield from self.client.send_once(empty, track_id)))

    def _delay(self) -> float:
        """Return the seconds to wait before the next POST, 0 before the first one."""
        if self.parsed is None or self.has_paused:
            return 0.0
        delay = delay_before_retry(self.parsed, self.sent, self.client.rng)
        known = self.repetition
        return max(delay, known.since + PROOF_SECONDS - self.client.clock()) if known.control else delay

    def _was_stopped(self) -> bool:
        """
        Return whether this took longer than it may: another try may have overtaken this one meanwhile.

        What that has sent is not known here: neither this key is sent, nor, because it is old, the next one.
        """
        return self.client.clock() - self.began > WRITE.seconds + UNDER_WAY

    def _is_old(self, record: SubmissionRecord, delay: float = 0.0) -> bool:
        """Return whether the vendor may have forgotten the key after a delay, or its age is unknown."""
        age = self.client.clock() + delay - record.first_post
        # A try that began in time goes on: what it began with one key it must not end with another.
        has_begun_in_time = self.began - record.first_post <= KEY_AGE
        return not -CLOCKS_APART <= age <= KEY_AGE + (UNDER_WAY if has_begun_in_time else 0.0)

    def build_error(self) -> ApiError:
        """Return the error that the last answer amounts to; a transient one if the key can be sent again."""
        if self.parsed is None:
            words = "This try was stopped for longer than its POSTs may take, so it sends nothing"
            return RateLimited(f"{words}; {_NEXT_TRY}", transient=True)
        error = make_error(self.client.vendor, self.parsed, self.sent)
        if self.answer is Event.LOCKED:
            return LockContention(str(error), transient=True)
        if error.transient:
            return error
        if self.answer is Event.TURNED_AWAY:
            return reword_error(error, str(error), TurnedAway)
        if self.answer is Event.NO_ANSWER:
            words = f"{self.client.vendor.title} named no job, so whether there is one is unknown"
            attempts = error.attempts
            return Unreadable(f"{words}; {_NEXT_TRY}", info=error.info, transient=True, attempts=attempts)
        return error


def reword_error(error: ApiError, words: str, kind: type[ApiError] | None = None) -> ApiError:
    """Return an error of the same answer in other words, or of another kind."""
    reworded = (kind or type(error))(words, transient=error.transient, attempts=error.attempts)
    reworded.info = error.info
    return reworded
