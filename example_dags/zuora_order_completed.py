"""Run when an order was completed, by any task with this asset as an outlet, and read its number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import Asset, dag, task

ORDER_COMPLETED = Asset("zuora_order_completed")


@dag(schedule=[ORDER_COMPLETED], start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=["zuora"])
def zuora_order_completed() -> None:
    @task
    def report(**context: Any) -> list[str]:
        # Airflow 2 calls assets datasets. Several orders may have been completed since the last run.
        by_asset = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        receipts = [event.extra for events in by_asset.values() for event in events]
        for receipt in receipts:
            print(f"order {receipt['order_number']} was completed: {receipt}")
        return [receipt["order_number"] for receipt in receipts]

    report()


zuora_order_completed()
