"""Worker processes for one order, from its submission to its result, counted on a real Airflow."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.rounds import ROOT
from demo.api import AirflowApi
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack

DAGS = ROOT / "tests" / "e2e" / "dags" / "start_and_end.py"
WAYS = {  # the DAG, and how many it may take
    "operator and sensor": ("two_tasks", 3),
    "`wait_for_completion`": ("one_task", 2),
    "`end_from_trigger`": ("ended", 2),
    "`end_from_trigger` and `start_from_trigger`": ("unattended", 1),
}
READER = "report"  # the task that reads the result, which is no part of the order
# A trigger polls no sooner than 10 s after the deferral, and a worker can take its time to defer.
JOB_SECONDS = "--job-seconds=24"


def _count_taken(stack: AirflowStack, dag_id: str, run_id: str) -> int:
    """Return how many processes a run took, the reader's apart; the reader must have got a dict."""
    state = stack.wait_run(dag_id, run_id, timeout=400)
    got = stack.xcom(dag_id, run_id, READER)
    assert (state, got) == ("success", ["dict", f"O-{run_id}-{dag_id}"]), (dag_id, state, got)
    taken = AirflowApi(stack.url).worker_processes(dag_id, run_id)
    return sum(count for task_id, count in taken.items() if task_id != READER)


def count_processes() -> dict[str, int]:
    """Run one order in each way, all at the same time; return how many worker processes each took."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Path(folder)
        (place / "dags").mkdir()
        shutil.copy(DAGS, place / "dags")
        # Whatever is installed, what is measured is this checkout.
        env = {"PYTHONPATH": str(ROOT)}
        with (
            ServedSandbox(place / "sandbox.log", JOB_SECONDS) as zuora,
            AirflowStack(place / "airflow", place / "dags", env=env) as stack,
        ):
            stack.cli(*zuora.connection())
            runs = {way: (dag_id, stack.trigger(dag_id)) for way, (dag_id, _) in WAYS.items()}
            return {way: _count_taken(stack, *run) for way, run in runs.items()}
