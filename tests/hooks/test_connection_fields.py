"""The connection forms of Airflow before 3.2, filled in as a browser does; they need wtforms."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.hooks.connection import read_settings
from airflow_provider_zuora.hooks.connection_fields import FIELDS
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.conftest import Source

wtforms = pytest.importorskip("wtforms", reason="Airflow 3 has none without FAB")
datastructures = pytest.importorskip("werkzeug.datastructures")

HOOKS = [ZuoraHook, ElasticPathHook]
FILLED = {
    "zuora": {"environment": "EU Production", "entity_id": "11e643f4a3ee8bad", "timeout": "30"},
    "elastic_path": {"environment": "EU West", "download_hosts": "files.example.com", "max_connections": "7"},
}


def post_form(hook, filled):
    """Return the extra that Airflow 2.11 stores of a form: what is blank is left out or null."""
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())
    form.process(datastructures.MultiDict(filled))
    assert form.validate(), form.errors
    return {name: value for name, value in form.data.items() if value != ""}


def read(hook, extra):
    own = {"conn_id": "c", "conn_type": hook.conn_type, "host": "https://h", "port": None, "schema": None}
    own |= {"login": "id", "password": "secret", "extra": json.dumps(extra)}
    found = read_settings(VENDORS[hook.conn_type], SimpleNamespace(**own), Source())
    return (found.credentials, found.transport, found.client.headers, found.fields)


def tick_boxes(hook):
    """Return the boxes that are ticked in a new form; a browser says nothing of the others."""
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())
    form.process()
    return {name: "y" for name, value in form.data.items() if value is True}


@pytest.fixture(params=HOOKS, ids=lambda hook: hook.conn_type)
def hook(request):
    return request.param


def test_there_is_a_widget_for_each_field_with_its_label_and_its_help(hook):
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())

    shown = {field.name: (field.label.text, field.description) for field in form}
    asked = {name: (each.label, each.help) for name, each in FIELDS[hook.conn_type].items()}
    assert shown == asked


def test_a_new_form_shows_the_defaults(hook):
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())
    form.process()

    fields = FIELDS[hook.conn_type]
    assert {name: form.data[name] or None for name in fields} == {
        name: each.schema.get("default") or None for name, each in fields.items()
    }


def test_a_form_that_is_left_as_it_is_makes_a_connection_like_one_without_extra(hook):
    assert read(hook, post_form(hook, tick_boxes(hook))) == read(hook, {})


def test_what_is_filled_in_is_what_the_connection_says(hook):
    filled = FILLED[hook.conn_type]
    extra = post_form(hook, tick_boxes(hook) | filled)

    assert {name: str(extra[name]) for name in filled} == filled
    assert read(hook, extra) == read(hook, filled)
    assert read(hook, extra) != read(hook, {})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("timeout", "0", "It must be more than 0 and at most 3600 seconds."),
        ("timeout", "soon", "It must be a number."),
        ("max_connections", "0", "It must be from 1 to 1000."),
        ("proxies", "http://proxy:3128", "It must be a JSON object such as"),
        ("download_hosts", "https://files.example.com", "It must be names of hosts without scheme or port"),
        ("environment", "Mars", "Invalid value, must be one of: "),
    ],
)
def test_a_rule_that_is_broken_is_said_at_its_field(hook, name, value, rule):
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())
    form.process(datastructures.MultiDict(tick_boxes(hook) | {name: value}))

    assert not form.validate()
    assert set(form.errors) == {name}
    assert form.errors[name][0].startswith(rule)


def test_the_rules_of_zuoras_own_fields_are_said_too():
    form = wtforms.form.BaseForm(ZuoraHook.get_connection_form_widgets())
    wrong = {"entity_id": "é", "zuora_version": "latest", "org_ids": "\u200dé", "order_limits": "many"}
    form.process(datastructures.MultiDict(wrong))

    assert not form.validate()
    assert set(form.errors) == set(wrong)


def test_a_number_that_is_none_is_said_at_the_field(hook):
    form = wtforms.form.BaseForm(hook.get_connection_form_widgets())
    form.process(datastructures.MultiDict({"max_connections": "many"}))

    assert not form.validate()
    assert set(form.errors) == {"max_connections"}
