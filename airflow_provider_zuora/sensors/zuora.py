"""Wait for jobs of Zuora."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_zuora.core.options import check_flags
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.sensors.base import BaseJobSensor


class ZuoraJobSensor(BaseJobSensor):
    """
    Wait until a job of Zuora's asynchronous orders has ended, and return its result.

    All that is said of `BaseJobSensor` holds.

    :param job_id: what ``ZuoraCreateOrderOperator`` or ``ZuoraCreateOrdersOperator`` returned.
    :param zuora_conn_id: the Airflow connection.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task; False: the log warns of it.
    """

    hook_class = ZuoraHook
    outcome_options = ("require_order_completed",)
    template_fields: Sequence[str] = ("job_id", "zuora_conn_id")

    def __init__(
        self,
        *,
        job_id: str | Sequence[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        require_order_completed: bool = False,
        **kwargs: Any,
    ):
        super().__init__(job_id=job_id, **kwargs)
        self.zuora_conn_id = zuora_conn_id
        check_flags({"require_order_completed": require_order_completed})
        self.require_order_completed = require_order_completed
