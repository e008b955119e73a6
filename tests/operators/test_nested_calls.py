"""Airflow refuses, with allow_nested_operators=False, whoever calls an ``execute`` but itself."""

import pytest

from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import (
    ZuoraCreateOrderOperator,
    ZuoraCreateOrdersOperator,
)
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.airflow_versions import execute
from tests.conftest import ORDER
from tests.operators.test_data_query import make_context
from zuora_sandbox import Settings

STRICT = {"task_id": "t", "allow_nested_operators": False}
SOON = Settings(job_seconds=0, query_queue_seconds=0, query_seconds=0)
TASKS = {
    "create": lambda: ZuoraCreateOrderOperator(order=ORDER, **STRICT),
    "create and wait": lambda: ZuoraCreateOrderOperator(
        order=ORDER, wait_for_completion=True, deferrable=False, **STRICT
    ),
    "create many": lambda: ZuoraCreateOrdersOperator(orders=[ORDER], **STRICT),
    "query": lambda: ZuoraDataQueryOperator(query="SELECT id FROM account", deferrable=False, **STRICT),
    "poke": lambda: ZuoraJobSensor(job_id=ZuoraHook().create_order(ORDER), deferrable=False, **STRICT),
}


@pytest.mark.usefixtures("reschedule_dates")
@pytest.mark.parametrize("zuora", [SOON], indirect=True)
@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_a_task_calls_no_execute_of_its_parents(zuora, make, capsys, caplog):
    execute(make(), make_context())

    assert "cannot be called outside" not in capsys.readouterr().out + caplog.text
