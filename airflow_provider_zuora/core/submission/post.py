"""Send an order under one key, as often as a try may; each POST is noted before it is sent."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_zuora.core.errors import ApiError, LockContention, RateLimited, TurnedAway, Unreadable
from airflow_provider_zuora.core.flow import Sleep, StatefulFlow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.exchange import WRITE
from airflow_provider_zuora.core.messages import ParsedResponse, Request
from airflow_provider_zuora.core.submission.authority import APART, Heard, Repetition, heard_in, request_id_of
from airflow_provider_zuora.core.submission.notes import Notes
from airflow_provider_zuora.core.submission.protocol import Event
from airflow_provider_zuora.core.submission.record import SubmissionRecord

log = logging.getLogger(__name__)

KEY_AGE = 23 * 3600.0  # seconds; Zuora forgets a key at 24 hours
UNDER_WAY = 120.0  # seconds by which a try that began in time may still send a key that has come of age
CLOCKS_APART = 600.0  # seconds by which the clocks of two machines may differ
_PROVABLE = (Heard.REFUSED, Heard.LOCKED, Heard.LIMITED, Heard.NO_ANSWER)
_EIGHT_DIGITS = 8


class Post:
    """
    The POSTs of one try under one key.

    :param request: the POST of the order, without a key.
    :param digest: of the content that is sent.
    """

    def __init__(self, client: ApiClient, request: Request, notes: Notes, digest: str):
        self.client = client
        self.request = request
        self.notes = notes
        self.digest = digest
        self.began = client.clock()
        self.sent = 0
        self.parsed: ParsedResponse | None = None
        self.heard = Heard.NO_ANSWER
        self.is_proven = False
        self._repetition = Repetition()

    def send(self, record: SubmissionRecord) -> StatefulFlow[tuple[SubmissionRecord, Event]]:
        """
        Send the order once more and return the record as the answer leaves it, and what was heard.

        Nothing is sent if the vendor may have forgotten the key (`OLD`), or if this try has sent it often
        enough (`ENOUGH`).

        :raises ApiError: if a later try of this task has begun.
        """
        if not self.sent:
            self.began = self.client.clock()  # an order of a list waits for its turn
        pause = self._pause()
        if self._is_old(record, pause):
            return record, Event.OLD
        late = self.client.clock() - self.began + pause > WRITE.seconds
        if self.sent >= WRITE.attempts or late:
            return record, Event.ENOUGH
        if pause:
            log.warning("POST %d of %d, next in %.1f s: %s", self.sent, WRITE.attempts, pause, self.error())
            yield Sleep(pause)
        track_id = self.client.new_track_id()
        record = record.sending(track_id, self.digest)
        yield from self.notes.write_ahead(record)
        if self._is_old(record, 0.0):  # it took hours to pause, or to note it
            return record.answered(), Event.OLD
        if self.client.clock() - self.began > WRITE.seconds + UNDER_WAY:
            return record.answered(), Event.ENOUGH  # a try that was stopped meanwhile may have been overtaken
        self.sent += 1
        parsed = yield from self.client.post(_under(record, self.request), track_id)
        return (yield from self._read(record, parsed))

    def _read(
        self, record: SubmissionRecord, parsed: ParsedResponse
    ) -> StatefulFlow[tuple[SubmissionRecord, Event]]:
        job_id = self.client.vendor.read_job_id(parsed.body) if isinstance(parsed.body, dict) else ""
        self.parsed, self.heard = parsed, heard_in(parsed, job_id)
        if self.heard is Heard.ACCEPTED:
            log.info("%s started job %s: %s", self.client.vendor.title, job_id, parsed.info)
            return record.started(job_id, self.client.clock()), Event.ACCEPTED
        if self.heard.is_about_its_post:
            record = record.answered()
        self.is_proven = yield from self._prove(record, parsed)
        is_after_absence = record.absence_believed and self.heard in (Heard.REFUSED, Heard.LOCKED)
        name = Event.REFUSED_AFTER_ABSENCE.name if is_after_absence else self.heard.name
        return record, Event[f"{name}_STORED" if self.is_proven else str(name)]

    def _prove(self, record: SubmissionRecord, parsed: ParsedResponse) -> StatefulFlow[bool]:
        """Return whether this answer is proven to be the stored one; where it seems so, ask for the proof."""
        limited_at_the_gateway = self.heard is Heard.LIMITED and not any(
            len(code) == _EIGHT_DIGITS for code in parsed.info.codes
        )
        request_id = request_id_of(parsed)
        if self.heard not in _PROVABLE or limited_at_the_gateway or not request_id:
            return False
        if self._repetition.request_id != request_id:
            self._repetition = Repetition(request_id, self.client.clock())
            return False
        if self._repetition.proves(parsed, self.client.clock()):
            return True
        if not self._repetition.control:
            control = yield from self._control()
            self._repetition = replace(self._repetition, control=control)
        return False

    def _control(self) -> StatefulFlow[str]:
        """
        Return the request id that another request is answered with, empty if it proves nothing.

        It is an order without any content, which cannot be made, under a key that nobody uses.
        """
        track_id = self.client.new_track_id()
        empty = replace(self.request, body=b"{}").with_headers({"Idempotency-Key": f"control-{track_id}"})
        log.info("Sending an empty order, to see whether each answer has a request id of its own")
        return request_id_of((yield from self.client.post(empty, track_id))) or self._repetition.request_id

    def _pause(self) -> float:
        if self.parsed is None:
            return 0.0
        pause = self.client.pause(self.parsed, self.sent)
        known = self._repetition
        if known.control:
            pause = max(pause, known.since + APART - self.client.clock())
        return pause

    def _is_old(self, record: SubmissionRecord, pause: float) -> bool:
        """
        Return whether the vendor may have forgotten the key, or whether nobody can tell how old it is.

        A try that began in time goes on: what it began with one key it must not end with another.
        """
        age = self.client.clock() + pause - record.first_post
        began_in_time = self.began - record.first_post <= KEY_AGE
        return not -CLOCKS_APART <= age <= KEY_AGE + (UNDER_WAY if began_in_time else 0.0)

    def error(self) -> ApiError:
        """Return the error that the last answer amounts to; a passing one if the key can be sent again."""
        if self.parsed is None:
            return RateLimited(
                "This try was stopped for longer than its POSTs may take, so it sends nothing; the next try "
                "sends the same idempotency key.",
                transient=True,
            )
        error = self.client.error(self.parsed, self.sent)
        if self.heard is Heard.LOCKED:
            return LockContention(str(error), transient=True)
        if self.heard is Heard.TURNED_AWAY and not error.transient:
            return retold(error, kind=TurnedAway)
        if self.heard is Heard.NO_ANSWER and not error.transient:
            return Unreadable(
                f"{self.client.vendor.title} named no job, so whether there is one is unknown; the next try "
                "sends the same idempotency key.",
                info=self.parsed.info,
                transient=True,
                attempts=self.sent,
            )
        return error


def retold(error: ApiError, words: str = "", kind: type[ApiError] | None = None) -> ApiError:
    """Return an error of the same answer in other words, or of another kind."""
    told = (kind or type(error))(words or str(error), transient=error.transient, attempts=error.attempts)
    told.info = error.info
    return told


def _under(record: SubmissionRecord, request: Request) -> Request:
    """Return the POST under a key; the query is the one that the key belongs to."""
    return replace(request, params=record.params).with_headers({"Idempotency-Key": record.key})
