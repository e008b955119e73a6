"""What a hook offers to users: what takes a flow, settings or a store is private."""

from __future__ import annotations

import inspect

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_zuora.core.job import JobResult
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook

OF_ALL = {
    "aget_job",
    "arequest",
    "get_conn",
    "get_job",
    "request",
    "session",
    "test_connection",
    "wait_for_job",
}
OF_THE_FORM = {"get_connection_form_widgets", "get_ui_field_behaviour"}
OF_ONE = {
    ZuoraHook: {
        "activate_order",
        "cancel_order",
        "create_bill_run",
        "create_order",
        "create_orders",
        "create_payment_run",
        "delete_order",
        "export_query",
        "post_bill_run",
        "preview_order",
        "query",
        "update_order_trigger_dates",
    },
    ElasticPathHook: {"download", "export_orders"},
}


def public_methods(hook):
    ours = (kind for kind in hook.__mro__ if kind.__module__.startswith("airflow_provider_zuora"))
    names = {name for kind in ours for name, value in vars(kind).items() if not isinstance(value, str)}
    return {name for name in names if not name.startswith("_")} - {"vendor"}


@pytest.mark.parametrize("hook", OF_ONE)
def test_these_methods_are_public_and_no_others(hook):
    assert public_methods(hook) == OF_ALL | OF_THE_FORM | OF_ONE[hook]


@pytest.mark.parametrize("hook", OF_ONE)
def test_each_public_method_has_types_and_a_docstring(hook):
    for name in OF_ALL - {"session"} | OF_ONE[hook]:
        method = getattr(hook, name)
        assert inspect.getdoc(method), name
        assert inspect.signature(method).return_annotation is not inspect.Signature.empty, name


def test_the_twins_take_the_same_arguments():
    for blocking, waiting in (("request", "arequest"), ("get_job", "aget_job")):
        assert inspect.signature(getattr(ZuoraHook, blocking)) == inspect.signature(
            getattr(ZuoraHook, waiting)
        )


def test_a_wait_for_a_job_returns_its_result():
    assert inspect.signature(ZuoraHook.wait_for_job).return_annotation == JobResult.__name__
    assert issubclass(ZuoraHook, BaseHook)
