"""Data queries: what is accepted, their lives, their places, and what their pages say."""

import json
import re

import pytest

from zuora_sandbox import Fault, QueryScript

QUERY = {
    "query": "SELECT accountnumber, balance FROM Account WHERE Account.balance > 100",
    "outputFormat": "CSV",
    "compression": "NONE",
    "output": {"target": "S3"},
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The samples of Zuora's reference, by their fields.
SUBMITTED = {
    "id", "query", "useIndexJoin", "sourceData", "queryStatus", "remainingRetries", "retries", "updatedOn",
    "createdOn", "createdBy", "createdByUserEmail",
}  # fmt: skip
CANCELLED = {
    "createdBy", "id", "query", "queryStatus", "remainingRetries", "sourceData", "updatedOn", "useIndexJoin",
}  # fmt: skip
COMPLETED = CANCELLED | {"dataFile", "outputRows", "processingTime"}


def submit(desk, content=None, **headers):
    return desk.ask("POST", "/query/jobs", {**QUERY, **(content or {})}, **headers)


def submit_id(desk, **content):
    return desk.page(submit(desk, content))["data"]["id"]


def read(desk, job_id):
    return desk.page(desk.ask("GET", f"/query/jobs/{job_id}"))["data"]


def status(desk, job_id):
    return read(desk, job_id)["queryStatus"]


class TestASubmit:
    def test_answers_what_the_sample_shows(self, desk):
        answer = submit(desk)
        page = desk.page(answer)
        assert (answer.status, set(page), set(page["data"])) == (200, {"data"}, SUBMITTED)
        data = page["data"]
        assert UUID.fullmatch(data["id"])
        assert (data["queryStatus"], data["remainingRetries"], data["retries"]) == ("accepted", 3, 3)
        assert (data["sourceData"], data["useIndexJoin"]) == ("LIVE", False)
        assert data["createdOn"] == "2023-11-14T22:13:20.000Z"
        assert data["query"] == QUERY["query"]

    @pytest.mark.parametrize("method", ["POST"])
    def test_without_a_content_type_is_the_415_of_the_sample(self, desk, method):
        answer = desk.ask(method, "/query/jobs", Content_Type=None)
        page = {"code": 415, "message": "HTTP 415 Unsupported Media Type"}
        assert (answer.status, desk.page(answer)) == (415, page)

    @pytest.mark.parametrize(
        "content",
        [
            {"query": None},
            {"query": ""},
            {"query": 7},
            {"query": "x" * 1_000_001},
            {"outputFormat": None},
            {"outputFormat": "csv"},
            {"outputFormat": ["CSV"]},
            {"compression": None},
            {"compression": "BZIP2"},
            {"output": None},
            {"output": {"target": "GCS"}},
            {"output": "S3"},
            {"sourceData": "DATAHUB"},
            {"warehouseSize": "xsmall"},
            {"warehouseSize": "large", "sourceData": "WAREHOUSE"},
            {"readDeleted": "true"},
            {"useIndexJoin": 1},
            {"columnSeparator": ";"},
            {"columnSeparator": "ab", "outputFormat": "DSV"},
            {"encryptionKey": "AAAA"},
        ],
    )
    def test_that_breaks_a_rule_is_a_400(self, desk, content):
        answer = submit(desk, content)
        assert (answer.status, desk.page(answer)["code"]) == (400, 400)
        assert set(desk.page(answer)) == {"code", "message"}
        assert desk.sandbox.ledger()["queries"] == []

    @pytest.mark.parametrize("content", [b"{", b"[]"])
    def test_that_is_no_object_is_a_400(self, desk, content):
        assert desk.ask("POST", "/query/jobs", content).status == 400

    def test_gives_the_first_answer_again_under_a_known_key(self, desk):
        first, again = (submit(desk, Idempotency_Key="k") for _ in range(2))
        assert first.body == again.body
        assert [row["idempotencyKey"] for row in desk.sandbox.ledger()["queries"]] == ["k"]

    def test_makes_one_more_query_where_a_key_means_nothing(self, open_desk):
        desk = open_desk(query_honours_key=False)
        first, again = (submit(desk, Idempotency_Key="k") for _ in range(2))
        assert first.body != again.body
        assert len(desk.sandbox.ledger()["queries"]) == 2

    def test_may_be_processed_and_its_answer_lost(self, desk):
        desk.sandbox.add_fault(Fault(method="POST", path="/query/jobs", when="after", kind="reset"))
        assert submit(desk).damage == "reset"
        rows = desk.page(desk.ask("GET", "/query/jobs", params=[("pageSize", "1000")]))["data"]
        assert [row["query"] for row in rows] == [QUERY["query"]]


class TestALife:
    def test_waits_runs_and_completes(self, desk):
        job_id = submit_id(desk)
        words = []
        for _ in range(4):
            words.append(status(desk, job_id))
            desk.time[0] += 4
        assert words == ["accepted", "in_progress", "in_progress", "completed"]
        page = read(desk, job_id)
        assert set(page) == COMPLETED
        assert (page["outputRows"], page["processingTime"]) == (3, 10_000)
        assert page["updatedOn"] == "2023-11-14T22:13:32.000Z"

    def test_may_begin_with_another_word_that_cannot_be_cancelled(self, open_desk):
        desk = open_desk(query_first_status="submitted")
        job_id = submit_id(desk)
        assert status(desk, job_id) == "submitted"
        assert desk.ask("DELETE", f"/query/jobs/{job_id}").status == 400
        desk.time[0] += 2
        assert status(desk, job_id) == "in_progress"

    def test_may_end_badly(self, desk):
        text = "Internal message: Service Temporarily Unavailable. LINK_30000007"
        desk.sandbox.add_script(QueryScript(contains="archived", message=text, code="LINK_30000007"))
        job_id = submit_id(desk, query="SELECT id FROM archived_usage")
        other = submit_id(desk)
        desk.time[0] += 60
        page = read(desk, job_id)
        assert set(page) == CANCELLED | {"errorCode", "errorMessage"}
        assert (page["queryStatus"], page["errorMessage"]) == ("failed", text)
        assert status(desk, other) == "completed"

    def test_may_fail_without_a_code_and_end_with_any_word(self, desk):
        desk.sandbox.add_script(QueryScript(message="Boom", status="aborted", times=1))
        first, second = submit_id(desk), submit_id(desk)
        desk.time[0] += 60
        assert set(read(desk, first)) == CANCELLED | {"errorMessage"}
        assert [status(desk, each) for each in (first, second)] == ["aborted", "completed"]

    def test_is_scripted_by_the_newest_script_that_matches(self, desk):
        desk.sandbox.add_script(QueryScript(rows=1))
        desk.sandbox.add_script(QueryScript(rows=2, times=2, seconds=1, queue_seconds=0))
        ids = [submit_id(desk) for _ in range(3)]
        desk.time[0] += 60
        assert [read(desk, each)["outputRows"] for each in ids] == [2, 2, 1]
        assert read(desk, ids[0])["processingTime"] == 1000

    def test_is_forgotten_after_thirty_days(self, desk):
        job_id = submit_id(desk)
        desk.sandbox.advance(30 * 86_400)
        desk.sign_in()
        answer = desk.ask("GET", f"/query/jobs/{job_id}")
        assert (answer.status, desk.page(answer)["code"]) == (404, 404)
        assert desk.page(desk.ask("GET", "/query/jobs"))["data"] == []

    def test_may_show_more_on_its_pages(self, open_desk):
        desk = open_desk(query_whole_pages=True)
        assert set(read(desk, submit_id(desk))) == SUBMITTED


class TestACancellation:
    @pytest.mark.parametrize("waits", [0, 5])
    def test_is_legal_while_it_waits_or_runs_and_once(self, desk, waits):
        job_id = submit_id(desk)
        desk.time[0] += waits
        answer = desk.ask("DELETE", f"/query/jobs/{job_id}")
        data = desk.page(answer)["data"]
        assert (answer.status, set(data), data["queryStatus"]) == (200, CANCELLED, "cancelled")
        desk.time[0] += 60
        assert status(desk, job_id) == "cancelled"
        again = desk.ask("DELETE", f"/query/jobs/{job_id}")
        assert (again.status, desk.page(again)["code"]) == (400, 400)

    def test_comes_too_late(self, desk):
        job_id = submit_id(desk)
        desk.time[0] += 60
        assert desk.ask("DELETE", f"/query/jobs/{job_id}").status == 400

    def test_of_a_query_that_nobody_knows(self, desk):
        assert desk.ask("DELETE", "/query/jobs/0").status == 404

    def test_gives_its_place_to_the_next(self, open_desk):
        desk = open_desk(query_running=1)
        first, second = submit_id(desk), submit_id(desk)
        desk.time[0] += 5
        assert [status(desk, each) for each in (first, second)] == ["in_progress", "accepted"]
        desk.ask("DELETE", f"/query/jobs/{first}")
        assert status(desk, second) == "in_progress"


class TestPlaces:
    def test_five_run_and_ten_wait_and_one_more_is_refused(self, desk):
        ids = [submit_id(desk) for _ in range(15)]
        refused = submit(desk)
        assert (refused.status, desk.page(refused)["code"]) == (429, 429)
        desk.time[0] += 2
        words = [status(desk, each) for each in ids]
        assert words == ["in_progress"] * 5 + ["accepted"] * 10
        desk.time[0] += 10
        assert [status(desk, each) for each in ids] == ["completed"] * 5 + ["in_progress"] * 5 + [
            "accepted"
        ] * 5
        assert submit(desk).status == 200

    def test_those_of_the_warehouse_are_others(self, open_desk):
        desk = open_desk(query_running=1, query_queued=0, query_full_status=400)
        assert [submit(desk).status for _ in range(2)] == [200, 400]
        assert submit(desk, {"sourceData": "WAREHOUSE", "warehouseSize": "xsmall"}).status == 200

    def test_time_that_nobody_looked_at_went_by_all_the_same(self, open_desk):
        desk = open_desk(query_running=1)
        ids = [submit_id(desk) for _ in range(3)]
        desk.time[0] += 1000
        ends = [read(desk, each)["updatedOn"][-10:-5] for each in ids]
        assert ends == ["13:32", "13:42", "13:52"]


class TestTheList:
    def ask(self, desk, **params):
        return desk.ask("GET", "/query/jobs", params=list(params.items()))

    def test_has_the_newest_first_in_one_page(self, desk):
        ids = [submit_id(desk) for _ in range(3)]
        rows = desk.page(self.ask(desk))["data"]
        assert [row["id"] for row in rows] == ids[::-1]
        assert len(desk.page(self.ask(desk, pageSize="2"))["data"]) == 2
        assert set(rows[0]) == CANCELLED

    def test_can_be_filtered(self, desk):
        first = submit_id(desk)
        desk.time[0] += 60
        submit_id(desk)
        rows = desk.page(self.ask(desk, queryStatus="completed"))["data"]
        assert [row["id"] for row in rows] == [first]
        assert "dataFile" in rows[0]

    @pytest.mark.parametrize(
        "params", [{"queryStatus": "submitted"}, {"pageSize": "1001"}, {"pageSize": "0"}, {"pageSize": "a"}]
    )
    def test_refuses_what_is_not_documented(self, desk, params):
        answer = self.ask(desk, **params)
        assert (answer.status, desk.page(answer)["code"]) == (400, 400)


class TestTheEnvelope:
    def test_of_the_gateway_is_the_same_for_all(self, desk):
        assert desk.page(desk.ask("GET", "/query/jobs", Authorization=None)) == {"message": "No bearer token"}
        assert desk.ask("GET", "/query/jobs", Authorization="Bearer x").status == 401

    @pytest.mark.parametrize(("method", "status"), [("PATCH", 405), ("PUT", 405)])
    def test_holds_for_other_methods(self, desk, method, status):
        answer = desk.ask(method, "/query/jobs", {})
        assert (answer.status, set(desk.page(answer))) == (status, {"code", "message"})

    def test_does_not_know_versions(self, desk):
        assert submit(desk, {"query": ""}, Zuora_Version="186.0").status == 400

    def test_has_rate_limit_headers_where_a_setting_says_so(self, desk, open_desk):
        talkative = open_desk(headers_beyond_v1=True)
        assert submit(desk).header("RateLimit-Reset") == ""
        assert submit(talkative).header("RateLimit-Reset") != ""
        assert submit(talkative).header("Concurrency-Limit-Type") == ""


def test_scripts_come_over_http(desk):
    script = {"rows": [{"a": 1}], "seconds": 0, "queue_seconds": 0}
    assert desk.ask("POST", "/sandbox/queries", script).status == 200
    job_id = submit_id(desk)
    assert read(desk, job_id)["outputRows"] == 1
    rows = json.loads(desk.ask("GET", "/sandbox/ledger").body)["queries"]
    assert [(row["id"], row["queryStatus"], row["downloads"]) for row in rows] == [(job_id, "completed", 0)]


@pytest.mark.parametrize("script", [{"rows": -1}, {"rows": 10**8}, {"rows": [1]}, {"row": 1}])
def test_scripts_that_cannot_be(desk, script):
    assert desk.ask("POST", "/sandbox/queries", script).status == 400
