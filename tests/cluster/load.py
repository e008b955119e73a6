"""The load: how many of what, and the marker by which the sandbox's ledger tells each from all others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

QUICK_VARIABLE = "CLUSTER_TEST_QUICK"
RUN_ID = "cluster-test"
FAILS = "[40000020]: The rate plan \0 is not effective."
"""Why Zuora's jobs refuse orders: with a NUL, which PostgreSQL's JSONB, the type of an event, cannot hold."""

UNLUCKY = ("M-001", "N-001", "C-001")
"""Orders whose first three answers are cut off, one after the other."""


@dataclass(frozen=True)
class Load:
    """
    How many of what.

    :param numbered: mapped orders with an orderNumber, each waited for by its own task.
    :param bare: the same without one: nothing but the package stands between such an order and a second one.
    :param listed: orders of a list with numbers, which one task submits and one sensor waits for.
    :param bare_listed: those of a list without numbers.
    :param pairs: orders that one task submits and another waits for; every other one has a number.
    :param refused: orders whose jobs fail: their tasks, and no others, are to fail.
    """

    numbered: int
    bare: int
    listed: int
    bare_listed: int
    pairs: int
    queries: int
    bill_runs: int
    refused: int

    @property
    def markers(self) -> list[str]:
        """Return the marker of each order that is to be made."""
        counts = {
            "M": self.numbered,
            "N": self.bare,
            "B": self.listed,
            "C": self.bare_listed,
            "P": self.pairs,
        }
        return [mark(letter, index) for letter, count in counts.items() for index in range(count)]

    @property
    def tasks(self) -> int:
        """Return how many task instances there are to be."""
        mapped = self.numbered + self.bare + self.queries + self.bill_runs + self.refused
        return mapped + 2 * self.pairs + 4


FULL = Load(numbered=100, bare=100, listed=200, bare_listed=50, pairs=50, queries=20, bill_runs=5, refused=5)
SMALL = Load(numbered=8, bare=8, listed=12, bare_listed=4, pairs=8, queries=2, bill_runs=1, refused=1)
DAGS = ("mapped", "lists", "pairs", "queries", "bill_runs", "refused")


def choose_load(environment: Mapping[str, str] = os.environ) -> Load:
    """Return the load that the environment asks for."""
    return SMALL if environment.get(QUICK_VARIABLE) else FULL


def mark(letter: str, index: int) -> str:
    """Return a marker: M and N mapped, B and C in lists, P pairs, Q queries, R bill runs, X what fails."""
    return f"{letter}-{index:03d}"


def make_order(marker: str, *, is_numbered: bool) -> dict[str, Any]:
    """Return an order that the ledger shows by its description, whether it has a number of its own or not."""
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}
    order = {
        "existingAccountNumber": "A00000097",
        "orderDate": "2026-01-01",
        "description": marker,
        "orderLineItems": [item],
    }
    return order | ({"orderNumber": marker} if is_numbered else {})


def make_orders(letter: str, count: int, *, is_numbered: bool) -> list[dict[str, Any]]:
    """Return so many orders."""
    return [make_order(mark(letter, index), is_numbered=is_numbered) for index in range(count)]


def quote_marker(start: str) -> str:
    """Return what the body of a request contains for the orders whose markers begin so."""
    return f'"description": "{start}'


def make_query(index: int) -> str:
    """Return the SQL of a query, with its marker."""
    return f"SELECT id, invoicenumber, balance FROM invoice WHERE batch = '{mark('Q', index)}'"


def make_rows(index: int) -> list[dict[str, Any]]:
    """Return what a query gives: other rows for each query, and more for those that end in a file."""
    marker = mark("Q", index)
    return [
        {"id": f"{marker}-{row}", "invoicenumber": f"INV{index:03d}{row:05d}", "balance": row + index / 4}
        for row in range(10 if is_returned(index) else 2000)
    ]


def is_returned(index: int) -> bool:
    """Return whether a query's rows are returned; those of the others are put to a file."""
    return index % 2 == 0
