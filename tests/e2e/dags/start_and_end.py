"""One order each: by an operator and a sensor, by one task, and with a sensor that needs fewer workers."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

ORDER = {
    "orderNumber": "O-{{ run_id }}-{{ dag.dag_id }}",
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}]
                    },
                }
            ]
        }
    ],
}


def order_dag(dag_id, *, conn_id="zuora_default", one_task=False, **options):
    @dag(dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
    def make():
        last = ZuoraCreateOrderOperator(
            task_id="submit", order=ORDER, zuora_conn_id=conn_id, wait_for_completion=one_task, timeout=300
        )
        if not one_task:
            last = ZuoraJobSensor(
                task_id="wait",
                job_id=last.output,
                zuora_conn_id=conn_id,
                poke_interval=3,
                timeout=300,
                **options,
            )

        @task
        def report(result):
            return [type(result).__name__, result["orderNumber"]]

        report(last.output)

    return make()


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def unattended_list():
    orders = [ORDER | {"orderNumber": f"{ORDER['orderNumber']}-{letter}"} for letter in "ab"]
    submit = ZuoraCreateOrdersOperator(task_id="submit", orders=orders)
    wait = ZuoraJobSensor(
        task_id="wait",
        job_id=submit.output,
        poke_interval=3,
        timeout=300,
        start_from_trigger=True,
        end_from_trigger=True,
    )

    @task
    def report(results):
        return [type(results).__name__, *(each["orderNumber"][-2:] for each in results)]

    report(wait.output)


unattended_list()
two_tasks = order_dag("two_tasks")
one_task = order_dag("one_task", one_task=True)
ended = order_dag("ended", end_from_trigger=True)
started = order_dag("started", start_from_trigger=True)
unattended = order_dag("unattended", start_from_trigger=True, end_from_trigger=True)
tried_unattended = order_dag("tried_unattended", start_from_trigger=True, end_from_trigger=True)
unattended_refused = order_dag(
    "unattended_refused", conn_id="zuora_refusing", start_from_trigger=True, end_from_trigger=True
)
