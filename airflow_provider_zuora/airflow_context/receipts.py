"""A task leaves one receipt when it ends, well or badly: a line in its log, an XCom, its assets' events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_zuora.airflow_context.lineage import BaseLineageTask, FileUse, report_file
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.job import JobResult, name_jobs
from airflow_provider_zuora.core.page_url import build_page_url
from airflow_provider_zuora.core.polling.events import NO_POLLS, WaitTotals
from airflow_provider_zuora.core.receipt import MOST, JobFacts, Receipt, read_facts, read_word
from airflow_provider_zuora.core.redaction import NO_SECRETS
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.version_compat import PAGE_URL, RECEIPT, AirflowRescheduleException

if TYPE_CHECKING:
    from airflow_provider_zuora.core.submission.bulk_results import BulkResult
    from airflow_provider_zuora.hooks.base import BaseJobHook
    from airflow_provider_zuora.hooks.connection import Settings

_NOTED = {"order_number": "orderNumber", "account_number": "accountNumber", "account_id": "accountId"}
_UNFINISHED = (TaskDeferred, AirflowRescheduleException)


@dataclass(slots=True)
class Notes:
    """What a task notes for its receipt while it runs; all may be missing."""

    began: float | None  # seconds since 1970, of this process's part; None: unknown
    job_ids: Sequence[str] = ()
    results: Sequence[JobResult] = ()  # of the jobs that were waited for
    facts: dict[str, object] = field(default_factory=dict)  # besides what the results say
    counts: Mapping[str, int] = field(default_factory=dict)  # of a list
    totals: WaitTotals = NO_POLLS
    state: str = ""  # if it is none of those that `_find_state` finds
    has_waited: bool = False
    is_list: bool = False  # of jobs, however many they are
    codes: Sequence[str] = ()  # of the errors of a list's orders
    read: list[FileUse] = field(default_factory=list)
    written: list[FileUse] = field(default_factory=list)

    def add_order(self, expected: Mapping[str, str]) -> None:
        """Note what an order is called by whoever submits it, see `build_expectation`."""
        self.facts |= {name: expected[theirs] for name, theirs in _NOTED.items() if theirs in expected}

    def add_submissions(self, results: Sequence[BulkResult]) -> None:
        """Note what became of each order of a list."""
        self.job_ids = [result.job_id for result in results if result.job_id is not None]
        self.counts = Counter(str(result.state) for result in results)
        infos = (result.error.info for result in results if result.error is not None)
        self.codes = sorted({code for info in infos if info for code in info.codes})[:MOST]
        self.facts["order_numbers"] = [each.order.number for each in results if each.order.number]


def _find_state(notes: Notes, error: BaseException | None) -> str:
    """Return what a task came to, in one word."""
    if error is None:
        return notes.state or ("completed" if notes.has_waited else "submitted")
    failed = Counter(str(result.state) for result in notes.results if result.error is not None)
    if failed and not isinstance(error, AirflowSkipException):
        return failed.most_common(1)[0][0]
    name = type(error).__name__.lower()
    states = {
        "skipped": isinstance(error, AirflowSkipException),
        "unknown": isinstance(error, OutcomeUnknownError),
        "open": isinstance(error, TransientError),
        "refused": isinstance(error, PermanentError) and not notes.job_ids and not notes.state,
        "timed_out": "timeout" in name,
        "failed": True,
    }
    return next(state for state, is_it in states.items() if is_it)


def make_receipt(
    kind: str,
    notes: Notes,
    error: BaseException | None,
    vendor: Vendor,
    secrets: Secrets = NO_SECRETS,
    posted: str = "",
) -> Receipt:
    """
    Return the receipt of a task.

    :param kind: what the task submits, empty if the jobs say what they are.
    :param secrets: what no value may hold.
    :param posted: Track-Id of the last request of this process that changes something; empty: none.
    """
    made = [vendor.read_facts(result.job) for result in notes.results if result.job is not None]
    is_list = notes.is_list or len(notes.results) > 1 or len(notes.job_ids) > 1 or bool(notes.counts)
    facts = dict(notes.facts)
    if is_list:
        numbers = [number for each in made if (number := each.values.get("order_number"))]
        facts |= {"jobs": len(notes.job_ids)} | ({"order_numbers": numbers} if numbers else {})
    elif made:
        facts = {name: value for name, value in made[0].values.items() if value is not None} | facts
    if isinstance(error, OutcomeUnknownError):
        facts |= {"idempotency_key": error.idempotency_key, "unanswered": error.unanswered}
    tracked = () if is_list else (notes.totals.track_id, posted, _find_track_id(notes.results))
    tracked = (getattr(error, "track_id", None), *tracked)
    started = notes.began if notes.totals.started is None else notes.totals.started
    codes = getattr(error, "codes", ()) or notes.codes
    return Receipt(
        kind=_find_kind(kind, made, is_list=is_list),
        state=_find_state(notes, error),
        job_id=notes.job_ids[0] if len(notes.job_ids) == 1 and not is_list else "",
        facts=read_facts(facts, secrets),
        counts=notes.counts or (Counter(str(each.state) for each in notes.results) if is_list else {}),
        codes=[word for code in codes if (word := read_word(code, secrets))],
        seconds=None if started is None else round(time.time() - started, 1),
        polls=notes.totals.polls if notes.has_waited else None,
        track_id=read_word(next(filter(None, tracked), ""), secrets),
    )


def _find_track_id(results: Sequence[JobResult]) -> str:
    """Return the Track-Id of the last poll of a single job, empty if there is none."""
    [*infos] = (result.job.info for result in results if result.job is not None)
    return infos[0].track_id if len(infos) == 1 and infos[0] else ""


def _find_kind(kind: str, made: Sequence[JobFacts], *, is_list: bool) -> str:
    if is_list:
        return kind or "jobs"
    return kind or (made[0].kind if made else "job")


def find_page(settings: Settings, vendor: Vendor, receipt: Receipt) -> str | None:
    """
    Return the address of the vendor's page: of the connection, or of its environment.

    :return: empty if an id that it needs is not known yet; None if the vendor's pages are not known at all.
    """
    pattern = settings.fields["ui_url"] or vendor.pages.get(settings.credentials.base_url)
    if not pattern:
        return None
    known = {name: value for name, value in receipt.facts.items() if isinstance(value, str)}
    own_id = receipt.job_id.removeprefix(vendor.find_kind(receipt.job_id).prefix)
    return build_page_url(pattern, {**known, "job_id": own_id})


class BaseReportingTask(BaseLineageTask):
    """A task that leaves a receipt, and the address of the vendor's page; a subclass has a `hook`."""

    hook_class: ClassVar[type[BaseJobHook]]
    _notes: Notes | None = None  # while a method of ours runs
    page_url: str | None = None  # what this process knows of the page; None: nothing, an earlier one may

    @cached_property
    def hook(self) -> BaseJobHook:
        """Return the hook, the same all through a task."""
        return self.hook_class(self.conn_id)

    @property
    def notes(self) -> Notes:
        """Return what is noted for the receipt."""
        return self._notes or Notes(time.time())

    def note_wait(self, job_ids: Sequence[str], started: float) -> WaitTotals:
        """Note what is waited for from now on; return what the waits before it took."""
        notes = self.notes
        before = notes.totals
        settings = self._find_settings(is_needed=False)
        posted = settings.client.posted if settings else ()
        track_id = before.track_id or next(iter(posted), "")
        notes.has_waited, notes.job_ids = True, job_ids
        # What a task does before it waits, its submission, counts too.
        began = started if notes.began is None else min(started, notes.began)
        notes.totals = replace(before, started=before.started or began, track_id=track_id)
        return notes.totals

    def note_polls(self, polls: int | None) -> None:
        """Note that this process has sent so many polls; None: others have sent more, uncounted."""
        totals = self.notes.totals
        self.notes.totals = replace(totals, polls=None) if polls is None else totals.with_polls(polls)

    def note_event(self, event: Any) -> None:
        """Note what the wait took that a trigger's event is about."""
        fields = event if isinstance(event, Mapping) else {}
        notes = self.notes
        notes.has_waited, notes.totals = True, WaitTotals.read(fields.get("totals"))
        if isinstance(job_id := fields.get("job_id"), str) and not notes.job_ids:
            notes.job_ids = [job_id]

    @contextmanager
    def reporting(self, context: Mapping[str, Any]) -> Iterator[Notes]:
        """Leave a receipt at the end of what is inside, unless it goes on later, or an outer one does."""
        if self._notes is not None:
            yield self._notes
            return
        self._notes = Notes(time.time())
        try:
            yield self._notes
        except _UNFINISHED:
            raise
        except BaseException as error:
            self._leave(context, error)
            raise
        else:
            self._leave(context, None)
        finally:
            self._notes = None

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Do what Airflow does, which may be to end a wait that is over."""
        with self.reporting(context):
            return super().resume_execution(next_method, next_kwargs, context)

    def note_read(self, path: object) -> None:
        """Note that this task reads a file, and tell Airflow's hook lineage."""
        self.notes.read.append(FileUse(path))
        report_file(self.hook, path, is_written=False)

    def _leave(self, context: Mapping[str, Any], error: BaseException | None) -> None:
        if error is not None and isinstance(error.__cause__, InvalidInput) and self.notes.job_ids:
            error.add_note(f"Submitted before that, and not undone: {name_jobs(self.notes.job_ids)}.")
        receipt = self.push_page(context, error)
        self._log_results(context)
        self.keep_lineage(receipt, self.notes.read, self.notes.written, self._find_settings(is_needed=False))
        self.log.info("%s", receipt)
        self._push(context, RECEIPT, receipt.as_dict())
        if error is None:
            self._add_to_events(context, receipt)

    def _log_results(self, context: Mapping[str, Any]) -> None:
        """Write to the submission log what the jobs came to that this task has submitted and waited for."""
        from airflow_provider_zuora.hooks.submission_log import log_result

        is_known = self._find_settings(is_needed=False) is not None
        for job in [each.job for each in self.notes.results if each.job is not None and is_known]:
            try:
                log_result(self.hook, context, self.receipt_kind, job)
            except AirflowException as error:  # the place may be another template's now; the job has ended
                self.log.warning("What %s came to is not in the submission log: %s", job.job_id, error)

    def push_page(self, context: Mapping[str, Any], error: BaseException | None = None) -> Receipt:
        """Leave the address of the vendor's page where Airflow's page finds it; return the receipt so far."""
        settings = self._find_settings(is_needed=error is None)
        receipt = make_receipt(
            self.receipt_kind,
            self.notes,
            error,
            self.hook_class.vendor,
            settings.client.secrets if settings else NO_SECRETS,
            next(iter(settings.client.posted), "") if settings else "",
        )
        if settings:
            page = find_page(settings, self.hook_class.vendor, receipt)
            if page and page != self.page_url:
                self._push(context, PAGE_URL, page)
            self.page_url = "" if page is None else page or self.page_url
        return receipt

    def _find_settings(self, *, is_needed: bool) -> Settings | None:
        """Return the settings of the connection; if they are not needed, only those that were read."""
        if not is_needed:
            hook = vars(self).get("hook")
            return vars(hook).get("_settings") if hook else None
        try:
            settings: Settings = self.hook._settings
        except AirflowException as error:
            self.log.warning("The page of what was made is not known: %s", error)
            return None
        return settings

    def _push(self, context: Mapping[str, Any], key: str, value: object) -> None:
        try:
            context["ti"].xcom_push(key=key, value=value)
        except Exception as error:  # noqa: BLE001 - a backend's own, and no reason to fail a task
            self.log.warning("The XCom %s could not be stored: %r", key, error)

    def _add_to_events(self, context: Mapping[str, Any], receipt: Receipt) -> None:
        """Let the events of the task's assets carry the receipt, besides what a user has put there."""
        if not self.outlets:
            return
        from airflow.providers.common.compat.sdk import AssetAlias

        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias):  # which assets are behind it, the task's author says
                continue
            try:
                event = context["outlet_events"][outlet]
                event.extra = {**receipt.as_dict(), **(event.extra or {})}
            except Exception as error:  # noqa: BLE001 - as above
                self.log.warning("The event of %r carries no receipt: %r", outlet, error)
