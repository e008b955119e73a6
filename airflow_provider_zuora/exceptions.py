"""The errors that users catch; from a core error to Airflow's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_zuora.core.errors import ApiError, LockContention, OutcomeUnknown, TimedOut


class PermanentError(AirflowFailException):
    """The vendor's no, or input that cannot be sent: Airflow's retries cannot help and are not spent."""


class TransientError(AirflowException):
    """A passing failure: Airflow's retries may help."""


class OrderOutcomeUnknownError(PermanentError):
    """
    An order may exist or not, and only a person can tell; it was not sent again.

    The message names the Idempotency-Key, the Track-Ids, what to look for in Zuora, and the ways on:
    ``adopt_job_id`` where the order is there, another ``idempotency_key`` where it is not.
    """


class LockContentionError(TransientError):
    """An order met a lock in Zuora; the next try submits it again, a minute later at the soonest."""


def airflow_error(error: ApiError) -> AirflowException:
    """Return what a core error is to Airflow; it stays at hand as ``__cause__`` when raised from it."""
    if isinstance(error, (OutcomeUnknown, LockContention)):
        kind = OrderOutcomeUnknownError if isinstance(error, OutcomeUnknown) else LockContentionError
        return kind(str(error))
    passing = error.transient or isinstance(error, TimedOut)
    return (TransientError if passing else PermanentError)(str(error))


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise core errors as Airflow's."""
    try:
        yield
    except ApiError as error:
        raise airflow_error(error) from error
