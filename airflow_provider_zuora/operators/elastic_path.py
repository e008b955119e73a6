"""Export orders from Elastic Path: options only, the logic is in `BaseJobOperator`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, Unpack

from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, keep_parameters
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.operators.base import BaseJobOperator


class ElasticPathExportOrdersOperator(BaseJobOperator):
    """
    Start an export of orders at Elastic Path, and return its job's id, or the job when it has completed.

    Fetch the file with ``ElasticPathHook.download(job_id, target)``, within a week. A retry starts another
    export, which changes nothing there.

    :param filter: in the grammar of Elastic Path's order list, for example
        ``ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)``.
    :param elastic_path_conn_id: the Airflow connection.
    :param empty_export: what to do if no order matches, which Elastic Path calls a failed job: ``fail`` or
        ``skip`` the task that waits.
    :param wait_for_completion: wait in the same task, and return the job; its id is the XCom ``job_id``.
    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: seconds between two polls, plus up to a tenth by chance; None: growing by half, from
        10 s to 60 s (from 1 s if the worker waits).
    :param timeout: seconds that the wait may last, or a timedelta; the job goes on at Elastic Path.
    :return: the job id; with ``wait_for_completion`` the job, as a dict.
    :raises PermanentError: (no retries) if Elastic Path refuses the filter, or the export failed.
    :raises TransientError: (retries) if it could not be reached, or ``timeout`` passed.
    """

    hook_class = ElasticPathHook
    job_method = "export_orders"
    job_options = ("filter",)
    result_options = ("empty_export",)
    template_fields: Sequence[str] = ("filter", "elastic_path_conn_id")

    def __init__(
        self,
        *,
        filter: str,  # noqa: A002 - Elastic Path's own word
        elastic_path_conn_id: str = ElasticPathHook.default_conn_name,
        empty_export: Literal["fail", "skip"] = "fail",
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = 3600.0,
        **kwargs: Unpack[OperatorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
