"""The page of the reconciliation names what there is: the columns of its report, and its words."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_provider_zuora.core.reconciliation.findings import Finding
from airflow_provider_zuora.core.reconciliation.report import COLUMNS

PAGE = (Path(__file__).parents[1] / "docs" / "reconciliation.md").read_text("utf-8")


def read_table(head):
    _, found, rest = PAGE.partition(f"| {head} |")
    assert found, head
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_each_column_of_the_report_is_explained_in_its_order_with_an_example():
    rows = read_table("column | what it holds | example")
    named = [re.findall(r"`(\w+)`", row[0]) for row in rows]
    assert tuple(name for names in named for name in names) == COLUMNS
    for names, row in zip(named, rows, strict=True):
        assert row[1]
        assert len(re.findall(r"`[^`]+`", row[2])) == len(names), row


def test_each_word_is_explained():
    rows = read_table("word | what it means | what to do | `fail_on`")
    assert sorted(row[0].strip("*`") for row in rows) == sorted(map(str, Finding))
