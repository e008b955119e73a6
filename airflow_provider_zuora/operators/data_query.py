"""Run a data query, and put its file to a store or return its rows."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import islice
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from typing_extensions import override

from airflow_provider_zuora.airflow_context.last_poll import AIRFLOW_ENDS_IT
from airflow_provider_zuora.airflow_context.lineage import FileUse
from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.core.errors import TimedOut
from airflow_provider_zuora.core.job import Job, JobResult
from airflow_provider_zuora.core.vendors.zuora.query_rules import check_query
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_error, convert_errors
from airflow_provider_zuora.hooks.data_query import MAX_SECONDS, read_row_count
from airflow_provider_zuora.hooks.targets import make_target
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.links import ZuoraLink
from airflow_provider_zuora.operators.base import BaseJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_KILL_SECONDS = 4.0  # that a killed task may take to cancel its query; Airflow 3 ends it after five


class ZuoraDataQueryOperator(BaseJobOperator):
    """
    Run a data query, wait for it, and put its file to a path; without a path return its rows.

    A query changes nothing at Zuora, but takes one of the few places of the tenant. So a retry waits for the
    query of the try before it, and what a task leaves behind is cancelled: docs/data-query.md says when.

    :param query: the SQL of Data Query, at most 1,000,000 characters; a template, or a ``.sql`` file.
    :param output_path: a local path, or what ``ObjectStoragePath`` takes, such as
        ``s3://conn_id@bucket/a.csv``; a template. It always holds a whole file, or what was there before.
    :param output_format: of the file. ``JSON`` is JSON Lines.
    :param column_separator: of ``DSV``.
    :param compression: of the file.
    :param source_data: ``WAREHOUSE``: Zuora Warehouse, which is bought apart.
    :param read_deleted: True: deleted rows only.
    :param max_rows: more rows are not returned: the task fails before it reads any, and says so.
    :param zuora_conn_id: the Airflow connection.
    :param submission_log: a path, or a store's URL, below which the query is noted before it is sent,
        besides the connection's log; a template. What cannot be noted is not sent: docs/submission-log.md.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the query may take, or a timedelta; then it is cancelled.
    :return: with ``output_path`` a dict of ``job_id``, ``rows``, ``bytes``, ``path`` and ``columns``; else
        the rows, a list of dicts. The id is the XCom ``job_id`` from the submission on.
    :raises PermanentError: (no retries) if Zuora refuses the query, it failed, or has too many rows.
    :raises QueryQueueFullError: (retries) if the tenant has too many queries queued.
    :raises TransientError: (retries) if Zuora could not be reached, or ``timeout`` passed.
    """

    # For Airflow's Registry: a retry goes on with what an earlier try has submitted.
    __supports_durable_execution: ClassVar[bool] = True
    hook_class = ZuoraHook
    receipt_kind = "data query"
    operator_extra_links = (ZuoraLink(),)
    query: str
    output_path: str | PathLike[str] | None
    output_format: str
    max_rows: int
    zuora_conn_id: str
    submission_log: LogPath
    _job_id: str = ""  # of the query that nobody but this task waits for
    _is_killed: bool = False
    _context: Mapping[str, Any] = MappingProxyType({})
    wait_for_completion = True
    cancels_on_kill = True
    next_try = "runs the query again"
    template_fields: Sequence[str] = ("query", "output_path", "zuora_conn_id", "submission_log")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"query": "sql"}

    def __init__(  # noqa: PLR0913 - what Zuora lets a query choose
        self,
        *,
        query: str,
        output_path: str | PathLike[str] | None = None,
        output_format: Literal["CSV", "TSV", "DSV", "JSON"] = "CSV",
        column_separator: str | None = None,
        compression: Literal["NONE", "GZIP", "ZIP"] = "NONE",
        source_data: Literal["LIVE", "WAREHOUSE"] = "LIVE",
        read_deleted: bool = False,
        max_rows: int = 1000,
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        submission_log: LogPath = None,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = MAX_SECONDS,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
            raise ValueError(f"max_rows: must be a whole number above 0, not {max_rows!r}")
        super().__init__(**kwargs)

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task."""
        return ZuoraHook(self.zuora_conn_id, self.submission_log)

    @property
    @override
    def lineage_query(self) -> str:
        return str(self.query)

    @property
    def document(self) -> dict[str, Any]:
        """Return the body of the request; rows that are returned come as JSON."""
        names = ("output_format", "column_separator", "compression", "source_data", "read_deleted")
        options = {name: getattr(self, name) for name in names}
        if self.output_path is None:
            options |= {"output_format": "JSON"} if self.output_format == "CSV" else {}
        return check_query(self.query, **options)

    @override
    def start_job(self, context: Context) -> str:
        with convert_errors():
            document = self.document
            if self.output_path is not None:
                make_target(self.output_path, "output_path", creates_folder=True)
            elif (document["outputFormat"], document["compression"]) != ("JSON", "NONE"):
                words = "output_path: is missing; rows that are returned have no format and no compression"
                raise PermanentError(f"Nothing was sent.\n{words}")
        pausing = self.choose_pausing(may_defer=type(self).execute is ZuoraDataQueryOperator.execute)
        job_id = self.hook._submit_query(document, context, self._keep, pausing)
        self._keep(job_id)
        if self._is_killed:
            raise TransientError(f"The task was killed while it submitted query {job_id}.")
        return job_id

    def _keep(self, job_id: str) -> None:
        self._job_id = job_id

    @override
    def list_expected(self) -> dict[str, str]:
        return {"job_id": self._job_id}

    @override
    def list_expected_again(self, context: Context) -> dict[str, str]:
        return {"job_id": self.find_job_id(context)}

    @override
    def execute(self, context: Context) -> Any:
        self._context = context
        with self.reporting(context):
            try:
                return self._execute(context)
            except TaskDeferred:
                raise
            except BaseException:
                self._cancel()
                raise

    @override
    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        self._context = context
        self._keep((expected or {}).get("job_id", ""))
        with self.reporting(context) as notes:
            notes.job_ids = [self._job_id] if self._job_id else []
            try:
                return self._conclude(self._read_result(event), context, {})
            except BaseException:
                self._cancel()
                raise

    def _read_result(self, event: Any) -> JobResult:
        results = self.read_results(event)
        if [result.job_id for result in results] != [self._job_id]:
            raise PermanentError(f"The trigger fired an event that is not about {self._job_id}.")
        return results[0]

    @override
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on; a query whose wait Airflow has ended is cancelled if the last poll finds it running."""
        if next_method != AIRFLOW_ENDS_IT:
            return super().resume_execution(next_method, next_kwargs, context)
        self._context = context
        self._keep(self.find_job_id(context))
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except BaseException:
            self._cancel()
            raise

    @override
    def _conclude(self, waited: JobResult, context: Context, expected: Mapping[str, str]) -> Any:
        """Return the file's description, or the rows; raise what the failure of the query means."""
        self.notes.results = [waited]
        if waited.error is not None:
            words = f"{waited.job_id} has not ended in time, and is cancelled; a retry {self.next_try}."
            words = f"{words} The wait: {waited.error}" if isinstance(waited.error, TimedOut) else ""
            raise convert_error(waited.error, message=words) from waited.error
        job = waited.job or waited.result
        self._keep("")  # it has completed: there is nothing to cancel
        if self.output_path is None:
            return self._read_rows(job)
        with convert_errors():
            target = make_target(self.output_path, "output_path", creates_folder=True)
        exported = self.hook._export(job, self.document, target, str(self.output_path))
        self.notes.facts |= {name: exported[name] for name in ("rows", "bytes", "path")}
        size, columns = exported["bytes"], exported["columns"]
        self.notes.written.append(FileUse(self.output_path, exported["rows"], size, columns))
        return exported

    def _read_rows(self, job: Job) -> list[dict[str, Any]]:
        """Return the rows, no more than `max_rows`: what Zuora says of their number may be missing."""
        count, rows = read_row_count(job) or 0, []
        if count <= self.max_rows:
            rows = list(islice(self.hook._fetch_rows(job, self.document), self.max_rows + 1))
        if max(count, len(rows)) <= self.max_rows:
            self.notes.facts["rows"] = len(rows)
            return rows
        found = f"{count:,}" if count > self.max_rows else "more"
        raise PermanentError(
            f"Query {job.job_id} has {found} rows, more than max_rows={self.max_rows:,}: none is returned. "
            "Pass output_path to have them in a file, or a larger max_rows."
        )

    def _cancel(self) -> None:
        """Cancel the query that nobody waits for any more, if it was submitted; raise nothing of our own."""
        job_id, self._job_id = self._job_id, ""
        if not job_id:
            return
        try:
            self.hook._cancel_query(job_id, self._context)
        except AirflowException as error:  # what ends the task is another error, which must be seen
            self.log.warning("Query %s was not cancelled: %s", job_id, error)

    @override
    def on_kill(self) -> None:
        """Cancel the query: in a thread of its own, as the killed one may hold a lock."""
        self._is_killed = True
        thread = threading.Thread(target=self._cancel, daemon=True)
        thread.start()
        thread.join(_KILL_SECONDS)
        if thread.is_alive():
            self.log.warning("The query may go on at Zuora: it was not cancelled in %.0f s", _KILL_SECONDS)
