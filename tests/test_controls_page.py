"""The page for auditors says what is there: controls, options, operators, tests, and Airflow's own roles."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from airflow_provider_zuora import exceptions
from airflow_provider_zuora.core.guards import FIELDS
from airflow_provider_zuora.core.metrics import Metric
from airflow_provider_zuora.core.reconciliation.findings import Finding
from airflow_provider_zuora.core.reconciliation.report import COLUMNS
from airflow_provider_zuora.get_provider_info import get_provider_info
from airflow_provider_zuora.guards import OrderGuard
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators import reconcile
from tests.airflow_versions import IS_AIRFLOW_2
from tests.conftest import ORDER
from tests.submission_logs import load_validator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "controls.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
# Airflow's, Zuora's, git's and the operating system's own words.
OTHERS = {
    *("approve", "assigned_users", "others", "auditobjectchangeevent", "auditloginevent"),
    *("auditsettingchangeevent", "zuora_default", "receipt", "refused", "request"),
}


def read_table(head):
    """Return the rows of the table whose first columns have these heads; links are their texts."""
    _, found, rest = PAGE.partition(f"\n| {head} |")
    assert found, f"there is no such table: {head}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", row) for row in rows]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in plain]


def list_operators():
    modules = [each["python-modules"] for each in get_provider_info()["operators"]]
    for name in (name for names in modules for name in names):
        for found in vars(import_module(name)).values():
            if inspect.isclass(found) and found.__module__ == name and not found.__name__.startswith("Base"):
                yield found


def list_options(function):
    return set(inspect.signature(function).parameters)


def list_fields():
    types = get_provider_info()["connection-types"]
    [zuora] = [each for each in types if each["connection-type"] == "zuora"]
    return set(zuora["conn-fields"])


def test_each_control_is_explained_and_then_has_its_evidence_its_limits_and_its_test():
    first, second = read_table("control | what it stops"), read_table("control | if it cannot be evaluated")
    assert [row[0] for row in first] == [row[0] for row in second]
    assert len(first) > 15
    assert {len(row) for row in first} == {4}
    assert {len(row) for row in second} == {5}
    assert all(cell for row in (*first, *second) for cell in row)
    for row in second:
        tests = re.findall(r"`(tests/[\w/]+\.py)`", row[3])
        assert tests, row
        for test in tests:
            assert "def test_" in (ROOT / test).read_text("utf-8"), test


def test_each_field_of_a_guard_is_a_control():
    names = " ".join(row[0] for row in read_table("control | what it stops"))
    assert set(FIELDS) == set(OrderGuard._fields) <= set(re.findall(r"\w+", names))


def test_each_operator_that_changes_something_has_its_row_and_what_the_row_says():
    changing = {
        each.__name__: list_options(each) for each in list_operators() if "guard" in list_options(each)
    }
    rows = {row[0].strip("`"): row[1:] for row in read_table("operator | `guard`")}
    assert set(rows) == set(changing)
    for name, (guard, log, once, reconciled) in rows.items():
        options = changing[name]
        assert (guard == "yes", log == "yes") == ("guard" in options, "submission_log" in options)
        assert once.startswith("yes") == bool({"idempotency_key", "idempotency_keys"} & options), name
        assert reconciled.startswith("yes") == name.startswith("ZuoraCreate")


def test_what_has_no_guard_sends_no_request_that_changes_anything():
    """Each of the others works by a connection that is read-only; the tests of that are named in the page."""
    others = {each.__name__ for each in list_operators() if "guard" not in list_options(each)}
    assert others == {
        "ZuoraPreviewOrderOperator",
        "ZuoraDataQueryOperator",
        "ZuoraReconcileOrdersOperator",
        "ElasticPathExportOrdersOperator",
    }


def test_each_name_in_it_is_one_of_ours_or_of_airflow():
    schema = load_validator().schema["properties"]
    known = {"guard", "submission_log", *FIELDS, *list_fields(), *map(str, Finding), *OTHERS}
    known |= {word for name in ("event", "outcome", "kind") for word in schema[name]["enum"] if word}
    known |= {"reconciliation", *COLUMNS, *schema, *list_options(reconcile.ZuoraReconcileOrdersOperator)}
    known |= {option for each in list_operators() for option in list_options(each)}
    classes = {each.__name__ for each in list_operators()} | set(vars(exceptions)) | {"ZuoraHook"}
    known |= {
        f"zuora.{metric.name}"
        for metric in vars(import_module(Metric.__module__)).values()
        if isinstance(metric, Metric)
    }
    said = set(re.findall(r"`([^`]+)`", PROSE))
    names = {word for word in said if re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", word)}
    assert names - known == set()
    assert {word for word in said if re.fullmatch(r"[A-Z]\w+", word)} - classes == set()
    for method in re.findall(r"`hook\.(\w+)\(\)`", PROSE):
        assert hasattr(ZuoraHook, method)


def test_the_pages_of_the_controls_lead_to_it():
    for page in ("guards", "submission-log", "reconciliation", "undo", "approval", "security", "index"):
        assert "(controls.md" in (ROOT / "docs" / f"{page}.md").read_text("utf-8"), page


def test_an_order_of_zuora_leads_to_its_lines(zuora, tmp_path):
    shown = {}
    for block in BLOCKS:
        exec(block, shown)
    ZuoraHook(submission_log=str(tmp_path)).create_order(ORDER, idempotency_key="sample")
    today = dt.datetime.now(dt.UTC).date()
    back = shown["find_lines"](tmp_path, today - dt.timedelta(days=1), today, "O-1")
    assert [(line["event"], line["outcome"]) for line in back] == [("intent", None), ("end", "submitted")]


def read_roles():
    """Return what the page says of each role, on 2.11 or on 3.3."""
    rows = read_table("role | sees DAGs and logs")
    version = "2.11" if IS_AIRFLOW_2 else "3.3"
    told = {}
    for role, *cells in rows:
        words = [re.search(rf"{version}: (\w+)", cell) for cell in cells]
        told[role] = [
            (found[1] if found else cell) == "yes" for found, cell in zip(words, cells, strict=True)
        ]
    return told


@pytest.mark.skipif(IS_AIRFLOW_2, reason="Airflow 2 has FAB's roles")
def test_airflow_3_lets_each_role_do_what_the_page_says():
    access = pytest.importorskip("airflow.api_fastapi.auth.managers.models.resource_details").DagAccessEntity
    simple = "airflow.api_fastapi.auth.managers.simple"
    manager = import_module(f"{simple}.simple_auth_manager").SimpleAuthManager()
    make_user = import_module(f"{simple}.user").SimpleAuthManagerUser
    for role, told in read_roles().items():
        user = make_user(username="u", role=role.lower())
        may = [
            manager.is_authorized_dag(method="GET", access_entity=access.TASK_LOGS, user=user),
            manager.is_authorized_dag(method="PUT", access_entity=access.TASK_INSTANCE, user=user),
            manager.is_authorized_connection(method="PUT", user=user),
            manager.is_authorized_dag(method="GET", access_entity=access.AUDIT_LOG, user=user),
        ]
        assert may == told, role
        assert manager.is_authorized_variable(method="PUT", user=user) == told[2]


@pytest.mark.skipif(not IS_AIRFLOW_2, reason="FAB is not installed with Airflow 3")
def test_airflow_2_lets_each_role_do_what_the_page_says():
    module = "airflow.providers.fab.auth_manager.security_manager.override"
    override = import_module(module).FabAirflowSecurityManagerOverride
    may = {each["role"]: set(each["perms"]) for each in override.ROLE_CONFIGS}
    wanted = [
        {("can_read", "Task Logs"), ("can_read", "DAGs")},
        {("can_edit", "DAGs"), ("can_edit", "Task Instances"), ("can_create", "DAG Runs")},
        {("can_edit", "Connections"), ("can_edit", "Variables")},
        {("can_read", "Audit Logs")},
    ]
    for role, told in read_roles().items():
        assert [each <= may[role] for each in wanted] == told, role
