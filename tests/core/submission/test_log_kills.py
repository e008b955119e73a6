"""
A try is killed before each of its steps: the log knows all that was sent, and a retry closes it.

So does a reconciliation: it asks Zuora what came of an open intent.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_zuora.hooks.submission_log import LogStore
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from tests.books import LATER, make_context, use_later_session
from tests.core.submission.killed_tries import WRITES
from tests.submission_logs import check_line

ROOT = Path(__file__).parents[3]


def read(folder, days=0):
    today = dt.datetime.now(dt.UTC).date()
    around = (today - dt.timedelta(days=1), today + dt.timedelta(days=days))
    lines = list(LogStore.of(folder).read_days(*around))
    for line in lines:
        check_line(line)
    return lines


def list_open(lines):
    closed = {line["key"] for line in lines if line["event"] == "end" and line["outcome"] == "submitted"}
    return {line["key"] for line in lines if line["event"] == "intent"} - closed


def list_sent(zuora, name):
    """Return the keys of the POSTs of this order that have reached Zuora."""
    seen = zuora.sandbox.state.recent
    return {each.idempotency_key for each in seen if each.method == "POST" and each.order_number == name}


def reconcile(zuora, folder, name):
    """Reconcile a copy of the log of an order, hours later; return what it says, and its lines."""
    place = folder / "copies" / name
    now = dt.datetime.now(dt.UTC)
    (place / now.date().isoformat()).mkdir(parents=True)  # a log to which nothing was ever written is refused
    if (folder / name).exists():
        shutil.copytree(folder / name, place, dirs_exist_ok=True)
    window = {"start": now - dt.timedelta(hours=1), "end": now + dt.timedelta(hours=1)}
    session, _ = use_later_session(zuora.url, LATER)
    task = ZuoraReconcileOrdersOperator(task_id="books", submission_log=str(place), fail_on=(), **window)
    summary = task.execute(make_context("books"))
    session.close()
    return summary, read(place, days=1)


def check_closed(zuora, summary, lines, name, open_keys):
    """Check that a reconciliation has closed what was open, by what Zuora has of it."""
    is_made = name in [order["orderNumber"] for order in zuora.ledger()["orders"]]
    said = {line["key"]: line["outcome"] for line in lines if line["event"] == "reconciled"}
    assert said == dict.fromkeys(open_keys, "found" if is_made else "absent")
    assert summary["closed"] == len(open_keys)
    done = {"order": name, "action": "adopt_job_id", "value": f"order:{name}"}
    todo = {"order": name, "action": "clear the task", "value": ""}
    assert summary["proposals"] == ([done if is_made else todo] if open_keys else [])


@pytest.mark.timeout(300)
def test_a_kill_at_any_cut_leaves_at_most_an_open_intent_and_a_retry_or_a_reconciliation_closes_it(
    zuora, tmp_path
):
    command = [sys.executable, "-m", "tests.core.submission.killed_tries", zuora.url, str(tmp_path)]
    cuts = []
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for text in process.stdout:
            if not text.startswith("{"):
                continue  # Airflow's log
            row = json.loads(text)
            lines, sent = read(tmp_path / row["name"]), list_sent(zuora, row["name"])
            logged = {line["key"] for line in lines if line["event"] == "intent"}
            assert sent <= logged, (row, "sent unlogged")
            if row["retried"]:
                assert not list_open(lines), row
                assert lines[-1]["job_id"] == row["job"] or lines[-2]["job_id"] == row["job"]
            else:
                assert len(list_open(lines)) <= 1, row
                stage = (len(logged), len(sent), len(list_open(lines)))
                cuts.append((row["name"], row["killed"], stage))
                found = reconcile(zuora, tmp_path, row["name"])
                check_closed(zuora, *found, row["name"], list_open(lines))
            process.stdin.write("go on\n")
            process.stdin.flush()
    assert process.returncode == 0
    stages = {name: stage for name, _, stage in cuts}
    assert {(0, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)} <= set(stages.values())
    assert {name for name, was_killed, _ in cuts if was_killed} >= set(WRITES)
    assert [stages[name] for name in WRITES] == [(0, 0, 0), (1, 1, 1)]
    orders = [order["orderNumber"] for order in zuora.ledger()["orders"]]
    assert sorted(orders) == sorted(name for name, *_ in cuts)
