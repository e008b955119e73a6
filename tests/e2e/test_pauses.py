"""Real Airflows, a vendor that asks to wait: no worker does, and the try goes on in another process."""

import re
import shutil
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.sandbox import ServedSandbox
from tests.e2e.conftest import start

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
PYTHON_211 = HERE.parents[1] / ".venv-2.11" / "bin" / "python"
RECEIPT = re.compile(r"Order \S+ (?:submitted|completed)[;:]|Order submitted[;:]")
LIMITED = {
    "method": "POST",
    "path": "/v1/async/orders",
    "when": "before",
    "status": 429,
    "headers": {"Retry-After": "31"},  # a second more than a worker waits
    "times": 2,
}


@pytest.fixture(scope="module")
def airflow_2(place):
    assert PYTHON_211.exists(), "this test needs Airflow 2.11 as well: make env-2.11"
    dags = place / "pausing-dags-2.11"
    dags.mkdir()
    shutil.copy(HERE / "dags" / "paused.py", dags)
    with Airflow2Stack(place / "pausing-airflow-2.11", dags, python=PYTHON_211) as stack:
        yield stack


@pytest.fixture(scope="module", params=["airflow", "airflow_2"], ids=["3.3", "2.11"])
def run(request, place):
    stack = request.getfixturevalue(request.param)
    with ServedSandbox(place / f"{request.param}.pausing.log") as sandbox:
        stack.cli(*sandbox.connection("zuora_pausing"))
        sandbox.ask("POST", "/sandbox/faults", LIMITED)
        run = start(stack, "paused")
        assert run.state == "success"
        yield run, sandbox


def test_each_order_is_made_once_in_its_first_try(run):
    run, sandbox = run
    made = sandbox.ledger()["orders"]

    assert len(made) == 2
    assert run.xcom("submit") in {order["jobId"] for order in made}
    assert run.xcom("wait")["orderNumber"] == f"P-{run.run_id}"
    for task_id in ("submit", "wait"):
        assert all(name.startswith("attempt=1.log") for name in run.logs_of(task_id))


def test_no_worker_has_waited_and_there_is_one_receipt(run):
    run, sandbox = run
    limited = [row for row in sandbox.ledger()["recent"] if row["status"] == 429]

    assert len(limited) == 2
    for task_id in ("submit", "wait"):
        log = run.logs_of(task_id)["attempt=1.log"]
        # Once when it was asked to wait, and once more if the other task was, just before.
        assert log.count("No worker waits for 31 s") in (1, 2)
        assert len(RECEIPT.findall(log)) == 1
        assert "cannot be called outside" not in log
    assert run.xcom("submit", "receipt")["seconds"] >= 31
