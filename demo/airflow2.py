"""An Airflow 2.11 under one directory: steered by its command line, and observed by reading its database."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from demo.stack import AirflowStack

JOBS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob"}
"""What runs, the DAG processor inside of the scheduler; and how each is called in the table of jobs."""

XCOM = "SELECT value FROM xcom WHERE (dag_id, run_id, task_id, key, map_index) = (?, ?, ?, ?, ?)"


class AirflowDatabase:
    """
    What `demo.api.AirflowApi` answers, of an Airflow that has no REST API without passwords.

    :param file: its SQLite database.
    :param cli: runs an ``airflow`` command.
    """

    def __init__(self, file: Path, cli: Callable[..., str]) -> None:
        self._url = f"{file.as_uri()}?mode=ro"
        self._cli = cli

    def read(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows that a query finds."""
        with closing(sqlite3.connect(self._url, uri=True, timeout=30)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]

    def health(self) -> dict[str, str]:
        """Return the status of each component; healthy from its first heartbeat on."""
        jobs = {row["job_type"] for row in self.read("SELECT job_type FROM job WHERE state = 'running'")}
        return {name: "healthy" if job in jobs else "unknown" for name, job in JOBS.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG processor has read this DAG."""
        return bool(self.read("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag_id))

    def import_errors(self) -> list[str]:
        """Return why DAG files could not be read."""
        return [row["stacktrace"] for row in self.read("SELECT stacktrace FROM import_error")]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start what is due."""
        if self.read("SELECT 1 FROM dag WHERE dag_id = ? AND is_paused", dag_id):
            self._cli("dags", "unpause", dag_id)

    def runs(self, dag_id: str) -> list[str]:
        """Return the ids of the runs of a DAG, the newest first."""
        found = self.read("SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY execution_date DESC", dag_id)
        return [str(row["run_id"]) for row in found]

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str, logical_date: str = "") -> str:
        """Unpause a DAG, start a run of it and return the run's id."""
        run_id = run_id or f"manual__{uuid.uuid4()}"
        self.unpause(dag_id)
        # Two runs of a DAG may not have the same logical date.
        options = ("--run-id", run_id, "--conf", json.dumps(conf), "--no-replace-microseconds")
        date = ("--exec-date", logical_date) if logical_date else ()
        self._cli("dags", "trigger", dag_id, *options, *date)
        return run_id

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what Airflow knows of a run."""
        return self.read("SELECT * FROM dag_run WHERE dag_id = ? AND run_id = ?", dag_id, run_id)[0]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return what Airflow knows of a run's task instances, in the order in which they started."""
        query = "SELECT * FROM task_instance WHERE dag_id = ? AND run_id = ?"
        found = self.read(query, dag_id, run_id)
        return sorted(found, key=lambda each: (each["start_date"] or "~", each["task_id"]))

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int) -> Any:
        """Return what a task left under a key, None where it left nothing."""
        rows = self.read(XCOM, dag_id, run_id, task_id, key, map_index)
        return json.loads(rows[0]["value"]) if rows else None


class Airflow2Stack(AirflowStack):
    """
    Airflow 2.11's scheduler and triggerer on SQLite, with which it runs one task at a time.

    The arguments are those of `AirflowStack`.
    """

    components: ClassVar[tuple[str, ...]] = tuple(JOBS)

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        python: Path,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        own = {"core__executor": "SequentialExecutor", "scheduler__parsing_processes": "1"}
        path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}  # the executor calls `airflow`
        env, config = path | dict(env or {}), own | dict(config or {})
        super().__init__(home, dags_folder, env=env, config=config, python=python)
        self.api = AirflowDatabase(self.home / "airflow.db", self.cli)
