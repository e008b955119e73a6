"""One process that submits many orders in one way; prints as JSON how long that took. Started by `rounds`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import bare
from benchmarks.bare import Target
from benchmarks.waits import connect, read_counts

Order = dict[str, Any]
Submit = Callable[[Target, Sequence[Order], int], int]


def make_order(number: int) -> Order:
    """Return an order as a subscription business sends it: about 700 bytes."""
    plan = {"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}
    terms = {"initialTerm": {"termType": "TERMED", "period": 12, "periodType": "Month"}, "renewalTerms": []}
    subscription = {"terms": terms, "subscribeToRatePlans": [plan], "invoiceSeparately": False}
    dates = [
        {"name": name, "triggerDate": "2026-07-01"}
        for name in ("ContractEffective", "ServiceActivation", "CustomerAcceptance")
    ]
    action = {"type": "CreateSubscription", "triggerDates": dates, "createSubscription": subscription}
    return {
        "orderNumber": f"O-{number:08d}",
        "orderDate": "2026-07-01",
        "existingAccountNumber": f"A{number:08d}",
        "subscriptions": [{"orderActions": [action]}],
        "processingOptions": {"runBilling": True, "billingOptions": {"targetDate": "2026-07-01"}},
    }


def _bare(target: Target, orders: Sequence[Order], concurrency: int) -> int:
    return len(asyncio.run(bare.submit(target, orders, concurrency)))


def _ours(target: Target, orders: Sequence[Order], concurrency: int) -> int:
    from airflow_provider_zuora.hooks.zuora import ZuoraHook

    connect(target, "zuora", target.url, verify=target.ca_file, max_connections=str(bare.LIMIT))
    entries = ZuoraHook(target.client_id).create_orders(orders, concurrency=concurrency)
    return sum(entry.state == "submitted" for entry in entries)


def _sdk(target: Target, orders: Sequence[Order], concurrency: int) -> int:
    """Submit as the SDK's examples do, one order after the other; it has no other way."""
    import zuora_sdk as sdk

    warnings.simplefilter("ignore")  # pydantic's, of every date: printing them would be the SDK's loss
    client = sdk.ApiClient(sdk.Configuration(host=target.url, ssl_ca_cert=target.ca_file))
    token = sdk.OAuthApi(client).create_token(
        client_id=target.client_id, client_secret=target.secret, grant_type="client_credentials"
    )
    client.default_headers["Authorization"] = f"Bearer {token.access_token}"
    api = sdk.OrdersApi(client)
    answers = [
        api.create_order_asynchronously(
            body=sdk.CreateOrderAsyncRequest.from_dict(each), idempotency_key=each["orderNumber"]
        )
        for each in orders
    ]
    return sum(answer.success is True for answer in answers)


WAYS: dict[str, Submit] = {"bare": _bare, "ours": _ours, "sdk": _sdk}


def measure(way: str, target: Target, size: int, concurrency: int) -> dict[str, float]:
    """Submit in one way, after one order for warming up; return what it took."""
    WAYS[way](Target(target.url, target.ca_file, f"warm{0:032}", target.secret), [make_order(0)], 1)
    read_counts(target)
    orders = [make_order(number) for number in range(1, size + 1)]
    cpu, started = time.process_time(), time.monotonic()
    submitted = WAYS[way](target, orders, concurrency)
    cpu, wall = time.process_time() - cpu, time.monotonic() - started
    found = read_counts(target)
    assert submitted == size == found["submits"], (submitted, found)
    return {
        "seconds": wall,
        "orders_per_second": size / wall,
        "cpu_ms": cpu * 1000 / size,
        "connections": found["connections"] - 1,
        "sign_ins": found["sign_ins"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("size", type=int)
    parser.add_argument("concurrency", type=int)
    parser.add_argument("url")
    parser.add_argument("ca_file")
    given = parser.parse_args()
    goal = Target(given.url, given.ca_file, f"bench{0:031}", "a-secret-of-the-benchmark")
    print(json.dumps(measure(given.way, goal, given.size, given.concurrency)))
