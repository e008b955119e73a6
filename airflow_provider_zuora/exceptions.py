"""The errors that users catch; only here a core error becomes Airflow's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_zuora.core.errors import (
    ApiError,
    GuardRefused,
    LockContention,
    OutcomeUnknown,
    QueryQueueFull,
    TimedOut,
)


class ZuoraProviderError(AirflowException):
    """
    The root of all errors that this provider raises for a request.

    The attributes survive pickling. Those about an answer are None, or empty, if there was none.

    :ivar status_code: HTTP status of the vendor's answer.
    :ivar codes: the vendor's error codes as text, for example ``("53200020",)``.
    :ivar messages: the vendor's own messages, in the order of the codes, free of secrets.
    :ivar request_id: the vendor's id of the request, for its support.
    :ivar track_id: the Zuora-Track-Id that was sent with the request.
    :ivar transient: True if the same request may succeed later, by the vendor's codes. For a failed job a
        sensor raises a `PermanentError` in any case: waiting again cannot help, but submitting again can.
    """

    status_code: int | None = None  # type: ignore[assignment]  # Airflow means its own API
    codes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    request_id: str | None = None
    track_id: str | None = None
    transient: bool = False


class PermanentError(ZuoraProviderError, AirflowFailException):
    """The vendor refused, or the input cannot be sent: Airflow's retries cannot help and are not spent."""


class TransientError(ZuoraProviderError):
    """A transient failure: Airflow's retries may help."""

    transient = True


class OutcomeUnknownError(PermanentError):
    """
    An order, or a run, may exist or not, and only a person can tell; it was not sent again.

    The message names the Idempotency-Key, the Track-Ids, what to look for in Zuora, and how to proceed:
    ``adopt_job_id`` if it is there, another ``idempotency_key`` if it is not. Of a deletion or a change of an
    order it is unknown whether it was carried out; there is no key, and the message says what to look for.

    :ivar idempotency_key: the key under which it may have been made, None if that is not known.
    :ivar unanswered: POSTs under it that may have made it.
    """

    idempotency_key: str | None = None
    unanswered: int = 0


class GuardRefusedError(PermanentError):
    """
    A guard of the task, or of its connection, refuses what was to be sent, or cannot be evaluated.

    Nothing that changes anything was sent; previews and reads may have been. The message names whose guard it
    is, its field, what was found and what is allowed (docs/guards.md).
    """


class LockContentionError(TransientError):
    """An order met a lock in Zuora; the next try submits it again, a minute later at the earliest."""


class QueryQueueFullError(TransientError):
    """The tenant has as many data queries queued as it may: nothing was submitted, a later try may be."""


_SPECIAL: dict[type[ApiError], type[ZuoraProviderError]] = {
    OutcomeUnknown: OutcomeUnknownError,
    GuardRefused: GuardRefusedError,
    LockContention: LockContentionError,
    QueryQueueFull: QueryQueueFullError,
}


def convert_error(
    error: ApiError, kind: type[ZuoraProviderError] | None = None, message: str = ""
) -> ZuoraProviderError:
    """Return a core error as Airflow's, to be raised from it; of another class or text if that is given."""
    if kind is None:
        is_transient = error.transient or isinstance(error, TimedOut)
        kind = _SPECIAL.get(type(error)) or (TransientError if is_transient else PermanentError)
    converted = kind(message or str(error))
    converted.transient = error.transient or issubclass(kind, TransientError)
    if (answer := error.info) is not None:
        converted.status_code = answer.status
        converted.codes, converted.messages = answer.codes, answer.messages
        converted.request_id, converted.track_id = answer.request_id or None, answer.track_id or None
    if isinstance(error, OutcomeUnknown) and isinstance(converted, OutcomeUnknownError):
        converted.idempotency_key, converted.unanswered = error.key or None, error.unanswered
    return converted


@contextmanager
def convert_errors() -> Iterator[None]:
    """Raise core errors as Airflow's."""
    try:
        yield
    except ApiError as error:
        raise convert_error(error) from error
