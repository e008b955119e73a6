"""A whole Airflow under one directory: nothing of it is outside, and nothing of it is left when it stops."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

from demo.api import AirflowApi
from demo.processes import Process, StackError, free_ports, wait_for
from demo.settings import POLICY, environment

log = logging.getLogger(__name__)

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
GRACE_SECONDS = 6
ENDED = ("success", "failed")
WAITING = ("deferred", "awaiting_input")  # for a trigger, for a person


class Records(Protocol):
    """What a stack asks of its Airflow; `demo.api.AirflowApi` describes each."""

    def health(self) -> dict[str, str]: ...  # noqa: D102
    def has_dag(self, dag_id: str) -> bool: ...  # noqa: D102
    def import_errors(self) -> list[str]: ...  # noqa: D102
    def unpause(self, dag_id: str) -> None: ...  # noqa: D102
    def runs(self, dag_id: str) -> list[str]: ...  # noqa: D102
    def trigger(  # noqa: D102
        self, dag_id: str, conf: dict[str, Any], run_id: str, logical_date: str = ""
    ) -> str: ...
    def run(self, dag_id: str, run_id: str) -> dict[str, Any]: ...  # noqa: D102
    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]: ...  # noqa: D102
    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int) -> Any: ...  # noqa: D102


class AirflowStack:
    """
    Airflow's api-server, scheduler, DAG processor and triggerer on SQLite; a context manager.

    :param home: becomes AIRFLOW_HOME, and HOME and the place of temporary files too.
    :param dags_folder: where the DAG files are.
    :param env: more environment for every component.
    :param config: more of `settings.SETTINGS`: ``{"section__option": "value"}``.
    :param python: the interpreter that this Airflow is installed for; ours where None.
    """

    components: ClassVar[Sequence[str]] = COMPONENTS

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        python: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self._command = [str(python or sys.executable), "-m", "airflow"]
        ports = free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.api: Records = AirflowApi(self.url)
        self.env = environment(self.home, dags_folder.resolve(), ports, config or {}) | dict(env or {})
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        """Make the database, start every component and wait until Airflow says that all are healthy."""
        try:
            policy = self.home / "config" / "airflow_local_settings.py"
            policy.parent.mkdir(parents=True, exist_ok=True)
            policy.write_text(POLICY)
            self.cli("db", "migrate")
            for component in self.components:
                self.start(component)
            wait_for("a healthy Airflow", self._is_healthy, 300)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self, component: str) -> None:
        """Start a component; its output is in logs/stack/."""
        self._running[component] = Process(
            [*self._command, component], env=self.env, cwd=self.home, log=self._find_log(component)
        )

    def kill(self, component: str) -> None:
        """End a component and all that it started, as a power cut would."""
        self._running.pop(component).kill()

    def stop(self) -> None:
        """
        End everything: each component is asked first, the api-server last, as the others talk to it.

        The triggerer and the executor sometimes wait for children that have ended: hence so little grace.
        """
        for component, process in self._running.items():
            if component != "api-server":
                process.terminate()
        patience = time.monotonic() + GRACE_SECONDS
        while self._running:
            component, process = self._running.popitem()
            process.stop(GRACE_SECONDS if component == "api-server" else patience - time.monotonic())

    def cli(self, *args: str) -> str:
        """Return what an ``airflow`` command prints; StackError where it fails."""
        self.home.mkdir(parents=True, exist_ok=True)
        Path(self.env["TMPDIR"]).mkdir(exist_ok=True)
        command = [*self._command, *args]
        done = subprocess.run(
            command, env=self.env, cwd=self.home, text=True, capture_output=True, timeout=300, check=False
        )
        if done.returncode:
            words = " ".join(args[:2])
            raise StackError(f"airflow {words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait_dag(self, dag_id: str, timeout: float = 120) -> None:
        """Wait until the DAG processor has read a DAG; StackError with the reason where it cannot."""

        def is_there() -> bool:
            if not self.api.has_dag(dag_id) and (errors := self.api.import_errors()):
                raise StackError("\n".join(errors))
            return self.api.has_dag(dag_id)

        wait_for(f"DAG {dag_id}", is_there, timeout)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str = "") -> str:
        """Start a run of a DAG, unpaused, and return the run's id, which can be given."""
        self.wait_dag(dag_id)
        return self.api.trigger(dag_id, conf or {}, run_id)

    def wait_run(self, dag_id: str, run_id: str, timeout: float = 180) -> str:
        """Wait until a run has ended and return its state."""

        def read_end() -> str | None:
            self._check_components()
            state = str(self.api.run(dag_id, run_id)["state"])
            return state if state in ENDED else None

        try:
            state = wait_for(f"the end of {run_id}", read_end, timeout)
        except StackError as late:
            raise StackError(f"{late}; its tasks: {self._describe_tasks(dag_id, run_id)}") from None
        if state == "failed":  # pytest shows it if the test fails
            log.warning("%s of %s has failed: %s", run_id, dag_id, self._describe_tasks(dag_id, run_id))
        return state

    def wait_parked(self, dag_id: str, run_id: str, task_id: str, timeout: float = 180) -> None:
        """
        Wait until a task waits for a person or a trigger, and the process that said so has ended.

        Airflow 3.3 takes a task for killed that goes on before its scheduler has heard of that end.
        """

        def has_ended() -> bool:
            self._check_components()
            tasks = [each for each in self.api.tasks(dag_id, run_id) if each["task_id"] == task_id]
            parked = [each["try_number"] for each in tasks if each["state"] in WAITING]
            if not parked:
                return False
            ended = re.compile(
                rf"TaskInstance Finished: dag_id={dag_id}, task_id={task_id}, run_id={re.escape(run_id)}, "
                rf".*, state=({'|'.join(WAITING)}), .*, try_number={parked[0]},"
            )
            return ended.search(self._find_log("scheduler").read_text()) is not None

        wait_for(f"{task_id} of {run_id} to wait", has_ended, timeout)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of each task of a run."""
        return {each["task_id"]: each["state"] or "none" for each in self.api.tasks(dag_id, run_id)}

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """Return what a task left under a key, None where it left nothing."""
        return self.api.xcom(dag_id, run_id, task_id, key, map_index)

    def logs(self) -> str:
        """Return all that anything of this Airflow has logged or printed."""
        files = sorted((self.home / "logs").rglob("*.log"))
        return "\n".join(each.read_text(errors="replace") for each in files)

    def _find_log(self, component: str) -> Path:
        return self.home / "logs" / "stack" / f"{component}.log"

    def _describe_tasks(self, dag_id: str, run_id: str) -> str:
        """Say how each task of a run stands, and which try it is at."""
        return ", ".join(
            f"{each['task_id']} {each['state'] or 'none'} at try {each['try_number']}"
            for each in self.api.tasks(dag_id, run_id)
        )

    def _check_components(self) -> None:
        for component, process in self._running.items():
            if not process.is_running:
                raise StackError(f"airflow {component} ended:\n{process.tail()}")

    def _is_healthy(self) -> bool:
        self._check_components()
        states = self.api.health()
        return bool(states) and all(each == "healthy" for each in states.values())
