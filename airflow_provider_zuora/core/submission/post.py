"""Send an order under one key, as often as a try may; each POST is noted before it is sent."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from airflow_provider_zuora.core.errors import ApiError
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.http.answers import make_error
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import WRITE, delay_before_retry
from airflow_provider_zuora.core.messages import ParsedResponse, Request, ResponseKind
from airflow_provider_zuora.core.submission.authority import (
    APART,
    Heard,
    Repetition,
    classify_answer,
    read_request_id,
)
from airflow_provider_zuora.core.submission.failures import build_stopped_error, classify_error
from airflow_provider_zuora.core.submission.keys import KEY_AGE
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionRecord

log = logging.getLogger(__name__)

UNDER_WAY = 120.0  # seconds by which a try that began in time may still send a key that has come of age
CLOCKS_APART = 600.0  # seconds by which the clocks of two machines may differ
PROVABLE = (Heard.REFUSED, Heard.LOCKED, Heard.LIMITED, Heard.NO_ANSWER)
_EIGHT_DIGITS = 8


@dataclass(slots=True)
class Post:
    """
    The POSTs of one try under one key.

    :param request: the POST of the order, without a key.
    :param digest: of the content that is sent.
    :ivar sent: how many POSTs there were.
    :ivar parsed: the last answer; ``heard``: what it says of its POST.
    :ivar is_proven: True if that answer is proven to be the one that is stored under the key.
    """

    client: ApiClient
    request: Request
    notes: Notes
    digest: str
    sent: int = 0
    parsed: ParsedResponse | None = None
    heard: Heard = Heard.NO_ANSWER
    is_proven: bool = False
    _began: float = 0.0
    _repetition: Repetition = field(default_factory=Repetition)

    def send(self, record: SubmissionRecord) -> Flow[tuple[SubmissionRecord, Event]]:
        """
        Send the order once more and return the record as the answer leaves it, and what was heard.

        Nothing is sent if the vendor may have forgotten the key (`OLD`), or if this try has sent it often
        enough (`ENOUGH`).

        :raises ApiError: if a later try of this task has begun.
        """
        client = self.client
        if not self.sent:
            self._began = client.clock()  # an order of a list waits for its turn
        pause = self._delay()
        if self._is_old(record, pause):
            return record, Event.OLD
        is_late = client.clock() - self._began + pause > WRITE.seconds
        if self.sent >= WRITE.attempts or is_late:
            return record, Event.ENOUGH
        if pause:
            log.warning("POST %d of %d, next in %.1f s: %s", self.sent, WRITE.attempts, pause, self.error())
            yield Sleep(pause)
        track_id = client.make_track_id()
        record = record.count_post(track_id, self.digest)
        yield from self.notes.note_post(record)
        if self._is_old(record, 0.0):  # it took hours to pause, or to note it
            return record.discount_post(), Event.OLD
        if client.clock() - self._began > WRITE.seconds + UNDER_WAY:
            return record.discount_post(), Event.ENOUGH  # a stopped try may have been overtaken meanwhile
        self.sent += 1
        headers = {**self.request.headers, "Idempotency-Key": record.key}
        request = replace(self.request, params=record.params, headers=headers)  # a key belongs to its query
        self.parsed = yield from client.send_once(request, track_id)
        return (yield from self._decide(record, self.parsed))

    def _decide(
        self, record: SubmissionRecord, parsed: ParsedResponse
    ) -> Flow[tuple[SubmissionRecord, Event]]:
        """Return the record as an answer leaves it, and what was heard."""
        job_id = self.client.vendor.read_job_id(parsed.body) if isinstance(parsed.body, dict) else ""
        if job_id and parsed.kind is ResponseKind.OK:
            self.heard = Heard.ACCEPTED
            log.info("%s started job %s: %s", self.client.vendor.title, job_id, parsed.info)
            return record.with_job(job_id, self.client.clock()), Event.ACCEPTED
        self.heard = classify_answer(parsed, job_id)
        if self.heard.is_about_its_post:
            record = record.discount_post()
        self.is_proven = yield from self._prove(parsed)
        is_after_absence = record.absence_believed and self.heard in (Heard.REFUSED, Heard.LOCKED)
        name = Event.REFUSED_AFTER_ABSENCE.name if is_after_absence else self.heard.name
        return record, Event[f"{name}_STORED" if self.is_proven else str(name)]

    def _prove(self, parsed: ParsedResponse) -> Flow[bool]:
        """Return whether this answer is proven to be the stored one; if it seems so, ask for the proof."""
        is_limited_by_gateway = self.heard is Heard.LIMITED and not any(
            len(code) == _EIGHT_DIGITS for code in parsed.info.codes
        )
        request_id = read_request_id(parsed)
        if self.heard not in PROVABLE or is_limited_by_gateway or not request_id:
            return False
        if self._repetition.request_id != request_id:
            self._repetition = Repetition(request_id, self.client.clock())
            return False
        if self._repetition.proves(parsed, self.client.clock()):
            return True
        if not self._repetition.control:
            control = yield from self._send_control()
            self._repetition = replace(self._repetition, control=control)
        return False

    def _send_control(self) -> Flow[str]:
        """
        Return the request id that another request is answered with, empty if it proves nothing.

        It is an order without any content, which cannot be made, under a key that nobody uses.
        """
        track_id = self.client.make_track_id()
        empty = replace(self.request, body=b"{}").with_headers({"Idempotency-Key": f"control-{track_id}"})
        log.info("Sending an empty order, to see whether each answer has a request id of its own")
        return (
            read_request_id((yield from self.client.send_once(empty, track_id)))
            or self._repetition.request_id
        )

    def _delay(self) -> float:
        """Return the seconds to wait before the next POST, 0 before the first one."""
        if self.parsed is None:
            return 0.0
        delay = delay_before_retry(self.parsed, self.sent, self.client.rng)
        known = self._repetition
        return max(delay, known.since + APART - self.client.clock()) if known.control else delay

    def _is_old(self, record: SubmissionRecord, delay: float) -> bool:
        """
        Return whether the vendor may have forgotten the key, or whether nobody can tell how old it is.

        A try that began in time goes on: what it began with one key it must not end with another.
        """
        age = self.client.clock() + delay - record.first_post
        has_begun_in_time = self._began - record.first_post <= KEY_AGE
        return not -CLOCKS_APART <= age <= KEY_AGE + (UNDER_WAY if has_begun_in_time else 0.0)

    def error(self) -> ApiError:
        """Return the error that the last answer amounts to; a transient one if the key can be sent again."""
        if self.parsed is None:
            return build_stopped_error()
        error = make_error(self.client.vendor, self.parsed, self.sent)
        return classify_error(error, self.heard, self.client.vendor.title)
