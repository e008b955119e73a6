"""A connection that is read_only: what it sends, and that all else is refused before anything is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.generic_request import call_endpoint
from airflow_provider_zuora.core.http.retry import ONCE, READ_POLICY, TRANSIENT, RetryPolicy
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.record_store import RecordStore
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.core.runners import CREDENTIALS, Memory, Script, answer

EXPORT = json.dumps({"data": {"type": "job", "job_type": "order_export", "filter": "eq(id,1)"}}).encode()
ALLOWED = {
    "zuora": [
        ("POST", "/oauth/token"),
        ("GET", "/v1/orders/O-1"),
        ("GET", "/v1/async/orders/preview/../anything"),
        ("HEAD", "/v1/accounts/A-1"),
        ("GET", "/object-query/accounts?pageSize=1"),
        ("POST", "/v1/async/orders/preview"),
        ("POST", "/v1/orders/preview"),
        ("POST", "/query/jobs"),
        ("DELETE", "/query/jobs/2c92-aF_9"),
    ],
    "elastic_path": [("POST", "/oauth/access_token"), ("GET", "/v2/jobs"), ("POST", "/v2/jobs")],
}
REFUSED = {
    "zuora": [
        ("POST", "/v1/async/orders"),
        ("POST", "/v1/orders"),
        ("POST", "/v1/async/orders/preview/"),
        ("POST", "/v1/async/orders/preview/../"),
        ("POST", "/v1/async/orders/preview/../../orders"),
        ("POST", "/v1/async/orders/preview/%2e%2e"),
        ("POST", "/v1/async/orders/%70review"),
        ("POST", "/v1/async/orders/PREVIEW"),
        ("POST", "/v1/async//orders/preview"),
        ("POST", "//v1/async/orders/preview"),
        ("POST", "/x/v1/async/orders/preview"),
        ("POST", "/v1/async/orders/preview?x=1"),
        ("POST", "/v1/async/orders/preview;x"),
        ("POST", "/v1/async/orders/preview\n"),
        ("POST", "/v1/async/orders?/v1/async/orders/preview"),
        ("post", "/v1/async/orders/preview"),
        ("PATCH", "/v1/async/orders/preview"),
        ("get", "/v1/orders/O-1"),
        ("GET ", "/v1/orders/O-1"),
        ("OPTIONS", "/v1/orders/O-1"),
        ("PUT", "/v1/bill-runs/2c92/post"),
        ("DELETE", "/v1/async/orders/O-1"),
        ("DELETE", "/query/jobs"),
        ("DELETE", "/query/jobs/"),
        ("DELETE", "/query/jobs/2c92/.."),
        ("DELETE", "/query/jobs/%2e%2e"),
        ("DELETE", "/query/jobs/../../v1/orders/O-1"),
        ("PUT", "/query/jobs/2c92"),
        ("POST", "/query/jobs/2c92"),
        ("POST", "/v1/action/query"),
        ("POST", "/oauth/tokens"),
        ("POST", "/v2/jobs"),
    ],
    "elastic_path": [
        ("POST", "/v2/jobs/"),
        ("POST", "/v2/orders"),
        ("PUT", "/v2/jobs"),
        ("DELETE", "/v2/jobs/1"),
        ("POST", "/oauth/token"),
        ("POST", "/query/jobs"),
    ],
}
RULE = "read_only: the connection allows sign-ins, reads, previews and queries alone, and "


def listed(cases):
    return [(vendor, *case) for vendor, rows in cases.items() for case in rows]


class Line(Script):
    """A script whose connection is read_only, or not."""

    def __init__(self, vendor, *answers, is_read_only=True):
        super().__init__(answers)
        self.vendor, self.is_read_only = VENDORS[vendor], is_read_only

    def client(self, **headers):
        options = {"clock": self.clock, "rng": self.rng, "is_read_only": self.is_read_only}
        return ApiClient(self.vendor, CREDENTIALS, headers, **options)


def send(line, request):
    return line.run(line.client().send(request, RetryPolicy(ONCE, TRANSIENT)))


@pytest.mark.parametrize(("vendor", "method", "path"), listed(ALLOWED))
def test_what_changes_nothing_is_sent(vendor, method, path):
    line = Line(vendor, answer(200, {"success": True}))
    send(line, Request(method, path, body=EXPORT))

    assert [(each.method, each.path) for each in line.sent] == [(method, path)]


@pytest.mark.parametrize(("vendor", "method", "path"), listed(REFUSED))
def test_all_else_is_refused_before_anything_is_sent_or_asked_for(vendor, method, path):
    line = Line(vendor)
    request = Request(method, path, body=EXPORT)
    for flow in (line.client().send(request, READ_POLICY), line.client().send_once(request)):
        with pytest.raises(InvalidInput) as caught:
            line.run(flow)
        assert caught.value.violations[0].startswith(RULE)
        assert "\n" not in caught.value.violations[0]

    assert (line.sent, line.asked) == ([], [])


def test_the_error_names_the_field_the_rule_and_the_request():
    line = Line("zuora")
    with pytest.raises(InvalidInput) as caught:
        line.run(call_endpoint(line.client(), "POST", "/v1/accounts?secret=hidden", json_body={}))

    assert str(caught.value) == f"Nothing was sent.\n{RULE}POST /v1/accounts is none of them"


def test_without_the_field_all_is_sent():
    line = Line("zuora", answer(200, {"success": True}), is_read_only=False)
    send(line, Request("DELETE", "/v1/orders/O-1"))

    assert len(line.sent) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"data": []}',
        b'{"data": {"type": "job"}}',
        b'{"data": {"type": "job", "job_type": "order_import"}}',
        b'{"data": {"job_type": ["order_export"]}}',
    ],
)
def test_a_job_of_elastic_path_that_is_no_export_is_refused(body):
    line = Line("elastic_path")
    with pytest.raises(InvalidInput, match="read_only"):
        send(line, Request("POST", "/v2/jobs", body=body))


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override ", "_method"])
@pytest.mark.parametrize("place", ["headers", "params", "path"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/orders/O-1"), ("POST", "/query/jobs")])
def test_what_would_make_another_request_of_it_is_refused(method, path, place, name):
    requests = {
        "headers": Request(method, path, headers={name: "DELETE"}),
        "params": Request(method, path, ((name, "DELETE"),)),
        "path": Request(method, f"{path}?a=b&{name.strip().replace('_', '%5F')}"),
    }
    line = Line("zuora")
    with pytest.raises(InvalidInput, match="read_only: "):
        send(line, requests[place])
    assert line.sent == []


@given(
    st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    st.text("/.%?;v1asyncorderspreview2eqjb", max_size=60),
)
def test_a_write_is_sent_only_if_its_path_is_exactly_that_of_a_read(method, path):
    line = Line("zuora", answer(200, {"success": True}))
    try:
        send(line, Request(method, f"/{path}"))
    except InvalidInput:
        assert line.sent == []
    else:
        kind = "/query/jobs/" if path.startswith("query/jobs/") else f"/{path}"
        assert (method, kind) in [*ALLOWED["zuora"], ("DELETE", "/query/jobs/")]


def test_a_redirect_of_a_read_stays_a_read():
    moved = answer(307, None, Location="/v1/orders/O-2")
    line = Line("zuora", moved, answer(200, {"success": True}))
    send(line, Request("GET", "/v1/orders/O-1"))
    assert [each.method for each in line.sent] == ["GET", "GET"]


ORDER = {"orderDate": "2024-07-01", "existingAccountNumber": "A-1", "orderNumber": "O-1"}
ORDER |= {"orderLineItems": [{"itemName": "x", "itemType": "Fee", "amountPerUnit": 1, "quantity": 1}]}


def test_the_first_try_of_an_order_notes_that_nothing_was_sent_and_a_later_one_sends_it():
    scope, memory = IdempotencyScope("n", ("d", "r", "t")), Memory()
    line = Line("zuora")
    with pytest.raises(InvalidInput, match="read_only"):
        line.run(submit_order(line.client(), check_order(ORDER), scope, TaskAttempt(1, 0)), memory)
    assert (line.sent, line.asked, line.clock.naps) == ([], [], [])

    notes = line.run(RecordStore(TaskAttempt(2, 1)).load(), memory)
    assert notes.is_complete
    assert notes.is_empty
    free = Line("zuora", answer(200, {"jobId": "j-1", "success": True}), is_read_only=False)
    assert (
        free.run(submit_order(free.client(), check_order(ORDER), scope, TaskAttempt(2, 1)), memory) == "j-1"
    )
    assert [each.method for each in free.sent] == ["POST"]
