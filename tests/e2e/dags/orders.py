"""One order, submitted and waited for, on a sandbox that makes it and on one whose every job fails."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import Asset, dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

ORDER = {
    "orderNumber": "{{ dag.dag_id }}-{{ run_id }}",
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


def order_dag(dag_id, conn_id):
    @dag(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
    def make():
        submit = ZuoraCreateOrderOperator(task_id="submit", order=ORDER, zuora_conn_id=conn_id)
        wait = ZuoraJobSensor(
            task_id="wait",
            job_id=submit.output,
            zuora_conn_id=conn_id,
            poke_interval=3,
            timeout=300,
            outlets=[Asset("order_waited_for")],
        )

        @task
        def report(result):
            print(f"order {result['orderNumber']}")
            return result["orderNumber"]

        report(wait.output)

    return make()


made = order_dag("made", "zuora_default")
refused = order_dag("refused", "zuora_refusing")
tried = order_dag("tried", "zuora_default")
