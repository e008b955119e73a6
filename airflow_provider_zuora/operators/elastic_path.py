"""Export orders from Elastic Path, to a file if asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Unpack

from typing_extensions import override

from airflow_provider_zuora.airflow_context.lineage import FileUse
from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.core.job import JobResult
from airflow_provider_zuora.exceptions import convert_errors
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.targets import make_target
from airflow_provider_zuora.links import ElasticPathLink
from airflow_provider_zuora.operators.base import BaseJobOperator
from airflow_provider_zuora.transports.file_paths import hide_password

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ElasticPathExportOrdersOperator(BaseJobOperator):
    """
    Start an export of orders at Elastic Path, and return its job's id, or the job when it has completed.

    With ``output_path`` it fetches the file, too; else ``ElasticPathHook.download(job_id, target)`` does,
    within a week. A retry starts another export, which changes nothing there.

    :param filter: in the grammar of Elastic Path's order list, for example
        ``ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)``.
    :param output_path: a local path, or what ``ObjectStoragePath`` takes, such as
        ``s3://conn_id@bucket/a.csv``; a template. The task waits for the job, and puts its CSV there, whole
        or not at all.
    :param elastic_path_conn_id: the Airflow connection.
    :param empty_export: what to do if no order matches, which Elastic Path calls a failed job: ``fail`` or
        ``skip`` the task that waits.
    :param wait_for_completion: wait in the same task, and return the job; its id is the XCom ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s on a worker) to 60 s.
    :param timeout: seconds that the wait may last, or a timedelta; the job goes on at Elastic Path.
    :return: the job id; with ``wait_for_completion`` the job, as a dict; with ``output_path`` a dict of
        ``job_id``, ``bytes`` and ``path``.
    :raises PermanentError: (no retries) if Elastic Path refuses the filter, or the export failed.
    :raises TransientError: (retries) if it could not be reached, or ``timeout`` passed.
    """

    hook_class = ElasticPathHook
    receipt_kind = "order export"
    operator_extra_links = (ElasticPathLink(),)
    job_method = "export_orders"
    job_options = ("filter",)
    result_options = ("empty_export",)
    template_fields: Sequence[str] = ("filter", "output_path", "elastic_path_conn_id")
    output_path: str | PathLike[str] | None

    def __init__(
        self,
        *,
        filter: str,  # noqa: A002 - Elastic Path's own word
        output_path: str | PathLike[str] | None = None,
        elastic_path_conn_id: str = ElasticPathHook.default_conn_name,
        empty_export: Literal["fail", "skip"] = "fail",
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        self.wait_for_completion = wait_for_completion or output_path is not None
        super().__init__(**kwargs)

    @cached_property
    def hook(self) -> ElasticPathHook:
        """Return the hook, the same all through a task."""
        return ElasticPathHook(self.conn_id)

    @override
    def start_job(self, context: Context) -> str:
        if self.output_path is not None:
            with convert_errors():
                make_target(self.output_path, "output_path", creates_folder=True)
        return super().start_job(context)

    @override
    def _conclude(self, waited: JobResult, context: Context, expected: Mapping[str, str]) -> Any:
        result = super()._conclude(waited, context, expected)
        if self.output_path is None:
            return result
        with convert_errors():
            make_target(self.output_path, "output_path", creates_folder=True)
        size = self.hook.download(waited.job_id, self.output_path)
        placed = {"bytes": size, "path": hide_password(self.output_path)}
        self.notes.facts |= placed
        self.notes.written.append(FileUse(self.output_path, size=size))
        return {"job_id": waited.job_id, **placed}
