"""One order under one key, sent until an answer decides; each POST is noted before it is sent."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import ApiError, Unreadable
from airflow_provider_zuora.core.exchange import WRITE
from airflow_provider_zuora.core.jobs import Meaning, Reading
from airflow_provider_zuora.core.submission.record import NAME, Fate, Intent
from airflow_provider_zuora.core.wire import Memoir, Pause, Recall, Record, Request

log = logging.getLogger(__name__)

_REFUSED = frozenset({Meaning.REFUSED, Meaning.NOT_FOUND, Meaning.LOCKED})
_TURNED_AWAY = frozenset({Meaning.DENIED, Meaning.TOKEN})  # at the edge, it may be: where no answer is stored


def post(
    client: Client, request: Request, intent: Intent, digest: str, max_tries: int, *, fresh: bool
) -> Memoir[tuple[Intent, ApiError | None]]:
    """
    Send an order under the key of an intent; return the intent as the answer leaves it, and its error.

    An intent that is still open comes with the error of an answer that the vendor stores and repeats under
    this key, so there is nothing more to learn from it. A stored "too many requests" leaves it gone: it was
    not processed.

    :param digest: of the content that is sent now, which may not be the one that the key was made for.
    :param fresh: True where no other try can have sent this key.
    :raises ApiError: where no answer decides: the next try sends the same key.
    """
    began, sent = client.clock(), 0
    while True:
        stored = yield Recall(NAME)
        if further := _further(intent, stored):
            return further, None
        sent, before, first = sent + 1, intent.answered, fresh and not sent
        track_id = client.new_track_id()
        intent = intent.posting(track_id, digest, max_tries)
        yield Record(NAME, intent.as_dict())
        reading = yield from client.post(_under(intent, request), track_id)
        answered = reading.answer.request_id
        repeated = bool(answered) and answered == before
        decided = _decided(client, replace(intent, answered=answered), reading, repeated=repeated)
        yield Record(NAME, decided.as_dict())
        if decided.fate is not Fate.OPEN or repeated:
            return decided, None if decided.fate is Fate.STARTED else client.error(reading, sent)
        intent, pause, error = decided, client.pause(reading, sent), _undecided(client, reading, sent)
        turned_away = reading.meaning in _TURNED_AWAY and (first or before or sent > 1)
        late = sent >= WRITE.attempts or client.clock() - began + pause > WRITE.seconds
        if late or turned_away:
            raise error
        log.warning("POST %d of %d, next in %.1f s: %s", sent, WRITE.attempts, pause, error)
        yield Pause(pause)


def _further(intent: Intent, stored: object) -> Intent | None:
    """Return what another try of this task has noted meanwhile, where it has come further than this one."""
    if stored is None:
        return None
    other = Intent.from_dict(stored)
    later = other.digest == intent.digest and other.generation > intent.generation
    decided = other.key == intent.key and other.fate is not Fate.OPEN
    if other.submitter != intent.submitter or other.account != intent.account or not (later or decided):
        return None
    log.warning("Another try of this task has come further, to key %s", other.key)
    return other


def _under(intent: Intent, request: Request) -> Request:
    """Return the POST under a key; the query is the one that the key belongs to."""
    return replace(request, params=intent.params).with_headers({"Idempotency-Key": intent.key})


def _decided(client: Client, intent: Intent, reading: Reading, *, repeated: bool) -> Intent:
    """
    Return the intent as an answer leaves it: open still, where it decides nothing.

    Whoever is turned away, or refused for the content of this POST alone, learns nothing of the POSTs before
    this one or beside it, unless the answer is the stored one, which all of them get.
    """
    if reading.meaning is Meaning.OK and (job_id := client.vendor.read_job_id(reading.body)):
        log.info("%s started job %s: %s", client.vendor.title, job_id, reading.answer)
        return intent.started(job_id, intent.max_tries, client.clock())
    refused = reading.meaning in _REFUSED and len(intent.contents) == 1
    if refused or (repeated and reading.meaning in _REFUSED | _TURNED_AWAY):
        locked = reading.meaning is Meaning.LOCKED
        return intent.refused(reading.answer.bare, client.clock(), locked=locked)
    if repeated and reading.meaning is Meaning.LIMITED:
        return intent.gone(reading.answer.bare)
    return intent


def _undecided(client: Client, reading: Reading, sent: int) -> ApiError:
    """Return the error of an answer that decides nothing; mostly a passing one: the key can be sent again."""
    if reading.meaning.transient or reading.meaning in _REFUSED | _TURNED_AWAY:
        return client.error(reading, sent)
    return Unreadable(
        f"{client.vendor.title} named no job, so whether there is one is unknown; the next try sends the "
        "same idempotency key.",
        answer=reading.answer,
        transient=True,
        attempts=sent,
    )
