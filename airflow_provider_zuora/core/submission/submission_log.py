"""
What one process of a try writes to the submission log: nothing is sent that is not in it.

An intent stands there before the first POST under a key, and an end when the submission has ended. Each part
is an object of its own that is written once and never changed, so a process that is killed leaves whole
parts, and at most an intent without an end. A later try that finds out what came of it writes an end of the
same key.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, LogUnavailable
from airflow_provider_zuora.core.flow import Flow, RunInThread
from airflow_provider_zuora.core.submission.log_lines import (
    END,
    INTENT,
    RECONCILED,
    RESULT,
    Line,
    find_order_keys,
    make_line,
    write_lines,
)
from airflow_provider_zuora.core.submission.outcomes import Outcome, classify_error

log = logging.getLogger(__name__)

_FRESH = 300.0  # seconds in which an intent holds; an order is SETTLED for a reconciliation after 900

Facts: TypeAlias = Mapping[str, Any]
"""Columns of a line, see `make_line`."""

Write: TypeAlias = Callable[[int, bytes], object]
"""Writes the part of a number, whole or not at all; raises `LogUnavailable` if it cannot."""


@dataclass(slots=True, eq=False)
class _Lines:
    """Lines that stand in one part."""

    lines: Sequence[Line] = ()
    is_written: bool = False


@dataclass(slots=True)
class SubmissionLog:
    """
    The log of one process of a try; threads may share it.

    What several of them have to write while one of them writes goes into one part.

    :param write: None: nothing is logged.
    :param task: the columns that say which try it is.
    :param clock: returns seconds since 1970.
    :param read_run: reads the lines that all tasks of the run have written, to each log.
    """

    write: Write | None = None
    task: Facts = field(default_factory=dict)
    clock: Callable[[], float] = float
    read_run: Callable[[], Iterable[Line]] = list
    _parts: Iterator[int] = field(default_factory=itertools.count)
    _intents: dict[tuple[object, object], float] = field(default_factory=dict)  # when each was written
    _announced: set[tuple[object, object]] = field(default_factory=set)  # of which there is a first word
    _waiting: list[_Lines] = field(default_factory=list)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_kept(self) -> bool:
        """Return whether there is a log."""
        return self.write is not None

    def note_intents(self, intents: Sequence[Facts], *, is_first_word: bool = False) -> Flow[None]:
        """
        Write what is about to be sent, and the ends that are not written yet.

        An intent that is older than `_FRESH` is written anew: a reconciliation may have closed it meanwhile.

        :param is_first_word: True: more is known of it when it is sent, and is written then.
        :raises LogUnavailable: if that fails: then nothing of it may be sent.
        """
        now = self.clock()
        new = [
            facts
            for facts in intents
            if self.is_kept and not 0 <= now - self._intents.get(_identify(facts), now + 1) < _FRESH
        ]
        if not new:
            return
        own = _Lines([self._make_line(INTENT, facts) for facts in new])
        try:
            yield from self._write(own)
        except LogUnavailable:
            self._waiting.remove(own)
            raise
        if is_first_word:
            self._announced.update(map(_identify, new))
        else:
            self._intents.update(dict.fromkeys(map(_identify, new), now))

    def add_end(self, facts: Facts, error: ApiError | None = None) -> None:
        """
        Note how a submission has ended, to be written with the next part.

        :param facts: with the outcome that it has if there is no error, and the codes that it has if that
            names none.
        """
        has_intent = _identify(facts) in self._intents or _identify(facts) in self._announced
        if not self.is_kept or (isinstance(error, InvalidInput) and not has_intent):
            return
        codes = () if error is None else error.info.codes if error.info else facts.get("codes")
        facts = {**facts, "codes": codes}
        if error is not None:
            facts["outcome"] = Outcome(classify_error(error))
        if has_intent or facts["outcome"] is not Outcome.OPEN:  # else nothing was sent, and nothing is known
            self._waiting.append(_Lines([self._make_line(END, facts)]))

    def add_result(self, facts: Facts) -> None:
        """Note what a job has come to that this task has submitted and waited for."""
        self._note(RESULT, facts)

    def add_reconciled(self, facts: Facts) -> None:
        """Note what a reconciliation has found out of a submission whose outcome was unknown."""
        self._note(RECONCILED, facts)

    def _note(self, event: str, facts: Facts) -> None:
        if self.is_kept:
            self._waiting.append(_Lines([self._make_line(event, facts)]))

    def write_ends(self) -> Flow[None]:
        """Write what is noted and not written yet; if that fails, intents stay open."""
        if not self._waiting:
            return
        try:
            yield from self.write_all()
        except LogUnavailable as error:
            log.warning("The submission log lacks ends, so that intents stay open: %s", error)

    def write_all(self) -> Flow[None]:
        """Write what is noted and not written yet; raise `LogUnavailable` if that fails."""
        yield from self._write(_Lines())

    def read_order_keys(self) -> Flow[set[str]]:
        """
        Return the keys of the orders that the run has sent, or is about to send; see `find_order_keys`.

        :raises LogUnavailable: if it cannot be read.
        """
        own = self._make_line(INTENT, {})  # ids as lines have them
        found: set[str] = yield RunInThread(
            lambda: find_order_keys(self.read_run(), own["dag_id"], own["run_id"])
        )
        return found

    def _make_line(self, event: str, facts: Facts) -> Line:
        return make_line(event, self.clock(), {**self.task, **facts})

    def _write(self, own: _Lines) -> Flow[None]:
        self._waiting.append(own)
        yield RunInThread(partial(self._write_part, own))

    def _write_part(self, own: _Lines) -> None:
        assert self.write is not None, "there is nothing to write otherwise"
        with self._writing:
            if own.is_written:
                return
            together = list(self._waiting)
            self.write(next(self._parts), write_lines(line for each in together for line in each.lines))
            for each in together:
                each.is_written = True
                self._waiting.remove(each)


NO_LOG = SubmissionLog()


def _identify(facts: Facts) -> tuple[object, object]:
    """Return what an intent and its end have in common: a key, or the job if there is no key."""
    return facts["kind"], facts.get("key") or facts.get("job_id")


def log_end(submission_log: SubmissionLog, describe: Callable[[str], Facts], flow: Flow[str]) -> Flow[str]:
    """
    Run what submits one thing, return its job's id, and write to the log how it has ended.

    :param describe: returns, of the job's id, what an end says of it; the id is empty if there is an error.
    """
    job_id, failure = "", None
    try:
        job_id = yield from flow
    except ApiError as error:
        failure = error  # it is the context of no other
    submission_log.add_end(describe(job_id), failure)
    yield from submission_log.write_ends()
    try:
        if failure is not None:
            raise failure
    finally:
        failure = None  # its traceback holds this frame
    return job_id
