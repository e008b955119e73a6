"""A run of a DAG is shown as it happens, from task states and task logs, and summed up in a table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent, shorten
from typing import Any

from demo.processes import StackError
from demo.stack import ENDED, AirflowStack

POLL_SECONDS = 0.5


class Story:
    """
    One run of a DAG.

    :param stack: the Airflow that it runs on.
    """

    def __init__(self, stack: AirflowStack, dag_id: str, run_id: str) -> None:
        self.stack = stack
        self.dag_id = dag_id
        self.run_id = run_id
        self._began = time.monotonic()
        self._states: dict[str, str] = {}
        self._read: dict[Path, int] = {}

    def follow(self, timeout: float) -> str:
        """Print what happens until the run has ended, and return its state."""
        while time.monotonic() < self._began + timeout:
            state = str(self.stack.api.run(self.dag_id, self.run_id)["state"])
            self._tell_news()
            if state in ENDED:
                return state
            time.sleep(POLL_SECONDS)
        raise StackError(f"{self.run_id} has not ended within {timeout:.0f} s")

    def table(self) -> Iterator[str]:
        """Yield the lines of a table of the tasks, their states and what they left as XCom."""
        row = "  {:<10}{:<17}{:<7}{}"
        yield row.format("task", "state", "tries", "left as XCom")
        for task in self.stack.api.tasks(self.dag_id, self.run_id):
            left = self.stack.xcom(self.dag_id, self.run_id, task["task_id"])
            shown = "" if left is None else shorten(json.dumps(left), 70, placeholder=" ...")
            yield row.format(task["task_id"], task["state"] or "none", task["try_number"], shown).rstrip()

    def numbers(self, task_id: str) -> Iterator[str]:
        """Yield the numbers in an order's result that a task left."""
        result = self.stack.xcom(self.dag_id, self.run_id, task_id)
        if result is not None:
            yield f"  order         {result['orderNumber']}, {result['status']}"
            yield f"  account       {result['accountNumber']}"
            for each in result["subscriptions"]:
                yield f"  subscription  {each['subscriptionNumber']}, {each['status']}"

    def errors(self) -> Iterator[str]:
        """Yield what the tasks' logs say of the errors that ended them."""
        for _, task_id, line in sorted(self._lines(from_start=True), key=lambda each: each[0]):
            for raised in (line.get("error_detail") or ())[:1]:
                text = f"{task_id}: {raised['exc_type']}: {raised['exc_value']}"
                yield indent(text, "  ")

    def _tell_news(self) -> None:
        for _, task_id, line in sorted(self._lines(), key=lambda each: each[0]):
            if "zuora" in str(line.get("logger", "")):
                self._say(task_id, "  " + shorten(line["event"], 100, placeholder=" ..."))
        for task_id, state in self.stack.tasks(self.dag_id, self.run_id).items():
            if state not in (self._states.get(task_id), "none"):
                self._say(task_id, state)
            self._states[task_id] = state

    def _say(self, task_id: str, words: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(f"  {minutes}:{seconds:02d}  {task_id:<8}{words}", flush=True)

    def _lines(self, *, from_start: bool = False) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield time, task and content of the log lines that are new since last time, or of all."""
        logs = self.stack.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        for file in logs.rglob("attempt=*.log*"):
            with file.open() as lines:
                lines.seek(0 if from_start else self._read.get(file, 0))
                while (text := lines.readline()).endswith("\n"):
                    self._read[file] = lines.tell()
                    if text.startswith("{"):
                        line = json.loads(text)
                        yield line["timestamp"], file.parent.name.removeprefix("task_id="), line


def follow_run(stack: AirflowStack, dag_id: str, run_id: str, timeout: float = 400) -> str:
    """Tell a run as it happens, sum it up, and return its state."""
    print(f"\nDAG         example_dags/{dag_id}.py, run {run_id}\n", flush=True)
    story = Story(stack, dag_id, run_id)
    state = story.follow(timeout)
    print("", *story.table(), "", sep="\n")
    errors = list(story.errors())
    if errors:
        print("What the task logs say:", *errors, "", sep="\n")
    print(f"The run ended as: {state}", flush=True)
    return state
