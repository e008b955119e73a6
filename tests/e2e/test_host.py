"""Mapped tasks on one host: each is a process of its own, and together they sign in once."""

import os

import pytest

from demo.sandbox import ServedSandbox

TASKS = int(os.environ.get("MAPPED_TASKS", "20"))
PATIENCE = 300 + 15 * TASKS  # seconds, on a machine that has other things to do

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(PATIENCE + 200)]


def test_mapped_tasks_sign_in_once_for_all(airflow, place):
    with ServedSandbox(place / "mapped.log", "--job-seconds", "0") as zuora:
        airflow.cli(*zuora.connection("zuora_mapped"))
        state = airflow.wait_run("mapped", airflow.trigger("mapped"), timeout=PATIENCE)
        ledger = zuora.ledger()
    print(f"{len(ledger['orders'])} tasks, {ledger['signIns']} sign-ins")

    assert state == "success"
    assert len(ledger["orders"]) == TASKS
    assert 1 <= ledger["signIns"] <= 2
