"""A task whose submission pauses for long ends its worker, and goes on in another one, in the same try."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from airflow_provider_zuora.airflow_context.receipts import BaseReportingTask
from airflow_provider_zuora.core.errors import ApiError, InvalidInput
from airflow_provider_zuora.core.flow import LONGEST_PAUSE, ON_WORKER, PAUSE_OVER, Paused, Pausing
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.version_compat import WAIT

AFTER_PAUSE = "execute"
"""Airflow calls it again: it lets `execute` be called by nobody else."""

PAUSED = "paused"
_MOST = 20  # pauses of one try after which another worker goes on; each step has a limit of its own, too
_GRACE = 420.0  # seconds; a triggerer may be late
_BROKEN = (
    "This try paused, as the vendor asked, before it had a job, and no trigger has ended the pause, so "
    "Airflow did ({}). Is a triggerer running? `airflow jobs check --job-type TriggererJob` tells, `airflow "
    "triggerer` starts one. Or execution_timeout has passed. A retry of this task goes on with the same "
    "submission."
)


class BasePausingTask(BaseReportingTask):
    """What submits one thing; while it pauses for long it is deferred."""

    deferrable: bool
    execution_limit: float
    _paused: Mapping[str, Any] = MappingProxyType({})  # what an earlier process of this try has left
    _defers = False  # inside `deferring_pauses`

    def choose_pausing(self, *, may_defer: bool) -> Pausing:
        """Return how the submission goes on, and may pause; ``may_defer``: it is all that the task does."""
        state = self._paused.get("state")
        is_short = self.deferrable and may_defer and self._defers and self._paused.get("count", 0) < _MOST
        return Pausing(LONGEST_PAUSE if is_short else ON_WORKER.longest, state)

    @contextmanager
    def deferring_pauses(self, context: Mapping[str, Any]) -> Iterator[None]:
        """
        Defer the task when what is inside pauses for long, if Airflow runs this very operator.

        One that is called inside another task cannot be resumed.
        """
        self._defers = context.get("task") is self
        try:
            yield
        except Paused as pause:
            self._defer_pause(pause, context)
        finally:
            self._defers = False

    @contextmanager
    def asking_if_sent(self) -> Iterator[None]:
        """
        Go on after a pause, whatever is rendered now.

        :raises OutcomeUnknownError: in place of an error that says that nothing was sent, if an earlier
            process of this try has sent something.
        """
        try:
            yield
        except PermanentError as error:
            if not self.notes.job_ids and not is_from_vendor(error):
                self._raise_if_sent(error)
            raise

    def _raise_if_sent(self, error: PermanentError) -> None:
        from airflow_provider_zuora.core.submission.endings import build_sent_error
        from airflow_provider_zuora.core.submission.pauses import find_sent

        with convert_errors():
            if (sent := find_sent(self._paused.get("state") or {})) is not None:
                raise build_sent_error(sent, error) from error

    def _defer_pause(self, pause: Paused, context: Mapping[str, Any]) -> None:
        from airflow_provider_zuora.triggers.pause import ZuoraPauseTrigger

        now = time.time()
        began = now if self.notes.began is None else self.notes.began
        left = self.execution_limit - (now - began)  # Airflow 3 does not count while it is deferred
        timeout = max(1.0, min(2 * pause.seconds + _GRACE, left))
        state, count = json.loads(json.dumps(pause.state)), self._paused.get("count", 0) + 1
        paused = {"state": state, "began": began, "count": count}
        self.log.info(
            "No worker waits for %.0f s: a triggerer does, and a worker goes on then", pause.seconds
        )
        self._push(context, WAIT, {PAUSED: paused})
        self.defer(
            trigger=ZuoraPauseTrigger(seconds=pause.seconds),
            method_name=AFTER_PAUSE,
            kwargs={PAUSED: paused},
            timeout=timedelta(seconds=timeout),
        )

    def take_up(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """
        Go on with what an earlier process of this try has left; return the rest of Airflow's arguments.

        :raises TransientError: if that cannot be read, or if no trigger of ours has ended the pause.
        """
        event, paused = kwargs.pop("event", None), kwargs.pop(PAUSED)
        try:
            began, count = float(paused["began"]), int(paused["count"])
            paused = {"state": dict(paused["state"]), "began": began, "count": count}
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise TransientError(_BROKEN.format(f"what was kept cannot be read: {error!r}")) from error
        if not is_over(event):
            raise TransientError(_BROKEN.format(f"the trigger fired {event!r:.200}"))
        self._paused, self.notes.began = paused, began
        return kwargs


def is_over(event: object) -> bool:
    """Return whether an event is that of a pause which has passed."""
    return isinstance(event, Mapping) and event.get("status") == PAUSE_OVER and "seconds" in event


def is_from_vendor(error: PermanentError) -> bool:
    """Return whether an error is what came of the submission, not of its input."""
    cause = error.__cause__
    return isinstance(cause, ApiError) and not isinstance(cause, InvalidInput)


def build_broken_pause_error(failure: Mapping[str, Any]) -> TransientError:
    """Return the error of a pause that Airflow has ended: what the try knew is gone, as if it was killed."""
    return TransientError(_BROKEN.format(failure.get("error", "for an unknown reason")))
