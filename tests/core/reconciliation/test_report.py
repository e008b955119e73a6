"""What a reconciliation leaves: a summary of a bounded size, a row for each order, a table of proposals."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.reconciliation.report import COLUMNS
from tests.books import change, make_order
from tests.core.reconciliation.desk import Desk
from zuora_sandbox.order_store import StatusPlan


@pytest.fixture
def desk():
    return Desk()


def list_cells(result, **options):
    head, *rows = result.list_rows(**{"names_others": True} | options)
    assert head == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_a_row_says_all_that_both_sides_have(desk):
    job_id = desk.submit("k", make_order("O-1"))
    change(desk.sandbox, "O-1", account="A9")
    [row] = list_cells(desk.compare())
    assert row == {
        "finding": "different",
        "order_number": "O-1",
        "other_numbers": "",
        "job_id": job_id,
        "key": "k",
        "account_number": "A00000097",
        "order_date": "2024-07-01",
        "zuora_account_number": "A9",
        "zuora_order_date": "2024-07-01",
        "zuora_status": "Completed",
        "zuora_created": "2023-11-14T22:13:20Z",
        "dag_id": "billing",
        "run_id": "r",
        "task_id": "submit",
        "map_index": "-1",
        "submitted": "2023-11-14T22:13:20.000Z",
        "detail": "its account is A9, the log's is A00000097",
        "action": "look",
        "value": "",
    }


def test_orders_of_others_are_named_on_request_alone(desk):
    desk.submit("k", make_order("O-1"))
    desk.make("X-1", account="A9")
    result = desk.compare()
    named, counted = (result.summarize(names_others=each) for each in (True, False))
    assert (named["others"], named["counts"]["others"]) == (["X-1"], 1)
    assert ("others" in counted, counted["counts"]["others"]) == (False, 1)
    assert [row["finding"] for row in list_cells(result)] == ["found", "others"]
    assert [row["finding"] for row in list_cells(result, names_others=False)] == ["found"]


def test_no_cell_is_calculated_by_a_spreadsheet_and_no_number_of_a_card_is_shown(desk):
    desk.make("=1+1", account="A9")
    desk.make("4111111111111111", account="A9")
    numbers = [row["order_number"] for row in list_cells(desk.compare())]
    assert sorted(numbers) == ["'=1+1", "***"]


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        ("-1+1", "'-1+1"),
        ("=1", "'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("O;=1+1;x", "O;'=1+1;x"),
        ("O, @x", "O,' @x"),
        ("O-1=2", "O-1=2"),
        ("O;1", "O;1"),
    ],
)
def test_no_cell_is_calculated_whatever_sign_ends_the_cells(desk, number, cell):
    desk.make(number)
    assert [row["order_number"] for row in list_cells(desk.compare())] == [cell]


def test_a_summary_and_a_table_name_a_hundred_and_count_all(desk):
    for number in range(150):
        desk.cut(f"k-{number}", make_order(f"U-{number}"))
    result = desk.compare()
    summary = json.loads(json.dumps(result.summarize(names_others=True)))
    assert (len(summary["unknown"]), len(summary["proposals"]), summary["counts"]["unknown"]) == (
        100,
        100,
        150,
    )
    head, *rows, last = result.list_proposals()
    assert head.split("  ")[0].strip() == "order"
    assert (len(rows), last) == (100, "and 50 more, see the report")
    words, may_heal = result.describe_failure(["unknown"])
    assert (words[:30], may_heal) == ("150 unknown (U-0, U-1, U-10, U", False)
    assert words.endswith(" and 140 more)")


def test_the_table_says_what_to_do_about_each_order_of_an_unknown_outcome(desk):
    desk.cut("k1", make_order("U-1"))
    desk.cut("k2", make_order("U-2"))
    desk.make("U-1")
    assert desk.compare().list_proposals() == [
        "order  what to do      value      why",
        "U-1    adopt_job_id    order:U-1  Zuora has it, Completed",
        "U-2    clear the task             Zuora has none of its number",
    ]


def test_only_what_is_asked_for_is_a_failure_and_what_is_new_may_heal(desk):
    desk.cut("k1", make_order("U-1"))
    desk.submit("k2", make_order("O-1"))
    change(desk.sandbox, "O-1", plan=StatusPlan("Cancelled"))
    result = desk.compare(later=60.0)
    assert result.describe_failure([]) == ("", True)
    assert result.describe_failure(["missing"]) == ("", True)
    assert result.describe_failure(["unknown"]) == ("1 unknown (U-1)", True)
    assert result.describe_failure(["unknown", "cancelled"]) == ("1 cancelled (O-1); 1 unknown (U-1)", False)
