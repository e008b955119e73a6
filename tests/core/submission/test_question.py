"""What a person is asked: the words name all that it takes to look for the order."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.submission.record import SubmissionRecord
from airflow_provider_zuora.core.submission.recovery import write_question

NOW = 1_700_000_000.0
RECORD = SubmissionRecord(
    submitter="5ub",
    order_number=None,
    account="acc",
    key="af-1",
    generation=0,
    digest="d1",
    contents=("d1",),
    params=(),
    first_post=NOW - 60,
    try_number=1,
    max_tries=1,
)


def ask(document, record=RECORD, place="alone"):
    return write_question(
        record, {"orderDate": "2024-07-01"} | document, "Zuora", "why not", NOW, place=place
    )


@pytest.mark.parametrize(
    ("document", "account"),
    [
        ({"existingAccountNumber": "A-1", "existingAccountId": None}, "A-1"),
        ({"existingAccountId": "8ad0"}, "8ad0"),
        ({"newAccount": {"name": "Amy"}}, "Amy"),
        ({"newAccount": None}, None),
    ],
)
def test_it_names_the_account_as_the_order_does(document, account):
    assert f"Look in Zuora for an order of account {account}, dated 2024-07-01" in ask(document)


def test_all_of_it():
    sent = RECORD.count_post("t-1", "d1").count_post("t-2", "d1")

    assert ask({"orderNumber": "O-1", "existingAccountNumber": "A-1"}, sent) == (
        "Whether this order exists is unknown: why not. It was not sent again, that could make it twice.\n"
        "Key af-1, first sent 2023-11-14T22:12:20Z, Track-Ids t-1, t-2.\n"
        "1. Look in Zuora for order O-1 of account A-1, dated 2024-07-01, made since then (give it some "
        "minutes).\n"
        "2. It is there: pass its job id, or order:<orderNumber>, as adopt_job_id, and clear the task.\n"
        "3. It is not: pass another idempotency_key that ends in the time, such as "
        "again-75b59679-2023-11-14T22:13Z, and clear the task within 23 hours. More: docs/exactly-once.md"
    )


def test_without_a_number_or_a_post_it_says_so():
    words = ask({"existingAccountNumber": "A-1"})

    assert "why not, and it has no orderNumber to look it up by. It was not sent again" in words
    assert "Key af-1, not sent by this try." in words


@pytest.mark.parametrize(
    ("place", "second", "third"),
    [
        (
            "list",
            "2. It is there: take it out of the list, and clear the task.",
            "3. It is not: take it out of the list too, and submit it in another task. More: docs/",
        ),
        (
            "equals",
            "2. Count how many of the equal orders of the list are there.",
            "3. Take all of them out of the list, and clear the task; submit those that are missing in ",
        ),
    ],
)
def test_how_to_proceed_with_an_order_of_a_list_is_its_own(place, second, third):
    words = ask({"existingAccountNumber": "A-1"}, place=place)

    assert f"\n{second}\n{third}" in words
    assert "adopt_job_id" not in words
