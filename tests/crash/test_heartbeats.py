"""A task that Airflow took for dead sends its order beside its retry, or after it, and one order is made."""

import psutil
import pytest

from demo.processes import wait_for
from tests.crash.runs import TASKS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(4000)]


class Suspended:
    """
    A try of a run's task whose process the sandbox has stopped when its POST arrived; nothing is processed.

    Its supervisor, which sends its heartbeats, is the parent of its process.
    """

    def __init__(self, run, try_number):
        self.run = run
        self.try_number = try_number
        self.process = wait_for(f"the stop of {run.run_id}", self._stopped, run.crashes.patience)
        self.supervisor = self.process.parent()

    def _stopped(self):
        """The task's process has the id of its try in its name, as Airflow gives it."""
        task = self.run.task
        for process in psutil.process_iter(["cmdline", "status"]):
            named = task["id"] in " ".join(process.info["cmdline"] or ())
            if named and process.info["status"] == psutil.STATUS_STOPPED:
                return process if task["try_number"] == self.try_number else None
        return None

    def post(self):
        """Let it go on until Zuora has answered its order."""
        answered = self.run.damages().count("")
        self.process.resume()
        wait_for("its order's answer", lambda: self.run.damages().count("") > answered, 60, interval=0.05)


@pytest.fixture(scope="module")
def zombies(crashes):
    """The first tries, no longer heard of, so that Airflow takes them for dead; all wait at the same time."""
    requests = {"zombie-meets-retry": 2, "zombie-comes-late": 1}  # that find their process stopped
    with crashes["3.3"].hold_tasks(2 * TASKS):
        runs = [
            crashes["3.3"].start("order", point, number, {"kind": "stop", "times": times})
            for point, times in requests.items()
            for number in (0, 1)
        ]
    suspended = [Suspended(run, 1) for run in runs]
    for each in suspended:
        each.supervisor.suspend()
    return {point: [each for each in suspended if each.run.point == point] for point in requests}


def bury(zombie):
    """Let the zombie's supervisor see what has happened, and wait for the zombie's end."""
    zombie.supervisor.resume()
    wait_for("the zombie's end", lambda: not zombie.process.is_running(), 120)


def check(run):
    assert run.state == "success"
    assert run.task["try_number"] == 2
    [order], [job] = run.made, run.jobs
    assert run.xcom() == order["jobId"] == job["jobId"]
    # With the key of the one order: the zombie and the retry have each had an answer.
    assert run.damages().count("") >= 2


def test_a_zombie_that_meets_its_retry_makes_no_second_order(zombies):
    for zombie in zombies["zombie-meets-retry"]:
        retry = Suspended(zombie.run, 2)
        assert zombie.run.made == []
        zombie.post()
        retry.post()
        bury(zombie)
        check(zombie.run)


def test_a_zombie_that_comes_after_its_retry_makes_no_second_order(zombies):
    for zombie in zombies["zombie-comes-late"]:
        assert zombie.run.state == "success"
        assert zombie.run.damages() == ["stop", ""]
        zombie.post()
        bury(zombie)
        check(zombie.run)
