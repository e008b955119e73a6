"""The posting of a bill run: a PUT without a key, sent only after a read that says Completed."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, NotFound, Refused
from airflow_provider_zuora.core.submission.bill_run_post import post_bill_run
from tests.core.run_tries import Billing, refused, submit
from tests.core.runners import Script, answer
from zuora_sandbox import Fault

RUN = "2c9890077e8a8490017e8bf3a5171a43"


def page(status):
    return answer(200, {"id": RUN, "status": status, "success": True})


def completed(*faults):
    """Return a tenant with a run that is completed, and its job id."""
    tenant = Billing(*faults)
    return tenant, submit(tenant, None).run().end


def put(when="after", kind="reset", **more):
    return Fault("PUT", "/v1/bill-runs", when=when, kind=kind, **more)


def count_posts(tenant):
    return sum(run.posts for run in tenant.sandbox.state.bill_runs.runs.values())


def post(tenant, job_id, *arguments):
    return tenant.run(post_bill_run(tenant.client(), job_id, *arguments))


def test_it_is_posted_once_and_the_job_is_that_of_the_posting():
    tenant, job_id = completed()
    assert post(tenant, job_id) == job_id.replace("bill-run:", "bill-run-post:")
    assert tenant.posts == [{}]
    [sent] = [request for request in tenant.sent if request.method == "PUT"]
    assert "Idempotency-Key" not in sent.headers
    assert sent.headers["Content-Type"] == "application/json"


def test_the_date_of_the_invoices_is_sent():
    tenant, job_id = completed()
    post(tenant, job_id, "2024-08-01")
    assert tenant.posts == [{"invoiceDate": "2024-08-01"}]


def test_a_date_that_is_none_is_refused_before_anything_is_sent():
    script = Script([])
    with pytest.raises(InvalidInput, match="invoice_date: must be a date"):
        script.run(post_bill_run(script.client(), RUN, "1.8.2024"))


@pytest.mark.parametrize("word", ["PostInProgress", "Post in progress", "Posted"])
def test_one_that_is_posted_already_is_a_success_and_nothing_is_sent(word):
    script = Script([page(word)])
    assert script.run(post_bill_run(script.client(), f"bill-run:{RUN}")) == f"bill-run-post:{RUN}"
    assert [request.method for request in script.sent] == ["GET"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("Pending", "only a Completed run can be posted"),
        ("Processing", "only a Completed run can be posted"),
        ("Paused", "only a Completed run can be posted"),
        ("CancelInProgress", "only a Completed run can be posted"),
        ("Finished", "only a Completed run can be posted"),
        ("Canceled", "it has failed"),
        ("Error", "it has failed"),
    ],
)
def test_in_any_other_state_nothing_is_posted(word, why):
    script = Script([page(word)])
    with pytest.raises(Refused, match=f"is {word}: {why}. Nothing was posted."):
        script.run(post_bill_run(script.client(), f"bill-run:{RUN}"))
    assert [request.method for request in script.sent] == ["GET"]


def test_a_lost_answer_is_a_success_if_the_run_is_being_posted():
    tenant, job_id = completed(put())
    assert post(tenant, job_id).startswith("bill-run-post:")
    assert count_posts(tenant) == 1
    assert [request.method for request in tenant.sent].count("PUT") == 1
    assert max(tenant.clock.naps) >= 15


def test_a_put_that_did_not_come_through_is_sent_again_after_a_read():
    tenant, job_id = completed(
        put("before"), put("before", "answer", status=502, body=b"<h1>Bad Gateway</h1>")
    )
    post(tenant, job_id)
    assert count_posts(tenant) == 1
    methods = [request.method for request in tenant.sent][-6:]
    assert methods == ["GET", "PUT"] * 3


def test_a_refusal_is_believed_only_if_the_run_is_still_completed():
    tenant, job_id = completed(put("after", "answer", status=400, body=refused(58730230)))
    assert post(tenant, job_id).startswith("bill-run-post:")
    assert count_posts(tenant) == 1


def test_a_refusal_ends_it():
    tenant, job_id = completed(put("before", "answer", status=400, body=refused(58730230), times=None))
    with pytest.raises(Refused, match="58730230") as caught:
        post(tenant, job_id)
    assert not caught.value.transient
    assert [request.method for request in tenant.sent].count("PUT") == 1
    assert count_posts(tenant) == 0


def test_what_does_not_come_through_six_times_is_left_to_the_next_try():
    tenant, job_id = completed(put("before", times=None))
    with pytest.raises(ApiError, match="no answer") as caught:
        post(tenant, job_id)
    assert caught.value.transient
    assert [request.method for request in tenant.sent].count("PUT") == 6


def test_a_run_that_fails_meanwhile_says_so():
    script = Script([page("Completed"), answer(503, None), page("Canceled")])
    with pytest.raises(Refused, match="is Canceled: it has failed"):
        script.run(post_bill_run(script.client(), f"bill-run-post:{RUN}"))


def test_an_unknown_run_is_not_found():
    tenant = Billing()
    with pytest.raises(NotFound):
        post(tenant, "bill-run:1")
    assert json.loads(refused())["reasons"]
