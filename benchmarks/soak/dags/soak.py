"""
The waits of a soak: sensors that begin in the triggerer, for no worker could start a thousand of them soon.

A hundred DAGs of ten, since Airflow's triggerer reads all of a DAG for each wait that begins there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import dag

from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from benchmarks.soak.probe import ProbeOperator

GIVEN = json.loads(Path(__file__).with_name("soak.json").read_text("utf-8"))
OF_ONE_DAG = 10
ONCE = "@once"
OPTIONS = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
}


def make_dag(number: int, job_ids: list[str]) -> None:
    """Make the DAG of some waits."""

    @dag(dag_id=f"soak_{number:03d}", schedule=ONCE, **OPTIONS)
    def waits() -> None:
        for index, job_id in enumerate(job_ids):
            ZuoraJobSensor(
                task_id=f"wait_{index}",
                job_id=job_id,
                poke_interval=GIVEN["interval"],
                timeout=GIVEN["timeout"],
                start_from_trigger=True,
                end_from_trigger=True,
            )

    waits()


@dag(dag_id="probe", schedule=ONCE, **OPTIONS)
def probe() -> None:
    """Watch the event loop of the triggerer."""
    # A worker that a busy machine starts too late fails.
    ProbeOperator(task_id="probe", path=GIVEN["probe"], retries=30, retry_delay=timedelta(seconds=5))


probe()
for first in range(0, len(GIVEN["job_ids"]), OF_ONE_DAG):
    make_dag(first // OF_ONE_DAG, GIVEN["job_ids"][first : first + OF_ONE_DAG])
