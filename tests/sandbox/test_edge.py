"""What a request meets before its endpoint sees it, and what every answer carries."""

import gzip
import re
import uuid

import pytest


def test_a_sign_in_gives_a_token_that_opens_the_door(desk):
    token = desk.page(desk.sign_in())
    assert re.fullmatch("[0-9a-f]{32}", token["access_token"])
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 3600
    assert desk.create().status == 200


def test_each_sign_in_gives_another_token_and_says_how_many_are_left(desk):
    first, second = desk.sign_in(), desk.sign_in()
    assert desk.page(first)["access_token"] != desk.page(second)["access_token"]
    assert second.header("X-RateLimit-Limit-minute") == "2000"
    assert second.header("X-RateLimit-Remaining-minute") == "1997"
    assert second.header("RateLimit-Limit") == ""


@pytest.mark.parametrize(
    ("form", "status", "page"),
    [
        ({"grant_type": "password"}, 400, {"code": 400, "message": "grant_type must be client_credentials."}),
        (
            {"client_id": str(uuid.UUID(int=1))},
            400,
            {"status": 400, "path": "/oauth/token", "message": "Invalid client id"},
        ),
        (
            {"client_secret": "wrong"},
            401,
            {"error": "Unauthorized", "status": 401, "message": "Bad client secret", "path": "/oauth/token"},
        ),
    ],
)
def test_a_sign_in_that_is_refused(desk, form, status, page):
    response = desk.sign_in(**form)
    assert (response.status, desk.page(response)) == (status, page)


@pytest.mark.parametrize(("entity", "status"), [(str(uuid.UUID(int=2)), 200), (uuid.UUID(int=2).hex, 400)])
def test_an_entity_at_sign_in_is_a_uuid_with_hyphens(desk, entity, status):
    desk.headers["Zuora-Entity-Ids"] = entity
    assert desk.sign_in().status == status


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer "])
def test_without_a_bearer_token(desk, header):
    response = desk.create(Authorization=header)
    assert (response.status, desk.page(response)) == (400, {"message": "No bearer token"})


def test_an_unknown_token(desk):
    response = desk.create(Authorization="Bearer 0123")
    assert (response.status, desk.page(response)) == (401, {"message": "Authentication error"})
    assert response.header("WWW-Authenticate").endswith("Bearer realm=Zuora API")


def test_a_token_ends_when_its_time_is_over(desk):
    desk.time[0] += 3599
    assert desk.create().status == 200
    desk.time[0] += 1
    assert desk.create().status == 401


def test_revoked_tokens_are_unknown(desk):
    desk.sandbox.revoke_tokens()
    assert desk.create().status == 401
    desk.sign_in()
    assert desk.create().status == 200


def test_what_every_answer_carries(desk):
    response = desk.create(Zuora_Track_Id="order-1")
    assert len(response.header("Zuora-Request-Id")) == 36
    assert response.header("Zuora-Track-Id") == "order-1"
    assert response.header("RateLimit-Limit").startswith("50000, 50000;w=60, ")
    assert response.header("RateLimit-Remaining") == "49999"
    assert response.header("RateLimit-Reset") == "40"  # 1 700 000 000 is 20 s past a full minute
    assert response.header("Concurrency-Limit-Type") == "Default"
    assert response.header("Content-Type") == "application/json"


@pytest.mark.parametrize("track_id", ["a:b", "a;b", 'a"b', "a'b", "ä", "x" * 65])
def test_a_track_id_that_zuora_does_not_take(desk, track_id):
    response = desk.create(Zuora_Track_Id=track_id)
    assert (response.status, desk.codes(response)) == (400, [50000020])
    assert response.header("Zuora-Track-Id") == ""


def test_an_idempotency_key_is_shorter_than_255_characters(desk):
    assert desk.create(Idempotency_Key="k" * 254).status == 200
    assert desk.create(Idempotency_Key="k" * 255).status == 400


def test_an_idempotency_key_is_for_post_and_patch(desk):
    accepted = desk.create()
    path = f"/v1/async-jobs/{desk.page(accepted)['jobId']}"
    response = desk.ask("GET", path, Idempotency_Key="k")
    assert response.status == 400
    assert "'GET' not supported" in desk.page(response)["reasons"][0]["message"]


def test_a_version_is_a_number_or_a_date(desk):
    assert desk.create(Zuora_Version="341.0").status == 200
    assert desk.create(Zuora_Version="latest").status == 400


@pytest.mark.parametrize(
    ("version", "status"), [(None, 404), ("2024-05-20", 404), ("341.0", 200), ("186.0", 200)]
)
def test_errors_have_an_http_status_from_2024_05_20_on(desk, version, status):
    response = desk.ask("GET", "/v1/accounts/none", Zuora_Version=version)
    assert (response.status, desk.codes(response)) == (status, [50000040])
    assert desk.page(response)["success"] is False
    assert desk.page(response)["requestId"] == response.header("Zuora-Request-Id")
    assert re.fullmatch("[0-9A-F]{16}", desk.page(response)["processId"])


def test_the_tenant_has_a_version_of_its_own(open_desk):
    assert open_desk(zuora_version="187.0").create({}).status == 200


@pytest.mark.parametrize("path", ["/v2/nothing", "/", "/v1/async-jobs", "/v1/async-jobs/a/b"])
def test_a_path_that_leads_nowhere(desk, path):
    response = desk.ask("GET", path)
    assert (response.status, desk.codes(response)) == (404, [50000040])


def test_a_method_that_a_path_does_not_know(desk):
    response = desk.ask("DELETE", "/v1/async/orders")
    assert (response.status, desk.codes(response)) == (405, [50000045])


def test_a_slash_at_the_end_of_a_path_does_not_count(desk):
    assert desk.ask("POST", "/v1/async/orders/", desk.order()).status == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_orders_are_json(desk, kind):
    response = desk.create(Content_Type=kind)
    assert (response.status, desk.codes(response)) == (415, [53200045])


def test_calls_are_counted_by_the_minute(open_desk):
    desk = open_desk(requests_per_minute=2)
    assert [desk.create().status for _ in range(3)] == [200, 200, 429]
    refused = desk.create()
    assert desk.page(refused) == {
        "reasons": [{"code": 70, "message": "API Rate limit exceeded for the minute, retry after 40 seconds"}]
    }
    assert (refused.header("RateLimit-Remaining"), refused.header("RateLimit-Reset")) == ("0", "40")
    assert refused.header("Retry-After") == ""
    desk.time[0] += 40
    assert desk.create().status == 200


def test_calls_too_many_can_carry_a_retry_after(open_desk):
    desk = open_desk(requests_per_minute=1, rate_retry_after=True)
    assert [desk.create().header("Retry-After") for _ in range(2)] == ["", "40"]


def test_sign_ins_are_counted_by_the_minute(open_desk):
    desk = open_desk(sign_ins_per_minute=2)  # it has signed in once
    assert [desk.sign_in().status for _ in range(2)] == [200, 429]
    refused = desk.sign_in()
    assert (desk.page(refused), refused.header("Retry-After")) == (
        {"message": "request exceeded limit"},
        "40",
    )
    assert desk.create().status == 200
    desk.time[0] += 40
    assert desk.sign_in().status == 200
    assert desk.sandbox.ledger()["signIns"] == 3


def test_calls_at_once_are_counted_by_whoever_serves_them(open_desk):
    desk = open_desk(concurrent_requests=2, busy_seconds=7)
    with desk.sandbox.track_call(), desk.sandbox.track_call():
        full = desk.create()
        with desk.sandbox.track_call():
            refused = desk.create()
    assert (full.status, full.header("Concurrency-Limit-Remaining")) == (200, "0")
    assert (refused.status, desk.codes(refused)) == (429, [50000070])
    assert desk.create(Zuora_Version="186.0").status == 200
    assert (refused.header("Retry-After"), refused.header("Concurrency-Limit-Limit")) == ("7", "2")
    assert desk.create().header("Concurrency-Limit-Remaining") == "1"


@pytest.mark.parametrize("says", [True, False])
def test_the_ledger_tells_who_asks_within_a_quiet(open_desk, says):
    desk = open_desk(requests_per_minute=1, answer_seconds=0.5, rate_retry_after=says)
    desk.create()
    for second in (0, 1, 30, 29, 30):  # at 20 s of the minute; refused until its end, then again
        desk.time[0] += second
        desk.create()
    ledger = desk.sandbox.ledger()
    waits = ["40", "39", "9", "", "10"] if says else [""] * 5
    assert [row["retryAfter"] for row in ledger["recent"]] == ["", "", *waits]
    assert [row["at"] - 1.7e9 for row in ledger["recent"]] == [0, 0, 0, 1, 31, 60, 90]
    assert ledger["askedInQuiet"] == 1, "the one at 1 s was under way when the answer left"


def test_a_tenant_with_entities_wants_one_named_but_not_for_jobs(open_desk):
    desk = open_desk(entity_ids=("e1", "e2"))
    response = desk.create()
    assert (response.status, desk.codes(response)) == (400, [90000020])
    accepted = desk.create(Zuora_Entity_Ids="e2")
    assert accepted.status == 200
    assert desk.job(accepted)["status"] == "Processing"


@pytest.mark.parametrize(("orgs", "status"), [(None, 200), ("o1", 200), ("o2, o1", 200), ("o1,o3", 403)])
def test_orgs_must_be_some_of_the_users(open_desk, orgs, status):
    assert open_desk(org_ids=("o1", "o2")).create(Zuora_Org_Ids=orgs).status == status


def test_a_gzipped_order_is_understood(desk):
    content = gzip.compress(b'{"orderDate": "x"}')
    response = desk.create(content, Content_Encoding="gzip")
    assert "'x'" in desk.page(response)["reasons"][0]["message"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"{", None),
        (b"", None),
        (b"\xff", None),
        (b"[NaN]", None),
        (b"{}", "gzip"),
        (gzip.compress(b"{}")[:-9], "gzip"),
        (gzip.compress(b"{}" * 99)[:12] + b"\xff" * 30, "gzip"),
    ],
)
def test_a_body_that_cannot_be_read(desk, content, encoding):
    response = desk.create(content, Content_Encoding=encoding)
    assert (response.status, desk.codes(response)) == (400, [53200090])
