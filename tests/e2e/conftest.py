"""One real Airflow, a sandbox that makes orders and one whose jobs fail, for all end-to-end tests."""

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from demo.processes import wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from tests.e2e.metrics_sink import MetricsSink

REFUSAL = "[40000020]: Rate plan is not effective"
# Our trigger polls no sooner than 10 s after the deferral, and a worker can take its time to defer.
JOB_SECONDS = ("--job-seconds", "24")
EXAMPLES = Path(__file__).parents[2] / "example_dags"
CALLOUTS = Path(__file__).parents[2] / "docs" / "examples" / "callouts"


@dataclass(frozen=True)
class Run:
    """One run of a DAG, perhaps still going on."""

    stack: AirflowStack
    dag_id: str
    run_id: str

    @cached_property
    def state(self):
        return self.stack.wait_run(self.dag_id, self.run_id)

    @property
    def tasks(self):
        return self.stack.tasks(self.dag_id, self.run_id)

    @property
    def order_number(self):
        return f"{self.dag_id}-{self.run_id}"

    @property
    def worker_processes(self):
        return self.stack.api.worker_processes(self.dag_id, self.run_id)

    def xcom(self, task_id, key="return_value"):
        return self.stack.xcom(self.dag_id, self.run_id, task_id, key)

    def logs_of(self, task_id):
        """The task's logs by name: attempt=N.log of workers, attempt=N.log.trigger.ID.log of triggerers."""
        place = self.stack.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return {file.name: file.read_text() for file in (place / f"task_id={task_id}").glob("*.log")}

    def triggers(self, task_id):
        """The names of the logs in which a triggerer says that it has started the task's trigger."""
        logs = self.logs_of(task_id).items()
        return [name for name, text in logs if ".trigger." in name and re.search("trigger .* starting", text)]

    def wait_deferred(self, task_id):
        """Wait until a triggerer holds the task."""
        wait_for(f"the deferral of {task_id}", lambda: self.triggers(task_id), 120)


def written(stack):
    """Everything that this Airflow has written down, by the place where it stands; its connections apart."""
    logs = stack.home / "logs"
    found = {str(file.relative_to(logs)): file.read_text() for file in logs.rglob("*.log")}
    shared = (stack.home / "runtime").glob("*.token")
    found |= {f"runtime/{file.name}": file.read_text() for file in shared}
    with closing(sqlite3.connect(f"file:{stack.home}/airflow.db?mode=ro", uri=True)) as database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in set(tables) - {"connection"}:
            rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
            found[f"table {table}"] = "\n".join(as_text(cell) for row in rows for cell in row)
    return found


def as_text(cell):
    return cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)


def start(stack, dag_id):
    return Run(stack, dag_id, stack.trigger(dag_id))


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def zuora(place):
    with ServedSandbox(place / "zuora.log", *JOB_SECONDS) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def refusing_zuora(place):
    with ServedSandbox(place / "refusing.log", *JOB_SECONDS, "--fail-jobs", REFUSAL) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def metrics():
    with MetricsSink() as sink:
        yield sink


@pytest.fixture(scope="session")
def airflow(place, zuora, refusing_zuora, metrics):
    dags = Path(shutil.copytree(Path(__file__).parent / "dags", place / "dags"))
    others = ("zuora_orders_in_bulk", "elastic_path_to_zuora", "zuora_month_end")
    for example in (*others, "zuora_order", "zuora_order_completed"):
        shutil.copy(EXAMPLES / f"{example}.py", dags)
    shutil.copy(CALLOUTS / "dags" / "after_an_order.py", dags)
    with AirflowStack(place / "airflow", dags, config=metrics.config()) as stack:
        stack.cli(*zuora.connection())
        stack.cli(*zuora.connection("elastic_path_default", "elastic_path"))
        stack.cli(*refusing_zuora.connection("zuora_refusing"))
        yield stack


@pytest.fixture(scope="session")
def both(airflow):
    """The runs `made` and `refused`, which share their waiting time."""
    return start(airflow, "made"), start(airflow, "refused")


@pytest.fixture(scope="session")
def made(both):
    return both[0]


@pytest.fixture(scope="session")
def refused(both):
    return both[1]


@pytest.fixture(scope="session")
def survived(airflow, both):
    """A run whose triggerer was killed while it held the wait, and replaced; all that was written then."""
    assert [each.state for each in both] == ["success", "failed"]
    run = start(airflow, "made")
    run.wait_deferred("wait")
    airflow.kill("triggerer")
    assert run.tasks["wait"] == "deferred"
    found = written(airflow)
    airflow.start("triggerer")
    return run, found


@pytest.fixture(scope="session")
def survivor(survived):
    return survived[0]


@pytest.fixture(scope="session")
def found(airflow, both, survived, metrics):
    """All that was written by the end of the runs, and what stood there while a task was deferred."""
    survivor, waiting = survived
    assert [run.state for run in (*both, survivor)] == ["success", "failed", "success"]
    before = {f"{place}, while deferred": text for place, text in waiting.items()}
    return before | written(airflow) | {"metrics": metrics.text()}
