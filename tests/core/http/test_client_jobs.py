"""Every conversation with the vendor, and every body that it may answer with."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import random
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NotFound,
    Refused,
    SignInRefused,
    Unreachable,
    Unreadable,
)
from airflow_provider_zuora.core.flow import Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.generic_request import call_endpoint
from airflow_provider_zuora.core.http.retry import ONCE, READ_POLICY
from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.messages import Credentials, Request, Response
from airflow_provider_zuora.core.polling.wait import PollOptions, wait_until_done
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.order_page import build_order_request
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order, check_preview
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from tests.core.runners import BASE, CREDENTIALS, SCOPE, Clock, Script, Tenant, answer, sample
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault

FOREVER = itertools.repeat
KEY = {"Idempotency-Key": "k-1"}
CREATE = Request("POST", "/v1/async/orders", headers=KEY, body=b"{}")
ORDER = {
    "orderNumber": "O-1",
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "subscriptions": [
        {"orderActions": [{"type": "CreateSubscription", "createSubscription": {"terms": {}}}]}
    ],
}
PREVIEW = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A00000097",
    "previewOptions": {"previewThruType": "TermEnd"},
    "subscriptions": ORDER["subscriptions"],
}

# The three kinds of conversation, and how often each sends a request that is repeated.
KINDS = {
    "create": (lambda client: client.submit(CREATE, "order"), "POST /v1/async/orders", 6),
    "job": (lambda client: client.get_job("j-1"), "GET /v1/async-jobs/j-1", 10),
    "sign-in": (lambda client: client.sign_in(), "POST /oauth/token", 10),
}

# What an answer means for each: the error, whether it passes, and the requests sent (None: all there are).
REFUSED = dict.fromkeys(KINDS, (Refused, False, 1)) | {"sign-in": (SignInRefused, False, 1)}
NOT_FOUND = dict.fromkeys(KINDS, (NotFound, False, 1)) | {"sign-in": (SignInRefused, False, 1)}
BAD_VALUE = REFUSED | {"job": (NotFound, False, 1)}  # an id is all that is sent, and Zuora has issued it
TOKEN = dict.fromkeys(KINDS, (SignInRefused, False, 2)) | {"sign-in": (SignInRefused, False, 1)}
DEFINITE = dict.fromkeys(KINDS, (Refused, True, None)) | {"create": (Refused, True, 1)}
LIMITED = IN_PROGRESS = dict.fromkeys(KINDS, (Refused, True, None))
UNCODED_404 = NOT_FOUND | {"job": (Unreadable, True, None)}  # no word of the order service's about a job
UNKNOWN = dict.fromkeys(KINDS, (Unreadable, True, None))
SILENCE = dict.fromkeys(KINDS, (Unreachable, True, None))

IDS = ("d7479cf6-b410-4630-b841-268ccd48f0d2", "738CBB9234B47A47")
RULE = "The subscription A-S00000007 is cancelled."
VALUE = "Invalid value 'EVERGREN' for field termType."
LOCK = "Operation failed due to a lock competition, please retry later."
TEMPORARY_WORDS = "Temporary error, please retry later."
INTERNAL = "Oops, internal error occurred, please contact Zuora support."
BUSY = (
    "The total number of concurrent requests has exceeded the limit allowed by the system. "
    "Please resubmit your request later."
)
RATE = "API Rate limit exceeded for the minute, retry after 600 seconds"
HELD = "A request with this Idempotency-Key is in progress."
MISMATCH = "The key was used with another method, URL or tenant."
DOWN = sample("edge-page/503")
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def make_result(name, response, meaning, *reasons, ids=("", "")):
    """Return a row: reasons are pairs of code and message; a page has messages only, its codes are None."""
    codes = tuple(code for code, _ in reasons if code is not None)
    return pytest.param(response, meaning, codes, tuple(message for _, message in reasons), ids, id=name)


def make_case(name, meaning, *reasons, ids=("", "")):
    return make_result(name, sample(name), meaning, *reasons, ids=ids)


Z1_AND_Z2 = [
    make_case("business-rule/200", REFUSED, ("53200030", RULE), ids=IDS),
    make_case("business-rule/400", REFUSED, ("53200030", RULE), ids=IDS),
    make_case("bad-value/200", BAD_VALUE, ("53100320", VALUE), ids=IDS),
    make_case("bad-value/400", BAD_VALUE, ("53100320", VALUE), ids=IDS),
    make_case(
        "permission/403", REFUSED, ("53200010", "You do not have permission to create orders."), ids=IDS
    ),
    make_case("token/200", TOKEN, ("90000011", "Authentication error"), ids=IDS),
    make_case("token/401", TOKEN, ("90000011", "Authentication error"), ids=IDS),
    make_case("lock/200", DEFINITE, ("58730050", LOCK), ids=IDS),
    make_case("lock/409", DEFINITE, ("58730050", LOCK), ids=IDS),
    make_case("temporary/200", DEFINITE, ("53200061", TEMPORARY_WORDS), ids=IDS),
    make_case("temporary/500", DEFINITE, ("53200061", TEMPORARY_WORDS), ids=IDS),
    make_case("internal/200", DEFINITE, ("40000060", INTERNAL), ids=IDS),
    make_case("external/200", DEFINITE, ("53200099", "The tax engine did not answer."), ids=IDS),
    make_case("concurrency/200", LIMITED, ("50000070", BUSY), ids=IDS),
    make_case("concurrency/429", LIMITED, ("50000070", BUSY), ids=IDS),
    make_case("not-found/200", NOT_FOUND, ("50000040", "Cannot find response for job"), ids=IDS),
    make_case("not-found/404", NOT_FOUND, ("50000040", "Cannot find response for job"), ids=IDS),
    make_case("method/405", REFUSED, ("53200045", "Request method 'GET' is not supported."), ids=IDS),
    make_case("malformed/400", REFUSED, ("53200090", "Malformed JSON."), ids=IDS),
    make_case("conflict/409", REFUSED, ("53200030", "The order number O-1 is taken."), ids=IDS),
    make_case("in-progress/409", IN_PROGRESS, ("Conflict", "Idempotent request in progress."), ids=IDS),
    make_case(
        "mixed/200",
        REFUSED,
        ("53200061", "Temporary error."),
        ("53200020", "orderDate is not a date."),
        ids=IDS,
    ),
    make_case(
        "mixed-transient/200", DEFINITE, ("53200050", "Locked."), ("53200061", "Temporary error."), ids=IDS
    ),
    make_result(
        "mixed with a word",
        answer(400, {"reasons": [{"code": 53200061}, {"code": "Word", "message": "b"}]}),
        REFUSED,
        ("53200061", ""),
        ("Word", "b"),
    ),
    make_result(
        "not found beside a rule",
        answer(404, {"reasons": [{"code": 50000040, "message": "a"}, {"code": 53200030, "message": "b"}]}),
        REFUSED,
        ("50000040", "a"),
        ("53200030", "b"),
    ),
    make_result(
        "not found beside a transient error",
        answer(200, {"success": False, "reasons": [{"code": 53200061}, {"code": 50000040}]}),
        REFUSED,
        ("53200061", ""),
        ("50000040", ""),
    ),
    make_result(
        "a refusal without reasons", answer(200, {"success": False}), REFUSED, (None, '{"success": false}')
    ),
    make_result(
        "409 without reasons", answer(409, {"success": False}), IN_PROGRESS, (None, '{"success": false}')
    ),
    make_result(
        "one reason that is no list",
        answer(400, {"success": False, "reasons": {"code": 53200020, "message": "bad"}}),
        BAD_VALUE,
        ("53200020", "bad"),
    ),
    make_result(
        "reasons in words", answer(400, {"success": False, "reasons": ["bad"]}), REFUSED, ("", "bad")
    ),
    make_result(
        "409 of the gateway",
        answer(409, {"code": 409, "message": "A request with this key is being processed"}),
        IN_PROGRESS,
        ("409", "A request with this key is being processed"),
    ),
    make_result(
        "409 of the framework",
        answer(409, {"status": 409, "error": "Conflict", "message": "busy", "path": "/v1"}),
        IN_PROGRESS,
        ("Conflict", "busy"),
    ),
    make_result(
        "504 with reasons",
        replace(sample("internal/200"), status=504),
        UNKNOWN,
        ("40000060", INTERNAL),
        ids=IDS,
    ),
]
Z3_TO_Z10 = [
    make_case("system-error/500", DEFINITE, ("SystemError", "Something went wrong.")),
    make_case(
        "object-not-found/500",
        DEFINITE,
        ("ObjectNotFound", "Notification definition with id 7 does not exist"),
    ),
    make_case("rate/429", LIMITED, ("70", RATE)),
    make_result("rate at HTTP 400", replace(sample("rate/429"), status=400), LIMITED, ("70", RATE)),
    make_case("message-only/401", TOKEN, ("", "Authentication error")),
    make_case("message-only/400", REFUSED, ("", "No bearer token")),
    make_case("message-only/409", IN_PROGRESS, ("", HELD)),
    make_result("409 in other words", answer(409, {"message": "Wait."}), IN_PROGRESS, ("", "Wait.")),
    make_case("key-mismatch/422", REFUSED, ("", MISMATCH)),
    make_case("number-code/403", REFUSED, ("403", "User is not active")),
    make_case("number-code/400", REFUSED, ("400", "grant_type must be client_credentials.")),
    make_case("crud/200", REFUSED, ("INVALID_VALUE", "The account number is invalid.")),
    make_case("crud/400", REFUSED, ("INVALID_VALUE", "The account number is invalid.")),
    make_case("fault/200", REFUSED, ("MALFORMED_QUERY", "You have an error in your ZOQL syntax")),
    make_case("fault-lower/400", REFUSED, ("fns:INVALID_SESSION", "invalid session")),
    make_case("oauth/401", TOKEN, ("Unauthorized", "Bad client secret")),
    make_case("oauth/400", REFUSED, ("", "Invalid client id")),
    make_case("oauth-described/400", REFUSED, ("invalid_client", "The client is unknown.")),
    make_case("error-object/200", REFUSED, ("BAD_REQUEST", "What is that?")),
    make_case("error-object/400", REFUSED, ("BAD_REQUEST", "What is that?")),
    make_case("edge-limit/200", LIMITED, ("", "request exceeded limit")),
    make_case("edge-limit/400", LIMITED, ("", "request exceeded limit")),
]
Z11 = [
    make_case("edge-page/503", UNKNOWN, (None, "Service Unavailable")),
    make_case("edge-page/403", UNKNOWN, (None, "Access Denied")),
    make_case("edge-page/400", REFUSED, (None, "Bad Request")),
    make_case("edge-page/414", REFUSED, (None, "414 Request-URI Too Large")),
    make_case("edge-page/200", UNKNOWN, (None, "We are down for maintenance")),
    make_result("a page 401", replace(DOWN, status=401), TOKEN, (None, "Service Unavailable")),
    make_result("a page 404", replace(DOWN, status=404), UNKNOWN, (None, "Service Unavailable")),
    make_result("a page 409", replace(DOWN, status=409), IN_PROGRESS, (None, "Service Unavailable")),
    make_result("a page 429", replace(DOWN, status=429), LIMITED, (None, "Service Unavailable")),
    make_result("a page 500", replace(DOWN, status=500), UNKNOWN, (None, "Service Unavailable")),
    make_result(
        "a page with an id",
        sample("edge-page/503", Zuora_Request_Id="r"),
        UNKNOWN,
        (None, "Service Unavailable"),
        ids=("r", ""),
    ),
    make_result(
        "a page without a title", Response(503, {}, b"<p>"), UNKNOWN, (None, "3 bytes that are no JSON")
    ),
    make_result("empty 200", answer(200), UNKNOWN),
    make_result("empty 204", answer(204), UNKNOWN),
    make_result("empty 400", answer(400), REFUSED),
    make_result("empty 401", answer(401), TOKEN),
    make_result("empty 403", answer(403), REFUSED),
    make_result("empty 404", answer(404), UNCODED_404),
    make_result("empty 408", answer(408), UNKNOWN),
    make_result("empty 409", answer(409), IN_PROGRESS),
    make_result("empty 429", answer(429), LIMITED),
    make_result("empty 500", answer(500), UNKNOWN),
    make_result("empty 502", answer(502), UNKNOWN),
    make_result("empty 503", answer(503), UNKNOWN),
    make_result("empty 504", answer(504), UNKNOWN),
    make_result("empty 599", answer(599), UNKNOWN),
]
NO_OBJECT = [
    make_result("text", Response(200, {}, b"OK"), UNKNOWN, (None, "2 bytes that are no JSON")),
    make_result("text 403", Response(403, {}, b"No"), REFUSED, (None, "2 bytes that are no JSON")),
    make_result("text 404", Response(404, {}, b"No"), NOT_FOUND, (None, "2 bytes that are no JSON")),
    make_result(
        "no UTF-8", Response(200, {}, b'{"a": "\xff"}'), UNKNOWN, (None, "10 bytes that are no JSON")
    ),
    make_result(
        "half of a body", Response(200, {}, b'{"jobId": "'), UNKNOWN, (None, "11 bytes that are no JSON")
    ),
    make_result("cut off", Response(200, {}, b'{"jobId": "j"}', "cut off"), UNKNOWN, (None, "cut off")),
    make_result("cut off 500", Response(500, {}, b"", "cut off"), UNKNOWN, (None, "cut off")),
    make_result("cut off 400", Response(400, {}, b'{"succ', "cut off"), REFUSED, (None, "cut off")),
    make_result(
        "too large", Response(200, {}, b"", "larger than 1 byte"), UNKNOWN, (None, "larger than 1 byte")
    ),
    make_result("a list", Response(200, {}, b"[1]"), UNKNOWN),
    make_result("a list 404", Response(404, {}, b"[1]"), UNCODED_404, (None, "[1]")),
    make_result("a list 400", Response(400, {}, b"[1]"), REFUSED, (None, "[1]")),
    make_result("null", Response(200, {}, b"null"), UNKNOWN, (None, "4 bytes that are no JSON")),
    make_result("a JSON text", Response(200, {}, b'"j"'), UNKNOWN, (None, "3 bytes that are no JSON")),
    make_result("a number", Response(200, {}, b"17"), UNKNOWN, (None, "2 bytes that are no JSON")),
    make_result("white space", Response(200, {}, b" "), UNKNOWN, (None, "1 bytes that are no JSON")),
    make_result("very deep", Response(200, {}, DEEP), UNKNOWN, (None, "600001 bytes that are no JSON")),
    make_result("very deep 400", Response(400, {}, DEEP), REFUSED, (None, "600001 bytes that are no JSON")),
    make_result("no answer", Unreachable("connection reset"), SILENCE, (None, "connection reset")),
]


@pytest.mark.parametrize(
    ("response", "meaning", "codes", "messages", "ids"), [*Z1_AND_Z2, *Z3_TO_Z10, *Z11, *NO_OBJECT]
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_body_ends_in_an_error_that_says_all(kind, response, meaning, codes, messages, ids):
    flow, asked, most = KINDS[kind]
    error, transient, sent = meaning[kind]
    script = Script(FOREVER(response))
    with pytest.raises(ApiError) as caught:
        script.run(flow(script.client(**SCOPE)))
    raised = caught.value
    assert type(raised) is error
    assert raised.transient is transient
    assert len(script.sent) == (most if sent is None else sent)
    assert {str(request) for request in script.sent} == {asked}
    (track_id,) = set(script.headers("Zuora-Track-Id"))
    assert set(script.headers("Idempotency-Key")) == {"k-1" if kind == "create" else ""}
    status = None if error is Unreachable else response.status
    found = raised.info
    assert (found.asked, found.track_id, found.status) == (asked, track_id, status)
    assert (found.codes, found.messages) == (codes, messages)
    assert (found.request_id, found.process_id) == ids
    shown = [asked, track_id, *codes, *messages, *ids, "no answer" if status is None else f"HTTP {status}"]
    assert [text for text in shown if text not in str(raised)] == []
    assert ("Check client id, secret and environment" in str(raised)) is (error is SignInRefused)


def test_an_error_about_the_sign_in_says_what_to_check():
    script = Script([sample("oauth/400")])
    with pytest.raises(SignInRefused) as caught:
        script.run(script.client().sign_in())
    assert str(caught.value).startswith(
        "Zuora: the sign-in is refused. Check client id, secret and environment: "
        "a wrong data centre refuses them too. | "
    )


# Signing in.


def grant(expires_in):
    body = {"access_token": "abc", "token_type": "bearer", "expires_in": expires_in}
    script = Script([answer(200, body)], lasts=2.0)
    return script, script.run(script.client().sign_in())


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3598, 3598),
        (3598.5, 3598.5),
        ("3598", 3598),
        (86_401, 86_400),
        (999_999_999, 86_400),
        (None, 3600),
        ("", 3600),
        ("soon", 3600),
        (True, 3600),
        (-1, 3600),
        (1e9, 3600),
        (math.nan, 3600),
        (math.inf, 3600),
        ([3598], 3600),
    ],
)
def test_a_token_is_used_until_a_minute_before_its_end(expires_in, seconds):
    script, token = grant(expires_in)
    assert token == AccessToken("abc", script.clock.now + seconds - 60)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(240, 180), (239, 179.25), (100, 75), (50, 37.5), (8, 6), (6, 5), (1, 5), (0, 5), (0.0, 5), ("0", 5)],
)
def test_a_short_token_is_used_for_most_of_its_life_and_never_for_one_request_alone(expires_in, seconds):
    script, token = grant(expires_in)
    assert token == AccessToken("abc", script.clock.now + seconds)


def test_a_sign_in_without_a_lifetime_lasts_an_hour():
    script = Script([answer(200, {"access_token": "abc"})])
    assert script.run(script.client().sign_in()).expires == script.clock.now + 3540


@pytest.mark.parametrize("status", [404, 405])
def test_a_sign_in_below_a_path_that_nobody_knows_names_the_path(status):
    credentials = Credentials("https://gate/zuora", CLIENT_ID, CLIENT_SECRET)
    script = Script([answer(status)], credentials=credentials)
    with pytest.raises(SignInRefused, match=r"below the path /zuora of the base URL \(host\)") as caught:
        script.run(script.client().sign_in())
    assert caught.value.info.status == status


PATH = " The base URL (host) has a path, /rest; mostly it must have none."


@pytest.mark.parametrize("status", [400, 401, 403, 302])
def test_another_refusal_of_a_sign_in_names_a_path_too_where_there_is_one(status):
    for path, words in {"/rest": PATH, "": ""}.items():
        script = Script(
            [answer(status)], credentials=Credentials(f"https://gate{path}", CLIENT_ID, CLIENT_SECRET)
        )
        with pytest.raises(SignInRefused) as caught:
            script.run(script.client().sign_in())
        assert str(caught.value).startswith(
            "Zuora: the sign-in is refused. Check client id, secret and environment: "
            f"a wrong data centre refuses them too.{words} | "
        )


def test_so_does_a_page_that_answers_a_sign_in():
    page = Response(200, {}, b"<html><title>Log in</title>")
    script = Script([page], credentials=Credentials("https://gate/rest", CLIENT_ID, CLIENT_SECRET))
    with pytest.raises(Unreadable, match="could not sign in, nothing else was sent") as caught:
        script.run(script.client().sign_in(ONCE))
    assert PATH in str(caught.value)


def test_a_refusal_of_a_sign_in_without_a_path_says_nothing_of_one():
    script = Script([answer(404)], credentials=Credentials("https://gate", CLIENT_ID, CLIENT_SECRET))
    with pytest.raises(SignInRefused, match="the sign-in is refused") as caught:
        script.run(script.client().sign_in())
    assert "path" not in str(caught.value)


def test_the_sign_in_that_is_sent(caplog):
    caplog.set_level(logging.DEBUG)
    script, _ = grant(3600)
    (request,) = script.sent
    assert str(request) == "POST /oauth/token"
    assert parse_qs(request.body.decode()) == {
        "client_id": [CLIENT_ID],
        "client_secret": [CLIENT_SECRET],
        "grant_type": ["client_credentials"],
    }
    assert f"Signed in to {BASE}; the token lasts 3600 s" in caplog.messages
    assert not {"abc", CLIENT_SECRET} & set(caplog.text.split())


@pytest.mark.parametrize("token", [None, "", 5, ["abc"], "a\r\nb", "ü", " abc", "x" * 8193], ids=repr)
def test_a_sign_in_without_a_usable_token_is_unreadable_and_shows_none(token):
    script = Script([answer(200, {"access_token": token, "requestId": "r-1"})])
    with pytest.raises(Unreadable) as caught:
        script.run(script.client().sign_in())
    assert str(caught.value).startswith(
        "The answer to the sign-in holds no usable access_token. | POST /oauth/token"
    )
    assert "(requestId r-1, Zuora-Track-Id " in str(caught.value)
    assert not isinstance(token, str) or not token or token not in str(caught.value)


@pytest.mark.parametrize(
    "headers", [{"Zuora-Version": "a\nb"}, {"Zuora-Entity-Ids": ""}, {"Zuora-Org-Ids": "ü"}], ids=str
)
def test_headers_that_cannot_be_sent_are_refused_when_the_client_is_made(headers):
    with pytest.raises(InvalidInput) as caught:
        ApiClient(Zuora(), CREDENTIALS, headers, clock=Clock(), rng=random.Random(0))
    (line,) = caught.value.violations
    assert line.startswith(f"{next(iter(headers))}: must ")


# Submitting.


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("body", [{"jobId": "j-1", "success": True}, {"jobId": "j-1"}], ids=str)
def test_any_good_status_that_names_a_job_will_do(status, body, caplog):
    caplog.set_level(logging.INFO)
    script = Script([answer(status, body | {"requestId": "r-1"})])
    assert script.run(script.client().submit(CREATE, "order")) == "j-1"
    (track_id,) = script.headers("Zuora-Track-Id")
    line = f"POST /v1/async/orders: HTTP {status} (requestId r-1, Zuora-Track-Id {track_id})"
    assert f"Zuora started job j-1: {line}" in caplog.messages


@pytest.mark.parametrize(
    "body", [{}, {"success": True}, {"success": True, "jobId": None}, {"jobId": " "}], ids=str
)
def test_a_yes_that_names_no_job_is_an_unknown_outcome(body):
    script = Script([answer(200, body)])
    with pytest.raises(Unreadable, match="It changes nothing, so it may be repeated") as caught:
        script.run(script.client().submit(CREATE, "order"))
    assert caught.value.transient
    assert caught.value.info.status == 200


def test_a_preview_is_checked_and_sent_without_a_key():
    script = Script([answer(202, {"jobId": "j-1"})])
    assert script.run(script.client().submit(check_preview(PREVIEW).request, "preview")) == "j-1"
    (request,) = script.sent
    assert str(request) == "POST /v1/async/orders/preview"
    assert request.headers.get("Idempotency-Key", "") == ""
    assert json.loads(request.body) == PREVIEW


# Reading a job.


def test_a_job_is_read_with_the_answer_it_was_read_from():
    script = Script([sample("job-failed-lock/200", Zuora_Request_Id="r-1")])
    job = script.run(script.client().get_job("j/1"))
    assert (job.job_id, job.state, job.status, job.transient) == ("j/1", JobState.FAILED, "Failed", True)
    assert (job.info.codes, job.info.messages) == (("40000050",), (LOCK,))
    assert job.info.asked == "GET /v1/async-jobs/j%2F1"
    assert job.info.request_id == "r-1"
    assert [job.info.track_id] == script.headers("Zuora-Track-Id")


def test_a_job_may_be_read_once_only():
    script = Script(FOREVER(answer(503)))
    with pytest.raises(Unreadable):
        script.run(script.client().get_job("j", ONCE))
    assert len(script.sent) == 1


@pytest.mark.parametrize("name", ["business-rule/200", "system-error/500"])
def test_a_read_that_failed_is_not_a_failed_job(name):
    script = Script([*[sample("system-error/500")] * 9, sample(name)])
    with pytest.raises(Refused):
        script.run(script.client().get_job("j"))


@pytest.mark.parametrize(
    ("job_id", "rule"),
    [
        ("", "must have 1 to 2048 characters, this has 0"),
        (" ", "must be printable without white space at its ends"),
        ("j\n", "must be printable without white space at its ends"),
        ("\ud800", "must be printable without white space at its ends"),
        (None, "must be a text, not of type NoneType"),
        (7, "must be a text, not of type int"),
        (["j"], "must be a text, not of type list"),
        (".", "must not contain the segments . or .."),
        ("..", "must not contain the segments . or .."),
    ],
    ids=repr,
)
def test_what_is_no_job_id_is_not_asked_about(job_id, rule):
    script = Script([])
    with pytest.raises(InvalidInput) as caught:
        script.run(script.client().get_job(job_id))
    assert caught.value.violations == (f"job_id: {rule}",)


def test_with_an_unknown_status_a_job_goes_on():
    script = Script([answer(200, {"status": "Cancelled", "success": True})])
    job = script.run(script.client().get_job("j"))
    assert (job.state, job.status) == (JobState.ACTIVE, "Cancelled")


@pytest.mark.parametrize("body", [{"status": "Queued"}, {"success": True}, {"status": None}, {"status": 7}])
def test_a_job_whose_status_nobody_knows_goes_on_and_is_warned_of_once(body, caplog):
    script = Script([answer(200, body)] * 3)
    client = script.client()

    assert [script.run(client.get_job("j")).has_ended for _ in range(3)] == [False] * 3
    assert caplog.text.count("which nobody documents; known are processing, completed, failed") == 1


def test_a_vendor_that_invents_a_word_each_time_does_not_fill_the_log(caplog):
    script = Script([answer(200, {"status": f"Word {number}"}) for number in range(100)])
    client = script.client()
    for _ in range(100):
        script.run(client.get_job("j"))

    assert caplog.text.count("which nobody documents") == 20


# Any other request.


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", None),
        (b"{}", {}),
        (b"[1]", [1]),
        (b'{"success": true, "a": "\xc3\xbc"}', {"success": True, "a": "ü"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_any_other_request_gives_its_json(method, body, value):
    script = Script([Response(200, {}, body)])
    assert script.run(call_endpoint(script.client(), method, "/v1/a?b=c", track_id="t")) == value
    (request,) = script.sent
    assert (request.method, request.path, request.params, request.body) == (method, "/v1/a?b=c", (), b"")
    assert request.headers.get("Content-Type", "") == ""
    assert request.headers.get("Zuora-Track-Id", "") == "t"


def test_the_body_and_the_query_of_any_other_request():
    script = Script([answer(200)])
    params = {"pageSize": 20, "all": True, "none": False, "name": "A b"}
    script.run(call_endpoint(script.client(), "POST", "/v1/a", json_body={"ü": [1]}, params=params))
    (request,) = script.sent
    assert request.params == (("pageSize", "20"), ("all", "true"), ("none", "false"), ("name", "A b"))
    assert request.body == '{"ü": [1]}'.encode()
    assert request.headers.get("Content-Type", "") == "application/json"


def test_the_page_of_a_job_may_be_asked_for_too():
    script = Script([sample("job-failed-rule/200")])
    assert script.run(call_endpoint(script.client(), "GET", "/v1/async-jobs/j"))["status"] == "Failed"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"method": "TRACE"}, ("method: must be one of GET, HEAD, POST, PUT, PATCH, DELETE",)),
        ({"path": "//evil"}, ("path: must start with one slash: it is a path below the base URL",)),
        (
            {"headers": {"Idempotency-Key": ""}},
            ("Idempotency-Key: must have 1 to 254 characters, this has 0",),
        ),
        (
            {"headers": {"Idempotency-Key": "x" * 255}},
            ("Idempotency-Key: must have 1 to 254 characters, this has 255",),
        ),
        (
            {"headers": {"X": "a\nb"}},
            ("X: must be printable ASCII without white space at its ends",),
        ),
        ({"method": "GET", "headers": KEY}, ("Idempotency-Key: is for POST only",)),
        ({"path": None}, ("path: must be a text",)),
        ({"method": "PATCH", "headers": {"idempotency-key": "k"}}, ("Idempotency-Key: is for POST only",)),
        (
            {"method": "get", "path": "", "headers": {"X": "ü"}},
            (
                "method: must be one of GET, HEAD, POST, PUT, PATCH, DELETE",
                "path: must start with one slash: it is a path below the base URL",
                "X: must be printable ASCII without white space at its ends",
            ),
        ),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_sent_is_refused_with_all_its_lines(arguments, lines):
    script = Script([])
    with pytest.raises(InvalidInput, match=r"^Nothing was sent\.\n") as caught:
        script.run(call_endpoint(script.client(), **({"method": "POST", "path": "/v1/a"} | arguments)))
    assert caught.value.violations == lines


def test_the_longest_key_is_sent():
    script = Script([answer(200)])
    script.run(call_endpoint(script.client(), "POST", "/v1/a", headers={"Idempotency-Key": "x" * 254}))
    assert script.headers("Idempotency-Key") == ["x" * 254]


# One order, travelling: through the sandbox.


def submit(tenant, order=ORDER):
    client = tenant.client()
    return tenant.run(
        submit_order(client, check_order(order), IdempotencyScope("", ("dag", "run", "task"), -1))
    )


def finish(tenant, job_id):
    now = tenant.clock()
    return tenant.run(wait_until_done(tenant.client(), job_id, PollOptions(now, now)))


def test_an_order_travels():
    tenant = Tenant()
    job_id = submit(tenant)
    assert tenant.run(tenant.client().get_job(job_id)).state is JobState.ACTIVE
    job = finish(tenant, job_id)
    assert job.result["orderNumber"] == "O-1"
    assert [order["jobId"] for order in tenant.ledger["orders"]] == [job_id]
    assert tenant.ledger["signIns"] == 1


CREATES = {"method": "POST", "path": "/v1/async/orders"}
FAULTS = {
    "the answer is lost": (Fault(**CREATES, when="after", kind="reset"), [0, 200]),
    "no answer ever comes": (Fault(**CREATES, when="after", kind="hang"), [0, 200]),
    "the request is lost": (Fault(**CREATES, kind="reset"), [0, 200]),
    "the answer is cut off": (Fault(**CREATES, when="after", kind="cut"), [200, 200]),
    "the answer is a page": (Fault(**CREATES, when="after", status=502, body=b"<h1>Bad</h1>"), [502, 200]),
    "the edge is down": (Fault(**CREATES, times=3), [503, 503, 503, 200]),
    "the limit is reached": (Fault(**CREATES, status=429, headers={"Retry-After": "30"}), [429, 200]),
    "the first is in progress": (
        Fault(**CREATES, when="after", kind="reset", hold_seconds=3),
        [0, 409, 409, 200],
    ),
    "five in a row": (Fault(**CREATES, times=5, kind="reset"), [0, 0, 0, 0, 0, 200]),
}


@pytest.mark.parametrize(("fault", "statuses"), FAULTS.values(), ids=FAULTS)
def test_whatever_happens_on_the_wire_there_is_one_order_under_one_key(fault, statuses):
    tenant = Tenant(fault)
    job_id = submit(tenant)
    assert finish(tenant, job_id).result["orderNumber"] == "O-1"
    creates = [each for each in tenant.ledger["recent"] if each["path"] == "/v1/async/orders"]
    assert [each["status"] for each in creates] == statuses
    assert len({each["idempotencyKey"] for each in creates}) == 1
    assert len(tenant.ledger["orders"]) == 1


@pytest.mark.parametrize("version", ["2025-08-12", "341.0"])
def test_a_revoked_token_costs_one_sign_in_whatever_the_version(version):
    tenant = Tenant(zuora_version=version)
    submit(tenant)
    tenant.sandbox.revoke_tokens()
    submit(tenant, ORDER | {"orderNumber": "O-2"})
    assert tenant.ledger["signIns"] == 2


def test_a_token_is_not_used_in_its_last_minute():
    tenant = Tenant(token_seconds=300)
    job_id = submit(tenant)
    tenant.clock.now += 239.9
    tenant.run(tenant.client().get_job(job_id))
    assert tenant.ledger["signIns"] == 1
    tenant.clock.now += 0.1
    tenant.run(tenant.client().get_job(job_id))
    assert tenant.ledger["signIns"] == 2


def test_a_long_order_is_sent_in_gzip_and_understood():
    tenant = Tenant()
    submit(tenant, ORDER | {"customFields": {"Note__c": "ü" * 70_000}})
    (request,) = [request for request in tenant.sent if request.path == "/v1/async/orders"]
    assert request.headers.get("Content-Encoding", "") == "gzip"
    assert len(tenant.ledger["jobs"]) == 1


@pytest.mark.parametrize(
    ("client_id", "secret"), [(CLIENT_ID, "wrong-secret"), (f"{7:036}", CLIENT_SECRET)], ids=["secret", "id"]
)
def test_wrong_credentials_are_refused_and_nothing_else_is_sent(client_id, secret):
    tenant = Tenant(credentials=Credentials(BASE, client_id, secret))
    with pytest.raises(SignInRefused) as caught:
        submit(tenant)
    assert [str(request) for request in tenant.sent] == ["POST /oauth/token"]
    assert secret not in str(caught.value)


@pytest.mark.parametrize(("category", "status"), [(20, 400), (40, 404)])
@pytest.mark.parametrize("forced", [0, 200, 400, 404])
def test_a_job_that_nobody_knows_is_not_found(category, status, forced):
    tenant = Tenant(unknown_category=category, unknown_status=forced)
    with pytest.raises(NotFound, match=rf"\[500000{category}\] Cannot find response for job") as caught:
        tenant.run(tenant.client().get_job("nobody"))
    assert not caught.value.transient
    assert caught.value.info.status == (forced or status)


@pytest.mark.parametrize("category", [20, 40])
@pytest.mark.parametrize("forced", [0, 200, 400, 404])
def test_an_order_that_nobody_knows_is_not_found(category, forced):
    tenant = Tenant(unknown_category=category, unknown_status=forced)
    with pytest.raises(NotFound, match=rf"\[500000{category}\] Invalid orderNumber: O-1"):
        tenant.run(tenant.client().send(build_order_request("O-1"), READ_POLICY))


@pytest.mark.parametrize("version", ["2025-08-12", "341.0"])
def test_a_refused_order_is_refused_whatever_the_version(version):
    tenant = Tenant(zuora_version=version)
    submit(tenant)
    finish(tenant, submit(tenant))
    with pytest.raises(Refused, match="The order number O-1 is taken") as caught:
        submit(tenant, ORDER | {"description": "another"})
    assert not caught.value.transient


# Whatever comes, the end is ours.

FLOWS = {
    "sign-in": lambda client: client.sign_in(),
    "submit": lambda client: client.submit(CREATE, "order"),
    "job": lambda client: client.get_job("j"),
    "call": lambda client: call_endpoint(client, "GET", "/v1/a"),
    "order": lambda client: submit_order(
        client, check_order(ORDER), IdempotencyScope("", ("dag", "run", "task"), 0)
    ),
    "wait": lambda client: wait_until_done(
        client, "j", PollOptions(client.clock(), client.clock(), client.clock() + 3600)
    ),
}
GOOD = [
    sample("job-processing/200"),
    sample("token/401"),
    sample("lock/409"),
    sample("rate/429", Retry_After="100"),
    sample("edge-page/503"),
    answer(302, Location="/v1/b"),
    answer(200, {"access_token": "abc"}),
]


@given(st.sampled_from(sorted(FLOWS)), st.lists(st.sampled_from(GOOD), max_size=12), st.integers())
def test_any_beginning_followed_by_silence_comes_to_an_end(flow, beginning, seed):
    """It pauses, asks again, or ends in a result or an error of ours; the script counts the steps."""
    script = Script(itertools.chain(beginning, FOREVER(Unreachable("silence"))), rng=random.Random(seed))
    with contextlib.suppress(ApiError):
        script.run(FLOWS[flow](script.client()))
    assert all(0 <= nap <= 3600 for nap in script.clock.naps)


@given(st.sampled_from(sorted(FLOWS)), st.lists(st.sampled_from([*GOOD, None]), max_size=30))
def test_a_silence_at_any_step_leads_to_a_step_or_an_end(flow, script):
    """Stepped by hand: a `None` in the script is an `Unreachable` thrown at a request."""
    clock = Clock()
    steps = FLOWS[flow](ApiClient(Zuora(), CREDENTIALS, {}, clock=clock, rng=random.Random(0)))
    answers = iter(script)
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                clock.sleep(step.seconds)
                step = steps.send(None)
            elif isinstance(step, Request):
                response = next(answers)
                step = steps.throw(Unreachable("silence")) if response is None else steps.send(response)
            else:
                step = steps.send("token")
    except (ApiError, StopIteration):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = ["success", "Success", "status", "jobId", "errors", "result", "reasons", "Errors", "error", "code"]
FIELDS += [
    "message",
    "error_description",
    "FaultCode",
    "faultstring",
    "access_token",
    "expires_in",
    "requestId",
]
ROWS = st.dictionaries(st.sampled_from(["code", "message", "Code", "Message"]), JSON)
VALUES = (
    JSON | ROWS | st.lists(ROWS) | st.sampled_from([True, False, "Completed", "Failed", 53200050, "90000011"])
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), VALUES).map(lambda body: json.dumps(body).encode())
BYTES = st.binary() | OBJECTS | JSON.map(lambda body: json.dumps(body).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "RateLimit-Reset", "Location", "Zuora-Request-Id"]),
    st.text() | st.sampled_from(["5", "//[", "/v1/b", "http://[", "Sun, 06 Nov 1994 08:49:37 GMT"]),
)


@given(
    st.sampled_from(sorted(FLOWS)),
    st.integers(100, 599) | st.sampled_from([200, 202, 302, 400, 401, 409, 429, 500, 503]),
    HEADERS,
    BYTES,
    st.sampled_from(["", "", "cut off"]),
)
@example("job", 200, {}, b'{"status": "Failed", "errors": ' + b"[" * 900 + b"]" * 900 + b"}", "")
@example("job", 200, {}, b'{"status": "Completed", "result": ' + b"[" * 900 + b"]" * 900 + b"}", "")
@example("submit", 400, {}, b'{"message": ' + b"[" * 900 + b"]" * 900 + b"}", "")
@example("sign-in", 200, {}, b'{"access_token": "a", "expires_in": ' + b"[" * 900 + b"]" * 900 + b"}", "")
@example("sign-in", 200, {}, b'{"access_token": "a", "expires_in": ' + b"9" * 4000 + b"}", "")
@example("job", 503, {"Retry-After": f"{'9' * 20} Nov 1994 08:00:00", "Date": "0"}, b"", "")
@example("job", 302, {"Location": "//["}, b"", "")
def test_no_answer_whatsoever_raises_anything_but_an_error_of_ours(flow, status, headers, body, damage):
    script = Script(FOREVER(Response(status, headers, body, damage)))
    result = None
    with contextlib.suppress(ApiError):
        result = script.run(FLOWS[flow](script.client()))
    if isinstance(result, Job):
        assert json.loads(json.dumps(result.result)) == result.result


def test_a_parameter_of_none_is_left_out_and_a_list_repeats_its_name():
    script = Script([answer(200)])
    params = {"none": None, "list": [1, None, True], "text": "x"}
    script.run(call_endpoint(script.client(), "GET", "/v1/a", params=params))
    (request,) = script.sent
    assert request.params == (("list", "1"), ("list", "true"), ("text", "x"))
