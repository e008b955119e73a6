"""
Submit a list of orders that a guard lets pass, wait for them, and compare what was sent with what Zuora has.

Run it with more sales than the guard allows, ``{"sales": 11}``: no order is sent (docs/guards.md).
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_zuora.guards import OrderGuard
from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

# A bucket that all workers reach, such as s3://aws_default@bucket/zuora-log; or a folder of this user's own.
LOG = os.environ.get("ZUORA_SUBMISSION_LOG") or f"file://{tempfile.gettempdir()}/zuora-log-{os.getuid()}"
# Such as production: then a connection to anywhere else is refused. None: wherever the connection leads to.
ENVIRONMENT = os.environ.get("ZUORA_ENVIRONMENT")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"sales": 5},
    tags=["zuora"],
)
def zuora_orders_reconciled() -> None:
    @task
    def read_sales(dag: Any = None, run_id: str | None = None, params: Any = None) -> list[dict[str, Any]]:
        """Stand in for whatever tells of the day's sales."""
        return [
            {
                "orderNumber": f"{dag.dag_id}-{run_id}-{number}",
                "existingAccountNumber": "A00000097",
                "orderDate": "2024-07-01",
                "description": f"Installation {number}",
                "orderLineItems": [
                    {
                        "itemName": "Installation",
                        "itemType": "Services",
                        "quantity": number,
                        "amountPerUnit": 250,
                    }
                ],
            }
            for number in range(1, params["sales"] + 1)
        ]

    submit = ZuoraCreateOrdersOperator(
        task_id="submit",
        orders=read_sales(),
        # With max_amount="5000.00" and currency="USD" each order is previewed first.
        guard=OrderGuard(max_orders=10, expect_environment=ENVIRONMENT),
        submission_log=LOG,
        retries=2,
    )
    wait = ZuoraJobSensor(task_id="wait", job_id=submit.output, poke_interval=5)
    reconcile = ZuoraReconcileOrdersOperator(
        task_id="reconcile",
        # A run of a schedule with data intervals needs neither: it compares its interval.
        start="{{ dag_run.start_date }}",
        end="{{ macros.datetime.utcnow() }}",
        submission_log=LOG,
        report_path=LOG + "/reports/{{ run_id }}.csv",
        trigger_rule="all_done",  # above all if something has failed
        retries=2,
        retry_delay=timedelta(minutes=15),  # what is so new that it may be under way is looked at again
    )

    @task
    def report(found: dict[str, Any]) -> int:
        counts = {name: count for name, count in found["counts"].items() if count}
        print(f"{found['submitted']} orders from {found['start']} to {found['end']}: {counts}")
        return int(found["counts"]["found"])

    # Without wait before report, the run would end well if an order has failed, and the books agree.
    wait >> [reconcile, report(reconcile.output)]


zuora_orders_reconciled()
