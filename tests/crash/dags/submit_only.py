"""
What is submitted once: orders, queries, bill runs and payment runs, each in a DAG of one task.

Orders are submitted and no more: numbered by their DAG, numbered by Zuora, or many in one task. The others
are waited for in the triggerer, and each has a DAG without retries, too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator

ORDER = {
    "description": "{{ run_id }}",
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "terms": {
                            "initialTerm": {"period": 12, "periodType": "Month", "termType": "TERMED"},
                            "renewalSetting": "RENEW_WITH_SPECIFIC_TERM",
                            "renewalTerms": [{"period": 12, "periodType": "Month"}],
                        },
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}],
                    },
                }
            ]
        }
    ],
}


BILL_RUN = {"name": "{{ run_id }}", "targetDate": "2026-03-01", "batches": ["Batch1"]}
PAYMENT_RUN = {
    "accountId": "{{ run_id | replace('.', '') | replace('-', '') }}",
    "targetDate": "2026-03-01",
    "collectPayment": True,
}


def submit_dag(dag_id, operator, retries=3, **options):
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False) as dag:
        operator(task_id="submit", retries=retries, retry_delay=timedelta(seconds=2), **options)
    return dag


numbered = submit_dag("numbered", ZuoraCreateOrderOperator, order=ORDER | {"orderNumber": "O-{{ run_id }}"})
unnumbered = submit_dag("unnumbered", ZuoraCreateOrderOperator, order=ORDER)
listed = submit_dag(
    "listed",
    ZuoraCreateOrdersOperator,
    orders=[ORDER | {"description": f"{{{{ run_id }}}} {number}"} for number in range(60)],
)


WAITING = {
    "data-query": (
        ZuoraDataQueryOperator,
        {"query": "SELECT id FROM account WHERE accountnumber = '{{ run_id }}'"},
    ),
    "bill-run": (
        ZuoraBillRunOperator,
        {"bill_run": BILL_RUN, "post": True, "post_invoice_date": "{{ dag_run.conf['day'] }}"},
    ),
    "payment-run": (ZuoraPaymentRunOperator, {"payment_run": PAYMENT_RUN}),
}
waiting = [submit_dag(kind, operator, **options) for kind, (operator, options) in WAITING.items()]
last = [
    submit_dag(f"{kind}-last", operator, retries=0, **options)
    for kind, (operator, options) in WAITING.items()
]
