"""The runs whose tasks crash: by kind of job and by point, and what Zuora's ledger tells of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack

LISTED = 60  # orders in the list of a run
TASKS = 4  # of an Airflow that run at once, on two cores

# Who kills, by point: the sandbox, told so by a fault, or a backend of ours, told so by the run's id.
FAULTS = {
    "post": {"method": "POST", "when": "before"},
    "answer": {"method": "POST", "when": "after"},
    "list": {"method": "POST", "when": "after"},
    "last": {"method": "POST", "when": "after"},  # and there are no retries
    "posting": {"method": "PUT", "when": "before"},
    "posted": {"method": "PUT", "when": "after"},
}
POINTS = {
    "3.3": {
        "order": ("write-ahead", "post", "answer", "job-id", "xcom", "list"),
        "data-query": ("post", "answer", "job-id", "recorded", "waiting", "xcom", "last"),
        "bill-run": ("post", "answer", "recorded", "posting", "posted", "xcom", "last"),
        "payment-run": ("post", "answer", "recorded", "xcom", "last"),
    },
    "2.11": {
        "order": ("post", "answer", "xcom", "list"),
        "data-query": ("answer",),
        "bill-run": ("posted",),
        "payment-run": ("answer",),
    },
}


@dataclass(frozen=True)
class Kind:
    """
    A kind of job.

    :param path: where it is submitted.
    :param rows: where the ledger tells of its jobs.
    :param name: what names its run in such a row.
    """

    path: str
    rows: str
    name: Callable[[dict], str]


KINDS = {
    "order": Kind("/v1/async/orders", "orders", lambda row: row["description"]),
    "data-query": Kind("/query/jobs", "queries", lambda row: row["query"].split("'")[1]),
    "bill-run": Kind("/v1/bill-runs", "billRuns", lambda row: row["name"].partition(" ")[0]),
    "payment-run": Kind("/v1/payment-runs", "paymentRuns", lambda row: row["accountId"]),
}


@dataclass(frozen=True)
class Run:
    """A run of a DAG whose only task submits a job that bears the run's id."""

    crashes: Crashes = field(repr=False)
    kind: str
    dag_id: str
    run_id: str
    day: str = ""  # the invoice date of a bill run's post, which no other run has

    @property
    def point(self):
        return self.run_id.partition(".")[0]

    @property
    def stack(self):
        return self.crashes.stack

    @property
    def state(self):
        state = self.stack.wait_run(self.dag_id, self.run_id, timeout=self.crashes.patience)
        self.crashes.read_ledger()
        return state

    @property
    def end(self):
        """The state that it must end in."""
        return "failed" if self.point == "last" else "success"

    @property
    def task(self):
        [task] = self.stack.api.tasks(self.dag_id, self.run_id)
        return task

    def xcom(self, key="return_value"):
        return self.stack.xcom(self.dag_id, self.run_id, "submit", key)

    @property
    def was_killed(self):
        damages = [*self.damages("POST"), *self.damages("PUT")]
        return (self.crashes.place / "marks" / self.run_id).exists() or "kill" in damages

    @property
    def expected(self):
        """What names the jobs that this run must make."""
        if self.dag_id == "listed":
            return [f"{self.run_id} {n}" for n in range(LISTED)]
        # A payment run bears no name, and an id of an account has letters and digits alone.
        is_plain = self.kind == "payment-run"
        return [self.run_id.replace(".", "").replace("-", "") if is_plain else self.run_id]

    @property
    def made(self):
        """What Zuora has made for this run."""
        kind, expected = KINDS[self.kind], set(self.expected)
        return [each for each in self.crashes.read_ledger()[kind.rows] if kind.name(each) in expected]

    @property
    def jobs(self):
        """The jobs of this run's order, and those that failed because it has taken the number already."""
        numbers = {each["orderNumber"] for each in self.made}
        return [each for each in self.crashes.read_ledger()["jobs"] if each["orderNumber"] in numbers]

    def damages(self, method="POST"):
        """
        What became of each request that was about this run's job; "" is an answer.

        A POST has the idempotency key of the job, and a PUT its id.
        """
        made, path = self.made, KINDS[self.kind].path
        if method == "POST":
            about = {(path, each["idempotencyKey"]) for each in made}
        else:
            about = {(f"{path}/{each.get('id')}/post", "") for each in made}
        requests = [each for each in self.crashes.requests.values() if each["method"] == method]
        return [each["damage"] for each in requests if (each["path"], each["idempotencyKey"]) in about]

    def add_fault(self, fault):
        """Let this happen to a request of this run."""
        if fault["method"] == "PUT":
            text = self.day
        else:
            text = self.expected[len(self.expected) // 2]
            text = f'"{text}"' if self.kind == "order" else text
        own = {"path": KINDS[self.kind].path, "contains": text}
        self.crashes.zuora.ask("POST", "/sandbox/faults", own | fault)


@dataclass
class Crashes:
    """
    An Airflow and the runs on it, by the kind of job and the point at which they crash.

    :param requests: what the sandbox was asked; it remembers the last ones only.
    """

    place: Path
    stack: AirflowStack
    zuora: ServedSandbox
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[tuple[float, str, str], dict] = field(default_factory=dict)

    @property
    def patience(self):
        """How long the last of all runs may take, in seconds."""
        return 240 + 15 * len(self.all_runs)

    @property
    def all_runs(self):
        return [run for runs in self.runs.values() for run in runs]

    def read_ledger(self):
        ledger = self.zuora.ledger()
        for each in ledger["recent"]:
            self.requests[each["at"], each["path"], each["trackId"]] = each
        return ledger

    @contextmanager
    def hold_tasks(self, tasks):
        """
        Let no task start in the meantime, and so many at once afterwards.

        While an api-server of Airflow 3 writes down who has started a run, it waits for the lock of its own
        SQLite that a task's request may hold, and answers nobody for a minute and more.
        """
        self.stack.cli("pools", "set", "default_pool", "0", "nothing starts")
        yield
        self.stack.cli("pools", "set", "default_pool", str(tasks), "tasks that are killed")

    def start(self, kind, point, number, fault=None):
        """Start a run that crashes at this point; every other order has no number."""
        dag_id = f"{kind}-last" if point == "last" else kind
        if kind == "order":
            dag_id = "listed" if point == "list" else "unnumbered" if number % 2 else "numbered"
        day = str(date(2026, 1, 1) + timedelta(days=len(self.all_runs)))
        run = Run(self, kind, dag_id, f"{point}.{kind}.{number:03d}", day)
        if fault := fault or FAULTS.get(point):
            run.add_fault({"kind": "kill", "method": "POST"} | fault)
        if point == "posted":  # the retry finds it before, or after, its end
            script = {"contains": run.run_id, "post_seconds": 8}
            self.zuora.ask("POST", "/sandbox/bill-runs", script)
        self.stack.trigger(run.dag_id, {"day": day}, run.run_id)
        self.runs[kind, point].append(run)
        return run
