"""Bill the month that is over, post its invoices, and collect them, unless they come to too much money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator

# What a month may collect before a person has looked at it; a currency that is not here may collect nothing.
CEILINGS = {"USD": Decimal("250000.00"), "EUR": Decimal("100000.00")}
QUERY = """
SELECT currency, count(*) AS invoices, CAST(sum(greatest(balance, 0)) AS varchar) AS balance
FROM invoice
WHERE sourceid = '{number}' AND status = 'Posted'
GROUP BY currency
"""
LAST_DAY = "{{ macros.ds_add(data_interval_end | ds, -1) }}"


@dag(
    # Each run has the month before it. Airflow 3's own "@monthly" has no interval.
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # two bill runs at a time must not bill the same accounts
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["zuora"],
)
def zuora_month_end() -> None:
    bill = ZuoraBillRunOperator(
        task_id="bill",
        bill_run={
            "name": "Month end {{ data_interval_start.strftime('%Y-%m') }}",
            "targetDate": LAST_DAY,
            "invoiceDate": LAST_DAY,
            "batches": ["Batch1"],
        },
        post=True,
    )

    @task
    def limit(bill: dict[str, Any]) -> str:
        """
        Return the id of the bill run, if what its posted invoices leave open keeps to the ceilings.

        A ceiling is about the open balances of all invoices of this bill run in one currency: the most that
        the payment run can collect. To collect more, raise it and clear this task: nothing is billed again.
        """
        totals = list(ZuoraHook().query(QUERY.format(number=bill["number"]), timeout=1800))
        found = sum(int(row["invoices"]) for row in totals)
        if found < bill["invoices"]:  # Data Query is a little behind: the retry sees more
            raise RuntimeError(f"{bill['number']} has {bill['invoices']} invoices, Data Query shows {found}")
        balances = {row["currency"]: Decimal(row["balance"]) for row in totals}
        print(f"{bill['number']}: {found} invoices, open: {balances}")
        if passed := [name for name, open_ in balances.items() if open_ > CEILINGS.get(name, 0)]:
            words = ", ".join(
                f"{balances[name]} {name} (ceiling: {CEILINGS.get(name, 0)})" for name in passed
            )
            raise AirflowFailException(f"{bill['number']} leaves open {words}; nothing was collected")
        return str(bill["job_id"].removeprefix("bill-run:"))

    collect = ZuoraPaymentRunOperator(
        task_id="collect",
        payment_run={
            "billingRunId": limit(bill.output),  # its filter: no other invoices are collected
            "targetDate": LAST_DAY,  # and of these what is due by then
            "collectPayment": True,
        },
    )

    @task
    def report(collected: dict[str, Any]) -> None:
        for currency, amounts in collected["amounts"].items():
            print(f"{collected['number']} has collected {amounts['payments']} {currency}")

    report(collect.output)


zuora_month_end()
