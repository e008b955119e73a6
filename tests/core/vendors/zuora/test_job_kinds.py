"""Data queries, bill runs and payment runs: each status word, each error body, each request."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.messages import Request, Response, ResponseKind
from airflow_provider_zuora.core.vendors.zuora.bill_runs import build_post_request
from airflow_provider_zuora.core.vendors.zuora.data_queries import read_link
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

ZUORA = Zuora()
QUERY, RUN, PAYMENTS = (
    "5948abde-b875-4d06-ad07-c2138853d8bc",
    "2c9890077e8a8490017e8bf3a5171a43",
    "8ad0835290",
)
ACTIVE, SUCCEEDED, FAILED = JobState.ACTIVE, JobState.SUCCEEDED, JobState.FAILED
# Every word that Zuora documents, as it spells it, and what it means.
WORDS = {
    f"data-query:{QUERY}": {
        "submitted": ACTIVE,
        "accepted": ACTIVE,
        "in_progress": ACTIVE,
        "completed": SUCCEEDED,
        "failed": FAILED,
        "cancelled": FAILED,
        "canceled": FAILED,
    },
    f"bill-run:{RUN}": {
        "Pending": ACTIVE,
        "Paused": ACTIVE,
        "Processing": ACTIVE,
        "Completed": SUCCEEDED,
        "PostInProgress": ACTIVE,
        "Posted": SUCCEEDED,
        "Error": FAILED,
        "CancelInProgress": ACTIVE,
        "Cancel in progress": ACTIVE,
        "Canceled": FAILED,
        "RemoveInProgress": ACTIVE,
    },
    f"bill-run-post:{RUN}": {
        "Completed": ACTIVE,
        "PostInProgress": ACTIVE,
        "Post in progress": ACTIVE,
        "Posted": SUCCEEDED,
        "Error": FAILED,
        "Canceled": FAILED,
    },
    f"payment-run:{PAYMENTS}": {
        "Pending": ACTIVE,
        "Processing": ACTIVE,
        "Completed": SUCCEEDED,
        "Error": FAILED,
        "Canceled": FAILED,
    },
}
SPELLINGS = (
    str,
    str.lower,
    str.upper,
    str.title,
    lambda word: f" {word}\n",
    lambda word: word.replace("_", " "),
)


def describe(job_id, word):
    """Return an answer about a job, in the shape of its kind."""
    kind, _, name = job_id.partition(":")
    if kind == "data-query":
        return {"data": {"id": name, "queryStatus": word}}
    return {"id": name, "status": word, "success": True}


def read(job_id, body):
    return ZUORA.find_kind(job_id).read_job(job_id, body, ResponseInfo("GET /x"))


def is_documented(job):
    return "nobody documents" not in ZUORA.describe(job)


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize(
    ("job_id", "word", "state"),
    [(job_id, word, state) for job_id, words in WORDS.items() for word, state in words.items()],
)
def test_each_status_word_means_what_it_means_in_its_kind_however_it_is_spelt(job_id, word, state, spell):
    job = read(job_id, describe(job_id, spell(word)))
    assert job.state is state
    assert state is not ACTIVE or is_documented(job)


@pytest.mark.parametrize("word", ["Finished", "Success", "done", "", None, 3, ["Completed"], "Complete d!"])
@pytest.mark.parametrize("job_id", WORDS)
def test_an_unknown_word_is_polled_on_and_said_to_be_documented_nowhere(job_id, word):
    job = read(job_id, describe(job_id, word))
    assert job.state is ACTIVE
    assert not is_documented(job)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"success": True}])
@pytest.mark.parametrize("job_id", WORDS)
def test_an_answer_that_says_nothing_of_the_job_is_polled_on(job_id, body):
    assert read(job_id, body).state is ACTIVE


@pytest.mark.parametrize("job_id", WORDS)
def test_an_answer_about_another_job_is_not_believed(job_id):
    kind = job_id.partition(":")[0]
    with pytest.raises(Unreadable, match="about another") as caught:
        read(job_id, describe(f"{kind}:other", "Completed"))
    assert caught.value.transient


def test_a_run_may_be_polled_by_its_number():
    for job_id, number in (("bill-run:BR-00000016", "billRunNumber"), ("payment-run:PR-00000006", "number")):
        body = {"id": "other", number: job_id.partition(":")[2], "status": "Completed"}
        assert read(job_id, body).state is SUCCEEDED


@pytest.mark.parametrize(
    ("said", "rows"),
    [(7, 7), ("7", 7), (7.0, 7), (0, 0), (None, None), ("many", None), (-1, None), (7.5, None)],
)
def test_the_rows_of_a_query_are_a_whole_number_or_unknown(said, rows):
    body = {"data": {"id": "q-1", "queryStatus": "completed", "outputRows": said}}
    assert read("data-query:q-1", body).result["rows"] == rows


def test_a_bill_run_that_zuora_posts_by_itself_has_not_ended_when_it_is_completed():
    body = describe(f"bill-run:{RUN}", "Completed") | {"autoPost": True}
    assert read(f"bill-run:{RUN}", body).state is ACTIVE
    assert read(f"bill-run:{RUN}", body | {"status": "Posted"}).state is SUCCEEDED


# As Zuora's own pages have them (facts: zuora-jobs.md 2.1, 2.2, 3.1, 4.1, 4.2).
ACCEPTED = """{"data":{"id":"5948abde-b875-4d06-ad07-c2138853d8bc","query":"SELECT accountnumber, balance FROM
 Account WHERE Account.balance > 100","useIndexJoin":false,"sourceData":"LIVE","queryStatus":"accepted",
"remainingRetries":3,"retries":3,"updatedOn":"2024-07-09T09:47:49.675Z","createdOn":"2024-07-09T09:47:49.675Z",
"createdBy":"514f3ea1-6716-4f44-b6e0-9a8f0cf44bd2","createdByUserEmail":"amy@mycompany.com"}}"""
COMPLETED = """{"data":{"createdBy":"514f3ea1-6716-4f44-b6e0-9a8f0cf44bd2","dataFile":
"https://example.s3.us-west-2.amazonaws.com/3a3e85c4-96e7-486b-ae02-827120104301_24921638725108715.json?X-Amz-Security-Token=...",
"id":"3a3e85c4-96e7-486b-ae02-827120104301","outputRows":24516,"processingTime":9212,"query":"SELECT
 accountnumber, balance FROM Account WHERE Account.balance > 100","queryStatus":"completed",
"remainingRetries":3,
"sourceData":"LIVE","updatedOn":"2018-08-17T13:14:19.17Z","useIndexJoin":false}}"""
BILL_RUN = """{"autoEmail":false,"autoPost":false,"autoRenewal":false,"batches":null,"billCycleDay":1,
"billRunFilters":[{"accountId":"2c9081a03c63c94c013c66688a2c00bf","filterType":"Subscription","subscriptionId":
"402882297e387c51017e38a245c313db"}],"billRunNumber":"BR-00000016","chargeTypeToExclude":["OneTime","Usage"],
"createdById":"ff808081298c6e5401298c7274a40005","createdDate":"2022-01-24 19:58:27","id":
"2c9890077e8a8490017e8bf3a5171a43","invoiceDate":"2020-02-01","invoiceDateOffset":null,"name":"test",
"noEmailForZeroAmountInvoice":false,"schedule":null,"scheduledExecutionTime":null,"status":"Pending","success":true,
"targetDate":"2020-02-01","targetDateOffset":null,"updatedById":"ff808081298c6e5401298c7274a40005",
"updatedDate":"2022-01-24 19:58:27"}"""
PAYMENT_RUN = """{"applyCreditBalance":false,"collectPayment":true,"completedOn":"2017-12-28 09:00:06",
"consolidatedPayment":false,"createdById":"2c92c0f958fffd7d015914aeefc71a5d",
"createdDate":"2017-12-27 09:00:02",
"executedOn":"2017-12-28 09:00:06","id":"2c92c0856078bbcb0160957bbb8f0b32","number":"PR-00002120",
"processPaymentWithClosedPM":false,"runDate":null,
"status":"Completed","success":true,"targetDate":"2017-12-28",
"updatedById":"2c92c0f958fffd7d015914aeefc71a5d","updatedDate":"2017-12-28 09:00:06"}"""


def parse(text, path="/query/jobs", method="POST", status=200):
    request = Request(method, path)
    return ZUORA.read_response(
        request, Response(status, {}, text.encode()), ResponseInfo(path, status=status)
    )


def flat(text):
    return text.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "kind", "job_id", "state"),
    [
        (ACCEPTED, "data query", f"data-query:{QUERY}", ACTIVE),
        (COMPLETED, "data query", "data-query:3a3e85c4-96e7-486b-ae02-827120104301", SUCCEEDED),
        (BILL_RUN, "bill run", f"bill-run:{RUN}", ACTIVE),
        (PAYMENT_RUN, "payment run", "payment-run:2c92c0856078bbcb0160957bbb8f0b32", SUCCEEDED),
    ],
)
def test_what_zuora_documents_is_read_word_for_word(text, kind, job_id, state):
    parsed = parse(flat(text))
    assert parsed.kind is ResponseKind.OK
    assert ZUORA.kinds[kind].read_id(parsed.body) == job_id
    assert read(job_id, parsed.body).state is state


def test_the_link_to_a_file_is_not_kept_with_the_job():
    body = json.loads(flat(COMPLETED))
    job = read("data-query:3a3e85c4-96e7-486b-ae02-827120104301", body)
    assert job.result == {"rows": 24516, "milliseconds": 9212, "source_data": "LIVE"}
    assert read_link(body).startswith("https://example.s3.us-west-2.amazonaws.com/3a3e85c4")
    assert read_link({"data": {"queryStatus": "completed"}}) == ""


@pytest.mark.parametrize(
    ("code", "message", "is_transient"),
    [
        (None, "Column region_c cannot be resolved", False),
        ("LINK_10000005", "try again", True),
        ("", "Internal message: please contact support with the error code: LINK_30000007", True),
        ("LINK_30000001", "", False),
    ],
)
def test_a_failed_query_says_why_and_whether_another_may_succeed(code, message, is_transient):
    body = {"data": {"id": QUERY, "queryStatus": "failed", "errorCode": code, "errorMessage": message}}
    job = read(f"data-query:{QUERY}", body)
    assert (job.state, job.transient) == (FAILED, is_transient)
    assert (code or "") in str(job.info)
    assert message in str(job.info)
    assert ("a table of the query is not available" in str(job.info)) == ("LINK_30000007" in message)


def test_a_query_that_failed_without_a_word_has_failed():
    assert read(f"data-query:{QUERY}", describe(f"data-query:{QUERY}", "failed")).state is FAILED


REASONS = (
    '{"success":false,"processId":"738CBB9234B47A47",'
    '"reasons":[{"code":"%s","message":"no"}],"requestId":"r"}'
)


@pytest.mark.parametrize(
    ("path", "status", "text", "kind"),
    [
        ("/query/jobs", 400, '{"code":400,"message":"bad"}', ResponseKind.REFUSED),
        (
            "/query/jobs",
            415,
            '{"code":415,"message":"HTTP 415 Unsupported Media Type"}',
            ResponseKind.REFUSED,
        ),
        ("/query/jobs", 403, '{"code":403,"message":"no"}', ResponseKind.DENIED),
        ("/query/jobs/1", 404, '{"code":404,"message":"no"}', ResponseKind.NOT_FOUND),
        ("/query/jobs", 429, "", ResponseKind.LIMITED),
        ("/query/jobs", 503, "<html>", ResponseKind.GATEWAY),
        ("/query/jobs", 401, '{"message":"no"}', ResponseKind.TOKEN),
        ("/v1/bill-runs", 200, REASONS % "58730220", ResponseKind.REFUSED),
        ("/v1/bill-runs", 400, REASONS % "58730222", ResponseKind.REFUSED),
        ("/v1/bill-runs/1", 404, REASONS % "58730040", ResponseKind.NOT_FOUND),
        ("/v1/bill-runs/1/post", 400, REASONS % "58730230", ResponseKind.REFUSED),
        ("/v1/bill-runs/1/post", 415, '{"message":"no"}', ResponseKind.DENIED),
        ("/v1/payment-runs", 400, REASONS % "58730250", ResponseKind.LOCKED),
        (
            "/v1/payment-runs",
            500,
            '{"reasons":[{"code":"SystemError","message":"x"}]}',
            ResponseKind.TEMPORARY,
        ),
        ("/v1/payment-runs/1", 200, REASONS % "58730040", ResponseKind.NOT_FOUND),
        ("/object-query/bill-runs", 400, '{"reasons":[{"code":50000027}]}', ResponseKind.REFUSED),
        ("/object-query/bill-runs", 500, '{"reasons":[{"code":50000060}]}', ResponseKind.TEMPORARY),
        # As a gateway answers on any path; of an order a 400 without a code is no refusal of Zuora's.
        ("/v1/async/orders", 400, '{"code":400,"message":"bad"}', ResponseKind.DENIED),
    ],
)
def test_each_family_of_error_bodies_means_what_it_says(path, status, text, kind):
    assert parse(text, path, status=status).kind is kind


@pytest.mark.parametrize(
    ("job_id", "path"),
    [
        (f"data-query:{QUERY}", f"/query/jobs/{QUERY}"),
        (f"bill-run:{RUN}", f"/v1/bill-runs/{RUN}"),
        (f"bill-run-post:{RUN}", f"/v1/bill-runs/{RUN}"),
        ("payment-run:PR-00000006", "/v1/payment-runs/PR-00000006"),
        ("payment-run:a/b", "/v1/payment-runs/a%2Fb"),
    ],
)
def test_a_job_is_read_under_its_own_path(job_id, path):
    assert str(ZUORA.build_status_request(job_id)) == f"GET {path}"


def test_a_put_has_a_body_always():
    bill_run, query = ZUORA.kinds["bill run"], ZUORA.kinds["data query"]
    cancel = bill_run.build_cancel_request(RUN)
    assert (str(cancel), cancel.body) == (f"PUT /v1/bill-runs/{RUN}/cancel", b"{}")
    assert str(query.build_cancel_request(QUERY)) == f"DELETE /query/jobs/{QUERY}"
    post = build_post_request(RUN, None)
    assert (str(post), post.body) == (f"PUT /v1/bill-runs/{RUN}/post", b"{}")
    assert json.loads(build_post_request(RUN, "2026-12-01").body) == {"invoiceDate": "2026-12-01"}
    assert all(request.headers["Content-Type"] == "application/json" for request in (cancel, post))


def test_what_starts_a_job_names_no_job_if_the_answer_names_none():
    for kind in ("data query", "bill run", "payment run"):
        assert ZUORA.kinds[kind].read_id({}) == ""
        assert ZUORA.kinds[kind].read_id({"id": ["a"], "data": {"id": 5}}) == ""
    assert ZUORA.build_submit_request("data query", {"query": "SELECT 1"}, {}).path == "/query/jobs"
    assert ZUORA.build_submit_request("bill run", {}, {}).path == "/v1/bill-runs"
    assert ZUORA.build_submit_request("payment run", {}, {}).path == "/v1/payment-runs"
