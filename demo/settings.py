"""An Airflow gets all its settings from its environment: no file of the user's is read or written."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

# What makes Airflow quick and small enough for a demo; everything else is as a user finds it.
SETTINGS = {
    "api__host": "127.0.0.1",
    "core__executor": "LocalExecutor",
    "core__load_examples": "False",
    "core__parallelism": "4",
    "core__simple_auth_manager_all_admins": "True",
    "core__test_connection": "Enabled",
    "dag_processor__parsing_processes": "1",
    "logging__colored_console_log": "False",
    "scheduler__job_heartbeat_sec": "2",
    "scheduler__scheduler_heartbeat_sec": "1",
    "scheduler__trigger_timeout_check_interval": "3",
    "triggerer__job_heartbeat_sec": "2",
    "triggerer__triggerer_health_check_threshold": "10",
    "usage_data_collection__enabled": "False",
    # So many seconds late, at most, the executor hears that a process has ended: no trigger may fire before.
    "workers__min_heartbeat_interval": "1",
}

# Airflow's api-server on SQLite sometimes fails a task: nobody waits five or fifteen minutes for its retry.
POLICY = """\
from datetime import timedelta


def task_policy(task):
    task.retry_delay = min(task.retry_delay, timedelta(seconds=5))
"""


def environment(
    home: Path, dags_folder: Path, ports: Sequence[int], config: Mapping[str, str]
) -> dict[str, str]:
    """
    Return the environment of every component: the user's, without any Airflow setting of the user's.

    :param home: becomes AIRFLOW_HOME, and HOME and the place of temporary files too.
    :param ports: three, the first for the api-server.
    :param config: more of `SETTINGS`, or other values.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    # On a busy machine SQLite's five seconds are too short: the scheduler ends where its database is locked.
    database = {"database__sql_alchemy_conn": f"sqlite:///{home}/airflow.db?timeout=90"}
    runtime = {"zuora__runtime_directory": str(home / "runtime")}
    settings = SETTINGS | database | runtime | _own_settings(dags_folder, *ports) | dict(config)
    places = {
        "AIRFLOW_HOME": str(home),
        "HOME": str(home),
        "NO_PROXY": "*",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(home / "tmp"),
    }
    return kept | places | {f"AIRFLOW__{name.upper()}": value for name, value in settings.items()}


def _own_settings(dags_folder: Path, port: int, trigger_logs: int, worker_logs: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {
        "api__base_url": url,
        "api__port": str(port),
        "api__secret_key": secrets.token_hex(16),
        "api_auth__jwt_secret": secrets.token_hex(32),
        "core__dags_folder": str(dags_folder),
        "core__execution_api_server_url": f"{url}/execution/",
        "core__fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "logging__trigger_log_server_port": str(trigger_logs),
        "logging__worker_log_server_port": str(worker_logs),
    }
