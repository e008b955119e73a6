"""Wait for jobs of Zuora: options only, the logic is in `BaseJobSensor`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Unpack

from airflow_provider_zuora.airflow_context.parameters import SensorOptions, keep_parameters
from airflow_provider_zuora.core.validation import check_flags
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.links import ZuoraLink
from airflow_provider_zuora.sensors.base import BaseJobSensor


class ZuoraJobSensor(BaseJobSensor):
    """
    Wait until a job of any kind has ended at Zuora, and return its result; it is never cancelled.

    The rest of `BaseJobSensor` applies.

    :param job_id: what ``ZuoraCreateOrderOperator`` or ``ZuoraCreateOrdersOperator`` returned; or
        ``data-query:<id>``, ``bill-run:<id>``, ``bill-run-post:<id>``, ``payment-run:<id>``; or a list.
    :param zuora_conn_id: the Airflow connection.
    :param require_order_completed: True: a completed job whose order is not Completed (it may wait for an
        activation) fails the task; False: the log warns of it.
    :param deferrable: wait in the triggerer, without a worker.
    :param poke_interval: seconds between two polls, plus up to a tenth by chance; None: Airflow's
        ``[zuora] poll_interval``; if that is blank, growing by half, from 10 s (1 s in poke mode) to 60 s.
    :param end_from_trigger: True: the trigger ends a task whose jobs completed, without a worker.
    :param start_from_trigger: True: the task begins in the triggerer, without a worker.
    """

    hook_class = ZuoraHook
    operator_extra_links = (ZuoraLink(),)
    result_options = ("require_order_completed",)
    template_fields: Sequence[str] = ("job_id", "zuora_conn_id")

    def __init__(
        self,
        *,
        job_id: str | Sequence[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        require_order_completed: bool = False,
        deferrable: bool = True,
        poke_interval: timedelta | float | None = None,
        end_from_trigger: bool = False,
        start_from_trigger: bool = False,
        **kwargs: Unpack[SensorOptions],
    ):
        keep_parameters(self, locals())
        check_flags({"require_order_completed": require_order_completed})
        super().__init__(**kwargs)
