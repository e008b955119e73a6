"""An Airflow 3.3 and an Airflow 2.11, each with a sandbox, and the runs that crash, a few at once."""

import os
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack

HERE = Path(__file__).parent
PYTHON_211 = HERE.parents[1] / ".venv-2.11" / "bin" / "python"
ORDERS = "/v1/async/orders"

# Who kills, by point: the sandbox, told so by a fault, or a backend of ours, told so by the run's id.
FAULTS = {
    "post": {"kind": "kill", "when": "before"},
    "answer": {"kind": "kill", "when": "after"},
    "list": {"kind": "kill", "when": "after"},
}
LISTED = 60  # orders in the list of a run
AT_ONCE = 3  # runs of each point; of more the api-server waits for its own lock on SQLite, a minute and more
POINTS = {
    "3.3": ("write-ahead", "post", "answer", "job-id", "xcom", "list"),
    "2.11": ("post", "answer", "xcom", "list"),
}
RUNS = {"3.3": ("CRASH_RUNS_33", 3), "2.11": ("CRASH_RUNS_211", 2)}

HEARTBEATS = {
    "scheduler__task_instance_heartbeat_timeout": "25",
    "scheduler__task_instance_heartbeat_timeout_detection_interval": "2",
    # Airflow 2.11 calls them so; there the end of a task's process is found in no other way.
    "scheduler__scheduler_zombie_task_threshold": "60",
    "scheduler__zombie_detection_interval": "2",
}


@dataclass(frozen=True)
class Run:
    """A run of a DAG whose only task submits an order that bears the run's id."""

    crashes: "Crashes" = field(repr=False)
    dag_id: str
    run_id: str

    @property
    def point(self):
        return self.run_id.partition(".")[0]

    @property
    def stack(self):
        return self.crashes.stack

    @property
    def state(self):
        return self.stack.wait_run(self.dag_id, self.run_id, timeout=self.crashes.patience)

    @property
    def task(self):
        [task] = self.stack.api.tasks(self.dag_id, self.run_id)
        return task

    @property
    def job_id(self):
        return self.stack.xcom(self.dag_id, self.run_id, "submit")

    @property
    def was_killed(self):
        return (self.crashes.place / "marks" / self.run_id).exists() or "kill" in self.damages

    @property
    def expected(self):
        """The descriptions of the orders that this run must make."""
        return [f"{self.run_id} {n}" for n in range(LISTED)] if self.dag_id == "listed" else [self.run_id]

    @property
    def orders(self):
        expected = set(self.expected)
        return [each for each in self.crashes.zuora.ledger()["orders"] if each["description"] in expected]

    @property
    def jobs(self):
        """The jobs of this run's order, and those that failed because it has taken the number already."""
        numbers = {each["orderNumber"] for each in self.orders}
        return [each for each in self.crashes.zuora.ledger()["jobs"] if each["orderNumber"] in numbers]

    @property
    def damages(self):
        """What became of each POST that had the idempotency key of this run's order; "" is an answer."""
        keys = {each["idempotencyKey"] for each in self.orders}
        posts = [each for each in self.crashes.zuora.ledger()["recent"] if each["path"] == ORDERS]
        return [each["damage"] for each in posts if each["idempotencyKey"] in keys]


@dataclass
class Crashes:
    """An Airflow and the runs on it, by the point at which they crash."""

    place: Path
    stack: AirflowStack
    zuora: ServedSandbox
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))

    @property
    def patience(self):
        """How long the last of all runs may take, in seconds."""
        return 240 + 15 * len(self.all_runs)

    @property
    def all_runs(self):
        return [run for runs in self.runs.values() for run in runs]

    def start(self, point, number, **fault):
        """Start a run that crashes at this point; every other one has an order without a number."""
        dag_id = "listed" if point == "list" else "unnumbered" if number % 2 else "numbered"
        run = Run(self, dag_id, f"{point}.{number:03d}")
        if fault:
            own = {"method": "POST", "path": ORDERS, "contains": f'"{run.expected[len(run.expected) // 2]}"'}
            self.zuora.ask("POST", "/sandbox/faults", own | fault)
        self.stack.trigger(run.dag_id, run_id=run.run_id)
        self.runs[point].append(run)
        return run


def crashes_on(stack_class, place, opened, config, **options):
    (place / "marks").mkdir(parents=True)
    zuora = opened.enter_context(ServedSandbox(place / "zuora.log", "--job-seconds", "0"))
    env = {"CRASH_PLACE": str(place), "PYTHONPATH": str(HERE / "backends")}
    config = HEARTBEATS | {"core__xcom_backend": "crash_xcom.CrashXCom"} | config
    stack = stack_class(place / "airflow", HERE / "dags", env=env, config=config, **options)
    stack = opened.enter_context(stack)
    stack.cli(*zuora.connection())
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
        start(found, range(AT_ONCE))
        found["2.11"] = crashes_on(Airflow2Stack, place / "2.11", opened, {}, python=PYTHON_211)
        start({"2.11": found["2.11"]}, range(AT_ONCE))
        start(found, range(AT_ONCE, max(map(runs_on, found))))
        yield found


def runs_on(version):
    variable, runs = RUNS[version]
    return int(os.environ.get(variable, runs))


def start(found, numbers):
    """Start these runs of each point, each when those that were started `AT_ONCE` runs before have ended."""
    for number in numbers:
        for version, crashes in found.items():
            for point in POINTS[version] if number < runs_on(version) else ():
                if point == "list" and number > 2:  # the sandbox remembers a thousand requests
                    continue
                if number >= AT_ONCE:
                    assert crashes.runs[point][number - AT_ONCE].state == "success"
                crashes.start(point, number, **FAULTS.get(point, {}))
