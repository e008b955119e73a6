"""Orders of which one is refused and one is asked to come back, so that every metric has a figure."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

ACTION = {
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
ORDER = {
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [{"orderActions": [ACTION]}],
}

with DAG("metered", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
    submit = ZuoraCreateOrdersOperator(
        task_id="submit",
        orders=[ORDER | {"orderNumber": f"M-{{{{ run_id }}}}-{number:02d}"} for number in range(20)],
        on_refusal="skip",
        concurrency=2,
    )
    ZuoraJobSensor(task_id="wait", job_id=submit.output, poke_interval=3, timeout=300)
