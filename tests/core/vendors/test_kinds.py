"""The kinds of jobs: all that the rest of the package knows of one is its row in a table."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.submission.submission_kinds import KINDS as SUBMISSION_KINDS
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import RepeatedSubmit
from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

KINDS = {(vendor.name, name): kind for vendor in VENDORS.values() for name, kind in vendor.kinds.items()}


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("8ad081dd", "order"),
        ("order:O-1", "order by number"),
        ("order:", "order"),
        ("a:b", "order"),
        ("", "order"),
    ],
)
def test_the_prefix_of_an_id_says_of_which_kind_a_job_is(job_id, name):
    assert Zuora().find_kind(job_id) is Zuora.kinds[name]


def test_no_two_kinds_of_a_vendor_read_one_id_in_two_ways():
    for vendor in VENDORS.values():
        readers = {(kind.prefix, kind.build_status_request, kind.read_job) for kind in vendor.kinds.values()}
        assert len(readers) == len({kind.prefix for kind in vendor.kinds.values()})


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(map(str, KINDS)))
def test_what_is_started_can_be_asked_for(kind):
    if kind.build_submit_request is not None:
        assert kind.build_submit_request({"filter": "x"}, {}).method == "POST"
    assert kind.build_status_request("j").method == "GET"
    assert all(word == word.lower() for word in kind.states)


def test_what_may_be_repeated():
    assert {name: kind.repeated_submit for (_, name), kind in KINDS.items()} == {
        "order": RepeatedSubmit.KEYED,
        "preview": RepeatedSubmit.HARMLESS,
        "order by number": RepeatedSubmit.NEITHER,
        "order deletion": RepeatedSubmit.NEITHER,
        "data query": RepeatedSubmit.HARMLESS,
        "bill run": RepeatedSubmit.KEYED,
        "bill run post": RepeatedSubmit.NEITHER,
        "payment run": RepeatedSubmit.KEYED,
        "order_export": RepeatedSubmit.HARMLESS,
    }


def test_what_can_be_cancelled():
    kinds = {name: kind for (_, name), kind in KINDS.items()}
    can_cancel = {name for name, kind in kinds.items() if kind.build_cancel_request}
    assert can_cancel == {"data query", "bill run", "bill run post"}


def test_what_is_submitted_by_a_key_is_known_to_the_protocol():
    keyed = {
        name
        for (_, name), kind in KINDS.items()
        if kind.repeated_submit is RepeatedSubmit.KEYED and kind.build_submit_request
    }
    assert keyed == set(SUBMISSION_KINDS)


def test_what_is_never_started_says_so():
    with pytest.raises(ValueError, match="no job of the kind order by number is ever started"):
        Zuora().build_submit_request("order by number", {}, {})


@pytest.mark.parametrize(
    ("vendor", "body"), [(Zuora(), {"jobId": " j "}), (ElasticPath(), {"data": {"id": "j"}})]
)
def test_the_id_of_what_was_started_is_read(vendor, body):
    assert (vendor.find_kind("").read_id(body), vendor.find_kind("").read_id({})) == ("j", "")
