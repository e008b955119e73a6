"""What the stack asks of Airflow goes through its public REST API, as any user's script would."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

RETRIES = 9
# More than the time for which a busy api-server waits for SQLite: see `demo.settings`.
PATIENCE_SECONDS = 120
# A proxy that the user's environment names has no business with 127.0.0.1.
_OPENER = build_opener(ProxyHandler({}))


def fetch_json(method: str, url: str, body: Any = None, *, token: str = "") -> Any:
    """Return the JSON that a server on this machine answers; HTTPError or URLError where it does not."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with _OPENER.open(Request(url, data, headers, method=method), timeout=PATIENCE_SECONDS) as response:
        return json.load(response)


class AirflowApi:
    """
    Airflow's REST API, version 2, of a stack whose simple auth manager makes everyone an admin.

    :param url: where the api-server answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def call(self, method: str, *path: str, body: Any = None, **query: Any) -> Any:
        """Return the answer of /api/v2/`path`, of which every part is quoted; what fails is repeated."""
        self.token = self.token or fetch_json("GET", f"{self.url}/auth/token")["access_token"]
        parts = "/".join(quote(part, safe="") for part in path)
        url = f"{self.url}/api/v2/{parts}" + (f"?{urlencode(query)}" if query else "")
        # SQLite has one writer: on a busy machine the api-server finds it locked now and then.
        for _ in range(RETRIES):
            try:
                return fetch_json(method, url, body, token=self.token)
            except HTTPError as error:
                if error.code < 500:
                    raise
            time.sleep(1)
        return fetch_json(method, url, body, token=self.token)

    def create(self, *path: str, body: Any) -> None:
        """Make what has a name of its own in the body; an attempt that seemed to fail may have made it."""
        try:
            self.call("POST", *path, body=body)
        except HTTPError as error:
            if error.code != 409:
                raise

    def health(self) -> dict[str, str]:
        """Return the status of each component, and nothing while the api-server does not answer."""
        try:
            answer = fetch_json("GET", f"{self.url}/api/v2/monitor/health")
        except (URLError, ConnectionError, TimeoutError):
            return {}
        return {name: (part or {}).get("status") or "unknown" for name, part in answer.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG processor has read this DAG."""
        try:
            return bool(self.call("GET", "dags", dag_id, "details"))  # these are written after the DAG itself
        except HTTPError as error:
            if error.code != 404:
                raise
            return False

    def import_errors(self) -> list[str]:
        """Return why DAG files could not be read."""
        return [each["stack_trace"] for each in self.call("GET", "importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start what is due."""
        self.call("PATCH", "dags", dag_id, body={"is_paused": False})

    def runs(self, dag_id: str) -> list[str]:
        """Return the ids of the newest runs of a DAG, the newest first."""
        answer = self.call("GET", "dags", dag_id, "dagRuns", order_by="-run_after", limit=20)
        return [str(each["dag_run_id"]) for each in answer["dag_runs"]]

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str, logical_date: str = "") -> str:
        """
        Unpause a DAG, start a run of it and return the run's id; one is made where it is empty.

        :param logical_date: ISO 8601 with a time zone; it decides about the run's data interval.
        """
        self.unpause(dag_id)
        run_id = run_id or f"manual__{uuid.uuid4()}"  # what has an id can be asked for again
        body = {"dag_run_id": run_id, "logical_date": logical_date or None, "conf": conf}
        self.create("dags", dag_id, "dagRuns", body=body)
        return run_id

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what Airflow knows of a run."""
        return dict(self.call("GET", "dags", dag_id, "dagRuns", run_id))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return what Airflow knows of a run's task instances, in the order in which they started."""
        answer = self.call("GET", "dags", dag_id, "dagRuns", run_id, "taskInstances", limit=100)
        return sorted(answer["task_instances"], key=lambda each: (each["start_date"] or "~", each["task_id"]))

    def worker_processes(self, dag_id: str, run_id: str) -> dict[str, int]:
        """
        Return how many worker processes have run each task of a run, retries and resumptions included.

        Airflow 3 writes one such event for each process that says, at its start, that the task runs.
        """
        answer = self.call("GET", "eventLogs", dag_id=dag_id, run_id=run_id, event="running", limit=100)
        if answer["total_entries"] > len(answer["event_logs"]):
            raise ValueError(f"{run_id} has more events than one answer holds")
        return dict(Counter(str(each["task_id"]) for each in answer["event_logs"]))

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int) -> Any:
        """Return what a task left under a key, None where it left nothing."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        try:
            return self.call("GET", *path, map_index=map_index)["value"]
        except HTTPError as error:
            if error.code != 404:
                raise
            return None
