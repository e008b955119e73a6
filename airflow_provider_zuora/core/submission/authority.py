"""
For whom an answer to a POST speaks: for its key, for that POST alone, or for nobody.

=====================================================  ==========  =========================================
answer                                                 speaks for  event
=====================================================  ==========  =========================================
names a job                                            the key     ACCEPTED
refusal with an eight-digit code (2x, 30, 40, 90; 10   see below   REFUSED
and 45)
lock (category 50)                                     see below   LOCKED
401, token or sign-in refused                          this POST   SIGN_IN_REFUSED
429, category 70, a limit that was reached             this POST   LIMITED
403 and other 4xx without an eight-digit code, a
redirect                                               this POST   TURNED_AWAY
409 without a code: the first POST is under way        this POST   IN_PROGRESS
422: the key was used for another request              this POST   KEY_IN_USE
no answer, a part of one, 5xx, a gateway's page,
2xx without a job id, categories 60, 61, 99, beside
a refusal too                                          nobody      NO_ANSWER
=====================================================  ==========  =========================================

A refusal and a lock speak for the key if no other POST under it can have made an order, or if the answer is
proven to be the one that the vendor stores under the key and repeats to all POSTs. `Repetition` is that
proof. Sources: Zuora's guides "Idempotent requests" (status, headers and body of the first answer are stored,
success or failure) and "Error codes" (eight digits, the last two are the category).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from airflow_provider_zuora.core.messages import ParsedResponse, ResponseKind

APART = 30.0
"""Seconds between two answers that must be the same one to prove that it is stored."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LEAST_DIGITS = 4  # different ones; a random UUID has nine or more
_CODE = re.compile(r"[0-9]{8}")


class Heard(Enum):
    """What was heard after one POST."""

    ACCEPTED = "it names a job"
    REFUSED = "refused"
    LOCKED = "met a lock"
    LIMITED = "a limit is reached"
    TURNED_AWAY = "turned away"
    SIGN_IN_REFUSED = "the sign-in is refused"
    IN_PROGRESS = "the first POST is under way"
    KEY_IN_USE = "the key was used for another request"
    NO_ANSWER = "nobody knows"

    @property
    def is_about_its_post(self) -> bool:
        """
        Return whether the POST that was answered so has made no order, so that there is one less to hear of.

        Not so where another POST is under way that nobody has counted.
        """
        return self not in (Heard.ACCEPTED, Heard.NO_ANSWER, Heard.IN_PROGRESS)


_HEARD = {
    ResponseKind.REFUSED: Heard.REFUSED,
    ResponseKind.NOT_FOUND: Heard.REFUSED,
    ResponseKind.LOCKED: Heard.LOCKED,
    ResponseKind.LIMITED: Heard.LIMITED,
    ResponseKind.HELD: Heard.LIMITED,
    ResponseKind.DENIED: Heard.TURNED_AWAY,
    ResponseKind.TOKEN: Heard.SIGN_IN_REFUSED,
    ResponseKind.IN_PROGRESS: Heard.IN_PROGRESS,
}


def classify_answer(parsed: ParsedResponse, job_id: str) -> Heard:
    """Return what an answer says of its POST; ``job_id`` is the one that it names, empty if it names none."""
    if parsed.kind is ResponseKind.OK and job_id:
        return Heard.ACCEPTED
    if parsed.info.status == 422:
        return Heard.KEY_IN_USE
    coded = _is_coded(parsed)
    heard = _HEARD.get(parsed.kind, Heard.NO_ANSWER)
    if heard in (Heard.REFUSED, Heard.LOCKED) and not coded:
        return Heard.TURNED_AWAY
    return Heard.REFUSED if heard is Heard.TURNED_AWAY and coded else heard


def _is_coded(parsed: ParsedResponse) -> bool:
    """Return whether an answer that came whole has a code of the vendor's own."""
    return parsed.whole and any(_CODE.fullmatch(code) for code in parsed.info.codes)


def read_request_id(parsed: ParsedResponse) -> str:
    """Return the request id of an answer that was not cut off, if it is a UUID; an empty text otherwise."""
    given = parsed.info.request_id.lower()
    well_formed = parsed.arrived and _UUID.fullmatch(given) and len(set(given)) > _LEAST_DIGITS
    return given if well_formed else ""


@dataclass(frozen=True, slots=True)
class Repetition:
    """
    The proof that a vendor stores an answer under a key: the same request id twice, `APART` seconds apart.

    Between the two a request under another key is answered with another request id; an edge that gives all
    its answers one id proves nothing so.

    :param request_id: of the first answer; empty: it had none that can prove anything.
    :param since: seconds on the client's clock.
    :param control: the request id of the answer in between; empty: there was none.
    """

    request_id: str = ""
    since: float = 0.0
    control: str = ""

    def proves(self, parsed: ParsedResponse, now: float) -> bool:
        """Return whether this answer is the first one, repeated."""
        varies = bool(self.control) and self.control != self.request_id
        apart = now - self.since >= APART
        return bool(self.request_id) and varies and apart and read_request_id(parsed) == self.request_id
