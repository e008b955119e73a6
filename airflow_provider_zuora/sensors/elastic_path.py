"""Wait for exports of Elastic Path: options only, the logic is in `BaseJobSensor`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, Unpack

from airflow_provider_zuora.airflow_context.parameters import SensorOptions, keep_parameters
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.links import ElasticPathLink
from airflow_provider_zuora.sensors.base import BaseJobSensor


class ElasticPathJobSensor(BaseJobSensor):
    """
    Wait until an export of Elastic Path has ended, and return the job.

    The rest of `BaseJobSensor` applies. Exports run one at a time there, so this one may wait for others.

    :param job_id: what ``ElasticPathExportOrdersOperator`` returned.
    :param elastic_path_conn_id: the Airflow connection.
    :param empty_export: what to do if no order matches, which Elastic Path calls a failed job: ``fail`` or
        ``skip`` the task.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s in poke mode) to 60 s.
    :param end_from_trigger: True: the trigger ends a task whose jobs completed, without a worker.
    :param start_from_trigger: True: the task begins in the triggerer, without a worker.
    """

    hook_class = ElasticPathHook
    operator_extra_links = (ElasticPathLink(),)
    result_options = ("empty_export",)
    template_fields: Sequence[str] = ("job_id", "elastic_path_conn_id")

    def __init__(
        self,
        *,
        job_id: str | Sequence[str],
        elastic_path_conn_id: str = ElasticPathHook.default_conn_name,
        empty_export: Literal["fail", "skip"] = "fail",
        deferrable: bool = True,
        poke_interval: timedelta | float | None = None,
        end_from_trigger: bool = False,
        start_from_trigger: bool = False,
        **kwargs: Unpack[SensorOptions],
    ):
        keep_parameters(self, locals())
        super().__init__(**kwargs)
