"""What a DAG author may write: each public class names all its own parameters, and a wrong one is found."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Unpack, get_type_hints

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_zuora.airflow_context.parameters import OperatorOptions, SensorOptions
from airflow_provider_zuora.hooks.config import SECTION
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.order_deletion import ZuoraDeleteOrderOperator
from airflow_provider_zuora.operators.orders import (
    ZuoraCreateOrderOperator,
    ZuoraCreateOrdersOperator,
    ZuoraPreviewOrderOperator,
)
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from airflow_provider_zuora.sensors.elastic_path import ElasticPathJobSensor
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.conftest import ORDER

ROOT = Path(__file__).parents[2]
OPERATORS = [
    ElasticPathExportOrdersOperator,
    ZuoraBillRunOperator,
    ZuoraCreateOrderOperator,
    ZuoraCreateOrdersOperator,
    ZuoraDataQueryOperator,
    ZuoraDeleteOrderOperator,
    ZuoraPaymentRunOperator,
    ZuoraPreviewOrderOperator,
    ZuoraReconcileOrdersOperator,
]
SENSORS = [ElasticPathJobSensor, ZuoraJobSensor]
WAIT = {"wait_for_completion", "deferrable", "poll_interval", "timeout"}


def own_parameters(kind):
    """Return the names that the `__init__` of a class lists itself."""
    parameters = inspect.signature(vars(kind)["__init__"]).parameters.values()
    return {each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", OPERATORS + SENSORS)
def test_a_public_class_lists_every_parameter_that_its_bases_take(kind):
    bases = [base for base in kind.__mro__ if base.__module__.startswith("airflow_provider_zuora")]
    taken = set().union(*(own_parameters(base) for base in bases if "__init__" in vars(base)))
    left_out = {"wait_for_completion"} if kind is ZuoraPreviewOrderOperator else set()
    assert own_parameters(kind) == taken - left_out


@pytest.mark.parametrize("kind", OPERATORS + SENSORS)
def test_each_parameter_has_a_type_and_a_line_in_the_docstring(kind):
    hints = get_type_hints(vars(kind)["__init__"])
    assert own_parameters(kind) <= set(hints)
    assert hints["kwargs"] == Unpack[SensorOptions if kind in SENSORS else OperatorOptions]
    assert {name for name in own_parameters(kind) if f":param {name}:" not in kind.__doc__} == set()


@pytest.mark.parametrize("kind", OPERATORS + SENSORS)
def test_an_interval_names_the_option_of_airflows_configuration_that_gives_its_default(kind):
    for name in {"poll_interval", "poke_interval"} & own_parameters(kind):
        _, _, line = kind.__doc__.partition(f":param {name}:")
        assert f"``[{SECTION}] poll_interval``" in line.partition(":param ")[0]


@pytest.mark.parametrize("kind", [ElasticPathExportOrdersOperator, ZuoraCreateOrderOperator])
def test_an_operator_that_can_wait_names_how(kind):
    assert own_parameters(kind) >= WAIT


@pytest.mark.parametrize(
    ("options", "airflows", "of_our_own"),
    [
        (OperatorOptions, BaseOperator, set()),
        (SensorOptions, BaseSensorOperator, {"poke_interval"}),
    ],
)
def test_what_a_type_checker_takes_are_airflows_own_options(options, airflows, of_our_own):
    taken = {name for base in airflows.__mro__ for name in inspect.signature(base.__init__).parameters} - {
        "self",
        "args",
        "kwargs",
        "context",  # of the logger that is a parent of Airflow 2's
    }
    assert taken - of_our_own - set(options.__annotations__) == set()


def test_a_preview_is_always_waited_for():
    with pytest.raises(ValueError, match="wait_for_completion: a preview is always waited for"):
        ZuoraPreviewOrderOperator(task_id="preview", order=ORDER, wait_for_completion=False)


@pytest.mark.slow
def test_mypy_finds_a_misspelt_parameter(tmp_path):
    pytest.importorskip("mypy", reason="it checks on Airflow 3.3")
    (tmp_path / "dag.py").write_text(
        "from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator\n"
        "from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator\n"
        "from airflow_provider_zuora.operators.orders import ZuoraPreviewOrderOperator\n"
        'ZuoraCreateOrderOperator(task_id="a", order={}, retries=3, poll_interval=5)\n'
        'ZuoraCreateOrderOperator(task_id="b", order={}, poke_interval=5)\n'
        'ZuoraCreateOrderOperator(task_id="c", order={}, idempotency_keys="k")\n'
        'ZuoraCreateOrderOperator(task_id="d", order={}, retires=3)\n'
        'ZuoraPreviewOrderOperator(task_id="e", order={}, wait_for_completion=True)\n'
        'ElasticPathExportOrdersOperator(task_id="f", filter="x", empty_export="ignore")\n'
    )
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(tmp_path / "dag.py")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert [line.split(":")[1] for line in checked.stdout.splitlines() if ": error: " in line] == list(
        "56789"
    )
