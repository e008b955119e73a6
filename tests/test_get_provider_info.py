"""How the provider is described to Airflow."""

from __future__ import annotations

import importlib
import json
from importlib import resources
from importlib.metadata import entry_points

import jsonschema
import pytest

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.get_provider_info import get_provider_info
from airflow_provider_zuora.hooks.connection_fields import FIELDS as FIELDS_READ
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.triggers.jobs import TRIGGERS
from tests.airflow_versions import is_hidden

FIELDS = {
    "zuora": [
        "environment",
        "entity_id",
        "org_ids",
        "zuora_version",
        "timeout",
        "max_connections",
        "max_connections_per_host",
        "verify",
        "proxies",
        "read_only",
        "idempotency_namespace",
        "submission_log",
        "order_limits",
        "guard",
        "download_hosts",
        "ui_url",
        "shared_sign_in",
    ],
    "elastic_path": [
        "environment",
        "timeout",
        "max_connections",
        "max_connections_per_host",
        "verify",
        "proxies",
        "read_only",
        "download_hosts",
        "ui_url",
        "shared_sign_in",
    ],
}


@pytest.fixture(params=sorted(FIELDS))
def describe(request):
    """Return the description of one connection type."""
    types = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    assert set(types) == set(FIELDS) == set(VENDORS) == set(TRIGGERS)
    return types[request.param]


@pytest.mark.parametrize("name", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_it_is_valid_by_airflows_own_schema(name):
    schema = json.loads(resources.files("airflow").joinpath(name).read_text())
    info = get_provider_info()
    if name == "provider.yaml.schema.json":  # of Airflow's own repository; of use for the form alone
        schema = {**schema["properties"]["connection-types"], "definitions": schema.get("definitions", {})}
        info = info["connection-types"]

    jsonschema.validate(json.loads(json.dumps(info)), schema)


def test_the_entry_point_leads_here():
    (found,) = [
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.value.startswith("airflow_provider_zuora.get_provider_info:")
    ]

    assert found.load() is get_provider_info


def test_the_form_has_all_fields(describe):
    assert list(describe["conn-fields"]) == FIELDS[describe["connection-type"]]
    assert all(field["label"] and field["description"] for field in describe["conn-fields"].values())


def test_the_environments_are_choices(describe):
    choices = describe["conn-fields"]["environment"]["schema"]["enum"]

    assert choices == list(VENDORS[describe["connection-type"]].environments)
    assert len(choices) == {"zuora": 10, "elastic_path": 2}[describe["connection-type"]]


def test_the_token_is_shared_unless_the_form_says_otherwise(describe):
    assert describe["conn-fields"]["shared_sign_in"]["schema"]["default"] is True


def test_no_field_with_a_default_has_a_name_that_airflow_takes_for_a_secrets(describe):
    """Airflow 3.2's page is told "***" instead of such a default, and stores that."""
    named = [name for name, field in describe["conn-fields"].items() if "default" in field["schema"]]

    assert named == ["read_only", "shared_sign_in"]
    assert [name for name in named if is_hidden(name)] == []
    assert is_hidden("share_token")


# What the page of Airflow 3.2 and later can check itself; the reader of the field has the last word.
GOOD = {
    "entity_id": ["", "11e643f4-a3ee-8bad-b061-0025904c57d6"],
    "org_ids": ["", "a,b", "a, b"],
    "zuora_version": ["", "2025-08-12", "341.0", " 341 "],
    "timeout": [1, 0.5, 3600, None],
    "max_connections": [1, 1000, None],
    "max_connections_per_host": [0, 1000, None],
    "proxies": ["", '{"https": "http://proxy:3128"}', None],
    "order_limits": ["", "500", '{"subscriptions": 500}'],
    "download_hosts": ["", "a.example.com, ::1"],
    "read_only": [True, False, None],
    "shared_sign_in": [True, False, None],
}
BAD = {
    "entity_id": ["é", "a\nb"],
    "org_ids": ["a,é"],
    "zuora_version": ["latest", "2025-8-1"],
    "timeout": [0, -1, 3601, "soon"],
    "max_connections": [0, 1001, 1.5],
    "max_connections_per_host": [-1, 1001, 1.5],
    "proxies": ["http://proxy:3128", "[]"],
    "order_limits": ["0", "many"],
    "download_hosts": ["https://files.example.com", "a@b"],
    "read_only": ["yes", 1],
    "shared_sign_in": ["perhaps", 0],
}


def test_the_form_refuses_what_the_field_refuses_and_takes_what_it_takes(describe):
    read = FIELDS_READ[describe["connection-type"]]
    for name, field in describe["conn-fields"].items():
        check = jsonschema.Draft202012Validator(field["schema"])
        for value in GOOD.get(name, []):
            assert check.is_valid(value), (name, value)
            read[name].read(value)
        for value in BAD.get(name, []):
            assert not check.is_valid(value), (name, value)
            with pytest.raises(ValueError, match="must"):
                read[name].read(value)


def test_the_connection_type_is_the_hooks(describe):
    module, _, name = describe["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    kind = describe["connection-type"]

    assert hook is TRIGGERS[kind].hook_class
    assert (hook.conn_type, hook.hook_name) == (kind, describe["hook-name"])
    assert (hook.conn_name_attr, hook.default_conn_name) == (f"{kind}_conn_id", f"{kind}_default")


@pytest.mark.parametrize("hook", [ZuoraHook, ElasticPathHook])
def test_older_airflows_ask_the_hooks_own_class_for_its_form(hook):
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= set(vars(hook))
    assert hook.get_ui_field_behaviour()["relabeling"]["host"] == "Base URL"


def test_every_module_named_exists():
    info = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)


def test_the_version_is_the_packages():
    assert get_provider_info()["versions"] == [__version__]
