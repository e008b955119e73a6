"""
The submission log in a store: where each process of a try writes its parts, and how all of them are read.

A part is an object of its own, written once: ``<prefix>/<day>/<dag>/<run>/<task>.<map index>.<try>.<process>
.<part>.jsonl``, with the UTC day on which the process began it. So a store needs no append, and may forbid
changes.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_zuora.airflow_context.object_storage import LOCAL_PROTOCOLS, get_file_system
from airflow_provider_zuora.airflow_context.task import describe_task, read_attempt
from airflow_provider_zuora.core.errors import InvalidInput, LogUnavailable
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.submission.log_lines import Line, read_known_lines, read_lines
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, Facts, SubmissionLog
from airflow_provider_zuora.exceptions import convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.transports.file_paths import expand_home, hide_password

log = logging.getLogger(__name__)

SUFFIX = ".jsonl"
LOGGED = frozenset(("order", "order deletion", "bill run", "bill run post", "payment run", "data query"))
"""The kinds of what is logged."""
_NAME_LENGTH = 80  # characters of each name in a path, the whole of which stores bound
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_LENGTH = 10
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class LogStore:
    """
    One log: all objects below a prefix.

    :param name: the prefix as messages have it.
    :param fs: fsspec's file system of the prefix; None: it is on this machine.
    """

    name: str
    prefix: str
    fs: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, prefix: Any) -> LogStore:
        """
        Return the log below a prefix: a local path, or what ``ObjectStoragePath`` takes.

        :raises InvalidInput: if there can be none.
        """
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        if str(prefix).strip() in ("", "None"):  # what a template makes of nothing
            raise InvalidInput("Nothing was sent.", ("submission_log: is blank",))
        name = hide_password(prefix)
        try:
            path = ObjectStoragePath(prefix) if isinstance(prefix, str) and "://" in prefix else prefix
            if isinstance(path, ObjectStoragePath) and path.protocol not in LOCAL_PROTOCOLS:
                return cls(name, path.path.rstrip("/"), get_file_system(path))
            local = path.path if isinstance(path, ObjectStoragePath) else os.fspath(path)
            return cls(name, str(Path(expand_home(local)).absolute()))
        except (ImportError, OSError, TypeError, ValueError) as error:  # no path, or an unknown store
            words = redact_words(error, WORD_LENGTH)
            raise InvalidInput("Nothing was sent.", (f"submission_log: {words}",)) from error

    def write(self, name: str, content: bytes) -> None:
        """
        Write an object of the log, and return when it is kept.

        :raises LogUnavailable: if that fails.
        """
        try:
            if self.fs is None:
                _write_file(Path(self.prefix) / name, content)
            else:
                self._put(posixpath.join(self.prefix, name), content)
        except Exception as error:
            words = "What is not in it is not sent; a retry of the task goes on."
            raise self._make_unavailable("written", error, words) from error

    def _put(self, path: str, content: bytes) -> None:
        try:
            self.fs.pipe_file(path, content)
        except FileNotFoundError:  # it has folders
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            self.fs.pipe_file(path, content)

    def read_days(self, first: date, last: date) -> Iterator[Line]:
        """
        Yield the lines of the processes that began to write on these days (UTC), in the order of their names.

        :raises LogUnavailable: if the log cannot be read, or if there is something else in it.
        """
        for count in range((last - first).days + 1):
            yield from self._read_folder((first + timedelta(days=count)).isoformat())

    def read_run(self, folder: str, first: date | None) -> Iterator[Line]:
        """
        Yield the lines of the processes of one run, and of others whose names are cut to the same ones.

        :param folder: of the run, below that of a day; ``first``: the day before which there is none.
        :raises LogUnavailable: as `read_days` does, and if a line is of another version, or form.
        """
        for day in self._list_days():
            if first is None or day >= first.isoformat():
                yield from self._read_folder(posixpath.join(day, folder), read_known_lines)

    def has_days(self) -> bool:
        """Return whether anything has ever been written to it; raise as `read_days` does."""
        return bool(self._list_days())

    def _list_days(self) -> list[str]:
        try:
            with suppress(FileNotFoundError):
                if self.fs is None:
                    names: list[Any] = list(Path(self.prefix).iterdir())
                else:
                    self.fs.invalidate_cache()  # others write, too
                    names = self.fs.ls(self.prefix, detail=False)
                return sorted(
                    filter(_DAY.fullmatch, (posixpath.basename(str(name).rstrip("/")) for name in names))
                )
        except Exception as error:
            raise self._make_unavailable("read", error, "Its days were asked for.") from error
        return []

    def _read_folder(self, folder: str, read: Callable[[bytes], list[Line]] = read_lines) -> Iterator[Line]:
        try:
            for path in self._find(folder):
                content = Path(path).read_bytes() if self.fs is None else self.fs.cat_file(path)
                yield from read(content)
        except Exception as error:
            raise self._make_unavailable("read", error, f"Its day is {folder[:_DAY_LENGTH]}.") from error

    def _find(self, folder: str) -> list[str]:
        found: list[Any] = []
        with suppress(FileNotFoundError):
            if self.fs is None:
                found = [*(Path(self.prefix) / folder).rglob(f"*{SUFFIX}")]
            else:
                found = self.fs.find(posixpath.join(self.prefix, folder))
        return sorted(path for path in map(str, found) if path.endswith(SUFFIX))

    def _make_unavailable(self, done: str, error: Exception, words: str) -> LogUnavailable:
        why = redact_words(f"{type(error).__name__}: {error}", WORD_LENGTH)
        return LogUnavailable(
            f"The submission log {self.name} could not be {done} ({why}). {words}", transient=True
        )


def _write_file(path: Path, content: bytes) -> None:
    """Write a file, which has its name when the disk has it; what is left of another is not read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def open_log(hook: BaseJobHook, context: Mapping[str, Any]) -> SubmissionLog:
    """Return the log of a call that submits, as its connection wants it, and whoever made the hook."""
    with convert_errors():
        settings, own = hook._settings, getattr(hook, "submission_log", None)
        prefixes = [path for path in (settings.fields["submission_log"],) if path]
        return make_log(prefixes + ([] if own is None else [own]), context, settings.client.clock)


def log_result(hook: BaseJobHook, context: Mapping[str, Any], kind: str, job: Job) -> None:
    """
    Write what a job has come to, to the log of the task that has submitted it and waited for it.

    :param kind: what the task submits; what is no `LOGGED` kind has no log.
    """
    if kind not in LOGGED or not job.has_ended:
        return
    own = hook.vendor.name_kind(job.job_id)
    settings, is_good = hook._settings, job.state is JobState.SUCCEEDED
    facts = {
        **hook.vendor.read_facts(job).values,
        "kind": own if own in LOGGED else kind,
        "job_id": job.job_id,
        "outcome": Outcome.COMPLETED if is_good else Outcome.FAILED,
        "codes": job.info.codes if job.info and not is_good else (),
        "secrets": settings.client.secrets,
    }
    log_of_task = open_log(hook, context)
    log_of_task.add_result(facts)
    hook.session.run(log_of_task.write_ends())


def make_log(
    prefixes: Sequence[Any],
    context: Mapping[str, Any],
    clock: Callable[[], float],
    process: str | None = None,
) -> SubmissionLog:
    """
    Return the log of this process of a try, which goes to each of some prefixes.

    :param context: of the task, empty outside of one.
    :param process: what no other process, and no other call, is called; None: something by chance.
    :raises InvalidInput: if there can be no log at one of them.
    """
    stores = list(dict.fromkeys(map(LogStore.of, prefixes)))
    if not stores:
        return NO_LOG
    task = describe_task(context)
    process = process or uuid.uuid4().hex
    day = datetime.fromtimestamp(clock(), UTC).date()

    def write(part: int, content: bytes) -> None:
        for store in stores:
            store.write(_name_part(task, day, process, part), content)

    def read_run() -> Iterator[Line]:
        since = read_attempt(context).since
        first = None if since is None else datetime.fromtimestamp(since, UTC).date() - timedelta(days=1)
        for store in stores:
            yield from store.read_run("/".join(_name_run(task)), first)

    return SubmissionLog(write, task, clock, read_run)


def _name_run(task: Facts) -> list[str]:
    return [_cut(task[each]) for each in ("dag_id", "run_id")]


def _cut(name: str | None) -> str:
    return _UNSAFE.sub("_", name or "none")[:_NAME_LENGTH]


def _name_part(task: Facts, day: date, process: str, part: int) -> str:
    folder = "/".join((day.isoformat(), *_name_run(task)))
    index = "" if task["map_index"] in (None, -1) else f".{task['map_index']}"
    name = f"{_cut(task['task_id'])}{index}.try{task['try_number']}"
    return f"{folder}/{name}.{process}.{part:05d}{SUFFIX}"
