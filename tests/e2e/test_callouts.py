"""The recipe of docs/callouts.md: a signed callout starts a DAG on a real Airflow, which reads the order."""

import hashlib
import hmac
import json
import runpy
import threading
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from wsgiref.simple_server import make_server

import pytest

from demo.processes import wait_for
from tests.e2e.conftest import Run

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(500)]

RECEIVER = Path(__file__).parents[2] / "docs" / "examples" / "callouts" / "receiver.py"
SECRET = "hush-hush-42"


@pytest.fixture
def receiver(airflow, monkeypatch):
    """Serve the receiver; return its address."""
    settings = {"AIRFLOW_URL": airflow.url, "AIRFLOW_USER": "callouts", "AIRFLOW_PASSWORD": "x"}
    for name, value in (settings | {"ZUORA_CALLOUT_SECRET": SECRET}).items():
        monkeypatch.setenv(name, value)
    with make_server("127.0.0.1", 0, runpy.run_path(str(RECEIVER))["application"]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def send_callout(url, order_number, secret=SECRET):
    """Send what Zuora would; return the status of the answer."""
    body = json.dumps({"order_number": order_number}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Zuora-Signature": signature, "Zuora-Notification-Id": "n-1"}
    try:
        with urlopen(Request(url, body, headers), timeout=60) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_a_callout_starts_a_dag_that_reads_the_order(airflow, made, receiver):
    assert made.state == "success"
    airflow.wait_dag("after_an_order")
    airflow.api.unpause("after_an_order")

    assert send_callout(receiver, "O-FORGED", "another secret") == 401
    wait_for("an answer", lambda: send_callout(receiver, made.order_number) == 200, 120)
    send_callout(receiver, made.order_number)
    run_id = wait_for("a run", lambda: next(iter(airflow.api.runs("after_an_order")), None), 120)
    run = Run(airflow, "after_an_order", run_id)
    assert run.state == "success"
    assert run.xcom("find_orders") == [f"order:{made.order_number}"]
    assert f"order {made.order_number} is Completed" in "".join(run.logs_of("report").values())
