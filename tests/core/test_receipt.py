"""What a task came to, as a line and as plain JSON: nothing that is long, secret or strange."""

import json
import re
from pathlib import Path

import pytest

from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.receipt import (
    JobFacts,
    Receipt,
    count_rows,
    list_words,
    read_facts,
    read_word,
)
from airflow_provider_zuora.core.redaction import NO_SECRETS
from airflow_provider_zuora.core.secret_search import Secrets
from airflow_provider_zuora.core.vendors import VENDORS

CARD = "4111111111111111"
DOCS = Path(__file__).parents[2] / "docs" / "receipts.md"


def facts(values):
    return read_facts(values, NO_SECRETS)


def test_a_line_says_what_was_made_and_what_it_took():
    made = facts(
        {
            "order_number": "O-1",
            "status": "Completed",
            "account_number": "A-1",
            "subscription_numbers": ["S-1", "S-2"],
            "invoice_numbers": ["INV-7"],
            "payment_id": None,
        }
    )
    receipt = Receipt("order", "completed", "2c92", made, seconds=41.4, polls=9, track_id="af-1")

    assert str(receipt) == (
        "Order O-1 completed: account A-1, subscriptions S-1, S-2, invoices INV-7; job 2c92; 41 s, 9 polls; "
        "Track-Id af-1"
    )
    assert json.loads(json.dumps(receipt.as_dict())) == {
        "kind": "order",
        "state": "completed",
        "job_id": "2c92",
        "order_number": "O-1",
        "status": "Completed",
        "account_number": "A-1",
        "subscription_numbers": ["S-1", "S-2"],
        "invoice_numbers": ["INV-7"],
        "seconds": 41.4,
        "polls": 9,
        "track_id": "af-1",
    }


def test_what_is_unknown_is_left_out_of_the_line_and_null_in_the_xcom():
    receipt = Receipt("data query", "refused", codes=("LINK_1",))

    assert str(receipt) == "Data query refused: codes LINK_1"
    assert receipt.as_dict() == {
        "kind": "data query",
        "state": "refused",
        "job_id": None,
        "codes": ["LINK_1"],
        "seconds": None,
        "polls": None,
        "track_id": None,
    }


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        (Receipt("jobs", "timed_out", counts={"timed_out": 1, "completed": 1999}),
         "Jobs timed out: 1 timed out, 1,999 completed"),
        (Receipt("bill run", "completed", facts={"bill_run_number": "BR-1", "invoices": 1200}, polls=1),
         "Bill run BR-1 completed: invoices 1,200; 1 poll"),
        (Receipt("order", "completed", facts={"status": "Pending"}, seconds=-3.0),
         "Order completed: status Pending; 0 s"),
    ],
)  # fmt: skip
def test_counts_and_states_are_words(receipt, line):
    assert str(receipt) == line


def test_a_long_list_is_cut_in_the_line_and_in_the_xcom_and_counted():
    numbers = [f"S-{number}" for number in range(2000)]
    receipt = Receipt("order", "completed", facts=facts({"subscription_numbers": numbers}))

    assert str(receipt) == f"Order completed: subscriptions {', '.join(numbers[:10])} and 1,990 more"
    found = receipt.as_dict()
    assert found["subscription_numbers"] == numbers[:100]
    assert found["subscription_numbers_total"] == 2000
    eleven = Receipt("order", "completed", facts=facts({"subscription_numbers": numbers[:11]}))
    assert str(eleven).endswith("S-9 and 1 more")


@pytest.mark.parametrize(
    "value", [None, True, 1.5, {"a": 1}, "", "  ", "x" * 201, 10**18, [], [None, {"a": 1}, 7]]
)
def test_what_is_no_short_text_and_no_whole_number_is_left_out(value):
    assert facts({"order_number": value}) == {}


def test_values_are_redacted_and_printable():
    secrets = Secrets(values=["S3CRET-VALUE"])
    found = read_facts({"a": "x S3CRET-VALUE", "b": f"N {CARD}", "c": "O\n1\0", "d": [CARD]}, secrets)

    assert "S3CRET" not in str(found)
    assert CARD not in str(found)
    assert found["c"] == "O\\n1\ufffd"
    assert read_word(f" {CARD} ") == "***"


def test_a_path_may_be_longer_than_a_number():
    path = f"/data/{'x' * 500}"

    assert facts({"path": path, "account_number": path}) == {"path": path}


def test_rows_are_read_only_where_they_are_rows():
    assert list_words([{"n": "S-1"}, {"m": 1}, 7], "n") == ["S-1"]
    assert list_words("S-1", "n") == []
    assert count_rows([1, 2]) == 2
    assert count_rows("12") is None
    assert JobFacts("order").values == {}


def test_the_docs_list_each_fact_of_each_kind():
    table = "".join(re.findall(r"^\| (`.*?) \| ", DOCS.read_text(), re.MULTILINE))
    listed = set(re.findall(r"`(\w+)`", table))
    for vendor in VENDORS.values():
        for kind in vendor.kinds.values():
            made = vendor.read_facts(Job(f"{kind.prefix}j", JobState.SUCCEEDED, "done", result={})).values
            assert [name for name in made if not name.endswith(("_id", "_ids")) and name not in listed] == []
