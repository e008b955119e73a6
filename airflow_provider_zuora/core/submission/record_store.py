"""
What the tries of one task note of their submissions, each try in an entry of its own.

A store cannot compare and set, so no entry has two writers: a try writes only under its own number, and reads
what the tries before it wrote. It notes a POST before it sends it, and then checks whether a later try has
begun: of two tries that overlap at least one sees the other. The earlier one sends nothing more then; for the
later one, what the earlier one noted as sent is undecided.
"""

from __future__ import annotations

import base64
import json
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, OutcomeUnknown
from airflow_provider_zuora.core.flow import Flow, LoadState, SaveState
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_json import read_record, write_record

NAME = "zuora_submission"
"""The entry of try 2 is ``zuora_submission:2``; a long one goes on in ``zuora_submission:2:1``."""

LATEST = f"{NAME}:latest"
_IN_ONE_ENTRY = 200  # submissions; below 64 kB packed, and Airflow warns of more
_IN_PLAIN = 40_000  # characters; what is longer is packed, what is shorter can be read by a person
_TRIES_BACK = 50
_LEFT_OUT = ("track_ids", "paths")
_LARGEST = 4 * 1024 * 1024  # bytes of an entry, unpacked


@dataclass(slots=True)
class SharedRecordStore:
    """The notes of all calls of one try in a process: with its own, each would write over those of others."""

    reading: threading.Lock = field(default_factory=threading.Lock)
    notes: RecordStore | None = None


@dataclass(slots=True)
class RecordStore:
    """
    What one try knows of the submissions of its task.

    :ivar is_complete: True if nothing can have been sent that is not in here.
    :ivar is_empty: True if nothing is noted of any order.
    :ivar is_kept: False if there is no store: what is not kept is not packed either.
    """

    attempt: TaskAttempt
    is_complete: bool = False
    is_empty: bool = True
    is_kept: bool = True
    # By identity: the submissions, those whose batch is under way as they are kept, and the entry of each.
    _records: dict[str, SubmissionRecord] = field(default_factory=dict)
    _ahead: dict[str, SubmissionRecord] = field(default_factory=dict)
    _parts_of: dict[str, int] = field(default_factory=dict)
    # Their identities by submitter, account and digest, and by submitter and account.
    _contents: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _submitters: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)  # the entries that differ from what is kept
    _parts: int = 0
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> Flow[RecordStore]:
        """
        Read what this try, or the last one that noted anything, has noted.

        :raises OutcomeUnknown: if there is something that is no note of ours.
        :raises ApiError: if a later try of this task has begun; so do `reserve` and `note_post`.
        """
        number, entries = self.attempt.number, []
        if number > 1:
            self._check_latest((yield LoadState(LATEST)))
            yield SaveState(LATEST, {"try": number})
        for earlier in range(number, max(0, number - _TRIES_BACK), -1):
            entries = yield from _load_entries(earlier)
            if entries:
                break
        for entry in entries:
            for record in _unpack(entry):
                self._hold(record)
        if entries and earlier == number:
            self._changed.clear()
            self._parts = len(entries)
        self.is_complete = entries[0].get("complete") is True if entries else self.attempt.is_first
        return self

    @property
    def records(self) -> list[SubmissionRecord]:
        """Return all that is noted."""
        return list(self._records.values())

    def find(self, submitter: str, account: str, digest: str) -> SubmissionRecord | None:
        """Return what is noted of an order with exactly this content."""
        identity = self._contents.get((submitter, account, digest))
        return None if identity is None else self._records[identity]

    def find_all(self, submitter: str, account: str) -> list[SubmissionRecord]:
        """Return what is noted of all orders of a submitter."""
        return [self._records[identity] for identity in self._submitters.get((submitter, account), ())]

    def is_of_another_account(self, submitter: str, account: str) -> bool:
        """Return whether this submitter's order is noted for other accounts only."""
        accounts = {known for other, known in self._submitters if other == submitter}
        return bool(accounts) and account not in accounts

    def find_job(self, job_id: str) -> SubmissionRecord | None:
        """Return what led to a job."""
        return next((record for record in self._records.values() if record.job_id == job_id), None)

    def note_nothing_sent(self) -> Flow[None]:
        """Note that the first try has sent nothing, unless it has, so that the next one knows."""
        name = _name_entry(self.attempt.number)
        if self.attempt.is_first and (yield LoadState(name)) is None:
            yield SaveState(name, _pack([], 1, is_complete=True))

    def reserve(self, records: Iterable[SubmissionRecord]) -> Flow[None]:
        """Note a batch of submissions as sent before the first of them is; this ends the batch before."""
        for identity in self._ahead:
            self._touch(identity)
        self._ahead.clear()
        for record in records:
            own = self._own(record)
            self._ahead[self._hold(own)] = replace(own, unanswered=own.unanswered + 1)
        yield from self._flush()

    def note_post(self, record: SubmissionRecord) -> Flow[None]:
        """Note a POST that is about to be sent."""
        identity = self._hold(self._own(record))
        ahead = self._ahead.get(identity)
        if ahead is None or ahead.key != record.key or ahead.contents != record.contents:
            self._ahead.pop(identity, None)
            yield from self._flush()

    def save(self, record: SubmissionRecord) -> Flow[None]:
        """Note what came of a POST; for a batch that is under way it is written with the next one."""
        identity = self._hold(self._own(record))
        if identity not in self._ahead:
            yield from self._flush(is_checked=False)

    def read_job(self, record: SubmissionRecord) -> Flow[SubmissionRecord | None]:
        """
        Return what is kept of a submission if it has led to a job under this key; None if it has not.

        Two calls in one try, of two threads say, write to one entry: one that knows of no job reads it first.
        """
        entries = yield from _load_entries(self.attempt.number)
        for entry in entries:
            for kept in _unpack(entry):
                is_started = kept.state is SubmissionState.STARTED and kept.key == record.key
                if is_started and _identity(kept) == _identity(record):
                    return kept
        return None

    def _own(self, record: SubmissionRecord) -> SubmissionRecord:
        return replace(record, try_number=self.attempt.number, max_tries=self.attempt.max_tries)

    def _hold(self, record: SubmissionRecord) -> str:
        identity = _identity(record)
        self._records[identity] = record
        self.is_empty = False
        self._submitters.setdefault((record.submitter, record.account), {})[identity] = None
        for digest in (record.digest, *record.contents):
            self._contents[(record.submitter, record.account, digest)] = identity
        self._touch(identity)
        return identity

    def _touch(self, identity: str) -> None:
        with self._writing:
            self._changed.add(self._parts_of.setdefault(identity, len(self._parts_of) // _IN_ONE_ENTRY))

    def _flush(self, *, is_checked: bool = True) -> Flow[None]:
        """
        Write what has changed, and check that no later try has begun.

        Meanwhile other threads of the task wait: their changes could be written over.
        """
        if not self.is_kept:
            return
        with self._writing:
            kept = [self._ahead.get(identity, record) for identity, record in list(self._records.items())]
            parts = [kept[at : at + _IN_ONE_ENTRY] for at in range(0, len(kept), _IN_ONE_ENTRY)] or [[]]
            if len(parts) != self._parts:  # the first entry tells how many there are
                self._parts = len(parts)
                self._changed.add(0)
            for part in sorted(self._changed, reverse=True):
                name = _name_entry(self.attempt.number, part)
                yield SaveState(name, _pack(parts[part], len(parts), is_complete=self.is_complete))
            self._changed.clear()
        if is_checked:
            self._check_latest((yield LoadState(LATEST)))

    def _check_latest(self, latest: Any) -> None:
        begun = latest.get("try") if isinstance(latest, Mapping) else None
        if isinstance(begun, int) and begun > self.attempt.number:
            raise ApiError(
                f"Try {begun} of this task has begun, so this one, number {self.attempt.number}, "
                "sends nothing more.",
                transient=True,
            )


def _load_entries(number: int) -> Flow[list[Any]]:
    """Return all that a try has noted, in the order of its parts; empty if it has noted nothing."""
    first = yield LoadState(_name_entry(number))
    if first is None:
        return []
    parts = first.get("parts", 1) if isinstance(first, Mapping) else 1
    entries = [first]
    while isinstance(parts, int) and len(entries) < parts and entries[-1] is not None:
        entries += [(yield LoadState(_name_entry(number, len(entries))))]
    return entries


def _name_entry(number: int, part: int = 0) -> str:
    return f"{NAME}:{number}" + (f":{part}" if part else "")


def _identity(record: SubmissionRecord) -> str:
    return " ".join((record.submitter, record.account, record.order_number or "", record.digest))


def _pack(records: list[SubmissionRecord], parts: int, *, is_complete: bool) -> dict[str, Any]:
    """Return an entry; a long one holds no Track-Ids and no hashes of values."""
    entry = {"complete": is_complete, "parts": parts}
    rows = [write_record(record) for record in records]
    if len(json.dumps(rows)) <= _IN_PLAIN:
        return entry | {"submissions": rows}
    short = [{name: row[name] for name in row if name not in _LEFT_OUT} for row in rows]
    packed = zlib.compress(json.dumps(short, separators=(",", ":")).encode(), 9)
    return entry | {"packed": base64.b85encode(packed).decode()}


def _unpack(entry: Any) -> list[SubmissionRecord]:
    try:
        rows = entry.get("submissions")
        if rows is None:
            packed = base64.b85decode(entry["packed"])
            rows = json.loads(zlib.decompressobj().decompress(packed, _LARGEST))
        return [read_record(row) for row in rows]
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise OutcomeUnknown(
            f"The task's state store holds something under {NAME!r} that is no submission of this package "
            f"({error!r}), so what was sent before is unknown. Look for the order at the vendor; then pass "
            "its job as adopt_job_id, or delete the entry, and clear the task."
        ) from error
