"""Orders that are submitted and no more: numbered by their DAG, numbered by Zuora, or many in one task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

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


def submit_dag(dag_id, operator, **options):
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False) as dag:
        operator(task_id="submit", retries=3, retry_delay=timedelta(seconds=2), **options)
    return dag


numbered = submit_dag("numbered", ZuoraCreateOrderOperator, order=ORDER | {"orderNumber": "O-{{ run_id }}"})
unnumbered = submit_dag("unnumbered", ZuoraCreateOrderOperator, order=ORDER)
listed = submit_dag(
    "listed",
    ZuoraCreateOrdersOperator,
    orders=[ORDER | {"description": f"{{{{ run_id }}}} {number}"} for number in range(60)],
)
