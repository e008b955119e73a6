"""Faults, settings, the clock and the ledger: how a test or a demo steers a sandbox."""

import gzip
import json
import re
from dataclasses import fields

import pytest

from zuora_sandbox import CLIENT_ID, Fault, Settings

JOBS = "GET /v1/async-jobs/{jobId}"


def steer(desk, name, content=b"", method="POST"):
    return desk.ask(method, f"/sandbox/{name}", content, Authorization=None)


def test_the_ledger_says_what_happened(desk):
    accepted = desk.create(desk.order(orderNumber="O1"), Idempotency_Key="k", Zuora_Track_Id="t")
    desk.job(accepted)
    desk.ask("GET", "/nowhere")
    steer(desk, "clock", {"advance": 20})
    ledger = desk.page(steer(desk, "ledger", method="GET"))
    job_id = desk.page(accepted)["jobId"]
    token = desk.headers["Authorization"].removeprefix("Bearer ")
    assert ledger["now"] == desk.time[0] + 20
    assert (ledger["signIns"], ledger["tokens"]) == (1, [token])
    counted = {"POST /oauth/token": 1, "POST /v1/async/orders": 1, JOBS: 1, "GET /nowhere": 1}
    assert ledger["requests"] == counted
    assert ledger["answers"] == {"200": 3, "404": 1}
    assert ledger["faults"] == {}
    assert ledger["askedInQuiet"] == 0
    assert ledger["recent"][1] == {
        "at": desk.time[0],
        "method": "POST",
        "path": "/v1/async/orders",
        "trackId": "t",
        "idempotencyKey": "k",
        "status": 200,
        "damage": "",
        "retryAfter": "",
    }
    job = {"jobId": job_id, "kind": "create", "status": "Completed", "errors": None}
    assert ledger["jobs"] == [job | {"orderNumber": "O1", "idempotencyKey": "k", "made": True}]
    assert ledger["orders"] == [
        {
            "orderNumber": "O1",
            "accountNumber": "A1",
            "orderDate": "2024-07-01",
            "description": None,
            "status": "Completed",
            "jobId": job_id,
            "idempotencyKey": "k",
        }
    ]
    assert ledger["accounts"] == {"A1": {"A-S00000001": "Active"}}


def test_settings_can_be_changed_and_a_reset_takes_that_back(desk):
    assert steer(desk, "settings", {"create_status": 202}).status == 200
    assert desk.create().status == 202
    steer(desk, "clock", {"advance": 60})
    assert desk.page(steer(desk, "reset")) == {"now": desk.time[0]}
    assert desk.create().status == 401
    desk.sign_in()
    assert desk.create().status == 200
    assert desk.sandbox.ledger()["signIns"] == 1


def test_tokens_can_be_revoked(desk):
    steer(desk, "revoke")
    assert desk.create().status == 401


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings", {"colour": "red"}),
        ("settings", {"create_status": 500}),
        ("settings", {"client_id": "short"}),
        ("clock", {}),
        ("clock", []),
        ("clock", b"{"),
        ("faults", []),
        ("faults", {"kind": "flood"}),
        ("faults", {"when": "sometimes"}),
        ("faults", {"kind": "cut"}),
        ("faults", {"kind": "reset", "when": "instead"}),
        ("settings", {"unknown_category": 30}),
        ("settings", {"other_payload": "409"}),
        ("settings", {"replay_request_id": "old"}),
        ("settings", {"duplicate_order_numbers": "maybe"}),
        ("faults", {"hold_seconds": 1}),
        ("faults", {"stored": True}),
        ("faults", {"stored": True, "when": "after", "kind": "reset"}),
        ("faults", {"kind": "change", "when": "after"}),
        ("faults", {"change": {"a": 1}, "when": "after"}),
        ("faults", {"kind": "change", "change": {"a": 1}}),
        ("faults", {"kind": "kill", "when": "instead"}),
        ("faults", {"kind": "stop", "when": "after"}),
        ("faults", {"every": 0}),
    ],
)
def test_what_means_nothing_is_refused(desk, name, content):
    response = steer(desk, name, content)
    assert response.status == 400
    assert desk.page(response)["error"]


@pytest.mark.parametrize("field", [each.name for each in fields(Settings)])
@pytest.mark.parametrize("value", [[[1]], None])
def test_a_setting_of_another_type_is_refused_by_its_name_and_its_rule(desk, field, value):
    response = steer(desk, "settings", {field: value})
    words = desk.page(response)["error"]
    assert response.status == 400
    assert re.match(rf"{field} is (None|\[\[1\]\]); it must be (an? \w+|true or false|0 or more)", words), (
        words
    )
    assert desk.sandbox.settings == Settings()


ACCOUNTS = "; each must be the number of an account, and its currency in three capital letters, such as USD"
PRICES = "; each must be an amount, such as 100.10"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"account": {}}, "account is no field of the settings; did you mean accounts?"),
        ({"accounts": "USD"}, "accounts is 'USD'; it must be an object, each value of which is a text"),
        (
            {"accounts": {"A1": 5}},
            "accounts is {'A1': 5}; it must be an object, each value of which is a text",
        ),
        ({"accounts": {"A1": "usd"}}, f"accounts has 'A1': 'usd'{ACCOUNTS}"),
        ({"accounts": {"A1": "Dollars"}}, f"accounts has 'A1': 'Dollars'{ACCOUNTS}"),
        ({"accounts": {"": "USD"}}, f"accounts has '': 'USD'{ACCOUNTS}"),
        ({"prices": {"*": "much"}}, f"prices has '*': 'much'{PRICES}"),
        ({"prices": {"*": "NaN"}}, f"prices has '*': 'NaN'{PRICES}"),
        ({"prices": [5]}, "prices is [5]; it must be an object, each value of which is a number or a text"),
        (
            {"receivables": [{"amonut": 5}]},
            "receivables: amonut is no field of a receivable; did you mean amount?",
        ),
        ({"receivables": [{"amount": "5"}]}, "receivables: amount is '5'; it must be a number"),
        ({"job_seconds": "20"}, "job_seconds is '20'; it must be a number"),
        ({"job_seconds": True}, "job_seconds is True; it must be a number"),
        ({"job_seconds": -1}, "job_seconds is -1; it must be a number of seconds, 0 or more"),
        ({"query_rows": 1.5}, "query_rows is 1.5; it must be a whole number"),
        ({"requests_per_minute": -1}, "requests_per_minute is -1; it must be 0 or more"),
        ({"rate_retry_after": 1}, "rate_retry_after is 1; it must be true or false"),
        ({"entity_ids": "e"}, "entity_ids is 'e'; it must be a list, each item of which is a text"),
        ({"create_status": 500}, "create_status is 500; it can be 200 or 202"),
        ({"client_id": "short"}, "client_id has 5 characters; Zuora's have 36"),
        ({"export_words": ["a"]}, "export_words are 1; a life of a job has 4"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_by_a_sentence(desk, settings, words):
    response = steer(desk, "settings", {"fail_jobs": "not changed", **settings})
    assert (response.status, desk.page(response)) == (400, {"error": words})
    assert desk.sandbox.settings == Settings()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("clock", {}, "the body must be an object with advance, and nothing else"),
        ("clock", {"advance": 1, "by": 2}, "the body must be an object with advance, and nothing else"),
        ("clock", {"advance": "x"}, "advance is 'x'; it must be a number"),
        ("clock", {"advance": -1}, "seconds is -1; it must be a number of seconds, 0 or more"),
        ("exportable", {"orders": [1]}, "orders is [1]; it must be a list, each item of which is an object"),
        ("settings", [], "the body must be a JSON object"),
        ("faults", {"stauts": 503}, "stauts is no field of a fault; did you mean status?"),
        ("faults", {"colour": 1}, "colour is no field of a fault; it can be method, path, times"),
        ("faults", {"status": "503"}, "status is '503'; it must be a whole number"),
        ("faults", {"headers": {"Retry-After": 7}}, "headers is {'Retry-After': 7}; it must be an object"),
        ("orders", {"error": "x"}, "error is no field of a script; did you mean errors?"),
        ("orders", {"seconds": -1}, "seconds is -1; it must be a number of seconds, 0 or more"),
        ("queries", {"rows": "three"}, "rows is 'three'; it must be a whole number or a list"),
        ("bill-runs", {"auto_posts": "no"}, "auto_posts is 'no'; it must be true or false"),
        ("payment-runs", {"receivables": [{"status": 5}]}, "status is 5; it must be a text"),
    ],
    ids=str,
)
def test_what_steers_it_wrongly_is_refused_by_a_sentence(desk, name, content, words):
    response = steer(desk, name, content)
    assert response.status == 400
    assert desk.page(response)["error"].startswith(words)


@pytest.mark.parametrize(("method", "name"), [("GET", "faults"), ("POST", "ledger"), ("POST", "x")])
def test_a_page_that_does_not_exist(desk, method, name):
    assert steer(desk, name, method=method).status == 404


def test_a_fault_before_keeps_the_request_from_being_processed(desk):
    steer(desk, "faults", {"status": 429, "headers": {"Retry-After": "7"}, "body": {"message": "slow"}})
    response = desk.create()
    assert (response.status, desk.page(response)) == (429, {"message": "slow"})
    assert response.header("Retry-After") == "7"
    assert response.header("Content-Type") == "application/json"
    assert desk.sandbox.ledger()["jobs"] == []
    assert desk.create().status == 200


def test_a_fault_after_loses_the_answer_of_a_processed_request(desk):
    steer(desk, "faults", {"status": 504, "body": "<html>", "when": "after"})
    response = desk.create()
    assert (response.status, response.body) == (504, b"<html>")
    assert len(desk.sandbox.ledger()["jobs"]) == 1


def test_a_fault_instead_is_an_answer_of_the_endpoint(desk):
    desk.sandbox.add_fault(Fault(when="instead", status=500, body=b"{}"))
    response = desk.create()
    assert (response.status, response.body) == (500, b"{}")
    assert len(response.header("Zuora-Request-Id")) == 36
    assert desk.sandbox.ledger()["jobs"] == []


def test_a_fault_instead_is_not_seen_without_a_token(desk):
    desk.sandbox.add_fault(Fault(when="instead", status=500))
    assert desk.create(Authorization="Bearer x").status == 401


@pytest.mark.parametrize("kind", ["reset", "hang", "kill", "stop"])
def test_no_answer_at_all(desk, kind):
    desk.sandbox.add_fault(Fault(kind=kind))
    response = desk.create()
    assert (response.status, response.body, response.damage) == (0, b"", kind)
    assert desk.sandbox.ledger()["recent"][-1]["damage"] == kind


def test_half_an_answer(desk):
    desk.sandbox.add_fault(Fault(kind="cut", when="after"))
    desk.sandbox.add_fault(Fault(kind="cut", status=200, body=b"own"))
    real, own = desk.create(), desk.create()
    assert (real.status, real.damage) == (200, "cut")
    assert desk.page(real)["success"] is True
    assert (own.status, own.damage, own.body) == (200, "cut", b"own")
    assert len(desk.sandbox.ledger()["jobs"]) == 1


def test_a_fault_strikes_as_often_as_it_says_and_no_sooner(desk):
    desk.sandbox.add_fault(Fault(method="POST", path="/v1/async/orders", skip=1, times=2))
    desk.sandbox.add_fault(Fault(method="GET"))
    assert [desk.create().status for _ in range(4)] == [200, 503, 503, 200]


def test_a_fault_can_strike_one_in_so_many_beginning_with_the_first(desk):
    desk.sandbox.add_fault(Fault(method="POST", path="/v1/async/orders", skip=1, every=3, times=None))
    assert [desk.create().status for _ in range(8)] == [200, 503, 200, 200, 503, 200, 200, 503]


def test_the_ledger_counts_what_each_fault_has_done(desk):
    desk.sandbox.add_fault(Fault(method="POST", path="/v1/async/orders", times=2))
    desk.sandbox.add_fault(Fault(path="/v1/async/orders", when="after", kind="reset", name="lost"))
    for _ in range(4):
        desk.create()
    ledger = desk.sandbox.ledger()
    assert ledger["faults"] == {"POST /v1/async/orders before 503": 2, "lost": 1}
    assert ledger["answers"] == {"200": 2, "503": 2, "reset": 1}


def test_a_fault_can_look_into_the_body(desk):
    desk.sandbox.add_fault(Fault(contains='"description": "mine"', times=None))
    mine, other = (json.dumps(desk.order(description=word)).encode() for word in ("mine", "other"))
    sent = {"": mine, "gzip": gzip.compress(mine), "GZIP": gzip.compress(mine)}
    assert [desk.create(body, Content_Encoding=coding).status for coding, body in sent.items()] == [503] * 3
    assert desk.create(other).status == 200
    assert desk.create(gzip.compress(other), Content_Encoding="gzip").status == 200
    assert desk.create(mine, Content_Encoding="gzip").status == 400, "no gzip: it contains nothing"


def test_a_fault_can_last_for_ever(desk):
    desk.sandbox.add_fault(Fault(times=None))
    assert [desk.create().status for _ in range(3)] == [503] * 3


def test_no_secret_in_a_repr():
    assert CLIENT_ID in repr(Settings())
    assert Settings().client_secret not in repr(Settings())
