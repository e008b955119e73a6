"""What Airflow and the sandbox have recorded of a run: plain values, for the verdict and for the report."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.load import RUN_ID

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

INSTANCES = """
SELECT dag_id, task_id, map_index, coalesce(state, 'none'), try_number FROM task_instance WHERE run_id = %s
"""
XCOMS = "SELECT dag_id, task_id, map_index, key, value FROM xcom WHERE run_id = %s"
RUNS = "SELECT dag_id, state FROM dag_run WHERE run_id = %s"


@dataclass(frozen=True)
class Instance:
    """One task instance at its end."""

    dag_id: str
    task_id: str
    map_index: int
    state: str
    tries: int
    xcoms: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """Return what it has returned, None if nothing."""
        return self.xcoms.get("return_value")

    def __str__(self) -> str:
        """Return its name as Airflow shows it."""
        return f"{self.dag_id}.{self.task_id}" + (f"[{self.map_index}]" if self.map_index >= 0 else "")


@dataclass(frozen=True)
class Records:
    """
    All of it.

    :param runs: the state of each DAG run, by its DAG.
    :param ledger: what the sandbox says of itself.
    :param files: the rows of each file that a query was put to, by its path.
    """

    instances: list[Instance]
    runs: dict[str, str]
    ledger: dict[str, Any]
    files: dict[str, list[dict[str, str]]]


def read_records(cluster: Cluster) -> Records:
    """Return what there is now."""
    values: dict[tuple[str, str, int], dict[str, Any]] = {}
    for dag_id, task_id, map_index, key, value in cluster.select(XCOMS, RUN_ID):
        values.setdefault((dag_id, task_id, map_index), {})[key] = value
    instances = [
        Instance(*row, xcoms=values.get((row[0], row[1], row[2]), {}))
        for row in cluster.select(INSTANCES, RUN_ID)
    ]
    return Records(
        instances=instances,
        runs=dict(cluster.select(RUNS, RUN_ID)),
        ledger=cluster.ask_sandbox("GET", "ledger"),
        files={str(path): _read_rows(path) for path in (cluster.home / "files").iterdir()},
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
