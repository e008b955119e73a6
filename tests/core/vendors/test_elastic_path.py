"""What Elastic Path's plug says without a sandbox, and what the core asks of a plug that says little."""

from __future__ import annotations

import gzip
import json
import math
import tracemalloc

import pytest

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.generic_request import call_endpoint
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.messages import Response
from airflow_provider_zuora.core.polling.wait import PollOptions, wait_until_done
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.hooks.elastic_path import read_file_link, start_export
from tests.core.runners import Script, Tenant, answer

NOW = 1_700_000_000.0


class StoreScript(Script):
    vendor = ElasticPath()


class Store(Tenant):
    vendor = ElasticPath()


def test_each_word_has_one_meaning():
    by_state = {}
    for word, state in ElasticPath.kinds["order_export"].states.items():
        by_state.setdefault(state, set()).add(word)

    assert by_state == {
        JobState.ACTIVE: {"pending", "started", "processing", "cancelling"},
        JobState.SUCCEEDED: {"success", "complete", "completed"},
        JobState.FAILED: {"failed", "cancelled", "canceled"},
    }


@pytest.mark.parametrize(
    ("grant", "seconds"),
    [
        ({"expires": 1_700_003_600, "expires_in": 3600}, 3600),
        ({"expires": 1, "expires_in": 3600}, 3600),  # a clock that is wrong by years changes nothing
        ({"expires_in": "3600"}, 3600),
        ({"expires": 1_700_001_800}, 1800),
        ({"expires": 1_700_001_800.5, "expires_in": None}, 1800.5),
        ({"expires": "soon"}, 3600),
        ({}, 3600),
    ],
)
def test_how_long_a_token_lasts(grant, seconds):
    script = StoreScript([answer(200, {"access_token": "xa35", "token_type": "Bearer", **grant})])
    token = script.run(script.client().sign_in())
    (request,) = script.sent

    assert token.expires == NOW + seconds - 60
    assert (request.method, request.path) == ("POST", "/oauth/access_token")
    assert request.headers.get("Content-Type", "") == "application/x-www-form-urlencoded"
    assert set(request.headers) == {"Accept", "Accept-Encoding", "Content-Type"}


def test_what_is_sent_to_start_export():
    script = StoreScript([answer(202, {"data": {"id": "j"}})])
    script.run(start_export(script.client(), "eq(payment,paid)"))
    (request,) = script.sent

    assert json.loads(request.body) == {
        "data": {"type": "job", "job_type": "order_export", "filter": "eq(payment,paid)"}
    }
    assert set(request.headers) == {"Accept", "Accept-Encoding", "Authorization", "Content-Type"}


def test_a_long_request_is_not_zipped_for_a_vendor_who_says_nothing_of_that():
    script = StoreScript([answer(200, {})])
    script.run(call_endpoint(script.client(), "POST", "/v2/orders", json_body="x" * 100_000))
    (request,) = script.sent

    assert request.headers.get("Content-Encoding", "") == ""
    with pytest.raises(OSError, match="gzip"):
        gzip.decompress(request.body)


def test_no_track_id_is_told_of_a_vendor_who_has_none(caplog):
    caplog.set_level("DEBUG")
    script = StoreScript([answer(404, {"title": "Resource Not Found", "status": 404})])
    with pytest.raises(Exception, match="Resource Not Found") as caught:
        script.run(script.client().get_job("j"))

    assert "Track-Id" not in str(caught.value) + caplog.text
    assert caught.value.info.track_id == ""


def test_an_export_from_its_start_to_its_link():
    store = Store(export_seconds=100)
    store.sandbox.set_exportable([{"id": "ep-1"}])
    client = store.client()
    job_id = store.run(start_export(client, "eq(id,ep-1)"))
    began = store.clock()
    job = store.run(wait_until_done(client, job_id, PollOptions(began, began, math.inf))).job

    assert (job.status, job.result["id"]) == ("SUCCESS", job_id)
    assert 100 <= store.clock() - began < 200
    assert store.run(read_file_link(client, job_id)).startswith(
        f"http://sandbox.invalid/exports/{job_id}.csv?"
    )
    assert [row["rows"] for row in store.ledger["exports"]] == [1]


def test_a_body_too_deep_to_read_is_no_answer():
    script = StoreScript([Response(200, {}, b"[" * 100_000)] * 10)
    with pytest.raises(Exception, match="bytes that are no JSON"):
        script.run(script.client().get_job("j"))


def test_a_client_is_of_its_vendor():
    assert isinstance(StoreScript([]).client(), ApiClient)
    assert StoreScript([]).client().vendor.title == "Elastic Path"


def test_each_vendor_stands_under_its_connection_type():
    assert {name: vendor.title for name, vendor in VENDORS.items()} == {
        "zuora": "Zuora",
        "elastic_path": "Elastic Path",
    }
    assert all(name == vendor.name for name, vendor in VENDORS.items())


SAID = ResponseInfo("GET /v2/jobs/j")
ROWS = [1] * 2_000_000
ERRORS = b'{"errors": [' + b"1," * 200_000 + b"1]}"


@pytest.mark.parametrize(
    ("crowd", "most"),
    [
        (
            lambda: ElasticPath().read_response(
                StoreScript.vendor.build_status_request("j"), Response(400, {}, ERRORS), SAID
            ),
            8,
        ),
        (
            lambda: (
                ElasticPath()
                .find_kind("j")
                .read_job("j", {"data": {"status": "failed", "error": ROWS}}, SAID)
            ),
            2,
        ),
    ],
    ids=["errors", "the error of a job"],
)
def test_a_crowd_of_errors_costs_no_more_than_what_is_told_of_it(crowd, most):
    tracemalloc.start()
    crowd()
    _, used = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < most * 2**20
