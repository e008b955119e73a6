"""What a user sees of a task on a real Airflow 3.3 and 2.11: one receipt, a button, and an asset's event."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.processes import wait_for
from tests.e2e.conftest import EXAMPLES, Run, start, written

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
PYTHON_211 = HERE.parents[1] / ".venv-2.11" / "bin" / "python"
CARD, CODE, NAME = "4111111111111111", "7351973519", "Kowalczyk"
PAGE = "http://127.0.0.1:9/orders/{order_number}"
LINE = re.compile(r"(?:Order|Orders|Jobs) (?:[^ ]+ )?(?:completed|submitted|failed): ")


class Receipts:
    """The runs on one Airflow."""

    def __init__(self, stack):
        self.stack = stack

    def start(self):
        self.run = start(self.stack, "receipts")
        self.order = start(self.stack, "zuora_order")
        return self

    def logs(self, task_id, map_index=-1):
        """The task's logs of all its processes, as one text."""
        place = (
            self.stack.home / "logs" / "dag_id=receipts" / f"run_id={self.run.run_id}" / f"task_id={task_id}"
        )
        place = place if map_index == -1 else place / f"map_index={map_index}"
        return "".join(file.read_text() for file in sorted(place.glob("*.log")))

    def xcom(self, task_id, key, map_index=-1):
        return self.stack.xcom("receipts", self.run.run_id, task_id, key, map_index)


@pytest.fixture(scope="module")
def paged(zuora, refusing_zuora):
    return (
        zuora.connection("zuora_paged", ui_url=PAGE),
        refusing_zuora.connection("zuora_refusing_paged", ui_url=PAGE),
    )


@pytest.fixture(scope="module")
def airflow_3(airflow, paged):
    for command in paged:
        airflow.cli(*command)
    airflow.wait_dag("zuora_order_completed")
    airflow.api.unpause("zuora_order_completed")
    return Receipts(airflow).start()


@pytest.fixture(scope="module")
def airflow_2(place, zuora, paged):
    assert PYTHON_211.exists(), "this needs Airflow 2.11 as well: make env-2.11"
    dags = place / "dags-2.11"
    dags.mkdir()
    shutil.copy(HERE / "dags" / "receipts.py", dags)
    paid = (HERE / "dags" / "paid.json").read_text()
    (dags / "paid.json").write_text(paid.replace("O-PAID-3.3", "O-PAID-2.11"))  # both are of one Zuora
    for example in ("zuora_order.py", "zuora_order_completed.py"):
        shutil.copy(EXAMPLES / example, dags)
    with Airflow2Stack(place / "airflow-2.11", dags, python=PYTHON_211) as stack:
        for command in (zuora.connection(), *paged):
            stack.cli(*command)
        stack.wait_dag("zuora_order_completed")
        stack.cli("dags", "unpause", "zuora_order_completed")
        yield Receipts(stack).start()


@pytest.fixture(scope="module")
def both(airflow_3, airflow_2):
    """The runs on both, which share their waiting time."""
    return {"3.3": airflow_3, "2.11": airflow_2}


@pytest.fixture(params=["3.3", "2.11"])
def receipts(request, both):
    return both[request.param]


def links(receipts, task_id, map_index=-1):
    path = ("dags", "receipts", "dagRuns", receipts.run.run_id, "taskInstances", task_id, "links")
    return receipts.stack.api.call("GET", *path, map_index=map_index)["extra_links"]


def number(receipts, end):
    return f"receipts-{receipts.run.run_id}-{end}"


def page(receipts, end):
    return PAGE.format(order_number=number(receipts, end).replace(":", "%3A").replace("+", "%2B"))


def test_the_button_is_there_while_mapped_tasks_are_deferred_and_each_has_its_own(airflow_3):
    def are_deferred():
        tasks = airflow_3.stack.api.tasks("receipts", airflow_3.run.run_id)
        return {"deferred"} == {each["state"] for each in tasks if each["task_id"] == "mapped"}

    wait_for("the deferral of both", are_deferred, 150)
    for index in range(2):
        assert links(airflow_3, "mapped", index) == {"Open Zuora": page(airflow_3, index)}


def test_a_deferred_task_leaves_one_receipt_in_its_log_and_as_an_xcom(receipts):
    assert receipts.stack.wait_run("receipts", receipts.run.run_id, timeout=400) == "failed"
    for index in range(2):
        log = receipts.logs("mapped", index)
        assert len(LINE.findall(log)) == 1, log
        assert f"Order {number(receipts, index)} completed: account A00000097" in log
        assert log.count("the triggerer waits on") == 1
        receipt = receipts.xcom("mapped", "receipt", index)
        assert (receipt["state"], receipt["order_number"]) == ("completed", number(receipts, index))
        assert receipt["polls"] >= 2
        assert receipt["track_id"].startswith("af-")


def test_a_task_that_fails_leaves_one_too(receipts):
    assert receipts.stack.wait_run("receipts", receipts.run.run_id, timeout=400) == "failed"
    log = receipts.logs("failing")
    assert len(LINE.findall(log)) == 1, log
    assert f"Order {number(receipts, 2)} failed: account A00000097, codes 40000020; job " in log
    receipt = receipts.xcom("failing", "receipt")
    assert (receipt["state"], receipt["codes"]) == ("failed", ["40000020"])
    assert receipts.xcom("failing", "page_url") == page(receipts, 2)


def test_a_list_leaves_one_with_counts(receipts):
    assert receipts.stack.wait_run("receipts", receipts.run.run_id, timeout=400) == "failed"
    assert receipts.xcom("submit", "receipt")["counts"] == {"submitted": 2}
    assert receipts.xcom("wait", "receipt")["counts"] == {"completed": 2}
    assert len(LINE.findall(receipts.logs("wait"))) == 1


def test_the_buttons_stay_after_success_and_after_failure(airflow_3):
    assert airflow_3.stack.wait_run("receipts", airflow_3.run.run_id, timeout=400) == "failed"
    assert links(airflow_3, "mapped", 1) == {"Open Zuora": page(airflow_3, 1)}
    assert links(airflow_3, "failing") == {"Open Zuora": page(airflow_3, 2)}
    assert links(airflow_3, "wait") == {"Open Zuora": "http://127.0.0.1:9/"}


ASK_2_11 = """
import sys
from airflow.models import DagBag, TaskInstance
from airflow.utils.session import create_session
task = DagBag(read_dags_from_db=True).get_dag("receipts").get_task(sys.argv[2])
with create_session() as session:
    asked = dict(zip(("run_id", "task_id", "map_index"), sys.argv[1:]))
    found = session.query(TaskInstance).filter_by(**asked)
    print("link:", task.get_extra_links(found.one(), "Open Zuora"))
"""


@pytest.mark.parametrize(("task_id", "index", "end"), [("mapped", 1, 1), ("failing", -1, 2)])
def test_the_webserver_of_airflow_2_finds_them(airflow_2, task_id, index, end):
    import subprocess

    assert airflow_2.stack.wait_run("receipts", airflow_2.run.run_id, timeout=400) == "failed"
    command = [str(PYTHON_211), "-c", ASK_2_11, airflow_2.run.run_id, task_id, str(index)]
    printed = subprocess.run(
        command, env=airflow_2.stack.env, capture_output=True, text=True, check=True
    ).stdout
    assert f"link: {page(airflow_2, end)}\n" in printed


def test_a_dag_that_is_scheduled_on_a_completed_order_reads_its_number(receipts):
    assert receipts.stack.wait_run("zuora_order", receipts.order.run_id, timeout=400) == "success"
    file = receipts.stack.home / "airflow.db"
    query = "SELECT run_id FROM dag_run WHERE dag_id = 'zuora_order_completed'"

    def find_run():
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return next(iter(database.execute(query).fetchall()), None)

    (run_id,) = wait_for("a run of zuora_order_completed", find_run, 120)
    run = Run(receipts.stack, "zuora_order_completed", run_id)
    assert run.state == "success"
    assert run.xcom("report") == [receipts.order.order_number]
    assert f"order {receipts.order.order_number} was completed" in "".join(run.logs_of("report").values())


def test_no_number_of_a_card_and_no_name_is_anywhere(receipts, metrics):
    assert receipts.stack.wait_run("receipts", receipts.run.run_id, timeout=400) == "failed"
    assert receipts.xcom("paid", "receipt")["order_number"].startswith("O-PAID-")
    found = written(receipts.stack) | {"metrics": metrics.text()}
    places = {secret: [where for where, text in found.items() if secret in text] for secret in (CARD, CODE)}
    assert places == {CARD: [], CODE: []}
    events = [name for name in found if name in ("table asset_event", "table dataset_event")]
    assert len(events) == 1
    assert receipts.order.order_number in found[events[0]]
    assert NAME not in json.dumps(receipts.xcom("paid", "receipt")) + found[events[0]]
    assert NAME not in receipts.logs("paid")
