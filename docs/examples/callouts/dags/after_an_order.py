"""Run when Zuora says that it has processed an order, and ask Zuora what came of it."""

from datetime import datetime

from airflow.sdk import Asset, dag, task

from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

ORDER_PROCESSED = Asset("zuora_order_processed")


@dag(schedule=[ORDER_PROCESSED], start_date=datetime(2026, 1, 1), catchup=False)
def after_an_order():
    @task
    def find_orders(triggering_asset_events=None):
        # Callouts come several at a time, in any order, and some twice.
        events = triggering_asset_events[ORDER_PROCESSED]
        return sorted({f"order:{event.extra['order_number']}" for event in events})

    @task
    def report(orders):
        for order in orders:
            print(f"order {order['orderNumber']} is {order['status']}")

    read = ZuoraJobSensor(task_id="read", job_id=find_orders(), timeout=600)
    report(read.output)


after_an_order()
