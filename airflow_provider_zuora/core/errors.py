"""Everything that can go wrong, as one tree; a vendor's words in it have come over the border, `redaction`.

::

    ApiError              the root: what was asked, what was answered, what to do next
    |-- InvalidInput      our user's input breaks a documented rule; nothing was sent
    |-- RateLimited       a limit of the vendor's is reached and the account cools down; nothing was sent
    |-- Unreachable       no answer came: connect, TLS, timeout, reset
    |-- Refused           the vendor answered no
    |   |-- SignInRefused it said no to the client id and secret, or to a new token
    |   |-- NotFound      it does not know what was asked for
    |   |-- TurnedAway    somebody before the vendor said no: that says nothing about the order
    |   `-- WrongOrder    what a key or a job id led to is another order
    |-- Unreadable        an answer came that cannot be understood, or only a part of one
    |-- UnsafeLink        an answer links to a file at a place from which nothing may be fetched
    |-- TimedOut          the deadline passed and the job had not ended
    |-- JobFailed         the job ended, and the vendor says that it failed
    |-- ResultLost        the job was seen to complete, and its result cannot be read any more
    |-- StoreUnavailable  the state store of a task could not be read or written
    |-- LockContention    an order, or its job, was refused because something else holds what it changes
    `-- OutcomeUnknown    an order may exist or not, and nothing that we may do can tell
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from airflow_provider_zuora.core.redaction import (
    MESSAGE_LENGTH,
    REASONS,
    WORD_LENGTH,
    Redacted,
    make_printable,
    redact_words,
)

_WORDS_LENGTH = 1200  # characters; of all reasons in one line, so that an error fits a screen
_ASKED_LENGTH = 200  # characters; of the request in one line


@dataclass(slots=True)
class ResponseInfo:
    """
    What the vendor answered to one request, as far as it can be read, in words that may be shown and kept.

    No vendor's word is in it that has not been redacted: codes and messages are `Redacted`, which only
    `redaction` makes (mypy sees to it), so whoever has a text must go by `with_words`. The ids come from
    `core.http.answers`, which lets nothing through but plain ids and redacted ones.

    :param asked: method and path, for example ``POST /v1/async/orders``.
    :param track_id: the Zuora-Track-Id sent with the request; empty if the vendor has none.
    :param status: HTTP status, or None if no answer came.
    :param codes: the vendor's error codes as text, for example ``("53200020",)``.
    :param messages: the vendor's own words, in the order of the codes; of many reasons the first ones.
    :param request_id: the vendor's id of the request (``requestId`` or ``Zuora-Request-Id``).
    :param process_id: Zuora's ``processId``.
    :param retry_after: seconds to wait as the vendor states them, or None.
    """

    asked: str
    track_id: str = ""
    status: int | None = None
    codes: tuple[Redacted, ...] = ()
    messages: tuple[Redacted, ...] = ()
    request_id: str = ""
    process_id: str = ""
    retry_after: float | None = None

    def with_words(self, messages: Iterable[str], codes: Iterable[str] | None = None) -> ResponseInfo:
        """
        Return this with other words, redacted.

        :param messages: as they came; the first `REASONS` are kept, and so are those of the codes.
        :param codes: None: they stay as they are.
        """
        kept = self.codes
        if codes is not None:
            kept = tuple(redact_words(code, WORD_LENGTH) for code in islice(codes, REASONS))
        words = tuple(redact_words(message, MESSAGE_LENGTH) for message in islice(messages, REASONS))
        return replace(self, codes=kept, messages=words)

    def __str__(self) -> str:
        """Return one line that a person can hand to the vendor's support."""
        reasons = (f"[{code}] {message}".strip() if code else message for code, message in self.reasons())
        words = redact_words("; ".join(reasons), _WORDS_LENGTH) if self.codes or self.messages else ""
        ids = {
            "requestId": self.request_id,
            "processId": self.process_id,
            "Zuora-Track-Id": self.track_id,
        }
        named = ", ".join(
            f"{name} {redact_words(value, WORD_LENGTH)}" for name, value in ids.items() if value
        )
        status = "no answer" if self.status is None else f"HTTP {self.status}"
        asked = make_printable(self.asked[:_ASKED_LENGTH])
        return f"{asked}: {status}{': ' + words if words else ''}{f' ({named})' if named else ''}"

    @property
    def without_words(self) -> str:
        """The line without the vendor's words, which may quote what an order holds: fit to be kept."""
        return str(replace(self, messages=()))

    def reasons(self) -> list[tuple[str, str]]:
        """Return the pairs of code and message; what one side lacks is empty."""
        length = max(len(self.codes), len(self.messages))
        codes = self.codes + ("",) * (length - len(self.codes))
        messages = self.messages + ("",) * (length - len(self.messages))
        return list(zip(codes, messages, strict=True))


class ApiError(Exception):
    """
    The root of all errors of this package.

    :param message: what went wrong and what to do next, free of secrets.
    :param info: what the vendor answered, or None if nothing was asked.
    :param transient: True if the same request may well succeed later.
    :param attempts: how many times in a row the request was sent.
    """

    def __init__(
        self, message: str, *, info: ResponseInfo | None = None, transient: bool = False, attempts: int = 1
    ):
        super().__init__(f"{message} | {info}" if info else message)
        self.info = info
        self.transient = transient
        self.attempts = attempts

    @property
    def retry_after(self) -> float:
        """The seconds that the vendor asked us to wait, 0 if it asked for none."""
        return (self.info.retry_after or 0.0) if self.info else 0.0


class InvalidInput(ApiError):
    """
    The input breaks a documented rule; nothing was sent.

    :param violations: one line each: the JSON path and the rule.
    """

    def __init__(self, message: str, violations: tuple[str, ...] = ()):
        super().__init__("\n".join((message, *violations)))
        self.violations = violations


class RateLimited(ApiError):
    """Nothing was sent: the account cools down for longer than a request waits."""


class Unreachable(ApiError):
    """No answer came, so what the vendor did with the request is unknown."""


class Refused(ApiError):
    """The vendor answered no; ``transient`` says whether it may say yes later."""


class SignInRefused(Refused):
    """The vendor refused the client id and secret, or refused a token that it had just issued."""


class NotFound(Refused):
    """The vendor does not know the job, the order or the account that was asked for."""


class TurnedAway(Refused):
    """A POST was refused without a code of the vendor's own: that says nothing about the order."""


class WrongOrder(Refused):
    """A job, or an idempotency key, led to another order than the one that was submitted."""


class Unreadable(ApiError):
    """An answer came that cannot be understood: no JSON, cut off, or an unknown word in it."""


class UnsafeLink(ApiError):
    """A file's link, or a redirect, leads to a place from which nothing may be fetched."""


class TimedOut(ApiError):
    """The deadline of a wait passed and the job had not ended; the job goes on at the vendor."""


class JobFailed(ApiError):
    """The job has ended and the vendor says that it failed; ``transient`` is the vendor's word."""


class ResultLost(ApiError):
    """The job was seen to complete, so its order exists; its result cannot be read any more."""


class StoreUnavailable(ApiError):
    """The state store of a task could not be read or written; always transient."""


class LockContention(ApiError):
    """An order, or its job, met a lock at the vendor and was not carried out; always transient."""


class OutcomeUnknown(ApiError):
    """An order may exist or not; sending it again might make it twice. A person has to look."""
