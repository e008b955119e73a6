"""The page of the submission log says what the package does: its schema, its members and its words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_zuora.core.submission.log_lines import VERSION
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.get_provider_info import get_provider_info
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from tests.books import make_context, make_order
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


def test_the_line_that_is_shown_is_one():
    [shown] = re.findall(r"```json\n(.*?)\n", PAGE)
    load_validator().validate(json.loads(shown))


def list_objects(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jsonl"))


def count_objects(folder, submit):
    before = len(list_objects(folder))
    submit()
    return len(list_objects(folder)) - before


def test_the_names_of_objects_are_spelt_as_it_says(zuora, tmp_path):
    hook = ZuoraHook(submission_log=str(tmp_path))
    [run, folder] = re.search(r"the run\s`(.+?)` is the folder `(.+?)`", PAGE).groups()
    context = make_context("billing.submit" + "x" * 80)
    context["ti"].run_id, context["ti"].map_index = run, 3
    hook.create_order(make_order("O-1"), context=context)
    [first, second] = list_objects(tmp_path)
    pattern = (
        rf"\d{{4}}-\d\d-\d\d/billing/{re.escape(folder)}/billing_submitx{{66}}\.3\.try1\.[0-9a-f]{{32}}\.0000"
    )
    assert re.fullmatch(pattern + r"0\.jsonl", first)
    assert second == first.replace(".00000.", ".00001.")
    hook.create_order(make_order("O-2"), idempotency_key="k")
    assert re.search(r"/none/none/none\.try1\.", "\n".join(list_objects(tmp_path)))


def test_so_many_objects_are_written_as_it_says(zuora, tmp_path):
    hook = ZuoraHook(submission_log=str(tmp_path))
    guarded = ZuoraHook(submission_log=str(tmp_path), guard={"max_orders": 500})

    def wait(context):
        operator = ZuoraCreateOrderOperator(
            task_id="submit", order=make_order("O-9"), submission_log=str(tmp_path), wait_for_completion=True
        )
        operator.execute(context)

    def refuse():
        with pytest.raises(PermanentError):
            hook.create_order({"orderNumber": "O-4"}, context=make_context("refused"))

    def create(hook, number, **options):
        return lambda: hook.create_order(make_order(number), context=make_context(f"t-{number}"), **options)

    orders = [make_order(f"O-{number}") for number in range(100, 350)]
    found = [
        count_objects(tmp_path, submit)
        for submit in (
            create(hook, "O-1"),
            lambda: wait(make_context()),
            create(guarded, "O-2"),
            lambda: hook.create_orders(orders, context=make_context("list")),
            create(hook, "O-1", adopt_job_id="order:O-1"),
            lambda: hook.delete_order("O-1", context=make_context("deletes")),
            refuse,
        )
    ]
    assert found == [2, 3, 3, 4, 1, 2, 0]
