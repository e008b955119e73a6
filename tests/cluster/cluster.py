"""A distributed Airflow on this machine: PostgreSQL, Redis, Celery, and two of what may be several."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg2

from demo.api import AirflowApi, fetch_json
from demo.processes import StackError, end_marked, free_ports, wait_for
from demo.settings import environment
from tests.cluster import programs
from tests.cluster.components import Component, Supervisor
from tests.cluster.load import DAGS, QUICK_VARIABLE
from tests.cluster.network import Network
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parents[2]
SLOTS = 6
LATENCY = 0.02  # seconds on the way, each way; the sandbox itself takes `ANSWER`
ANSWER = 0.15
# What notices sooner that something has died than a user's Airflow; all else as a user finds it.
CONFIG = {
    "core__executor": "CeleryExecutor",
    "core__parallelism": "24",
    "core__max_active_tasks_per_dag": "64",
    "celery__worker_concurrency": str(SLOTS),
    "dag_processor__refresh_interval": "30",
    "scheduler__job_heartbeat_sec": "5",
    "scheduler__orphaned_tasks_check_interval": "20",
    "scheduler__scheduler_heartbeat_sec": "2",
    "scheduler__scheduler_health_check_threshold": "30",
    "scheduler__task_instance_heartbeat_timeout": "45",
    "scheduler__task_instance_heartbeat_timeout_detection_interval": "5",
    "scheduler__task_queued_timeout": "60",
    "scheduler__task_queued_timeout_check_interval": "10",
    "scheduler__trigger_timeout_check_interval": "10",
    "triggerer__job_heartbeat_sec": "5",
    "triggerer__triggerer_health_check_threshold": "20",
}
MOST_REVIVALS = 2  # of one component until all are healthy
SERVICES = ("postgres", "redis", "sandbox")
FIRST_TO_END = ("worker1", "worker2", "triggerer1", "triggerer2", "scheduler1", "scheduler2", "dag-processor")


class Cluster:
    """
    All components, started and ended; a context manager. ``is_over`` is set when all is to end.

    :param home: a directory of its own, which is emptied first; AIRFLOW_HOME.
    """

    def __init__(self, home: Path, *, quick: bool) -> None:
        self.home = home
        self.logs = home / "logs"
        self.programs = programs.find_programs()
        names = ("api", "postgres", "redis", "sandbox", "files", "triggerer_logs", "worker_logs")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.network = Network(home, LATENCY)
        self.api = AirflowApi(f"http://127.0.0.1:{self.ports['api']}")
        self.env = self._make_environment() | ({QUICK_VARIABLE: "1"} if quick else {})
        self.components = {each.name: each for each in self._define()}
        self.is_over = threading.Event()
        self.supervisor = Supervisor(list(self.components.values()))

    def __enter__(self) -> Self:
        """Make everything anew, and wait until Airflow says that all of it is healthy."""
        postgres = self.home / "postgres"
        programs.end_leftover_database(self.programs, postgres)
        end_marked("AIRFLOW_HOME", str(self.home))
        shutil.rmtree(self.home, ignore_errors=True)
        for folder in (self.home, self.home / "tmp", self.home / "files"):
            folder.mkdir(parents=True)
        try:
            programs.make_database_folder(self.programs, postgres)
            self.network.__enter__()
            for name in SERVICES:
                self.components[name].start()
            self._wait_for_services()
            self._prepare()
            for name in (*FIRST_TO_END, "api-server"):
                self.components[name].start()
            self.supervisor.start()
            wait_for("a healthy Airflow", self._is_healthy, 240, interval=1)
            wait_for("the DAGs", lambda: all(map(self.api.has_dag, DAGS)), 120, interval=1)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of it."""
        self.stop()

    def stop(self) -> None:
        """End everything, the api-server and what it needs last, and the database's files."""
        self.is_over.set()
        self.supervisor.stop()
        for names, grace in ((FIRST_TO_END, 8.0), (("api-server",), 5.0), (SERVICES, 10.0)):
            for name in names:
                self.components[name].close()
            deadline = time.monotonic() + grace
            for name in names:
                self.components[name].end(max(0.0, deadline - time.monotonic()))
        end_marked("AIRFLOW_HOME", str(self.home))  # what had left its component's session
        with suppress(RuntimeError):  # it had not begun
            self.network.__exit__()
        shutil.rmtree(self.home / "postgres", ignore_errors=True)

    def select(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows of Airflow's database; while it restarts, the question is asked again."""

        def ask() -> tuple[list[tuple[Any, ...]]] | None:
            try:
                with closing(self._connect("airflow")) as database, database.cursor() as cursor:
                    cursor.execute(sql, values)
                    return (cursor.fetchall(),)
            except psycopg2.OperationalError:
                return None

        return wait_for("an answer of the database", ask, 60)[0]

    def ask_sandbox(self, method: str, name: str, body: Any = None) -> Any:
        """Return what one of the sandbox's own pages answers, past the network that may be cut."""
        return fetch_json(method, f"http://127.0.0.1:{self.ports['sandbox']}/sandbox/{name}", body)

    def _connect(self, database: str) -> Any:
        where = {"host": "127.0.0.1", "port": self.ports["postgres"], "user": "airflow"}
        return psycopg2.connect(dbname=database, connect_timeout=5, **where)

    def _make_environment(self) -> dict[str, str]:
        database = f"127.0.0.1:{self.ports['postgres']}/airflow"
        places = {
            "database__sql_alchemy_conn": f"postgresql+psycopg2://airflow@{database}",
            "celery__broker_url": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "celery__result_backend": f"db+postgresql://airflow@{database}",
        }
        ports = [self.ports[name] for name in ("api", "triggerer_logs", "worker_logs")]
        env = environment(self.home, Path(__file__).parent / "dags", ports, CONFIG | places)
        return env | {
            "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _define(self) -> list[Component]:
        airflow = [sys.executable, "-m", "airflow"]
        sandbox = [sys.executable, "-m", "zuora_sandbox", "--answer-seconds", str(ANSWER)]
        served = ("--port", str(self.ports["sandbox"]), "--file-port", str(self.ports["files"]))
        postgres = programs.make_postgres_command(
            self.programs, self.home / "postgres", self.ports["postgres"]
        )
        commands = {
            "postgres": postgres,
            "redis": programs.make_redis_command(self.programs, self.home, self.ports["redis"]),
            "sandbox": [*sandbox, *served],
            "api-server": [*airflow, "api-server"],
            "dag-processor": [*airflow, "dag-processor"],
        }
        for number in (1, 2):
            # Airflow's log servers listen on every address, and no setting changes that: so there are none.
            commands[f"scheduler{number}"] = [*airflow, "scheduler", "--skip-serve-logs"]
            commands[f"triggerer{number}"] = [*airflow, "triggerer", "--skip-serve-logs"]
            named = ("--celery-hostname", f"worker{number}@%h")
            commands[f"worker{number}"] = [*airflow, "celery", "worker", *named, "--skip-serve-logs"]
        where = {"env": self.env, "cwd": self.home, "logs": self.logs / "components"}
        # PostgreSQL's SIGINT ends the sessions of its clients; its SIGTERM would wait for them.
        return [
            Component(
                name, command, **where, stopping=signal.SIGINT if name == "postgres" else signal.SIGTERM
            )
            for name, command in commands.items()
        ]

    def _wait_for_services(self) -> None:
        def has_database() -> bool:
            with suppress(psycopg2.OperationalError), closing(self._connect("postgres")) as database:
                database.autocommit = True
                database.cursor().execute("CREATE DATABASE airflow")
                return True
            return False

        def has_sandbox() -> bool:
            with suppress(OSError):
                return bool(self.ask_sandbox("GET", "ledger"))
            return False

        wait_for("PostgreSQL", has_database, 60)
        wait_for("the sandbox", has_sandbox, 60)

    def _prepare(self) -> None:
        """Make Airflow's tables and its connection to the sandbox, whose files are behind TLS too."""
        self.cli("db", "migrate")
        extra = {"verify": str(self.network.certificate), "timeout": 10, "max_connections": 8}
        zuora, files = (self.network.lead_to(self.ports[name]) for name in ("sandbox", "files"))
        who = ("--conn-login", CLIENT_ID, "--conn-password", CLIENT_SECRET, "--conn-host", zuora)
        kind = ("--conn-type", "zuora", "--conn-extra", json.dumps(extra))
        self.cli("connections", "add", "zuora_default", *kind, *who)
        self.ask_sandbox("POST", "settings", {"query_files_url": files})

    def _is_healthy(self) -> bool:
        for name, times in self.supervisor.revived.items():
            if times > MOST_REVIVALS:
                raise StackError(f"{name} ends again and again:\n{self.components[name].tail()}")
        health = self.api.health()
        return bool(health) and all(status == "healthy" for status in health.values())

    def cli(self, *args: str) -> None:
        """Run an ``airflow`` command; StackError where it fails."""
        command = [sys.executable, "-m", "airflow", *args]
        done = subprocess.run(
            command, env=self.env, cwd=self.home, text=True, capture_output=True, timeout=300, check=False
        )
        if done.returncode:
            words = " ".join(args[:2])
            raise StackError(f"airflow {words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
