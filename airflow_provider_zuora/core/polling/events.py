"""Results on their way through Airflow's database: one event holds all, and it never grows too large."""

from __future__ import annotations

import base64
import json
import logging
import re
import string
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, ResponseInfo, TimedOut
from airflow_provider_zuora.core.job import Job, JobResult, JobState, ResultState

log = logging.getLogger(__name__)

EVENT_SIZE = 32 * 1024  # characters of JSON; what is larger is read again by the worker
_ENCODER = json.JSONEncoder(allow_nan=False)
# The states that a trigger sees, by their first letters, which stand for them in an event.
_STATES = {state[0]: state for state in ResultState if state not in (ResultState.SKIPPED, ResultState.UNREAD)}
_NUMBER_LENGTH = 100  # characters; Zuora's limit of an order number
_PRINTABLE = frozenset(string.printable) - frozenset(string.whitespace)
# An id of Zuora's is mostly 32 random digits, which no compression makes smaller than 16 bytes.
_DIGITS = re.compile(r"(?:[0-9a-f]{2}){2,64}")
_MARK = 0xE000  # this and so many bytes stand for a run of digits; of Private Use, which no id holds
_MARKS = re.compile(f"[{chr(_MARK)}-{chr(_MARK + 64)}]")


@dataclass(frozen=True, slots=True)
class DeferredResults:
    """Results that were too large for an event; `job_list.reload_results` reads the jobs again."""

    job_ids: tuple[str, ...]
    states: tuple[ResultState, ...]  # of each, as the trigger has seen it
    order_numbers: tuple[str, ...] = ()  # one a job; none if these were too large too
    seen_at: float = 0.0  # seconds since 1970, of the last one


class ResultsEvent:
    """
    The results of many jobs as they come; it keeps no more in memory than an event carries.

    :param job_ids: each once.
    :param size: the most characters of JSON.
    """

    def __init__(self, job_ids: Sequence[str], size: int = EVENT_SIZE):
        self._indexes = {job_id: index for index, job_id in enumerate(job_ids)}
        self._letters = [""] * len(job_ids)
        self._order_numbers = [""] * len(job_ids)
        self._seen_at = 0.0
        self._whole: dict[int, dict[str, Any]] = {}
        self._size = self._room = size
        self._done = 0
        self.polls = 0

    def add(self, result: JobResult, now: float) -> None:
        """Add a result; ``now`` is in seconds since 1970."""
        index, count = self._indexes[result.job_id], len(self._indexes)
        state = ResultState.COMPLETED if result.error is None else result.state
        self._letters[index] = state[0]
        self._order_numbers[index] = read_order_number(result)
        self._seen_at = now
        if self._room >= 0:  # all results are kept, or none
            self._keep(index, result)
        self._done += 1
        self.polls += result.polls
        if count > 1 and self._done * 10 // count > (self._done - 1) * 10 // count:
            log.info("The waits for %d of %d jobs are over", self._done, count)

    def _keep(self, index: int, result: JobResult) -> None:
        self._whole[index] = write_result(result)
        try:
            self._room -= measure_json(self._whole[index], self._room) + 2
        except (ValueError, RecursionError):  # what no database takes: a NaN, a thousand lists in each other
            self._room = -1
        if self._room < 0:
            self._whole.clear()

    def as_event(self) -> dict[str, Any]:
        """Return the event that holds all results, for `read_results`."""
        if self._room >= 0:
            return {"status": "ended", "results": [self._whole[index] for index in range(self._done)]}
        event = {
            "status": "ended",
            "job_ids": pack_ids(tuple(self._indexes)),
            "states": "".join(self._letters),
            "seen_at": round(self._seen_at),
            "order_numbers": "",
        }
        numbers = pack_ids(self._order_numbers) if any(self._order_numbers) else ""
        room = self._size - len(json.dumps(event)) - len(numbers)
        return event | {"order_numbers": numbers if room > 0 else ""}


@dataclass(frozen=True, slots=True)
class WaitTotals:
    """
    What a wait took, on its way from one process of a task to the next, for the task's receipt.

    :param polls: that were sent; None: unknown. A triggerer that took the wait over does not know of all.
    :param started: seconds since 1970, when the wait began; None: unknown.
    :param track_id: of the submission; empty: unknown, or none.
    """

    polls: int | None = None
    started: float | None = None
    track_id: str = ""

    @classmethod
    def read(cls, values: object) -> WaitTotals:
        """Return the totals in plain JSON; what is not there, as in events of older releases, is unknown."""
        fields = values if isinstance(values, Mapping) else {}
        polls, started, track_id = (fields.get(name) for name in ("polls", "started", "track_id"))
        return cls(
            polls if type(polls) is int and polls >= 0 else None,
            float(started) if isinstance(started, (int, float)) else None,
            track_id if isinstance(track_id, str) else "",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, for `read`."""
        return {"polls": self.polls, "started": self.started, "track_id": self.track_id}

    def with_polls(self, polls: int) -> WaitTotals:
        """Return the totals after so many more polls."""
        return replace(self, polls=None if self.polls is None else self.polls + polls)


NO_POLLS = WaitTotals(polls=0)
"""Of a wait that begins."""


def read_order_number(result: JobResult) -> str:
    """Return the number of the order that a job made, empty if its result names none that can be one."""
    found = result.job.result if result.job else None
    number = found.get("orderNumber") if isinstance(found, dict) else None
    is_usable = isinstance(number, str) and len(number) <= _NUMBER_LENGTH and set(number) <= _PRINTABLE
    return str(number) if is_usable else ""


def measure_json(value: dict[str, Any], most: int) -> int:
    """Return the characters of JSON that a value takes, or more than ``most``."""
    least, left = 0, [value]  # the encoder would count all of a value, however large
    while left and least + len(left) <= most:
        part: Any = left.pop()
        if isinstance(part, dict):
            left += part.values()
            least += sum(map(len, part))
        elif isinstance(part, list):
            left += part
        least += len(part) if isinstance(part, str) else 1
    return most + 1 if least + len(left) > most else len(_ENCODER.encode(value))


def write_result(result: JobResult) -> dict[str, Any]:
    """Return a result in plain JSON types, as an event carries it: its job, or else its error."""
    job, error = result.job, result.error
    if job is not None:
        return {"job_id": result.job_id, "job": write_job(job), "error": None}
    is_timeout = isinstance(error, TimedOut)
    words = error and {"message": str(error), "transient": error.transient, "is_timeout": is_timeout}
    return {"job_id": result.job_id, "job": None, "error": words}


def write_job(job: Job) -> dict[str, Any]:
    """Return a job in plain JSON types; unlike asdict this copies nothing, a large result least of all."""
    values = {name: getattr(job, name) for name in job.__dataclass_fields__}
    info = job.info and {name: getattr(job.info, name) for name in job.info.__dataclass_fields__}
    if info:
        del info["no_answer"]  # a job is read from an answer
        info |= {"codes": list(info["codes"]), "messages": list(info["messages"])}
    return {**values, "state": job.state.value, "info": info}


def read_job(values: Mapping[str, Any]) -> Job:
    """Return the job that `write_job` described; raises as `read_results`."""
    info = values["info"]
    if info is not None:
        info = ResponseInfo(**{**info, "codes": tuple(info["codes"]), "messages": tuple(info["messages"])})
    return Job(**{**values, "state": JobState(values["state"]), "info": info})


def read_results(event: Mapping[str, Any]) -> list[JobResult] | DeferredResults:
    """
    Return the results that an event holds, in the order of the ids.

    :raises ValueError, TypeError, KeyError: if it was not made by `ResultsEvent.as_event`.
    """
    if "states" not in event:
        results = [_read_result(each) for each in event["results"]]
        if not results:
            raise ValueError("it names no job")
        return results
    job_ids = unpack_ids(event["job_ids"])
    states = tuple([_STATES[letter] for letter in str(event["states"])])
    numbers = unpack_ids(event["order_numbers"]) if event.get("order_numbers") else ()
    if len(job_ids) != len(states):
        raise ValueError("its states do not fit its ids")
    if numbers and len(numbers) != len(job_ids):
        raise ValueError("its order numbers do not fit its ids")
    return DeferredResults(job_ids, states, numbers, float(event.get("seen_at", 0.0)))


def _read_result(values: Mapping[str, Any]) -> JobResult:
    job_id, described, error = str(values["job_id"]), values["job"], values["error"]
    if (described is None) == (error is None):
        raise ValueError("there must be a job or an error")
    if error is not None:
        kind = TimedOut if error["is_timeout"] else ApiError
        return JobResult(job_id, error=kind(str(error["message"]), transient=error["transient"] is True))
    job = read_job(described)
    if job.job_id != job_id:
        raise ValueError("the job is another one")
    return JobResult.of_job(job)


def pack_ids(job_ids: Sequence[str]) -> str:
    """Return ids as one text, 20 characters for each 32 random digits; `unpack_ids` reads it."""
    text = "\n".join(job_ids)
    runs = _DIGITS.findall(text)
    marked = _DIGITS.sub(lambda run: chr(_MARK + len(run[0]) // 2), text)
    body = b"\0".join((marked.encode(), bytes.fromhex("".join(runs))))
    return base64.b85encode(zlib.compress(body, 9)).decode()


def unpack_ids(text: str) -> tuple[str, ...]:
    """Return the ids that `pack_ids` wrote; raises `ValueError` if it did not."""
    try:
        marked, _, digits = zlib.decompress(base64.b85decode(text)).partition(b"\0")
    except zlib.error as error:
        raise ValueError(f"these are no packed ids: {error}") from error
    left = BytesIO(digits)
    return tuple(_MARKS.sub(lambda mark: left.read(ord(mark[0]) - _MARK).hex(), marked.decode()).split("\n"))
