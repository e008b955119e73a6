"""What Zuora may do where its pages are silent or disagree: the settings and faults that say which."""

import json
import re

import pytest

from zuora_sandbox import Fault

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ORDERS = "/v1/async/orders"


def fault(desk, **fields):
    desk.sandbox.add_fault(Fault.from_json(fields))


def request_id(response):
    return response.header("Zuora-Request-Id")


class TestAGateway:
    """A fault of ``before`` answers as it likes, and nothing of it is stored."""

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 451, 500, 503, 504])
    @pytest.mark.parametrize("body", ["<html>", "", {"message": "no"}, {"reasons": [{"code": 53200020}]}])
    def test_answers_before_the_key_store(self, desk, status, body):
        fault(desk, method="POST", path=ORDERS, status=status, body=body)
        answer = desk.create(Idempotency_Key="k")
        assert (answer.status, request_id(answer)) == (status, "")
        assert desk.create(Idempotency_Key="k").status == 200
        assert len(desk.sandbox.ledger()["jobs"]) == 1

    def test_has_one_request_id_for_all(self, desk):
        fault(desk, times=2, status=403, request_id="edge-1", body={"requestId": "x"})
        answers = [desk.create() for _ in range(2)]
        assert [request_id(each) for each in answers] == ["edge-1", "edge-1"]
        assert desk.page(answers[0]) == {"requestId": "edge-1"}

    def test_has_a_new_request_id_each_time(self, desk):
        fault(desk, times=2, status=403, request_id="new", body={"requestId": "x"})
        first, second = (desk.create() for _ in range(2))
        assert UUID.fullmatch(request_id(first))
        assert desk.page(first) == {"requestId": request_id(first)}
        assert request_id(first) != request_id(second)

    def test_can_stamp_every_answer(self, open_desk):
        desk = open_desk(request_id="gateway")
        answers = [desk.create(Idempotency_Key="k"), desk.create({}), desk.ask("GET", "/nowhere")]
        assert {request_id(each) for each in answers} == {"gateway"}
        assert desk.page(answers[1])["requestId"] == "gateway"

    def test_can_take_every_request_id_away(self, open_desk):
        desk = open_desk(request_id="none")
        answer = desk.create({})
        assert "zuora-request-id" not in answer.headers
        assert "requestId" not in desk.page(answer)

    def test_keeps_its_page_beside_a_request_id(self, desk):
        fault(desk, status=502, request_id="new", body='<html>"requestId"</html>')
        assert desk.create().body == b'<html>"requestId"</html>'


class TestAStoredAnswer:
    @pytest.mark.parametrize("content", [None, {}], ids=["accepted", "refused"])
    @pytest.mark.parametrize("how", ["stored", "new", "none"])
    def test_comes_back_with_the_request_id_that_the_setting_says(self, open_desk, content, how):
        desk = open_desk(replay_request_id=how)
        first, again = (desk.create(content, Idempotency_Key="k") for _ in range(2))
        ids = {request_id(first), request_id(again)}
        assert (len(ids), "" in ids) == {"stored": (1, False), "new": (2, False), "none": (2, True)}[how]
        assert desk.page(again).get("requestId", "") == (request_id(again) if content == {} else "")
        assert again.status == first.status
        assert len(desk.sandbox.ledger()["jobs"]) == (content is None)

    def test_can_have_no_request_id_from_the_beginning(self, desk):
        fault(desk, when="instead", status=400, request_id="none", body={"requestId": "x"})
        for _ in range(2):
            answer = desk.create(Idempotency_Key="k")
            assert ("zuora-request-id" in answer.headers, desk.page(answer)) == (False, {})

    def test_may_be_another_than_the_one_that_the_endpoint_gave(self, desk):
        fault(
            desk, path=ORDERS, when="after", stored=True, status=500, body={"reasons": [{"code": 53200061}]}
        )
        for _ in range(2):
            assert desk.create(Idempotency_Key="k").status == 500
        assert len(desk.sandbox.ledger()["jobs"]) == 1

    def test_stays_where_a_later_answer_is_to_be_stored(self, desk):
        first = desk.create(Idempotency_Key="k")
        fault(desk, path=ORDERS, when="after", stored=True, status=500)
        assert desk.create(Idempotency_Key="k").status == 500
        assert desk.create(Idempotency_Key="k").body == first.body

    @pytest.mark.parametrize("status", [500, 429])
    def test_of_the_server_is_stored(self, desk, status):
        fault(desk, when="instead", status=status)
        assert [desk.create(Idempotency_Key="k").status for _ in range(2)] == [status, status]

    @pytest.mark.parametrize(("status", "then"), [(500, 200), (429, 200), (400, 400), (404, 404)])
    def test_of_the_server_need_not_be_stored(self, open_desk, status, then):
        desk = open_desk(stores_server_errors=False)
        fault(desk, when="instead", status=status)
        assert [desk.create(Idempotency_Key="k").status for _ in range(2)] == [status, then]


class TestAnotherPayload:
    def test_is_a_422_where_the_setting_says_so(self, open_desk):
        desk = open_desk(other_payload="422")
        first = desk.create(Idempotency_Key="k")
        other = desk.create(desk.order(description="d"), Idempotency_Key="k")
        assert (other.status, set(desk.page(other))) == (422, {"message"})
        assert desk.create(Idempotency_Key="k").body == first.body

    def test_is_the_same_where_it_is_zipped(self, open_desk):
        import gzip

        desk = open_desk(other_payload="422")
        first = desk.create(Idempotency_Key="k")
        body = gzip.compress(json.dumps(desk.order()).encode())
        assert desk.create(body, Idempotency_Key="k", Content_Encoding="gzip").body == first.body

    def test_may_be_unreadable(self, open_desk):
        desk = open_desk(other_payload="422")
        statuses = [
            desk.create(body, Idempotency_Key="k", Content_Encoding="gzip").status
            for body in (b"a", b"a", b"b")
        ]
        assert statuses == [400, 400, 422]


class TestWhatIsNotKnown:
    @pytest.mark.parametrize("path", ["/v1/orders/X", "/v1/async-jobs/X"])
    @pytest.mark.parametrize(
        ("category", "version", "forced", "status"),
        [
            (20, "2025-08-12", 0, 400),
            (40, "2025-08-12", 0, 404),
            (20, "186.0", 0, 200),
            (40, "186.0", 0, 200),
            (20, "2025-08-12", 404, 404),
            (40, "2025-08-12", 200, 200),
            (20, "186.0", 400, 400),
        ],
    )
    def test_is_answered_as_the_settings_say(self, open_desk, path, category, version, forced, status):
        desk = open_desk(unknown_category=category, unknown_status=forced, zuora_version=version)
        missing = desk.ask("GET", path)
        assert (missing.status, desk.codes(missing)) == (status, [50000000 + category])
        assert desk.page(missing)["success"] is False

    def test_is_another_thing_for_an_account(self, open_desk):
        desk = open_desk(unknown_category=20)
        missing = desk.ask("GET", "/v1/accounts/A9")
        assert (missing.status, desk.codes(missing)) == (404, [50000040])
        assert desk.page(missing)["reasons"][0]["message"] == "Cannot find entity by key: 'A9'."

    def test_may_be_a_job_that_was_just_issued(self, open_desk):
        desk = open_desk(job_lag_seconds=30)
        path = f"/v1/async-jobs/{desk.page(desk.create())['jobId']}"
        assert desk.codes(desk.ask("GET", path)) == [50000020]
        desk.time[0] += 30
        assert desk.page(desk.ask("GET", path))["status"] == "Completed"


class TestAJobThatIsCompleted:
    def test_may_have_made_nothing(self, open_desk):
        desk = open_desk(fail_results="[53200020]: Not effective.")
        job = desk.finished(desk.order(orderNumber="O1"))
        assert (job["status"], job["errors"], job["success"]) == ("Completed", None, True)
        refused = {"jobType": "AsyncCreateOrder", "success": False, "errors": "[53200020]: Not effective."}
        assert job["result"] == refused
        assert desk.ask("GET", "/v1/orders/O1").status == 404
        ledger = desk.sandbox.ledger()
        assert (ledger["orders"], [row["made"] for row in ledger["jobs"]]) == ([], [False])

    def test_may_have_made_nothing_where_the_order_says_so(self, desk):
        job = desk.finished(desk.order(customFields={"Sandbox__c": "refuse Boom"}))
        assert job["result"]["errors"] == "Boom"

    def test_of_a_preview_is_not_spoiled(self, open_desk):
        desk = open_desk(fail_results="Boom")
        accepted = desk.preview(desk.order(previewOptions={}))
        desk.time[0] += 20
        assert desk.job(accepted)["result"]["success"] is True

    def test_may_be_another_orders(self, desk):
        accepted = desk.create(desk.order(orderNumber="O1"))
        change = {"result": {"orderNumber": "O2", "invoiceNumbers": None}}
        fault(desk, path="/v1/async-jobs/", when="after", kind="change", change=change, times=2)
        assert desk.job(accepted)["result"] is None, "it has none yet, and none is made up"
        desk.time[0] += 20
        spoiled, real = (desk.job(accepted) for _ in range(2))
        assert spoiled["result"]["orderNumber"] == "O2"
        assert "invoiceNumbers" not in spoiled["result"]
        assert {**spoiled, "result": None} == {**real, "result": None}
        assert real["result"]["orderNumber"] == "O1"

    def test_what_is_no_object_cannot_be_changed(self, desk):
        fault(desk, path="/exports/", when="after", kind="change", change={"a": 1})
        with pytest.raises(ValueError, match="Expecting value"):
            desk.ask("GET", "/exports/none")


class TestAnOrder:
    @pytest.mark.parametrize(("count", "status"), [(301, 200), (400, 200), (401, 400)])
    def test_may_be_larger_where_support_has_allowed_it(self, open_desk, count, status):
        desk = open_desk(subscriptions_per_call=400)
        assert desk.create(desk.order(subscriptions=desk.order()["subscriptions"] * count)).status == status

    WORDS = ("Draft", "Pending", "Scheduled", "Executing", "Cancelled", "Failed")

    @pytest.mark.parametrize("word", WORDS)
    def test_has_the_status_of_the_setting(self, open_desk, word):
        desk = open_desk(order_status=word)
        assert desk.finished(desk.order(orderNumber="O1"))["result"]["status"] == word
        assert desk.page(desk.ask("GET", "/v1/orders/O1"))["order"]["status"] == word

    @pytest.mark.parametrize("word", WORDS)
    def test_has_the_status_that_it_asks_for(self, desk, word):
        wanted = {"Sandbox__c": f"order {word}"}
        assert desk.finished(desk.order(customFields=wanted))["result"]["status"] == word

    def test_goes_on_to_another_status(self, open_desk):
        desk = open_desk(order_status="Executing", order_seconds=60, order_next_status="Failed")
        accepted = desk.create(desk.order(orderNumber="O1"))
        desk.time[0] += 20 + 59
        statuses = []
        for _ in range(2):
            page = desk.page(desk.ask("GET", "/v1/orders/O1"))
            statuses.append((page["order"]["status"], desk.sandbox.ledger()["orders"][0]["status"]))
            desk.time[0] += 1
        assert statuses == [("Executing", "Executing"), ("Failed", "Failed")]
        assert desk.job(accepted)["result"]["status"] == "Executing", "a result is what it was"

    def test_may_have_a_taken_number(self, open_desk):
        desk = open_desk(duplicate_order_numbers="accept")
        under_way = [desk.create(desk.order(orderNumber="O1", description=each)) for each in "ab"]
        desk.time[0] += 20
        late = desk.create(desk.order(orderNumber="O1", description="c"))
        desk.time[0] += 20
        for job in (*under_way, late):
            assert desk.job(job)["result"]["orderNumber"] == "O1"
        rows = desk.sandbox.ledger()["orders"]
        assert [(row["orderNumber"], row["description"]) for row in rows] == [("O1", each) for each in "abc"]
        assert len({row["jobId"] for row in rows}) == 3
        assert desk.page(desk.ask("GET", "/v1/orders/O1"))["order"]["description"] == "a"
