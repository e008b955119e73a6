"""Bill runs: what is accepted, their words, which step is legal when, and what Object Query says of them."""

from typing import ClassVar

import pytest

from zuora_sandbox import BillRunScript, Fault

RUN = {"name": "July", "batches": ["AllBatches"], "targetDate": "2023-11-30"}
RUNS = "/v1/bill-runs"

# The sample of Zuora's reference, by its fields.
SAMPLE = {
    "autoEmail", "autoPost", "autoRenewal", "batches", "billCycleDay", "billRunFilters", "billRunNumber",
    "chargeTypeToExclude", "createdById", "createdDate", "id", "invoiceDate", "invoiceDateOffset", "name",
    "noEmailForZeroAmountInvoice", "schedule", "scheduledExecutionTime", "status", "success", "targetDate",
    "targetDateOffset", "updatedById", "updatedDate",
}  # fmt: skip


def create(desk, content=None, **headers):
    given = {name: value for name, value in (RUN | (content or {})).items() if value is not None}
    return desk.ask("POST", RUNS, given, **headers)


def create_id(desk, **content):
    return desk.page(create(desk, content))["id"]


def status(desk, run_id):
    return desk.page(desk.ask("GET", f"{RUNS}/{run_id}")).get("status")


def row(desk, run_id):
    return desk.page(desk.ask("GET", f"/object-query/billing-runs/{run_id}"))


def wait(desk, seconds=100):
    desk.time[0] += seconds


def put(desk, run_id, step, content=None):
    return desk.ask("PUT", f"{RUNS}/{run_id}/{step}", {} if content is None else content)


def codes(response, desk):
    return [reason["code"] for reason in desk.page(response)["reasons"]]


class TestACreate:
    def test_answers_what_the_sample_shows(self, desk):
        answer = create(desk, {"billCycleDay": "1"})
        page = desk.page(answer)
        assert (answer.status, set(page), len(page["id"])) == (200, SAMPLE, 32)
        assert (page["billRunNumber"], page["status"], page["success"]) == ("BR-00000001", "Pending", True)
        assert (page["billCycleDay"], page["createdDate"]) == (1, "2023-11-14 22:13:20")
        assert set(desk.page(desk.ask("GET", f"{RUNS}/{page['id']}"))) == SAMPLE

    @pytest.mark.parametrize(
        ("content", "category"),
        [
            ({"targetDate": None}, 22),
            ({"targetDate": "30.11.2023"}, 20),
            ({"batches": None}, 22),
            ({"billRunFilters": [{"filterType": "Account", "accountId": "a"}]}, 22),
            ({"batches": []}, 20),
            ({"batches": ["B1"]}, 20),
            ({"billCycleDay": 1}, 20),
            ({"billCycleDay": "AsRunDay"}, 20),
            ({"chargeTypeToExclude": ["OneTime", "Recurring", "Usage"]}, 20),
            ({"autoPost": "yes"}, 20),
            ({"name": 7}, 20),
            ({"billRunType": "Late"}, 20),
            ({"batches": None, "billRunFilters": ["a"]}, 20),
            ({"batches": None, "billRunFilters": [{"filterType": "Batch"}]}, 20),
            ({"batches": None, "billCycleDay": "1", "billRunFilters": [{"filterType": "Account"}]}, 20),
            (
                {
                    "batches": None,
                    "billRunFilters": [{"filterType": "Account", "accountId": x} for x in "ab"],
                },
                30,
            ),
            ({"batches": None, "billRunFilters": [{"filterType": "Subscription"}] * 51}, 30),
            ({"schedule": "daily"}, 20),
            ({"schedule": {"repeatFrom": "2023-12-01", "repeatType": "Daily", "runTime": 24}}, 22),
            ({"schedule": {"repeatFrom": "soon", "repeatType": "Daily", "runTime": 1}}, 22),
            ({"schedule": {"repeatFrom": "2023-12-01", "repeatType": "Hourly", "runTime": 1}}, 22),
        ],
    )
    def test_that_breaks_a_rule(self, desk, content, category):
        answer = create(desk, content)
        assert (answer.status, codes(answer, desk)) == (400, [f"587302{category}"])
        assert desk.sandbox.ledger()["billRuns"] == []

    def test_of_an_old_version_fails_with_a_200(self, desk):
        answer = create(desk, {"targetDate": None}, Zuora_Version="186.0")
        assert (answer.status, desk.page(answer)["success"]) == (200, False)

    def test_gives_the_first_answer_again_under_a_known_key(self, desk):
        first, again = (create(desk, Idempotency_Key="k") for _ in range(2))
        assert first.body == again.body
        rows = desk.sandbox.ledger()["billRuns"]
        assert [(each["name"], each["idempotencyKey"]) for each in rows] == [("July", "k")]

    def test_may_be_processed_and_its_answer_lost(self, desk):
        desk.sandbox.add_fault(Fault(method="POST", path=RUNS, when="after", kind="reset"))
        create(desk)
        params = [("filter[]", "name.EQ:July")]
        (found,) = desk.page(desk.ask("GET", "/object-query/billing-runs", params=params))["data"]
        assert status(desk, found["id"]) == "Pending"

    def test_is_refused_beyond_five_hundred_that_wait(self, desk):
        answers = [create(desk).status for _ in range(501)]
        assert answers == [200] * 500 + [400]


class TestALife:
    def test_ends_with_drafts(self, desk):
        run_id = create_id(desk)
        words = []
        for seconds in (0, 2, 19, 1, 1000):
            wait(desk, seconds)
            words.append(status(desk, run_id))
        assert words == ["Pending", "Processing", "Processing", "Completed", "Completed"]

    def test_goes_on_by_itself_with_auto_post(self, desk):
        run_id = create_id(desk, autoPost=True)
        words = []
        for seconds in (22, 1, 5):
            wait(desk, seconds)
            words.append(status(desk, run_id))
        assert words == ["Completed", "PostInProgress", "Posted"]
        (ledger,) = desk.sandbox.ledger()["billRuns"]
        assert (ledger["posts"], ledger["isPosted"]) == (0, True)

    def test_may_stay_completed_in_spite_of_auto_post(self, desk):
        desk.sandbox.add_script(BillRunScript(auto_posts=False))
        run_id = create_id(desk, autoPost=True)
        wait(desk, 10_000)
        desk.sign_in()
        assert status(desk, run_id) == "Completed"

    def test_may_end_badly(self, desk):
        desk.sandbox.add_script(BillRunScript(contains='"name": "Bad"', error="No such batch.", seconds=1))
        bad, good = create_id(desk, name="Bad"), create_id(desk)
        wait(desk)
        assert [status(desk, each) for each in (bad, good)] == ["Error", "Completed"]
        assert row(desk, bad)["errorMessage"] == "No such batch."
        assert "errorMessage" not in row(desk, good)

    @pytest.mark.parametrize("word", ["Canceled", "Paused", "RemoveInProgress", "Unheard"])
    def test_may_end_with_any_word(self, desk, word):
        desk.sandbox.add_script(BillRunScript(status=word))
        run_id = create_id(desk)
        wait(desk)
        assert status(desk, run_id) == word

    def test_begins_when_its_schedule_says_so(self, desk):
        schedule = {"repeatFrom": "2023-11-16", "repeatType": "None", "runTime": 3}
        page = desk.page(create(desk, {"schedule": schedule, "targetDate": None}))
        assert (page["scheduledExecutionTime"], page["targetDate"]) == ("2023-11-16 03:00:00", "2023-11-16")
        desk.sandbox.advance(86_400)
        desk.sign_in()
        assert status(desk, page["id"]) == "Pending"
        desk.sandbox.advance(86_400)
        desk.sign_in()
        assert status(desk, page["id"]) == "Completed"

    def test_is_unknown_under_its_number_and_under_any_other_id(self, desk, open_desk):
        create(desk)
        answer = desk.ask("GET", f"{RUNS}/BR-00000001")
        assert (answer.status, codes(answer, desk)) == (404, ["50000040"])
        generous = open_desk(bill_run_by_number=True)
        create(generous)
        assert status(generous, "BR-00000001") == "Pending"


class TestAStep:
    """What may be done with a run, by its word."""

    STEPS = (
        ("post", "PUT", "/post"),
        ("cancel", "PUT", "/cancel"),
        ("update", "PUT", ""),
        ("delete", "DELETE", ""),
        ("email", "POST", "/emails"),
    )
    LEGAL: ClassVar = {
        "Pending": {"cancel", "update"},
        "Processing": set(),
        "Completed": {"post", "cancel"},
        "PostInProgress": set(),
        "Posted": {"email"},
        "Error": {"delete"},
        "Canceled": {"delete"},
        "CancelInProgress": set(),
        "RemoveInProgress": set(),
        "Paused": set(),
    }

    @pytest.mark.parametrize("word", LEGAL)
    def test_is_legal_or_not(self, desk, word):
        desk.sandbox.add_script(BillRunScript(queue_seconds=0, seconds=0, status=word))
        legal = set()
        for name, method, path in self.STEPS:
            run_id = create_id(desk)
            answer = desk.ask(method, f"{RUNS}/{run_id}{path}", {})
            if answer.status == 200:
                legal.add(name)
            else:
                assert (answer.status, codes(answer, desk)) == (400, ["58730230"])
        assert legal == self.LEGAL[word]

    def test_that_is_illegal_may_have_another_category(self, open_desk):
        desk = open_desk(illegal_state_category=50)
        answer = put(desk, create_id(desk), "post")
        assert (answer.status, codes(answer, desk)) == (409, ["58730250"])

    @pytest.mark.parametrize("step", ["post", "cancel"])
    def test_without_a_body_is_a_415(self, desk, step):
        answer = desk.ask("PUT", f"{RUNS}/{create_id(desk)}/{step}", Content_Type=None)
        assert (answer.status, desk.page(answer)["success"]) == (415, False)

    @pytest.mark.parametrize("step", ["post", "cancel"])
    def test_takes_no_key(self, desk, step):
        headers = {"Idempotency_Key": "k"}
        assert desk.ask("PUT", f"{RUNS}/{create_id(desk)}/{step}", {}, **headers).status == 400

    def test_with_an_unreadable_body(self, desk):
        run_id = create_id(desk)
        wait(desk)
        assert codes(put(desk, run_id, "post", b"{"), desk) == ["58730290"]
        assert codes(put(desk, run_id, "post", b"[]"), desk) == ["58730220"]
        assert codes(put(desk, run_id, "post", {"invoiceDate": "today"}), desk) == ["58730220"]
        assert codes(put(desk, run_id, "cancel", {"cancelOnce": 1}), desk) == ["58730220"]


class TestAPost:
    def test_is_done_once(self, desk):
        run_id = create_id(desk)
        wait(desk)
        page = desk.page(put(desk, run_id, "post", {"invoiceDate": "2023-12-01"}))
        assert (set(page), page["status"], page["invoiceDate"]) == (SAMPLE, "PostInProgress", "2023-12-01")
        assert put(desk, run_id, "post").status == 400
        wait(desk, 5)
        assert status(desk, run_id) == "Posted"
        assert put(desk, run_id, "post").status == 400
        (ledger,) = desk.sandbox.ledger()["billRuns"]
        assert (ledger["posts"], ledger["isPosted"]) == (1, True)

    @pytest.mark.parametrize("word", ["Error", "Completed"])
    def test_may_end_badly(self, desk, word):
        desk.sandbox.add_script(BillRunScript(post_status=word, post_seconds=1))
        run_id = create_id(desk)
        wait(desk)
        put(desk, run_id, "post")
        wait(desk, 1)
        assert status(desk, run_id) == word
        assert desk.sandbox.ledger()["billRuns"][0]["isPosted"] is False


class TestACancellation:
    @pytest.mark.parametrize("seconds", [0, 100])
    def test_takes_a_while(self, desk, seconds):
        run_id = create_id(desk)
        wait(desk, seconds)
        page = desk.page(put(desk, run_id, "cancel"))
        assert (set(page), page["status"]) == (SAMPLE, "CancelInProgress")
        wait(desk, 2)
        assert status(desk, run_id) == "Canceled"
        assert row(desk, run_id)["numberOfInvoices"] == 0
        assert desk.sandbox.ledger()["billRuns"][0]["cancels"] == 1

    @pytest.mark.parametrize(
        ("kind", "day"), [("Daily", "2024-02-01"), ("Weekly", "2024-02-07"), ("Monthly", "2024-02-29")]
    )
    def test_of_a_schedule_goes_on_with_the_next_run(self, desk, kind, day):
        schedule = {"repeatFrom": "2024-01-31", "repeatType": kind, "runTime": 3}
        run_id = create_id(desk, schedule=schedule)
        page = desk.page(put(desk, run_id, "cancel"))
        assert (page["status"], page["nextRun"]["status"]) == ("CancelInProgress", "Pending")
        assert page["nextRun"]["scheduledExecutionTime"] == f"{day} 03:00:00"
        assert set(page["nextRun"]) == SAMPLE - {"success"}
        assert status(desk, page["nextRun"]["id"]) == "Pending"

    @pytest.mark.parametrize(
        ("change", "content"),
        [({}, {"cancelOnce": False}), ({"repeatTo": "2024-01-31"}, {}), ({"repeatType": "None"}, {})],
    )
    def test_of_a_schedule_may_end_it(self, desk, change, content):
        schedule = {"repeatFrom": "2024-01-31", "repeatType": "Daily", "runTime": 3} | change
        page = desk.page(put(desk, create_id(desk, schedule=schedule), "cancel", content))
        assert "nextRun" not in page


def test_an_update_changes_a_run_that_waits(desk):
    run_id = create_id(desk)
    page = desk.page(desk.ask("PUT", f"{RUNS}/{run_id}", {"name": "August"}))
    assert (page["name"], page["status"]) == ("August", "Pending")
    assert desk.ask("PUT", f"{RUNS}/{run_id}", {"targetDate": "never"}).status == 400
    assert desk.ask("PUT", f"{RUNS}/{run_id}", b"{").status == 400
    wait(desk)
    assert status(desk, run_id) == "Completed"


def test_a_deleted_run_is_gone_after_a_while(desk):
    desk.sandbox.add_script(BillRunScript(error="Boom"))
    run_id = create_id(desk)
    wait(desk)
    page = desk.page(desk.ask("DELETE", f"{RUNS}/{run_id}"))
    assert (set(page), page["status"]) == (SAMPLE, "RemoveInProgress")
    wait(desk, 2)
    assert desk.ask("GET", f"{RUNS}/{run_id}").status == 404
    assert desk.ask("GET", f"/object-query/billing-runs/{run_id}").status == 404
    assert desk.sandbox.ledger()["billRuns"][0]["status"] == ""


def test_emails_are_sent_as_often_as_somebody_asks(desk):
    create(desk, {"autoPost": True})
    wait(desk)
    for _ in range(2):
        answer = desk.ask("POST", f"{RUNS}/BR-00000001/emails", {"resend": False})
        assert desk.page(answer) == {"success": True}
    assert desk.sandbox.ledger()["billRuns"][0]["emails"] == 2


class TestObjectQuery:
    def ask(self, desk, *terms, **params):
        pairs = [("filter[]", term) for term in terms] + list(params.items())
        return desk.ask("GET", "/object-query/billing-runs", params=pairs)

    def names(self, desk, *terms, **params):
        return [each.get("name") for each in desk.page(self.ask(desk, *terms, **params))["data"]]

    def test_has_the_counts_under_id_and_number(self, desk):
        desk.sandbox.add_script(BillRunScript(accounts=7, invoices=6, credit_memos=1))
        run_id = create_id(desk)
        assert row(desk, run_id)["numberOfInvoices"] == 0
        assert "totalTime" not in row(desk, run_id)
        wait(desk)
        found = row(desk, "BR-00000001")
        assert (found["id"], found["billingRunNumber"]) == (run_id, "BR-00000001")
        counts = [found[f"numberOf{name}"] for name in ("Accounts", "Invoices", "CreditMemos")]
        assert (counts, found["totalTime"], found["status"]) == ([7, 6, 1], 20_000, "Completed")
        assert found["startDate"] == "2023-11-14T22:13:22+00:00"
        assert "success" not in found

    def test_says_where_there_is_nothing(self, desk):
        answer = desk.ask("GET", "/object-query/billing-runs/BR-9")
        page = desk.page(answer)
        assert (answer.status, set(page), codes(answer, desk)) == (404, {"reasons", "requestId"}, [50000040])
        assert desk.page(self.ask(desk)) == {"data": []}

    def test_filters(self, desk):
        for name in ("July 1", "july 2", "August", None):
            create(desk, {"name": name})
            wait(desk, 1)
        assert self.names(desk, "name.EQ:July 1") == ["July 1"]
        assert self.names(desk, "name.SW:JULY") == ["July 1", "july 2"]
        assert self.names(desk, "name.IN:[August,July 1]") == ["July 1", "August"]
        assert self.names(desk, "name.EQ:null") == [None]
        assert self.names(desk, "name.NE:null", "name.NE:August") == ["July 1", "july 2"]
        assert self.names(desk, "name.NE:August") == ["July 1", "july 2", None]
        assert self.names(desk, "name.EQ:\x02\x03") == []
        assert self.names(desk, "updateddate.GT:2023-11-14T22:13:23Z") == ["August"]
        assert self.names(desk, "numberofinvoices.LT:1", "status.EQ:Pending") == [None]

    @pytest.mark.parametrize(
        ("terms", "params"),
        [
            (["autopost.EQ:true"], {}),
            (["name.LIKE:J"], {}),
            (["name"], {}),
            ([], {"pageSize": "0"}),
            ([], {"pageSize": "100"}),
            ([], {"cursor": "x"}),
            ([], {"sort[]": "name"}),
        ],
    )
    def test_refuses_what_it_does_not_know(self, desk, terms, params):
        answer = self.ask(desk, *terms, **params)
        assert (answer.status, codes(answer, desk)) == (400, [50000027])

    @pytest.mark.parametrize("term", ["numberofinvoices.EQ:many", "updateddate.GE:today"])
    def test_refuses_a_value_that_does_not_compare(self, desk, term):
        create(desk)
        assert self.ask(desk, term).status == 400

    def test_says_which_filter_is_wrong(self, desk):
        page = desk.page(self.ask(desk, "nothing.EQ:1"))
        assert page["reasons"][0]["message"] == "Invalid filter parameter: nothing"

    def test_gives_pages_by_cursor(self, desk):
        for count in range(12):
            create(desk, {"name": str(count)})
        first = desk.page(self.ask(desk))
        second = desk.page(self.ask(desk, cursor=first["nextPage"]))
        assert [len(first["data"]), len(second["data"]), "nextPage" in second] == [10, 2, False]

    def test_sorts_and_chooses_fields(self, desk):
        for name in "bac":
            create(desk, {"name": name})
        assert self.names(desk, **{"sort[]": "name.DESC"}) == ["c", "b", "a"]
        page = desk.page(self.ask(desk, **{"fields[]": "name,errorMessage", "includeNullFields": "true"}))
        assert page["data"][0] == {"name": "b", "errorMessage": None}

    def test_may_lag_behind(self, open_desk):
        desk = open_desk(object_query_lag_seconds=30)
        run_id = create_id(desk)
        assert self.names(desk) == []
        assert desk.ask("GET", f"/object-query/billing-runs/{run_id}").status == 404
        wait(desk, 30)
        assert self.names(desk) == ["July"]


def test_scripts_come_over_http(desk):
    script = {"status": "Error", "error": "Boom", "queue_seconds": 0, "seconds": 0}
    assert desk.ask("POST", "/sandbox/bill-runs", script).status == 200
    assert desk.page(create(desk))["status"] == "Error"
