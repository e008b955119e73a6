"""
Reconcile a log with a served sandbox, in a process that may be killed at any moment.

``python -m tests.killed_reconciliation URL FOLDER START END``: FOLDER is where the log is, START and END are
moments in ISO 8601. It prints the summary as a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys

from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from tests.books import LATER, make_context, use_later_session


def reconcile(url: str, folder: str, start: str, end: str) -> dict[str, object]:
    session, os.environ["AIRFLOW_CONN_ZUORA_DEFAULT"] = use_later_session(url, LATER)
    task = ZuoraReconcileOrdersOperator(
        task_id="reconcile",
        start=start,
        end=end,
        submission_log=folder,
        report_path=f"{folder}-report.csv",
        list_others=True,
    )
    context = make_context("reconcile")
    try:
        task.execute(context)
    except PermanentError as error:
        print(error)
    session.close()
    found: dict[str, object] = context["ti"].xcoms["reconciliation"]
    return found


if __name__ == "__main__":
    summary = reconcile(*sys.argv[1:])
    print(json.dumps({"summary": summary}), flush=True)
