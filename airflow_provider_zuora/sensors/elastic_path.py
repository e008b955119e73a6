"""Wait for exports of Elastic Path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.sensors.base import BaseJobSensor


class ElasticPathJobSensor(BaseJobSensor):
    """
    Wait until an export of Elastic Path's has ended, and return what is known of it.

    All that is said of `BaseJobSensor` holds. Exports run one at a time there: a wait may be one for others.

    :param job_id: what ``ElasticPathExportOrdersOperator`` returned.
    :param elastic_path_conn_id: the Airflow connection.
    :param empty_export: what an export is that no order matched, to Elastic Path a failed job: ``fail``, or
        ``skip`` the task.
    """

    hook_class = ElasticPathHook
    outcome_options = ("empty_export",)
    template_fields: Sequence[str] = ("job_id", "elastic_path_conn_id")

    def __init__(
        self,
        *,
        job_id: str | Sequence[str],
        elastic_path_conn_id: str = ElasticPathHook.default_conn_name,
        empty_export: Literal["fail", "skip"] = "fail",
        **kwargs: Any,
    ):
        super().__init__(job_id=job_id, **kwargs)
        self.elastic_path_conn_id = elastic_path_conn_id
        self.empty_export = empty_export
