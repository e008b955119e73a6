"""Compare what Airflow has sent with what Zuora has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, get_args

from airflow_provider_zuora.airflow_context.lineage import FileUse, report_file
from airflow_provider_zuora.airflow_context.parameters import (
    OperatorOptions,
    keep_parameters,
    refuse_unknown_parameters,
)
from airflow_provider_zuora.airflow_context.receipts import BaseReportingTask
from airflow_provider_zuora.core.times import read_moment
from airflow_provider_zuora.core.validation import check_execution_timeout, check_flags, check_seconds
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.transports.file_paths import hide_password
from airflow_provider_zuora.version_compat import RECONCILIATION

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zuora.core.reconciliation.comparison import Window
    from airflow_provider_zuora.core.reconciliation.report import Result

FailOn: TypeAlias = Literal[
    "missing", "doubled", "unknown", "different", "cancelled", "deleted", "pending", "open", "others"
]
_CAN_FAIL: tuple[str, ...] = get_args(FailOn)
_EMPTY = (
    "the run has no data interval, or an empty one, as one has that was started by hand or by an asset. Pass "
    'start and end, for example start="{{ macros.ds_add(ds, -1) }}" and end="{{ ds }}"'
)


class ZuoraReconcileOrdersOperator(BaseReportingTask):
    """
    Compare the submission log with the orders that Zuora has, and fail if they are not the same.

    It reads on both sides, and changes nothing at Zuora: a try that was killed is run again. What each word
    means, what is safe to do about it, and what cannot be told: docs/reconciliation.md.

    :param start: of the time that is compared; a moment in ISO 8601, in UTC if it names no zone, or a
        datetime; a template. None: the start of the run's data interval.
    :param end: the same for its end, which is not part of it.
    :param fail_on: findings that fail the task, of ``missing``, ``doubled``, ``unknown``, ``different``,
        ``cancelled``, ``deleted``, ``pending``, ``open`` and ``others``; empty: none does.
    :param report_path: a CSV with a line for each order: a local path, or what ``ObjectStoragePath`` takes,
        such as ``s3://conn_id@bucket/a.csv``; a template. It is there also if the task fails.
    :param list_others: True: the orders that are not in the log are named, too, and not only counted.
    :param close_intents: True: what is certain of submissions without an end is written to the log.
    :param margin: seconds, or a timedelta, by which clocks may differ, and which an order may be made after
        its submission.
    :param zuora_conn_id: the Airflow connection.
    :param submission_log: where the log is that the submitting tasks write; a template. None: that of the
        connection.
    :return: ``start``, ``end``, ``submitted``, ``listed``, ``counts`` by finding, of each finding the first
        hundred numbers, ``proposals`` and ``report``. A task that fails has it as the XCom
        ``reconciliation``.
    :raises PermanentError: (no retries) if a finding of ``fail_on`` is there, or an option is wrong.
    :raises TransientError: (retries) if all that is wrong is so new that it may be under way, or if the log
        or Zuora cannot be read.
    """

    hook_class = ZuoraHook
    receipt_kind = "reconciliation"
    ui_color = "#d5ecd4"
    start: Any
    end: Any
    report_path: str | PathLike[str] | None
    list_others: bool
    close_intents: bool
    zuora_conn_id: str
    submission_log: LogPath
    template_fields: Sequence[str] = ("start", "end", "report_path", "zuora_conn_id", "submission_log")

    def __init__(  # noqa: PLR0913 - each option is named, so that a type checker knows it
        self,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        fail_on: Collection[FailOn] = ("missing", "doubled", "unknown"),
        report_path: str | PathLike[str] | None = None,
        list_others: bool = False,
        close_intents: bool = True,
        margin: timedelta | float = 3600.0,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        submission_log: LogPath = None,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        refuse_unknown_parameters(type(self), kwargs)
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        check_flags({"list_others": list_others, "close_intents": close_intents})
        self.fail_on = check_fail_on(fail_on)
        self.margin = check_seconds("margin", margin, zero=True)

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task."""
        return ZuoraHook(self.zuora_conn_id, self.submission_log)

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare, write the report, close what is certain, and fail on what is wrong."""
        from airflow_provider_zuora.hooks import reconciliation
        from airflow_provider_zuora.hooks.targets import make_target

        with self.reporting(context) as notes:
            window = self._choose_window(context)
            target = None
            if self.report_path is not None:
                with convert_errors():
                    target = make_target(self.report_path, "report_path", creates_folder=True)
            place = reconciliation.find_log(self.hook)
            result = reconciliation.reconcile_orders(self.hook, place, window)
            notes.state = "completed"
            summary = result.summarize(names_others=self.list_others)
            notes.counts = {name: count for name, count in summary["counts"].items() if count}
            if target is not None:
                self._write_report(target, result)
                summary["report"] = hide_password(self.report_path)
            if summary["proposals"]:
                for line in result.list_proposals():
                    self.log.warning("%s", line)
            if self.close_intents:
                summary["closed"] = reconciliation.close_intents(self.hook, place, context, result.entries)
            context["ti"].xcom_push(key=RECONCILIATION, value=summary)
            self._conclude(result, summary)
            return summary

    def _write_report(self, target: Any, result: Result) -> None:
        from airflow_provider_zuora.hooks.reconciliation import write_report

        with convert_errors():
            size = write_report(target, result.list_rows(names_others=self.list_others))
        self.notes.written.append(FileUse(self.report_path, size=size))
        report_file(self.hook, self.report_path, is_written=True)

    def _conclude(self, result: Result, summary: Mapping[str, Any]) -> None:
        """Raise what the findings mean to the task."""
        wrong, may_heal = result.describe_failure(self.fail_on)
        if not wrong:
            return
        where = f"The report is at {summary['report']}. " if "report" in summary else ""
        head = f"What was sent and what Zuora has differ: {wrong}."
        if may_heal:
            raise TransientError(f"{head} {where}It is so new that it may be under way: a retry looks again.")
        raise PermanentError(
            f"{head} {where}What each word means, and what to do: docs/reconciliation.md. fail_on says which "
            "of them fail this task."
        )

    def _choose_window(self, context: Context) -> Window:
        """Return the time that is compared, or raise a `PermanentError` that says what it lacks."""
        from airflow_provider_zuora.core.reconciliation.comparison import Window

        given = {"start": self.start, "end": self.end}
        moments = {name: _read_moment(value, context, name) for name, value in given.items()}
        wrong = [f"{name}: must be a moment in ISO 8601" for name, at in moments.items() if at == 0.0]
        self.hook._refuse(wrong)
        start, end = moments["start"], moments["end"]
        if start is None or end is None or (start == end and any(map(_is_blank, given.values()))):
            missing = ", ".join(name for name, value in given.items() if _is_blank(value))
            self.hook._refuse([f"{missing}: {_EMPTY}"])
        elif start >= end:
            self.hook._refuse(["end: must be later than start"])
        return Window(float(start or 0), float(end or 0), self.margin)


def check_fail_on(words: object) -> tuple[str, ...]:
    """Return findings that fail a task; raise an error for what is none of them."""
    if isinstance(words, (str, bytes)) or not isinstance(words, Collection):
        raise TypeError(
            f"fail_on: must be a list of words, such as ('missing', 'doubled'), not {words!r:.80}"
        )
    for word in words:
        if word not in _CAN_FAIL:
            close = get_close_matches(str(word), _CAN_FAIL, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"fail_on: {word!r:.80} is none of {', '.join(_CAN_FAIL)}{hint}")
    return tuple(word for word in _CAN_FAIL if word in words)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def _read_moment(value: Any, context: Context, name: str) -> float | None:
    """Return a moment in seconds since 1970; None: neither it nor a data interval is there; 0: it is none."""
    if _is_blank(value):
        value = context.get(f"data_interval_{name}")
        return None if value is None else float(value.timestamp())
    if isinstance(value, datetime):
        return read_moment(value.isoformat()) or 0.0
    return (read_moment(value.strip()) if isinstance(value, str) else None) or 0.0
