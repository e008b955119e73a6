"""An Airflow 3.3 and an Airflow 2.11, each with a sandbox, and the runs that crash, a few at once."""

import os
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from tests.crash.runs import POINTS, TASKS, Crashes

HERE = Path(__file__).parent
PYTHON_211 = HERE.parents[1] / ".venv-2.11" / "bin" / "python"

AT_ONCE = 3  # runs of each point; the sandbox remembers the requests of these, not of many more
RUNS = {"3.3": ("CRASH_RUNS_33", 2), "2.11": ("CRASH_RUNS_211", 1)}  # of an order; of another kind it is 1

HEARTBEATS = {
    "scheduler__task_instance_heartbeat_timeout": "25",
    "scheduler__task_instance_heartbeat_timeout_detection_interval": "2",
    # Airflow 2.11 calls them so; there the end of a task's process is found in no other way.
    "scheduler__scheduler_zombie_task_threshold": "60",
    "scheduler__zombie_detection_interval": "2",
}
# A job that is submitted still runs at the first poll, and has ended at the trigger's, ten seconds later.
SETTINGS = {
    "query_queue_seconds": 0,
    "query_seconds": 5,
    "query_queued": 100,
    "bill_run_queue_seconds": 0,
    "bill_run_seconds": 5,
    "bill_run_post_seconds": 0,
    "payment_run_queue_seconds": 0,
    "payment_run_seconds": 5,
}


def crashes_on(stack_class, place, opened, config, **options):
    (place / "marks").mkdir(parents=True)
    zuora = opened.enter_context(ServedSandbox(place / "zuora.log", "--job-seconds", "0"))
    zuora.ask("POST", "/sandbox/settings", SETTINGS)
    env = {"CRASH_PLACE": str(place), "PYTHONPATH": str(HERE / "backends")}
    config = HEARTBEATS | {"core__xcom_backend": "crash_xcom.CrashXCom"} | config
    stack = stack_class(place / "airflow", HERE / "dags", env=env, config=config, **options)
    stack = opened.enter_context(stack)
    # A process that is stopped for very long still waits for its answer when it goes on.
    stack.cli(*zuora.connection(), "--conn-extra", '{"timeout": 600}')
    return Crashes(place, stack, zuora)


@pytest.fixture(scope="session")
def crashes(tmp_path_factory):
    """Return the crashes by Airflow version; while one Airflow starts, the other one works."""
    assert PYTHON_211.exists(), "the crash tests need Airflow 2.11 as well: make env-2.11"
    place = tmp_path_factory.mktemp("crash")
    found = {}
    with ExitStack() as opened:
        own = {"workers__state_store_backend": "crash_store.CrashStore", "core__parallelism": "8"}
        found["3.3"] = crashes_on(AirflowStack, place / "3.3", opened, own)
        start({"3.3": found["3.3"]}, range(AT_ONCE))
        found["2.11"] = crashes_on(Airflow2Stack, place / "2.11", opened, {}, python=PYTHON_211)
        start({"2.11": found["2.11"]}, range(AT_ONCE))
        most = max(runs_on(version, "order") for version in found)
        for first in range(AT_ONCE, most, AT_ONCE):
            start(found, range(first, first + AT_ONCE))
        yield found


def runs_on(version, kind):
    variable, runs = RUNS[version]
    return int(os.environ.get(variable, runs if kind == "order" else 1))


def start(found, numbers):
    """Start these runs of each point when all those that were started before have ended."""
    for version, crashes in found.items():
        assert all(run.state == run.end for run in crashes.all_runs)
        with crashes.hold_tasks(TASKS):
            for kind, points in POINTS[version].items():
                last = min(numbers.stop, runs_on(version, kind))
                for number, point in product(range(numbers.start, last), points):
                    crashes.start(kind, point, number)
