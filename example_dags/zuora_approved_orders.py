"""
Submit a list of orders that a person has approved, by what they come to: Airflow 3.1 and later.

Each order is previewed, and the form that waits in Airflow's web page shows the totals of each currency. If
the person rejects it, nothing is sent. What was sent is compared afterwards with what Zuora has.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, dag, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator, ZuoraPreviewOrderOperator
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

# A bucket that all workers reach, such as s3://aws_default@bucket/zuora-log; or a folder of this user's own.
LOG = os.environ.get("ZUORA_SUBMISSION_LOG") or f"file://{tempfile.gettempdir()}/zuora-log-{os.getuid()}"
PREVIEW = {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}
DOCUMENTS = ("invoices", "creditMemos")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["zuora"],
)
def zuora_approved_orders() -> None:
    @task
    def read_sales(dag: Any = None, run_id: str | None = None) -> list[dict[str, Any]]:
        """Stand in for whatever tells of the day's sales."""
        sales = (("A00000097", 2), ("A00000097", 3), ("A00000098", 1))
        return [
            {
                "orderNumber": f"{dag.dag_id}-{run_id}-{number}",
                "existingAccountNumber": account,
                "orderDate": "2024-07-01",
                "orderLineItems": [
                    {
                        "itemName": "Installation",
                        "itemType": "Services",
                        "quantity": quantity,
                        "amountPerUnit": 100.25,
                    }
                ],
            }
            for number, (account, quantity) in enumerate(sales, start=1)
        ]

    @task
    def build_previews(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what is asked of Zuora for each order: what it would bill until the end of its term."""
        own = ("orderNumber", "processingOptions")
        plain = [{name: value for name, value in order.items() if name not in own} for order in orders]
        return [{**order, "previewOptions": PREVIEW} for order in plain]

    @task
    def add_up(orders: list[dict[str, Any]], previews: list[dict[str, Any]]) -> str:
        """Return the totals of each currency as a table in Markdown; what cannot be told is an error."""
        hook, currencies = ZuoraHook(), {}
        totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(DOCUMENTS, Decimal(0)))
        counts: dict[str, int] = defaultdict(int)
        for order, preview in zip(orders, previews, strict=True):
            account = order["existingAccountNumber"]
            if account not in currencies:  # a preview does not name its currency: it is the account's
                page = hook.request("GET", f"/v1/accounts/{account}")
                currencies[account] = page["billingAndPayment"]["currency"]
            documents = {name: preview.get(name) or [] for name in DOCUMENTS}
            if not any(documents.values()):
                raise AirflowFailException(f"The preview of {order['orderNumber']} shows no amount")
            counts[currencies[account]] += 1
            for name, rows in documents.items():
                totals[currencies[account]][name] += sum(Decimal(str(row["amount"])) for row in rows)
        head = ["| Currency | Orders | Invoices | Credit memos |", "|---|---|---|---|"]
        return "\n".join(
            head
            + [
                f"| {currency} | {counts[currency]} | {each['invoices']:,.2f} | {each['creditMemos']:,.2f} |"
                for currency, each in sorted(totals.items())
            ]
        )

    orders = read_sales()
    preview = ZuoraPreviewOrderOperator.partial(task_id="preview").expand(order=build_previews(orders))
    approve = ApprovalOperator(
        task_id="approve",
        subject="Submit the orders of {{ run_id }} to Zuora?",
        body=add_up(orders, preview.output),
    )
    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=orders, submission_log=LOG)
    approve >> submit  # if it is rejected, submit is skipped, and all that follows
    wait = ZuoraJobSensor(task_id="wait", job_id=submit.output, poke_interval=5)
    reconcile = ZuoraReconcileOrdersOperator(
        task_id="reconcile",
        start="{{ dag_run.start_date }}",
        end="{{ macros.datetime.utcnow() }}",
        submission_log=LOG,
        trigger_rule="none_skipped",  # above all if something has failed, and not if it was rejected
        retry_delay=timedelta(minutes=15),  # what is so new that it may be under way is looked at again
    )

    @task
    def report(found: dict[str, Any]) -> int:
        counts = {name: count for name, count in found["counts"].items() if count}
        print(f"{found['submitted']} orders from {found['start']} to {found['end']}: {counts}")
        return int(found["counts"]["found"])

    # Without wait before report, the run would end well if an order has failed, and the books agree.
    wait >> [reconcile, report(reconcile.output)]


zuora_approved_orders()
