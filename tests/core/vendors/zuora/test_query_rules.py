"""A data query is checked before it is sent."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.vendors.zuora.query_rules import LONGEST, check_query


def test_only_what_is_not_the_default_is_sent():
    assert check_query("SELECT 1") == {"query": "SELECT 1", "outputFormat": "CSV", "compression": "NONE"}
    everything = {
        "output_format": "DSV",
        "compression": "ZIP",
        "column_separator": "|",
        "source_data": "WAREHOUSE",
        "read_deleted": True,
    }
    assert check_query("SELECT 1", **everything) == {
        "query": "SELECT 1",
        "outputFormat": "DSV",
        "compression": "ZIP",
        "columnSeparator": "|",
        "sourceData": "WAREHOUSE",
        "readDeleted": True,
    }
    assert check_query("x" * LONGEST)["query"]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"query": " \n"}, "query: must be a text, and not a blank one"),
        ({"query": None}, "query: must be a text, and not a blank one"),
        ({"query": "x" * (LONGEST + 1)}, "query: has 1,000,001 characters, and Zuora takes 1,000,000"),
        ({"output_format": "csv"}, "output_format: must be one of CSV, TSV, DSV, JSON, not 'csv'"),
        ({"output_format": ["CSV"]}, "output_format: must be one of"),
        ({"compression": None}, "compression: must be one of NONE, GZIP, ZIP, not None"),
        ({"source_data": "DATAHUB"}, "source_data: must be one of LIVE, WAREHOUSE, not 'DATAHUB'"),
        ({"read_deleted": "yes"}, "read_deleted: must be True or False, not 'yes'"),
        *(
            ({"column_separator": wrong, "output_format": "DSV"}, "column_separator: must be one printable")
            for wrong in ("||", "", '"', "'", "\n", "\0", 5, "\ud800")
        ),
        ({"column_separator": ";"}, 'column_separator: goes with output_format="DSV", which needs it'),
        ({"output_format": "DSV"}, 'column_separator: goes with output_format="DSV", which needs it'),
        ({"query": "SELECT '\ud800'"}, "query: holds half of a surrogate pair"),
    ],
)
def test_a_broken_rule_is_named_with_its_field(options, rule):
    with pytest.raises(InvalidInput) as caught:
        check_query(**{"query": "SELECT 1"} | options)
    [violation] = caught.value.violations
    assert violation.startswith(rule)


def test_all_broken_rules_are_named_at_once():
    with pytest.raises(InvalidInput) as caught:
        check_query("", output_format="XML", compression="RAR", source_data="", read_deleted=1)
    assert len(caught.value.violations) == 5
