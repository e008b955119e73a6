"""A record of a submission as a JSON object, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType
from typing import Any

from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState

_DEFAULTS = {each.name: each.default for each in fields(SubmissionRecord)}
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("submitter", "account", "key", "digest", "reason"), (str,)),
    **dict.fromkeys(("generation", "try_number", "max_tries", "unanswered"), (int,)),
    **dict.fromkeys(("contents", "params", "track_ids"), (list,)),
    **dict.fromkeys(("first_post", "decided_at"), (int, float)),
    **dict.fromkeys(("lasting", "locked", "absence_believed"), (bool,)),
    **dict.fromkeys(("job_id", "order_number"), (str, NoneType)),
    "paths": (dict,),
}
_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "contents": list,
    "params": lambda pairs: [list(pair) for pair in pairs],
    "state": lambda state: state.value,
    "track_ids": list,
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "contents": tuple,
    "params": lambda pairs: tuple((str(name), str(value)) for name, value in pairs),
    "state": SubmissionState,
    "track_ids": tuple,
}


def write_record(record: SubmissionRecord) -> dict[str, Any]:
    """Return a record in plain JSON types; what has its default is left out."""
    values = {name: getattr(record, name) for name in _DEFAULTS}
    row = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
    return row | {name: write(row[name]) for name, write in _WRITERS.items() if name in row}


def read_record(values: Any) -> SubmissionRecord:
    """
    Return the record that `write_record` described; fields that only another release knows are left out.

    :raises KeyError, TypeError, ValueError: if it is none.
    """
    known = {name: values[name] for name in _DEFAULTS if name in values}
    _check_types(known)
    known |= {name: read(known[name]) for name, read in _READERS.items() if name in known}
    return SubmissionRecord(**known)


def _check_types(values: Mapping[str, Any]) -> None:
    for name, kinds in _TYPES.items():
        if name in values and not isinstance(values[name], kinds):
            raise TypeError(f"{name} is of type {type(values[name]).__name__}")
    for name in ("contents", "track_ids"):
        if not all(isinstance(each, str) for each in values.get(name, ())):
            raise TypeError(f"{name} holds a value that is no text")
    if values.get("state") == SubmissionState.STARTED.value and not values.get("job_id"):
        raise ValueError("a job without an id")
