"""Data Query: what a hook does with a query, from its text to its rows or its file."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_zuora.airflow_context.lineage import report_file
from airflow_provider_zuora.core.errors import Refused, TimedOut, Unreadable
from airflow_provider_zuora.core.flow import ON_WORKER, Pausing
from airflow_provider_zuora.core.job import Job
from airflow_provider_zuora.exceptions import convert_error, convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.limits import read_limits
from airflow_provider_zuora.transports.file_paths import hide_password
from airflow_provider_zuora.version_compat import NEVER_EXPIRE, get_running_context, mask_secret

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_zuora.airflow_context.task import TaskCall
    from airflow_provider_zuora.transports.download import DownloadTarget

MAX_SECONDS = 4.5 * 3600
"""How long a query may take by default: Zuora itself tries for four hours, and it may have to queue."""
_EXPIRED = (400, 403)  # Amazon answers the first if the token in a link has run out
MAX_BYTES = 1024**4


class BaseDataQueryHook(BaseJobHook):
    """What a hook for Zuora does with data queries."""

    conn_type = "zuora"
    submission_log: Any  # besides the log of the connection; None: there is no other

    def query(
        self,
        query: str,
        *,
        source_data: Literal["LIVE", "WAREHOUSE"] = "LIVE",
        read_deleted: bool = False,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = MAX_SECONDS,
    ) -> Iterator[dict[str, Any]]:
        """
        Run a query, wait for it, and yield its rows; nothing is sent before the first one is asked for.

        The file is on this machine's disk while it is read, and a row at a time in memory. A query that
        fails, or does not end in time, is cancelled.

        :param query: the SQL of Data Query, at most 1,000,000 characters.
        :param source_data: ``WAREHOUSE``: Zuora Warehouse, which is bought apart.
        :param read_deleted: True: deleted rows only.
        :param poll_interval: seconds between two polls, see `wait_for_job`.
        :param timeout: seconds, or a timedelta, that the query may take.
        :return: rows as dicts; the names of columns are Zuora's, in lower case.
        :raises PermanentError: if Zuora refuses the query, or it failed.
        :raises QueryQueueFullError: if the tenant has too many queries queued.
        :raises TransientError: if it has not ended in time, or its file could not be read.
        """
        options = {"output_format": "JSON", "source_data": source_data, "read_deleted": read_deleted}
        job, document = self._run_query(query, options, poll_interval, timeout)
        yield from self._fetch_rows(job, document)

    def export_query(  # noqa: PLR0913 - what Zuora lets a query choose
        self,
        query: str,
        output_path: str | PathLike[str] | ObjectStoragePath,
        *,
        output_format: Literal["CSV", "TSV", "DSV", "JSON"] = "CSV",
        column_separator: str | None = None,
        compression: Literal["NONE", "GZIP", "ZIP"] = "NONE",
        source_data: Literal["LIVE", "WAREHOUSE"] = "LIVE",
        read_deleted: bool = False,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = MAX_SECONDS,
    ) -> dict[str, Any]:
        """
        Run a query, wait for it, and put its file to a path, whole or not at all.

        :param query: the SQL of Data Query, at most 1,000,000 characters.
        :param output_path: a local path, or what ``ObjectStoragePath`` takes, such as
            ``s3://conn_id@bucket/a.csv``.
        :param output_format: of the file. ``JSON`` is JSON Lines.
        :param column_separator: of ``DSV``.
        :param compression: of the file.
        :param source_data: ``WAREHOUSE``: Zuora Warehouse, which is bought apart.
        :param read_deleted: True: deleted rows only.
        :param poll_interval: seconds between two polls, see `wait_for_job`.
        :param timeout: seconds, or a timedelta, that the query may take.
        :return: ``job_id``, ``rows``, ``bytes``, ``path`` and ``columns``.
        :raises PermanentError: if Zuora refuses the query, or it failed.
        :raises QueryQueueFullError: if the tenant has too many queries queued.
        :raises TransientError: if it has not ended in time, or its file could not be read.
        """
        from airflow_provider_zuora.hooks.targets import make_target

        options = {
            "output_format": output_format,
            "column_separator": column_separator,
            "compression": compression,
            "source_data": source_data,
            "read_deleted": read_deleted,
        }
        with convert_errors():
            target = make_target(output_path, "output_path", creates_folder=True)
        job, document = self._run_query(query, options, poll_interval, timeout)
        return self._export(job, document, target, str(output_path))

    def _run_query(
        self, query: str, options: Mapping[str, Any], poll_interval: Any, timeout: Any
    ) -> tuple[Job, dict[str, Any]]:
        """Return a query that has completed, and what was sent; one that fails to is cancelled."""
        from airflow_provider_zuora.core.http.cancel import cancel_job
        from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope
        from airflow_provider_zuora.core.submission.query import submit_query
        from airflow_provider_zuora.core.vendors.zuora.query_rules import check_query
        from airflow_provider_zuora.hooks.submission_log import open_log

        with convert_errors():
            document = check_query(query, **options)
        read_limits(poll_interval, timeout)
        submission_log = open_log(self, get_running_context())
        started: list[str] = []
        try:
            # Each call is its own: what another call, or an earlier one, has submitted is not its query.
            scope = IdempotencyScope("", (uuid.uuid4().hex,))
            submit = partial(submit_query, document=document, scope=scope, on_start=started.append)
            job_id = self._run(partial(submit, submission_log=submission_log))
            waited = self.wait_for_job(job_id, poll_interval=poll_interval, timeout=timeout)
        except BaseException as error:
            for each in started:
                self._run(partial(cancel_job, job_id=each))
            if isinstance(error.__cause__, TimedOut):
                words = f"{job_id} has not ended in time, and is cancelled."
                raise convert_error(error.__cause__, message=words) from error.__cause__
            raise
        if waited.error is not None:
            raise convert_error(waited.error) from waited.error
        return waited.job or waited.result, document

    def _submit_query(
        self,
        document: Mapping[str, Any],
        context: Mapping[str, Any],
        on_start: Callable[[str], object] = str,
        pausing: Pausing = ON_WORKER,
    ) -> str:
        """Submit the query of a task, or find the one that an earlier try has left, and return its job id."""
        from airflow_provider_zuora.core.submission.query import submit_query
        from airflow_provider_zuora.hooks.submission_log import open_log

        call = self._begin_query(context)
        who = (document, call.scope, call.attempt)
        with convert_errors():
            client, submission_log = self._settings.client, open_log(self, context)
            flow = submit_query(client, *who, on_start, pausing.state, submission_log)
            return self.session.run(flow, call.store, pausing)

    def _cancel_query(self, job_id: str, context: Mapping[str, Any]) -> bool:
        """Cancel the query of a task unless a later try waits for it; return whether it has ended."""
        from airflow_provider_zuora.core.submission.query import cancel_own

        call = self._begin_query(context)
        return self._run(partial(cancel_own, job_id=job_id, attempt=call.attempt), call.store)

    def _begin_query(self, context: Mapping[str, Any]) -> TaskCall:
        from airflow_provider_zuora.airflow_context.task import begin_call

        settings = self._settings
        namespace = settings.fields["idempotency_namespace"]
        return begin_call(context, settings.credentials, namespace, None, NEVER_EXPIRE)

    def _export(
        self, job: Job, document: Mapping[str, Any], target: DownloadTarget, path: str
    ) -> dict[str, Any]:
        """Put the file of a query to its place, and return what it holds."""
        size, columns = self._download(job, document, target)
        report_file(self, path, is_written=True)
        rows = read_row_count(job)
        words, path = "Query %s: %s rows, %d bytes, at %s", hide_password(path)
        self.log.info(words, job.job_id, rows, size, path)
        return {"job_id": job.job_id, "rows": rows, "bytes": size, "path": path, "columns": columns}

    def _download(
        self, job: Job, document: Mapping[str, Any], target: DownloadTarget
    ) -> tuple[int, list[str]]:
        """Fetch the file of a query, by another link if one has run out; return its bytes and its columns."""
        from airflow_provider_zuora.core.submission.query import read_file_link
        from airflow_provider_zuora.hooks.query_file import LineCount, QueryFile
        from airflow_provider_zuora.transports.download import download_file, put_empty
        from airflow_provider_zuora.transports.download_stream import DownloadPolicy

        settings, kind, columns = self._settings, QueryFile.of(document), []
        with convert_errors():
            hosts = settings.fields["download_hosts"]
            policy = DownloadPolicy.for_vendor(settings.credentials.base_url, hosts, mask_secret)
            policy = replace(policy, redirects=0)

        def fetch() -> int:
            count = LineCount()

            def check(came: Path, secrets: Any) -> Path:
                file = kind.check(came, secrets, MAX_BYTES)
                columns.extend(kind.read_columns(file))
                is_packed = kind.compression != "NONE" or file != came
                kind.check_rows(kind.count_lines(file) if is_packed else count, read_row_count(job))
                return file

            link = self.session.run(read_file_link(self._settings.client, job.job_id))
            if link:
                on_chunk = count.add if kind.compression == "NONE" else len
                return download_file(link, target, settings.transport, policy, check, MAX_BYTES, on_chunk)
            if read_row_count(job) != 0:
                raise Unreadable(f"Zuora named no file of {job.job_id}.", transient=True)
            return put_empty(target)

        with convert_errors():
            try:
                return fetch(), columns
            except Refused as error:
                if not (error.info and error.info.status in _EXPIRED):
                    raise
            self.log.info("The link to the file of %s has run out; asking for another", job.job_id)
            return fetch(), columns

    def _fetch_rows(self, job: Job, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query whose file is JSON Lines."""
        from airflow_provider_zuora.hooks.query_file import read_rows
        from airflow_provider_zuora.transports.download import LocalTarget

        with TemporaryDirectory(prefix="zuora-query-") as folder:
            file = Path(folder) / "rows"
            self._download(job, document, LocalTarget(file))
            with file.open("rb") as opened, convert_errors():
                yield from read_rows(opened)


def read_row_count(job: Job) -> int | None:
    """Return how many rows a query has, None if Zuora does not say so."""
    rows: int | None = job.result["rows"]
    return rows
