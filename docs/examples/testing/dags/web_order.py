"""Create an order of the web shop at Zuora, and wait for it."""

from datetime import datetime

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1), params={"number": "WEB-0"})
def web_order():
    create = ZuoraCreateOrderOperator(
        task_id="create",
        order={
            "orderNumber": "{{ params.number }}",
            "existingAccountNumber": "A00000097",
            "orderDate": "2026-01-01",
            "orderLineItems": [
                {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
            ],
        },
        wait_for_completion=True,
    )

    @task
    def report(result):
        print(f"Zuora made order {result['orderNumber']}")

    report(create.output)


dag = web_order()
