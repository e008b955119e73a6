"""The pipeline from Elastic Path to Zuora: its plain functions, with a file as a shop may export it."""

from __future__ import annotations

import csv
import json
import runpy
from pathlib import Path

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from zuora_sandbox.filters import parse_filter

EXPORT = Path(__file__).parents[1] / "samples" / "elastic-path-orders.csv"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(Path(__file__).parents[2] / "example_dags" / "elastic_path_to_zuora.py"))


@pytest.fixture
def rows():
    with EXPORT.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_is_an_order_that_breaks_no_rule(example, rows):
    orders = example["zuora_orders"](rows)

    assert [check_order(order).document for order in orders] == orders
    assert [order["orderNumber"] for order in orders] == [f"EP-{row['id']}" for row in rows]
    assert [order["existingAccountNumber"] for order in orders] == ["A00000097", "A00000098"]
    assert [order["orderDate"] for order in orders] == ["2024-07-01", "2024-07-01"]  # in UTC
    first, second = (order["orderLineItems"][0] for order in orders)
    assert (first["itemName"], first["quantity"], first["amountPerUnit"]) == (
        'Team plan, "one year"',
        25,
        199,
    )
    assert (second["itemName"], second["amountPerUnit"], second["currency"]) == ("Größe M", 19.99, "EUR")
    assert json.loads(json.dumps(orders)) == orders


def test_the_same_row_makes_the_same_order_and_the_same_key(example, rows):
    again = [dict(reversed(row.items())) for row in reversed(rows)]
    orders, others = example["zuora_orders"](rows), example["zuora_orders"](again)

    assert orders == others[::-1]
    assert [example["own_key"](order) for order in orders] == [order["orderNumber"] for order in orders]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"quantity": "many"},
        {"quantity": None},
        {"unit_amount": ""},
        {"created_at": "yesterday"},
        {"created_at": None},
    ],
    ids=repr,
)
def test_a_row_that_is_no_order_ends_it_with_its_line(example, rows, spoilt):
    with pytest.raises(AirflowFailException, match=r"line 3 of the export is no order .*nothing was sent"):
        example["zuora_orders"]([rows[0], rows[1] | spoilt])


def test_a_missing_column_is_named(example, rows):
    with pytest.raises(AirflowFailException, match=r"line 2 .*'zuora_account'"):
        example["zuora_orders"](
            [{name: row[name] for name in row if name != "zuora_account"} for row in rows]
        )


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_the_filter_takes_the_interval_and_nothing_beside_it(example, zone):
    start = pendulum.datetime(2024, 7, 1).in_timezone(zone)
    text = example["created_between"](start, start.add(days=1))

    assert text == "ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)"
    passes = parse_filter(text)
    times = [
        "2024-06-30T23:59:59.9Z",
        "2024-07-01T00:00:00Z",
        "2024-07-01T23:59:59.9Z",
        "2024-07-02T00:00:00Z",
    ]
    assert [passes({"created_at": time}) for time in times] == [False, True, True, False]
