"""Payment runs: what is accepted, their words, what they collect, and their odd list."""

import re

import pytest

from zuora_sandbox import Fault, PaymentRunScript, Receivable

RUNS = "/v1/payment-runs"

# The samples of Zuora's reference, by their fields.
COMMON = {
    "collectPayment", "completedOn", "consolidatedPayment", "createdById", "createdDate", "executedOn", "id",
    "number", "processPaymentWithClosedPM", "runDate", "status", "success", "targetDate", "updatedById",
    "updatedDate",
}  # fmt: skip
SETTLING = {"accountId", "autoApplyCreditMemo", "autoApplyUnappliedPayment", "useCustomPaymentMethods"}
SUMMARY = {
    "numberOfPayments", "numberOfErrors", "numberOfReceivables", "numberOfUnprocessedReceivables",
    "numberOfInvoices", "numberOfDebitMemos", "numberOfCreditMemos", "numberOfUnappliedPayments",
    "numberOfUnprocessedInvoices", "numberOfUnprocessedDebitMemos", "numberOfCreditBalanceAdjustments",
    "totalValues", "success",
}  # fmt: skip
INPUT = {"numberOfInputData", "numberOfProcessedInputData", "numberOfErrorInputData"}


def create(desk, content=None, **headers):
    given = {"targetDate": "2023-11-30", "accountId": "a1"} | (content or {})
    return desk.ask("POST", RUNS, {name: value for name, value in given.items() if value != ""}, **headers)


def create_id(desk, **content):
    return desk.page(create(desk, content))["id"]


def read(desk, key, *more):
    return desk.page(desk.ask("GET", "/".join((RUNS, key, *more))))


def wait(desk, seconds=100):
    desk.time[0] += seconds


def codes(response, desk):
    return [reason["code"] for reason in desk.page(response)["reasons"]]


class TestACreate:
    def test_answers_what_the_sample_shows(self, desk):
        flags = dict.fromkeys(SETTLING - {"accountId"}, False)
        answer = create(desk, flags)
        page = desk.page(answer)
        assert (answer.status, set(page)) == (200, COMMON | SETTLING)
        assert (len(page["id"]), page["number"], page["status"]) == (32, "PR-00000001", "Pending")
        assert (page["executedOn"], page["completedOn"], page["runDate"]) == (None, None, None)
        assert page["createdDate"] == "2023-11-14 22:13:20"

    def test_is_read_by_id_and_by_number(self, desk):
        page = desk.page(create(desk, {"accountId": "", "applyCreditBalance": False}))
        assert set(page) == COMMON | {"applyCreditBalance"}
        assert read(desk, page["id"]) == read(desk, page["number"]) == page

    @pytest.mark.parametrize(
        ("content", "category"),
        [
            ({"targetDate": ""}, 22),
            ({"targetDate": "soon"}, 20),
            ({"runDate": "2023-12-01"}, 20),
            ({"runDate": 7}, 20),
            ({"batch": "Batch1"}, 30),
            ({"billingRunId": "b"}, 30),
            ({"accountId": "a" * 33}, 20),
            ({"accountId": "", "currency": "Dollar"}, 20),
            ({"collectPayment": "true"}, 20),
            ({"advancedFilter": "x"}, 30),
            ({"data": {}}, 20),
            ({"data": [{}] * 50_001}, 20),
            ({"data": [{"documentId": "d"}]}, 22),
            ({"data": [{"accountId": "a"}]}, 22),
            ({"data": [{"accountId": "a", "documentId": "d", "amount": 0}]}, 20),
            ({"data": [{"accountId": "a", "documentId": "d", "amount": True}]}, 20),
        ],
    )
    def test_that_breaks_a_rule(self, desk, content, category):
        answer = create(desk, content)
        assert (answer.status, codes(answer, desk)) == (400, [f"587302{category}"])
        assert desk.sandbox.ledger()["paymentRuns"] == []

    @pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[]", 400)])
    def test_that_is_no_object(self, desk, content, status):
        assert desk.ask("POST", RUNS, content).status == status

    def test_gives_the_first_answer_again_under_a_known_key(self, desk):
        first, again = (create(desk, Idempotency_Key="k") for _ in range(2))
        assert first.body == again.body
        wait(desk)
        ledger = desk.sandbox.ledger()
        assert [row["idempotencyKey"] for row in ledger["paymentRuns"]] == ["k"]
        assert ledger["collected"] == {"USD": 56}

    def test_without_a_key_collects_once_more(self, desk):
        desk.sandbox.add_fault(Fault(method="POST", path=RUNS, when="after", kind="reset"))
        for _ in range(2):
            create(desk)
        wait(desk)
        assert desk.sandbox.ledger()["collected"] == {"USD": 112}

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ({}, False),
            ({"accountId": ""}, True),
            ({"accountId": "", "data": []}, True),
            ({"accountId": "", "batch": "Batch1"}, False),
            ({"accountId": "", "data": [{"accountId": "a", "documentId": "d"}]}, False),
        ],
    )
    def test_may_be_for_all_accounts(self, desk, content, expected):
        create(desk, content)
        assert [row["isForAllAccounts"] for row in desk.sandbox.ledger()["paymentRuns"]] == [expected]


class TestALife:
    def test_waits_runs_and_completes(self, desk):
        run_id = create_id(desk)
        words = []
        for seconds in (0, 2, 19, 1, 1000):
            wait(desk, seconds)
            words.append(read(desk, run_id)["status"])
        assert words == ["Pending", "Processing", "Processing", "Completed", "Completed"]
        page = read(desk, run_id)
        assert (page["executedOn"], page["completedOn"]) == ("2023-11-14 22:13:22", "2023-11-14 22:13:42")

    @pytest.mark.parametrize("word", ["Error", "Canceled", "Unheard"])
    def test_may_end_otherwise_and_then_nothing_is_collected(self, desk, word):
        desk.sandbox.add_script(PaymentRunScript(contains="a1", status=word))
        run_id = create_id(desk)
        wait(desk)
        assert read(desk, run_id)["status"] == word
        assert desk.sandbox.ledger()["collected"] == {}

    def test_may_fail_after_it_has_collected(self, desk):
        desk.sandbox.add_script(PaymentRunScript(error="Boom", receivables=[Receivable()]))
        run_id = create_id(desk)
        wait(desk)
        assert read(desk, run_id)["status"] == "Error"
        assert desk.sandbox.ledger()["collected"] == {"USD": 56}
        row = desk.page(desk.ask("GET", f"/object-query/payment-runs/{run_id}"))
        assert (row["errorMessage"], row["numberOfPayments"]) == ("Boom", 1)

    def test_begins_in_the_hour_of_its_run_date(self, desk):
        run_id = create_id(desk, runDate="2023-11-15 01:45:30")
        desk.sandbox.advance(2 * 3600)
        desk.sign_in()
        assert read(desk, run_id)["status"] == "Pending"
        desk.sandbox.advance(3600)
        desk.sign_in()
        assert read(desk, run_id)["executedOn"] == "2023-11-15 01:00:02"


class TestASummary:
    def test_has_the_fields_of_the_sample(self, desk):
        receivables = [{"amount": 56, "type": "DebitMemo"}, {"amount": 200, "status": "Unprocessed"}]
        desk.sandbox.add_script(PaymentRunScript(receivables=receivables))
        run_id = create_id(desk)
        assert read(desk, run_id, "summary")["totalValues"] == []
        wait(desk)
        page = read(desk, run_id, "summary")
        assert set(page) == SUMMARY
        counts = {name[8:]: count for name, count in page.items() if name.startswith("numberOf") and count}
        assert counts == {
            "Payments": 1,
            "Receivables": 2,
            "UnprocessedReceivables": 1,
            "Invoices": 1,
            "DebitMemos": 1,
            "UnprocessedInvoices": 1,
        }
        (total,) = page["totalValues"]
        assert (total["totalValueOfPayments"], total["totalValueOfErrors"]) == ("56 USD", "0 USD")
        assert total["totalValueOfReceivables"] == "256 USD"

    def test_counts_payments_under_way_as_errors_until_they_are_done(self, desk):
        slow = [Receivable(seconds=3000), Receivable(seconds=3000, status="Error"), Receivable()]
        desk.sandbox.add_script(PaymentRunScript(receivables=slow))
        run_id = create_id(desk)
        wait(desk)
        page = read(desk, run_id, "summary")
        assert (read(desk, run_id)["status"], page["numberOfErrors"], page["numberOfPayments"]) == (
            "Completed",
            2,
            1,
        )
        assert desk.sandbox.ledger()["collected"] == {"USD": 56}
        wait(desk, 3000)
        page = read(desk, run_id, "summary")
        assert (page["numberOfErrors"], page["numberOfPayments"]) == (1, 2)
        assert desk.sandbox.ledger()["collected"] == {"USD": 112}

    def test_has_an_object_for_each_currency(self, desk):
        receivables = [
            {"amount": 0.1},
            {"amount": 0.2},
            {"amount": 1000, "currency": "JPY", "status": "Error"},
        ]
        desk.sandbox.add_script(PaymentRunScript(receivables=receivables))
        run_id = create_id(desk)
        wait(desk)
        totals = read(desk, run_id, "summary")["totalValues"]
        assert [total["totalValueOfReceivables"] for total in totals] == ["0.3 USD", "1000 JPY"]
        assert [total["totalValueOfErrors"] for total in totals] == ["0 USD", "1000 JPY"]
        assert all(re.fullmatch(r"[\d.]+ [A-Z]{3}", text) for total in totals for text in total.values())

    @pytest.mark.parametrize(("setting", "asked"), [(True, False), (False, True)])
    def test_shows_that_nothing_was_collected(self, open_desk, setting, asked):
        desk = open_desk(payment_run_collects=setting)
        run_id = create_id(desk, collectPayment=asked)
        wait(desk)
        page = read(desk, run_id)
        assert (page["status"], page["collectPayment"]) == ("Completed", False)
        page = read(desk, run_id, "summary")
        assert (page["numberOfPayments"], page["numberOfUnprocessedReceivables"]) == (0, 1)


class TestData:
    DATA = (
        {"accountId": "a", "documentId": "d1", "documentType": "Invoice", "amount": 10},
        {"accountId": "a", "documentId": "d2", "documentType": "DebitMemo"},
        {"accountId": "a", "standalone": True, "amount": 30, "currency": "EUR"},
    )

    def test_has_a_row_for_each(self, desk):
        script = PaymentRunScript(receivables=[Receivable(), Receivable(status="Error")])
        desk.sandbox.add_script(script)
        run_id = create_id(desk, data=self.DATA)
        assert read(desk, run_id, "data")["data"] == []
        wait(desk)
        first, second, third = read(desk, run_id, "data")["data"]
        payment = first["transactions"][0]
        assert len(payment.pop("id")) == 32
        assert first == {
            "accountId": "a",
            "documentId": "d1",
            "documentType": "Invoice",
            "amount": 10,
            "amountCollected": 10,
            "amountToCollect": 10,
            "result": "Processed",
            "transactions": [payment],
        }
        assert payment == {"type": "Payment", "status": "Processed", "amount": 10, "appliedAmount": 10}
        assert (second["amount"], second["amountToCollect"], second["amountCollected"]) == (None, 56, 0)
        assert (second["result"], second["errorCode"]) == ("Error", "Invalid_Request_Data")
        assert (
            second["errorMessage"] == second["transactions"][0]["errorMessage"] == "Payment method is closed"
        )
        assert third["result"] == "Processed"
        page = read(desk, run_id, "summary")
        assert set(page) == SUMMARY | INPUT
        assert [page[name] for name in sorted(INPUT)] == [1, 3, 2]
        assert desk.sandbox.ledger()["collected"] == {"USD": 10, "EUR": 30}

    @pytest.mark.parametrize("content", [{}, {"data": []}])
    def test_is_refused_for_a_run_without(self, desk, content):
        answer = desk.ask("GET", f"{RUNS}/{create_id(desk, **content)}/data")
        assert (answer.status, codes(answer, desk)) == (400, ["58730230"])

    def test_of_a_run_that_failed_was_not_collected(self, desk):
        desk.sandbox.add_script(PaymentRunScript(error="Boom"))
        run_id = create_id(desk, data=self.DATA)
        wait(desk)
        rows = read(desk, run_id, "data")["data"]
        assert [(row["result"], row["transactions"]) for row in rows] == [("Error", [])] * 3


class TestAStep:
    LEGAL = (
        ("Pending", {"PUT"}),
        ("Processing", set()),
        ("Completed", set()),
        ("Error", {"DELETE"}),
        ("Canceled", {"DELETE"}),
    )

    @pytest.mark.parametrize(("word", "legal"), LEGAL)
    def test_is_legal_or_not(self, desk, word, legal):
        desk.sandbox.add_script(PaymentRunScript(queue_seconds=0, seconds=0, status=word))
        found = set()
        for method in ("PUT", "DELETE"):
            answer = desk.ask(method, f"{RUNS}/{create_id(desk)}", {"targetDate": "2023-12-01"})
            if answer.status == 200:
                found.add(method)
            else:
                assert (answer.status, codes(answer, desk)) == (400, ["58730230"])
        assert found == legal

    def test_moves_a_run_that_waits(self, desk):
        run_id = create_id(desk, runDate="2023-11-15 01:00:00")
        page = desk.page(desk.ask("PUT", f"{RUNS}/{run_id}", {"rundate": "2023-11-15 03:00:00"}))
        assert (page["runDate"], page["status"]) == ("2023-11-15 03:00:00", "Pending")
        assert desk.ask("PUT", f"{RUNS}/{run_id}", {"runDate": "later"}).status == 400
        assert desk.ask("PUT", f"{RUNS}/{run_id}", b"{").status == 400
        desk.sandbox.advance(4 * 3600)
        desk.sign_in()
        assert read(desk, run_id)["status"] == "Pending"

    def test_without_a_body_is_a_415(self, desk):
        assert desk.ask("PUT", f"{RUNS}/{create_id(desk)}", Content_Type=None).status == 415

    def test_deletes(self, desk):
        desk.sandbox.add_script(PaymentRunScript(error="Boom"))
        run_id = create_id(desk)
        wait(desk)
        assert desk.page(desk.ask("DELETE", f"{RUNS}/{run_id}")) == {"success": True}
        assert desk.page(desk.ask("GET", RUNS))["paymentRuns"] == []
        assert desk.ask("GET", f"/object-query/payment-runs/{run_id}").status == 404
        assert desk.sandbox.ledger()["paymentRuns"][0]["isDeleted"] is True

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/summary"), ("GET", "/data")]
    )
    def test_of_a_run_that_nobody_knows(self, desk, method, path):
        answer = desk.ask(method, f"{RUNS}/PR-9{path}", {})
        assert (answer.status, codes(answer, desk)) == (404, ["50000040"])

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("DELETE", "", 400),
            ("GET", "/summary", 200),
            ("GET", "/data", 400),
            ("GET", "", 400),
            ("PUT", "", 400),
        ],
    )
    def test_needs_no_entity_where_none_is_listed(self, open_desk, method, path, status):
        desk = open_desk(entity_ids=("e",))
        run_id = desk.page(create(desk, Zuora_Entity_Ids="e"))["id"]
        answer = desk.ask(method, f"{RUNS}/{run_id}{path}", {})
        assert answer.status == status
        if status == 400:
            entity = (method, path) in (("GET", ""), ("PUT", ""))
            assert codes(answer, desk)[0][:6] in ("900000", "587302")
            assert (codes(answer, desk)[0][:6] == "900000") == entity


class TestTheList:
    @pytest.fixture
    def desk(self, open_desk):
        """Return a desk before three runs, an hour apart, each for a later date than the next."""
        desk = open_desk()
        for day in (30, 20, 10):
            create(desk, {"targetDate": f"2023-11-{day}"})
            wait(desk, 1000)
        return desk

    def numbers(self, desk, **params):
        rows = desk.page(desk.ask("GET", RUNS, params=list(params.items())))["paymentRuns"]
        return [int(row["number"][-1]) for row in rows]

    @pytest.mark.parametrize(
        ("sort", "numbers"),
        [
            ("", [3, 2, 1]),
            ("number", [3, 2, 1]),
            ("-number", [1, 2, 3]),
            ("+number", [3, 2, 1]),
            ("-targetDate", [3, 2, 1]),
            ("+targetDate", [1, 2, 3]),
            ("-status,-createdDate", [1, 2, 3]),
            ("+status,+createdDate", [3, 2, 1]),
        ],
    )
    def test_sorts_the_other_way(self, desk, sort, numbers):
        assert self.numbers(desk, **({"sort": sort} if sort else {})) == numbers

    def test_filters(self, desk):
        assert self.numbers(desk, targetDate="2023-11-20") == [2]
        assert self.numbers(desk, createdDate="2023-11-14") == [3, 2, 1]
        assert self.numbers(desk, createdDate="2023-11-14 22:13:20") == [1]
        assert self.numbers(desk, status="Error") == []
        create(desk)
        assert self.numbers(desk, status="Pending") == [4]

    def test_gives_pages_whose_link_cannot_be_called(self, desk):
        page = desk.page(desk.ask("GET", RUNS, params=[("pageSize", "2")]))
        assert (len(page["paymentRuns"]), page["nextPage"]) == (2, "/payment-runs?pageSize=2&page=2")
        last = desk.page(desk.ask("GET", RUNS, params=[("pageSize", "2"), ("page", "2")]))
        assert (len(last["paymentRuns"]), "nextPage" in last, last["success"]) == (1, False, True)
        assert desk.ask("GET", "/payment-runs").status == 404

    @pytest.mark.parametrize(
        "params",
        [
            {"pageSize": "41"},
            {"pageSize": "0"},
            {"page": "x"},
            {"status": "Posted"},
            {"sort": " number"},
            {"sort": "amount"},
            {"sort": "status,number,targetDate"},
        ],
    )
    def test_refuses_what_is_not_documented(self, desk, params):
        answer = desk.ask("GET", RUNS, params=list(params.items()))
        assert (answer.status, codes(answer, desk)) == (400, ["58730227"])

    def test_of_object_query(self, desk):
        params = [("filter[]", "targetdate.LE:2023-11-20"), ("filter[]", "numberofpayments.EQ:1")]
        rows = desk.page(desk.ask("GET", "/object-query/payment-runs", params=params))["data"]
        assert [row["paymentRunNumber"] for row in rows] == ["PR-00000002", "PR-00000003"]
        assert (rows[0]["status"], rows[0]["totalExecutionTime"]) == ("Completed", 20_000)


def test_scripts_come_over_http(desk):
    script = {"queue_seconds": 0, "seconds": 0, "receivables": [{"amount": 7, "currency": "EUR"}]}
    assert desk.ask("POST", "/sandbox/payment-runs", script).status == 200
    assert desk.page(create(desk))["status"] == "Completed"
    assert desk.sandbox.ledger()["collected"] == {"EUR": 7}


@pytest.mark.parametrize("receivable", [{"status": "Lost"}, {"type": "Order"}, {"sum": 1}, 7])
def test_receivables_that_cannot_be(desk, receivable):
    assert desk.ask("POST", "/sandbox/payment-runs", {"receivables": [receivable]}).status == 400
