"""What differs between versions is found on each, and none of them warns of what we use."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from airflow.exceptions import AirflowOptionalProviderFeatureException
from airflow.triggers.base import BaseTrigger

from airflow_provider_zuora import version_compat
from airflow_provider_zuora.version_compat import (
    MASKING,
    NEVER_EXPIRE,
    SUPPORTS_TASKS_IN_TRIGGERER,
    find_first,
    mask_secret,
)
from tests.airflow_versions import AIRFLOW, EXAMPLES, IS_AIRFLOW_2
from tests.test_readme import read_rows

# What Airflow itself imports for these may warn of Airflow itself: it is there before warnings are errors.
IMPORTS = """
import importlib.util, pkgutil, runpy, sys, warnings
from airflow.providers.common.compat.sdk import BaseHook, BaseSensorOperator, Connection, XCom, dag, task
warnings.simplefilter("error", DeprecationWarning)

import airflow_provider_zuora as package

has_openlineage = importlib.util.find_spec("airflow.providers.openlineage") is not None
for each in pkgutil.walk_packages(package.__path__, "airflow_provider_zuora."):
    if not each.name.endswith(".openlineage") or has_openlineage:  # who has it not never imports ours
        importlib.import_module(each.name)
for example in sys.argv[1:]:
    runpy.run_path(example)
"""


def retries_the_killed():
    if IS_AIRFLOW_2:
        return True
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    return hasattr(ActivitySubprocess, "_should_retry")


def events_are_of_assets():
    from airflow.providers.common.compat.sdk import Asset

    return Asset.__name__ == "Asset"


def people_can_be_asked():
    try:
        import_module("airflow.providers.standard.operators.hitl")
    except (AirflowOptionalProviderFeatureException, ModuleNotFoundError):
        return False
    return True


# Whether this Airflow has what a row of the table is about, by the first words of the row.
HAS = {
    "submissions are recorded": lambda: NEVER_EXPIRE is not None,
    "a wait begins and ends": lambda: SUPPORTS_TASKS_IN_TRIGGERER,
    "orders that": people_can_be_asked,
    "a data query": lambda: hasattr(BaseTrigger, "on_kill"),
    "an order that has completed": events_are_of_assets,
    "a task whose worker was killed": retries_the_killed,
}
LACKS = {what: since for what, since, _ in read_rows("support.md", "What an older Airflow lacks")}


def test_masking_is_found_without_common_compat():
    assert find_first("mask_secret", MASKING[1:]) is mask_secret


def test_what_is_nowhere_is_named_with_where_it_was_looked_for():
    with pytest.raises(ImportError, match=r"no_such_name is in none of airflow\.sdk\.log, no\.such\.module"):
        find_first("no_such_name", ("airflow.sdk.log", "no.such.module"))


def test_no_module_and_no_example_uses_what_is_deprecated():
    examples = [str(path) for path in EXAMPLES]
    command = [sys.executable, "-c", IMPORTS, *examples]
    done = subprocess.run(command, env=os.environ, text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


def test_no_other_module_asks_airflow_for_what_not_each_version_has():
    asks = re.compile(r"^\s*(?:from|import) (airflow(?:\.[\w.]+)?)(?= import|\s|$)", re.MULTILINE)
    package = Path(version_compat.__file__).parent
    asked = {
        (str(path.relative_to(package)), module)
        for path in package.rglob("*.py")
        for module in asks.findall(path.read_text())
        if module != "airflow.triggers.base"
        and not module.startswith(("airflow.providers.common.compat.", "airflow.providers.openlineage."))
    }

    assert {path for path, _ in asked} == {"version_compat.py"}


@pytest.mark.parametrize("words", HAS)
def test_what_an_older_airflow_lacks(words):
    [since] = [since for what, since in LACKS.items() if what.startswith(words)]
    versions = [tuple(map(int, each.split("."))) for each in re.findall(r"\d+\.\d+", since)]

    of_airflow_3 = min(each for each in versions if each >= (3, 0))

    assert HAS[words]() is (of_airflow_3 <= AIRFLOW or AIRFLOW in versions)


def test_each_row_is_held_true():
    assert [what for what in LACKS if not what.startswith(tuple(HAS))] == []
