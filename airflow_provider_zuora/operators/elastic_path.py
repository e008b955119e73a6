"""Export orders from Elastic Path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.operators.base import BaseJobOperator


class ElasticPathExportOrdersOperator(BaseJobOperator):
    """
    Start an export of orders at Elastic Path, and return its job's id, or what is known of it at its end.

    The file is fetched with ``ElasticPathHook.download(job_id, target)``, within a week. A retry starts
    another export, which changes nothing there.

    :param filter: in the grammar of Elastic Path's order list, for example
        ``ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)``.
    :param elastic_path_conn_id: the Airflow connection.
    :param empty_export: what an export is that no order matched, to Elastic Path a failed job: ``fail``, or
        ``skip`` the task that waits.
    :param wait_for_completion: wait in the same task; for the options of the wait see `BaseJobOperator`.
    :return: the job id; with ``wait_for_completion`` the job, as a dict: ``id``, ``status`` and so on.
    :raises PermanentError: (no retries) where Elastic Path says no, or the export failed.
    :raises TransientError: (retries) where it could not be reached, or ``timeout`` passed.
    """

    hook_class = ElasticPathHook
    job_method = "export_orders"
    job_options = ("filter",)
    outcome_options = ("empty_export",)
    template_fields: Sequence[str] = ("filter", "elastic_path_conn_id")

    def __init__(
        self,
        *,
        filter: str,  # noqa: A002 - Elastic Path's own word
        elastic_path_conn_id: str = ElasticPathHook.default_conn_name,
        empty_export: Literal["fail", "skip"] = "fail",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filter = filter
        self.elastic_path_conn_id = elastic_path_conn_id
        self.empty_export = empty_export
