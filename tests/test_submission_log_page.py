"""The page of the submission log says what the package does: its schema, its members and its words."""

from __future__ import annotations

import json
import re
from pathlib import Path

from airflow_provider_zuora.core.submission.log_lines import VERSION
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.get_provider_info import get_provider_info
from tests.submission_logs import load_validator

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "submission-log.md").read_text("utf-8")
SCHEMA = load_validator().schema


def list_words(head):
    """Return what stands in backticks in the first column of the table with this head."""
    _, _, rest = PAGE.partition(head)
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_the_schema_of_the_site_is_that_of_the_package():
    assert json.loads((DOCS / "submission-log.schema.json").read_text("utf-8")) == SCHEMA
    assert SCHEMA["properties"]["schema_version"] == {"const": VERSION}
    assert f"version {VERSION}" in PAGE


def test_every_member_is_explained():
    assert set(list_words("| member | what it is |")) == set(SCHEMA["properties"]) - {"schema_version"}
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_every_outcome_is_explained_and_in_the_schema():
    assert set(list_words("| outcome | what it means |")) == set(map(str, Outcome))
    assert set(SCHEMA["properties"]["outcome"]["enum"]) == {None, *map(str, Outcome)}


def test_the_connection_can_have_a_log():
    [fields] = [
        each["conn-fields"]
        for each in get_provider_info()["connection-types"]
        if each["connection-type"] == "zuora"
    ]
    assert "submission_log" in fields
