"""What is sent to Zuora, and what its answers about jobs mean; error bodies are in test_client.py."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import JobFailed, ResponseInfo
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.messages import Credentials, Request, Response, ResponseKind
from airflow_provider_zuora.core.polling.events import read_job, write_job
from airflow_provider_zuora.core.validation import find_url_violations
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from tests.core.runners import answer, sample

ZUORA = Zuora()
JOB = ZUORA.build_status_request("j")
ORDER = ZUORA.build_status_request("order:O-1")
CREATE = ZUORA.build_submit_request("order", {}, {})
BARE = ResponseInfo("GET /v1/async-jobs/j", "af-1", 200)


def test_zuora_is_the_vendor_of_its_connection_type():
    assert type(VENDORS["zuora"]) is Zuora
    assert VENDORS["zuora"].title == "Zuora"


@pytest.mark.parametrize("url", Zuora.environments.values())
def test_an_environment_is_a_base_url(url):
    assert find_url_violations(url) == []
    assert not url.endswith("/")


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"entity_id": "11e6"}, {"Zuora-Entity-Ids": "11e6"}),
        ({"org_ids": "a,b"}, {"Zuora-Org-Ids": "a,b"}),
        ({"zuora_version": "2025-08-12"}, {"Zuora-Version": "2025-08-12"}),
    ],
    ids=str,
)
def test_the_headers_that_the_connection_asks_for(fields, headers):
    assert ZUORA.build_headers({"entity_id": "", "org_ids": "", "zuora_version": "", **fields}) == headers


def test_the_track_id_has_a_header():
    assert ZUORA.track_id_header == "Zuora-Track-Id"


def test_the_sign_in_is_a_form_that_carries_any_secret():
    request = Credentials("https://h", "id-1", "a+b/c=d&e%f").grant(ZUORA.sign_in_path)
    assert str(request) == "POST /oauth/token"
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qs(request.body.decode("ascii")) == {
        "client_id": ["id-1"],
        "client_secret": ["a+b/c=d&e%f"],
        "grant_type": ["client_credentials"],
    }


@pytest.mark.parametrize(
    ("kind", "path"), [("order", "/v1/async/orders"), ("preview", "/v1/async/orders/preview")]
)
def test_a_submission_is_json_in_utf_8(kind, path):
    request = ZUORA.build_submit_request(kind, {"description": "ü€"}, {})
    assert str(request) == f"POST {path}"
    assert request.params == ()
    assert request.headers == {"Content-Type": "application/json"}
    assert request.body == '{"description": "ü€"}'.encode()


@pytest.mark.parametrize(
    ("options", "params"),
    [({}, ()), ({"return_ids": False}, ()), ({"return_ids": True}, (("returnIds", "true"),))],
    ids=str,
)
def test_ids_are_returned_where_they_are_asked_for(options, params):
    assert ZUORA.build_submit_request("order", {}, options).params == params


def test_a_number_that_is_none_is_never_sent():
    with pytest.raises(ValueError, match="Out of range float"):
        ZUORA.build_submit_request("order", {"a": float("nan")}, {})


@pytest.mark.parametrize(
    ("job_id", "path"), [("1bc24f31", "1bc24f31"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("a b", "a%20b")]
)
def test_a_job_id_is_opaque(job_id, path):
    assert ZUORA.build_status_request(job_id) == Request("GET", f"/v1/async-jobs/{path}")


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"jobId": "1bc2"}, "1bc2"),
        ({"jobId": " 1bc2\n"}, "1bc2"),
        ({}, ""),
        ({"jobId": None}, ""),
        ({"jobId": " "}, ""),
        ({"jobId": True}, ""),
        ({"jobId": {"id": "1bc2"}}, ""),
    ],
    ids=str,
)
def test_a_job_id_is_a_text(body, job_id):
    assert ZUORA.find_kind("").read_id(body) == job_id


def reasons(*codes):
    return {"success": False, "reasons": [{"code": code, "message": "a"} for code in codes]}


# A refusal beside what may have been carried out, in either order.
MIXED = [
    (53200000 + first, 53200000 + second)
    for refusal in (20, 30, 90, 40, 10, 45, 11)
    for transient in (60, 61, 99)
    for first, second in ((refusal, transient), (transient, refusal))
]
# What an answer means where no error shows it: the errors are tested by what the client does with them.
MEANINGS = [
    ("a job that was accepted", CREATE, answer(200, {"jobId": "j", "success": True}), ResponseKind.OK),
    (
        "accepted, as before October 2025",
        CREATE,
        answer(202, {"jobId": "j", "success": True}),
        ResponseKind.OK,
    ),
    ("a preview does not say success", CREATE, answer(202, {"jobId": "j"}), ResponseKind.OK),
    (
        "a job id outweighs reasons",
        CREATE,
        answer(200, {"jobId": "j", "reasons": [{"code": 1}]}),
        ResponseKind.OK,
    ),
    ("success outweighs reasons", CREATE, answer(200, {"success": True, "reasons": [{}]}), ResponseKind.OK),
    ("Success outweighs Errors", CREATE, answer(200, {"Success": True, "Errors": [{}]}), ResponseKind.OK),
    (
        "a refusal beside a job id",
        CREATE,
        answer(200, {"success": False, "jobId": "j"}),
        ResponseKind.UNCLEAR,
    ),
    (
        "the first answer, come as a 409",
        CREATE,
        answer(409, {"success": True, "jobId": "j"}),
        ResponseKind.OK,
    ),
    (
        "not a refusal that names a job",
        CREATE,
        answer(409, {"success": False, "jobId": "j"}),
        ResponseKind.IN_PROGRESS,
    ),
    ("a job id beside no", CREATE, answer(400, {"jobId": "j", "message": "no"}), ResponseKind.DENIED),
    (
        "a job id beside a breakdown",
        CREATE,
        answer(500, {"jobId": "j", "message": "no"}),
        ResponseKind.TEMPORARY,
    ),
    ("Success alone", CREATE, answer(200, {"Success": False}), ResponseKind.UNCLEAR),
    ("Errors alone", CREATE, answer(200, {"Errors": [{"Code": "A"}]}), ResponseKind.UNCLEAR),
    ("faultcode alone", CREATE, answer(200, {"faultcode": "A"}), ResponseKind.UNCLEAR),
    ("a message is no complaint", CREATE, answer(200, {"message": "fine"}), ResponseKind.OK),
    ("empty lists are no complaint", CREATE, answer(200, {"reasons": [], "error": None}), ResponseKind.OK),
    (
        "reasons without success are one",
        CREATE,
        answer(200, {"reasons": [{"code": 53200020}]}),
        ResponseKind.REFUSED,
    ),
    (
        "rows that are no objects",
        CREATE,
        answer(200, {"reasons": ["a", None], "Errors": "b"}),
        ResponseKind.UNCLEAR,
    ),
    (
        "a job decides by status alone",
        JOB,
        answer(200, {"success": False, "status": "Failed"}),
        ResponseKind.OK,
    ),
    ("without a status it does not", JOB, answer(200, {"success": False}), ResponseKind.UNCLEAR),
    (
        "nor with one that is no text",
        JOB,
        answer(200, {"success": False, "status": 200}),
        ResponseKind.UNCLEAR,
    ),
    (
        "nor where it was no read",
        CREATE,
        answer(200, {"success": False, "status": "x"}),
        ResponseKind.UNCLEAR,
    ),
    ("nor beside a 404", JOB, answer(404, {"status": "Completed"}), ResponseKind.GATEWAY),
    ("nor beside another HTTP status", JOB, answer(400, {"status": "Completed"}), ResponseKind.DENIED),
    ("nothing", CREATE, answer(204), ResponseKind.OK),
    ("a byte order mark", CREATE, Response(200, {}, b'\xef\xbb\xbf{"jobId": "j"}'), ResponseKind.OK),
    ("four digits are no category", CREATE, answer(400, {"code": 1050, "message": "a"}), ResponseKind.DENIED),
    (
        "a category that nobody knows",
        CREATE,
        answer(400, {"code": 53200088, "message": "a"}),
        ResponseKind.DENIED,
    ),
    ("the same at HTTP 200", CREATE, answer(200, reasons(53200088)), ResponseKind.UNCLEAR),
    ("a word beside a transient error", CREATE, answer(200, reasons(53200050, "A")), ResponseKind.UNCLEAR),
    ("whatever the status", CREATE, answer(409, reasons(53200050, "A")), ResponseKind.UNCLEAR),
    ("a word beside a permanent error", CREATE, answer(200, reasons(53200030, "A")), ResponseKind.UNCLEAR),
    ("a word beside what is not there", CREATE, answer(200, reasons("A", 50000040)), ResponseKind.UNCLEAR),
    ("not found, before errors had a status", JOB, answer(200, reasons(50000040)), ResponseKind.NOT_FOUND),
    ("not found, and a rule", JOB, answer(404, reasons(50000040, 53200030)), ResponseKind.REFUSED),
    *(
        (f"a bad value, of a job at {status}", JOB, answer(status, reasons(50000020)), ResponseKind.NOT_FOUND)
        for status in (200, 400, 404)
    ),
    (
        "a bad value, and what is not there",
        JOB,
        answer(404, reasons(50000020, 50000040)),
        ResponseKind.NOT_FOUND,
    ),
    ("a bad value of the sign-in", JOB, answer(404, reasons(90000020)), ResponseKind.REFUSED),
    ("a bad value of two digits", JOB, answer(404, reasons("20")), ResponseKind.REFUSED),
    ("a bad value of another request", CREATE, answer(404, reasons(50000020)), ResponseKind.REFUSED),
    ("a bad value of an order, in other words", ORDER, answer(404, reasons(50000020)), ResponseKind.REFUSED),
    *(
        (f"no such job, not at {status}", JOB, answer(status, reasons(50000040)), ResponseKind.DENIED)
        for status in (202, 403, 410)
    ),
    ("a bad value, of a job at 403", JOB, answer(403, reasons(50000020)), ResponseKind.REFUSED),
    *(
        (f"no such order, not at {status}", ORDER, answer(status, reasons(50000040)), ResponseKind.GATEWAY)
        for status in (202, 403, 410)
    ),
    *(
        (f"no such order, at {status}", ORDER, answer(status, reasons(50000040)), ResponseKind.NOT_FOUND)
        for status in (200, 400, 404)
    ),
    *(
        (
            f"{first} and {second} at {status}",
            CREATE,
            answer(status, reasons(first, second)),
            ResponseKind.UNCLEAR,
        )
        for status in (200, 400)
        for first, second in MIXED
    ),
    (
        "a transient error and a lock",
        CREATE,
        answer(400, reasons(53200050, 53200060)),
        ResponseKind.TEMPORARY,
    ),
    ("more than is read", CREATE, answer(400, reasons(*[53200020] * 1001)), ResponseKind.UNCLEAR),
    ("as many as are read", CREATE, answer(400, reasons(*[53200020] * 1000)), ResponseKind.REFUSED),
    (
        "digits of another script",
        CREATE,
        answer(400, reasons("\u0665\u0668\u0665\u0666\u0660\u0660\u0663\u0660")),
        ResponseKind.DENIED,
    ),
    ("not found by the status alone", JOB, answer(404), ResponseKind.GATEWAY),
    ("a page 404 is the edge's", JOB, Response(404, {}, b"<h1>Not Found</h1>"), ResponseKind.GATEWAY),
    ("408", CREATE, answer(408), ResponseKind.GATEWAY),
]


@pytest.mark.parametrize(
    ("request_", "response", "meaning"), [row[1:] for row in MEANINGS], ids=[row[0] for row in MEANINGS]
)
def test_what_an_answer_means(request_, response, meaning):
    assert ZUORA.read_response(request_, response, BARE).kind is meaning


def test_a_reading_keeps_what_was_known_and_adds_what_the_body_says():
    known = replace(BARE, retry_after=5.0)
    parsed = ZUORA.read_response(CREATE, sample("bad-value/400"), known)
    assert parsed.info == ResponseInfo(
        BARE.asked,
        "af-1",
        200,
        ("53100320",),
        ("Invalid value 'EVERGREN' for field termType.",),
        "d7479cf6-b410-4630-b841-268ccd48f0d2",
        "738CBB9234B47A47",
        5.0,
    )
    assert parsed.body["processId"] == "738CBB9234B47A47"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[]"])
def test_the_request_id_may_stand_in_a_header(body):
    response = Response(500, {"zuora-request-id": "r-1"}, body)
    assert ZUORA.read_response(CREATE, response, BARE).info.request_id == "r-1"


def test_all_reasons_decide_and_the_first_are_kept():
    body = reasons(*[53200050] * 30, 53200020)
    parsed = ZUORA.read_response(CREATE, answer(400, body), BARE)
    assert parsed.kind is ResponseKind.REFUSED
    assert parsed.info.codes == ("53200050",) * 20
    job = read({"status": "Failed", "errors": body["reasons"]})
    assert (job.transient, len(job.info.codes)) == (False, 20)


@pytest.mark.parametrize("errors", ["[40000050]: a" * 10_000, ["[40000050]: a"] * 1001], ids=["long", "many"])
def test_a_job_that_says_more_than_is_read_has_failed_for_good(errors):
    job = read({"status": "Failed", "errors": errors})
    assert (job.state, job.transient) == (JobState.FAILED, False)


NO = {"code": 40000050, "message": "Lock"}
# As texts and pairs of texts they would be hundreds of megabytes.
ROWS = [1] * 2_000_000
ANSWER = b'{"reasons": [' + b"1," * 200_000 + b"1]}"
CROWDS = {
    "an answer": lambda: ZUORA.read_response(CREATE, Response(400, {}, ANSWER), BARE),
    "a job's reasons": lambda: read({"status": "Failed", "errors": {"reasons": ROWS}}),
    "a job's errors": lambda: read({"status": "Failed", "errors": ROWS}),
    "an error": lambda: read({"status": "Failed", "errors": {"a": ROWS}}),
    "a code": lambda: read({"status": "Failed", "errors": {"code": ROWS}}),
    "a result": lambda: read({"status": "Completed", "result": {"success": False, "reasons": ROWS}}),
    "a result's message": lambda: read({"status": "Completed", "success": ROWS, "message": ROWS}),
    "success": lambda: read({"status": "Completed", "success": ROWS, "errors": 1}),
    "an order's status": lambda: ZUORA.read_result(Job("j", JobState.SUCCEEDED, "x", {"status": ROWS}), {}),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_of_reasons_costs_no_more_than_what_is_told_of_it(crowd):
    gc.collect()
    tracemalloc.start()
    CROWDS[crowd]()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < (8 if crowd == "an answer" else 2) * 2**20  # the answer is parsed, too


@pytest.mark.parametrize(
    "body",
    [{"reasons": [NO] * 1001}, {"result": {"errors": [NO] * 999, "reasons": [NO] * 2}}],
    ids=["a", "b"],
)
def test_a_completed_job_that_says_no_too_often_has_failed_for_good(body):
    job = read({"status": "Completed", "success": True, **body})
    assert (job.state, job.transient, len(job.info.codes)) == (JobState.FAILED, False, 20)


def read(body):
    return ZUORA.find_kind("j").read_job("j", body, BARE)


@pytest.mark.parametrize(
    ("name", "state", "status"),
    [
        ("job-processing/200", JobState.ACTIVE, "Processing"),
        ("job-failed-lock/200", JobState.FAILED, "Failed"),
        ("job-failed-internal/200", JobState.FAILED, "Failed"),
        ("job-failed-rule/200", JobState.FAILED, "Failed"),
    ],
)
@pytest.mark.parametrize("success", [True, False, None])
def test_the_status_alone_decides_about_a_job_that_is_not_completed(name, state, status, success):
    body = json.loads(sample(name).body) | {"success": success}
    job = read(body)
    assert (job.job_id, job.state, job.status) == ("j", state, status)
    assert job.result is None


@pytest.mark.parametrize("name", ["job-completed/200", "job-pending/200"])
@pytest.mark.parametrize("success", [True, None, "true"])
def test_a_completed_job_has_succeeded(name, success):
    body = json.loads(sample(name).body) | {"success": success}
    assert read(body) == Job("j", JobState.SUCCEEDED, "Completed", body["result"], info=BARE)


DENIALS = {
    "success at the root": ({"success": False}, (), ("it says success: false",)),
    "success in words": ({"success": "False"}, (), ("it says success: false",)),
    "errors at the root": ({"errors": "[40000050]: Lock"}, ("40000050",), ("Lock",)),
    "reasons at the root": ({"reasons": [NO]}, ("40000050",), ("Lock",)),
    "success in the result": ({"result": {"success": False}}, (), ("it says success: false",)),
    "errors in the result": ({"result": {"errors": [NO]}}, ("40000050",), ("Lock",)),
    "reasons in the result": ({"result": {"success": False, "reasons": [NO]}}, ("40000050",), ("Lock",)),
    "a message": ({"result": {"success": False, "message": "Lock"}}, ("",), ("Lock",)),
    "both": (
        {"success": False, "errors": "[40000020]: a", "result": {"success": False, "reasons": [NO]}},
        ("40000020", "40000050"),
        ("a", "Lock"),
    ),
    "a failed order": (
        {"result": {"orderNumber": "O-1", "status": "Failed"}},
        (),
        ("its order O-1 is Failed: Zuora could not carry it out",),
    ),
    "a draft": (
        {"result": {"orderNumber": "O-1", "status": "Draft"}},
        (),
        ("its order O-1 is Draft: it is a draft, which Zuora does not carry out",),
    ),
    "a cancelled order": (
        {"result": {"status": "canceled"}},
        (),
        ("its order  is canceled: it was cancelled",),
    ),
}


@pytest.mark.parametrize("case", DENIALS)
def test_a_completed_job_that_says_no_has_failed_for_good(case):
    fields, codes, messages = DENIALS[case]
    body = {"status": "Completed", "success": True, "result": {"orderNumber": "O-1"}} | fields
    job = read(body)
    assert (job.state, job.status, job.transient, job.locked) == (JobState.FAILED, "Completed", False, False)
    assert [code for code in job.info.codes if code] == [code for code in codes if code]
    assert job.info.messages == messages
    with pytest.raises(JobFailed, match=r"Job j ended as Completed; .* permanent failure"):
        _ = ZUORA.read_result(job, {}).result


LOCKED = "Operation failed due to a lock competition, please retry later."
RULE = "The rate plan is not effective."


@pytest.mark.parametrize(
    ("errors", "codes", "messages", "transient", "locked"),
    [
        (None, (), (), False, False),
        ("", (), (), False, False),
        ([], (), (), False, False),
        ({}, (), (), False, False),
        ([None, ""], (), (), False, False),
        (f"[40000050]: {LOCKED}", ("40000050",), (LOCKED,), True, True),
        (f"[40000050] {LOCKED}", ("40000050",), (LOCKED,), True, True),
        ("[40000061]: busy", ("40000061",), ("busy",), True, False),
        ("[40000060]: Oops", ("40000060",), ("Oops",), False, False),
        ("[40000070]: limit", ("40000070",), ("limit",), False, False),
        ("[40000099]: tax", ("40000099",), ("tax",), False, False),
        (f"[40000020]: {RULE}", ("40000020",), (RULE,), False, False),
        ("[40000050]:", ("40000050",), ("",), True, True),
        ("[40000050]: a; [40000061]: b", ("40000050", "40000061"), ("a;", "b"), True, True),
        ("[40000050]: a\n[40000020]: b", ("40000050", "40000020"), ("a", "b"), False, False),
        ("no code [5] at all", ("",), ("no code [5] at all",), False, False),
        ("Failed: [40000050]: a", ("40000050",), ("Failed: a",), True, True),
        (["[40000050]: a", "b"], ("40000050", ""), ("a", "b"), False, False),
        ([{"code": 40000050, "message": "a"}, None], ("40000050",), ("a",), True, True),
        ({"code": "40000020", "message": "a"}, ("40000020",), ("a",), False, False),
        ({"code": "SystemError"}, ("SystemError",), ("",), False, False),
        ({"message": "a"}, ("",), ("a",), False, False),
        ({"reasons": [{"code": 40000050, "message": "a"}]}, ("40000050",), ("a",), True, True),
        ({"text": "[40000020]: a"}, ("40000020",), ("{'text': ' a'}",), False, False),
        ([["[40000050]: a"]], ("40000050",), ("[' a']",), True, True),
        (7, ("",), ("7",), False, False),
    ],
    ids=repr,
)
def test_the_errors_of_a_job_in_all_their_shapes(errors, codes, messages, transient, locked):
    job = read({"status": "Failed", "errors": errors, "success": True})
    assert job.info.codes == codes
    assert job.info.messages == messages
    assert (job.transient, job.locked) == (transient, locked)


def test_the_errors_of_a_job_may_be_very_deep_and_very_long():
    deep = json.loads("[" * 900 + "]" * 900)
    assert read({"status": "Failed", "errors": deep}).info.messages == (str(deep)[1:-1],)
    assert read({"status": "Failed", "errors": "x" * 2001}).info.messages == ("x" * 1997 + "...",)


@pytest.mark.parametrize("status", [None, 200, True, ["Completed"], {"a": 1}, ""], ids=repr)
def test_a_job_without_a_status_goes_on(status):
    job = read({"status": status, "success": True, "result": {"status": "Completed"}})
    assert (job.state, job.status) == (JobState.ACTIVE, "without a status")


def test_a_job_with_an_unknown_status_goes_on_whatever_else_it_says():
    job = read({"status": "Cancelled", "success": True, "result": {"status": "Completed"}})
    assert (job.state, job.status) == (JobState.ACTIVE, "Cancelled")


def make_completed(result):
    return Job("j", JobState.SUCCEEDED, "Completed", result, info=BARE)


def members(result):
    return result.result, result.warning, result.skipped


REQUIRED = {"require_order_completed": True}
DONE = {"orderNumber": "O-1", "status": "Completed"}
SPELT = {"orderNumber": "O-1", "status": "completed"}
PENDING = {"orderNumber": "O-1", "status": "Pending"}
PREVIEW = {"jobType": "AsyncPreviewOrder", "invoices": []}


@pytest.mark.parametrize("options", [{}, REQUIRED, {"require_order_completed": False}], ids=str)
@pytest.mark.parametrize("order", [DONE, SPELT], ids=str)
def test_a_completed_order_is_a_success(order, options):
    assert members(ZUORA.read_result(make_completed(order), options)) == (order, "", "")


@pytest.mark.parametrize("result", [PREVIEW, {}, None, "text", [DONE]], ids=repr)
def test_a_result_that_holds_no_order_is_a_success(result):
    assert members(ZUORA.read_result(make_completed(result), {})) == (result, "", "")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("Pending", "it may wait for an activation, an acceptance or a missing trigger date, or hold what"),
        ("Scheduled", "Zuora carries it out at its scheduled date"),
        ("Executing", "Zuora is carrying it out"),
        ("Queued", "what that means nobody documents"),
        ("", "what that means nobody documents"),
    ],
)
def test_a_completed_job_whose_order_is_not_completed_is_a_success_with_a_warning(status, words):
    result = {"orderNumber": "O-1", "status": status}
    outcome = ZUORA.read_result(make_completed(result), {})
    assert outcome.result == result
    said = f"Job j is Completed, but its order O-1 is {status or 'without a status'}, not Completed: {words}"
    assert outcome.warning.startswith(said)
    assert outcome.skipped == ""


@pytest.mark.parametrize("result", [PENDING, {"status": "complete"}, PREVIEW, {}, None, []], ids=repr)
def test_it_is_a_failure_where_the_order_has_to_be_completed(result):
    with pytest.raises(JobFailed, match="not Completed: ") as caught:
        _ = ZUORA.read_result(make_completed(result), REQUIRED).result
    assert caught.value.info == BARE
    assert not caught.value.transient


@pytest.mark.parametrize("options", [{}, REQUIRED])
def test_a_failed_job_has_no_result_but_its_error(options):
    job = replace(make_completed(None), state=JobState.FAILED, status="Failed", transient=True)
    with pytest.raises(JobFailed, match="this is a transient failure") as caught:
        _ = ZUORA.read_result(job, options).result
    assert caught.value.transient


WORDS = ["success", "status", "jobId", "errors", "result", "reasons", "Errors", "error", "code", "message"]
BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["Failed", 53200050]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner),
)


@given(st.dictionaries(st.sampled_from(WORDS), BODIES))
def test_any_object_about_a_job_is_a_job(body):
    job = read(body)
    assert job.status.isprintable()
    assert len(job.info.codes) == len(job.info.messages)
    assert read_job(json.loads(json.dumps(write_job(job)))).info == job.info


@pytest.mark.parametrize("errors", [None, ""])
def test_reasons_at_the_root_stand_where_a_failed_job_has_no_errors(errors):
    reasons = [{"code": 58730050, "message": LOCKED}]
    body = {"status": "Failed", "errors": errors, "success": False, "reasons": reasons}
    response = Response(200, {}, json.dumps(body).encode())
    parsed = Zuora().read_response(
        Zuora().build_status_request("j"), response, ResponseInfo("GET /v1/async-jobs/j")
    )
    job = Zuora().find_kind("j").read_job("j", parsed.body, parsed.info)

    assert (job.info.codes, job.info.messages, job.transient) == (("58730050",), (LOCKED,), True)
