"""What Airflow is told about the provider."""

from __future__ import annotations

import importlib
import json
from importlib import resources
from importlib.metadata import entry_points

import jsonschema
import pytest

from airflow_provider_zuora import __version__, get_provider_info
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.hooks import ZuoraHook

FIELDS = [
    "environment",
    "entity_id",
    "org_ids",
    "zuora_version",
    "timeout",
    "max_connections",
    "verify",
    "proxies",
    "idempotency_namespace",
    "share_token",
]


@pytest.fixture(scope="module")
def zuora_type():
    (described,) = get_provider_info()["connection-types"]
    return described


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
        if point.value.startswith("airflow_provider_zuora:")
    ]

    assert found.load() is get_provider_info


def test_the_form_has_all_fields(zuora_type):
    assert list(zuora_type["conn-fields"]) == FIELDS
    assert all(field["label"] and field["description"] for field in zuora_type["conn-fields"].values())


def test_the_environments_are_choices(zuora_type):
    choices = zuora_type["conn-fields"]["environment"]["schema"]["enum"]

    assert choices == list(VENDORS["zuora"].environments)
    assert len(choices) == 10


def test_the_token_is_shared_unless_the_form_says_otherwise(zuora_type):
    assert zuora_type["conn-fields"]["share_token"]["schema"]["default"] is True


def test_the_connection_type_is_the_hooks(zuora_type):
    module, _, name = zuora_type["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)

    assert hook is ZuoraHook
    assert (hook.conn_type, hook.hook_name) == (zuora_type["connection-type"], zuora_type["hook-name"])
    assert (hook.conn_name_attr, hook.default_conn_name) == ("zuora_conn_id", "zuora_default")


def test_every_module_named_exists():
    info = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)


def test_the_version_is_the_packages():
    assert get_provider_info()["versions"] == [__version__]
