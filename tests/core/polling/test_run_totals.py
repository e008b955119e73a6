"""What a run came to: read until it is final or stands still, and what its numbers are called."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import NotFound, Refused, ResponseInfo, Unreadable
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.polling.run_totals import describe_totals, read_totals, read_waiting_run
from airflow_provider_zuora.core.vendors.base import RunTotals
from tests.core.runners import Script, answer

RUN = "2c9890077e8a8490017e8bf3a5171a43"
COUNTS = {"id": RUN, "status": "Completed", "numberOfInvoices": 3, "numberOfCreditMemos": "1"}
NOT_THERE = answer(404, {"success": False, "reasons": [{"code": "58730040", "message": "no"}]})
# As Zuora's page has it (facts: zuora-jobs.md 4.3).
SUMMARY = {
    "numberOfPayments": 1,
    "numberOfErrors": 0,
    "numberOfReceivables": 1,
    "numberOfUnprocessedReceivables": 0,
    "numberOfInvoices": 0,
    "numberOfDebitMemos": 1,
    "numberOfCreditMemos": 1,
    "numberOfUnappliedPayments": 1,
    "numberOfUnprocessedInvoices": 0,
    "numberOfUnprocessedDebitMemos": 0,
    "numberOfCreditBalanceAdjustments": 0,
    "totalValues": [
        {
            "totalValueOfPayments": "56 USD",
            "totalValueOfErrors": "0 USD",
            "totalValueOfReceivables": "256 USD",
        }
    ],
    "success": True,
}


def job(kind="bill-run", status="Completed"):
    return Job(f"{kind}:{RUN}", JobState.SUCCEEDED, status, {}, info=ResponseInfo("GET /x"))


def read(answers, of=None, seconds=600.0, **options):
    script = Script(answers, **options)
    return script, script.run(read_totals(script.client(), of or job(), seconds))


def test_the_counts_of_a_bill_run_have_our_names():
    script, totals = read([answer(200, COUNTS)])
    assert str(script.sent[-1]) == f"GET /object-query/billing-runs/{RUN}"
    assert totals == RunTotals({"invoices": 3, "credit_memos": 1, "accounts": None}, is_final=True)
    assert describe_totals(totals) == "invoices 3, credit memos 1"


def test_they_may_stand_below_data():
    assert read([answer(200, {"data": COUNTS})])[1].values["invoices"] == 3


def test_those_of_the_posting_are_those_of_the_run():
    posted = COUNTS | {"status": "Posted"}
    script, totals = read([answer(200, posted)], job("bill-run-post", "Posted"))
    assert str(script.sent[-1]) == f"GET /object-query/billing-runs/{RUN}"
    assert totals.is_final


def test_an_error_text_is_an_error():
    _, totals = read([answer(200, COUNTS | {"errorMessage": " One account failed. Token abc "})])
    assert (totals.errors, totals.is_final) == (1, True)
    assert totals.message == "One account failed. Token abc"
    assert describe_totals(totals).startswith("One account failed. Token abc; invoices 3")


def test_counts_of_the_run_as_it_was_before_are_read_again():
    script, totals = read([answer(200, COUNTS | {"status": "Processing"}), answer(200, COUNTS)])
    assert totals.is_final
    assert script.clock.naps == [15.0]


def test_counts_that_stay_those_of_before_are_an_error_and_no_success():
    with pytest.raises(Unreadable, match=r"has not counted bill-run:.* since it was Completed"):
        read([answer(200, COUNTS | {"status": "Processing"})] * 50, seconds=120.0)


NO_COUNTS = {name: value for name, value in COUNTS.items() if not name.startswith("numberOf")}


@pytest.mark.parametrize("none", [NO_COUNTS, NO_COUNTS | {"numberOfInvoices": None}])
def test_a_run_of_which_nothing_is_counted_is_read_again_and_is_no_success(none):
    assert read([answer(200, none), answer(200, COUNTS)])[1].is_final
    with pytest.raises(Unreadable, match=r"has not counted bill-run:.* since it was Completed"):
        read([answer(200, none)] * 50, seconds=120.0)


@pytest.mark.parametrize("count", ["1,204", "n/a", -1, 1.5, [], True])
def test_a_count_that_cannot_be_read_is_an_error(count):
    with pytest.raises(Unreadable, match=r"The counts of bill-run:.* cannot be read: numberOfInvoices\."):
        read([answer(200, COUNTS | {"numberOfInvoices": count})])


def test_what_is_not_there_yet_is_asked_for_again_some_times():
    script, totals = read([NOT_THERE, NOT_THERE, answer(200, COUNTS)])
    assert totals.is_final
    assert script.clock.naps == [15.0, 15.0]
    with pytest.raises(NotFound):
        read([NOT_THERE] * 5, seconds=60.0)
    with pytest.raises(NotFound):
        read([NOT_THERE], seconds=0.0)


def test_a_run_may_be_named_by_its_number():
    body = COUNTS | {"billingRunNumber": "BR-00000001"}
    assert read([answer(200, body)], Job("bill-run:BR-00000001", JobState.SUCCEEDED, "Completed"))[1].is_final


def test_counts_of_another_run_are_not_believed():
    with pytest.raises(Unreadable, match="are those of another run"):
        read([answer(200, COUNTS | {"id": "another"})])


def test_a_kind_of_which_nothing_is_counted_says_so():
    with pytest.raises(ValueError, match="nothing is counted of 8ad0"):
        read([], Job("8ad0", JobState.SUCCEEDED, "Completed"))


class TestASummary:
    def test_all_its_numbers_and_amounts_are_read_and_no_amount_is_a_float(self):
        script, totals = read([answer(200, SUMMARY)], job("payment-run"))
        assert str(script.sent[-1]) == f"GET /v1/payment-runs/{RUN}/summary"
        assert totals.is_final
        assert totals.values == {
            "payments": 1,
            "errors": 0,
            "receivables": 1,
            "unprocessed_receivables": 0,
            "invoices": 0,
            "debit_memos": 1,
            "credit_memos": 1,
            "unapplied_payments": 1,
            "unprocessed_invoices": 0,
            "unprocessed_debit_memos": 0,
            "credit_balance_adjustments": 0,
            "amounts": {"USD": {"payments": "56", "errors": "0", "receivables": "256"}},
        }

    def test_each_currency_has_its_amounts_and_those_of_one_are_added(self):
        rows = [
            {"totalValueOfPayments": "56.10 USD", "totalValueOfErrors": "0.0000000 USD", "other": "1 USD"},
            {"totalValueOfPayments": "12345678901234567890.123 eur", "totalValueOfErrors": None},
            {"totalValueOfPayments": "44 USD"},
        ]
        _, totals = read([answer(200, SUMMARY | {"totalValues": rows})], job("payment-run"))
        assert totals.values["amounts"] == {
            "USD": {"payments": "100.10", "errors": "0.0000000"},
            "EUR": {"payments": "12345678901234567890.123"},
        }
        _, totals = read([answer(200, SUMMARY | {"totalValues": None})], job("payment-run"))
        assert totals.values["amounts"] == {}

    @pytest.mark.parametrize("money", ["1,234.50 USD", "USD 56", "56USD", 56, "1.234,50 EUR", "", "some"])
    def test_an_amount_that_cannot_be_read_is_an_error(self, money):
        rows = [{"totalValueOfPayments": money}]
        with pytest.raises(Unreadable, match="an amount, totalValueOfPayments, that cannot be read"):
            read([answer(200, SUMMARY | {"totalValues": rows})], job("payment-run"))

    @pytest.mark.parametrize("rows", [{"a": 1}, "text", [5], [None]])
    def test_amounts_that_are_no_list_are_an_error(self, rows):
        with pytest.raises(Unreadable, match="has no list of amounts"):
            read([answer(200, SUMMARY | {"totalValues": rows})], job("payment-run"))

    def test_an_amount_of_errors_is_an_error_whatever_their_number_says(self):
        rows = [{"totalValueOfErrors": "200 USD"}]
        left = [answer(200, SUMMARY | {"numberOfErrors": 0, "totalValues": rows})] * 9
        _, totals = read(left, job("payment-run"))
        assert totals.errors == 1

    def test_a_number_of_wrong_data_that_cannot_be_read_is_an_error(self):
        with pytest.raises(Unreadable, match="has no number of errors of its data"):
            read([answer(200, SUMMARY | {"numberOfErrorInputData": "x"})], job("payment-run"))

    def test_payments_that_process_count_as_errors_so_it_is_read_until_there_are_none(self):
        left = [answer(200, SUMMARY | {"numberOfErrors": number}) for number in (3, 2, 2, 1, 0)]
        script, totals = read(left, job("payment-run"))
        assert totals.errors == 0
        assert script.clock.naps == [15.0] * 4

    def test_or_until_it_stands_still_for_a_minute(self):
        script, totals = read([answer(200, SUMMARY | {"numberOfErrors": 2})] * 9, job("payment-run"))
        assert (totals.errors, totals.is_final) == (2, False)
        assert sum(script.clock.naps) == 60.0

    def test_or_until_the_time_is_over(self):
        left = [answer(200, SUMMARY | {"numberOfErrors": number}) for number in range(20, 1, -1)]
        script, totals = read(left, job("payment-run"), seconds=40.0)
        assert sum(script.clock.naps) == 40.0
        assert totals.errors == 17
        script, totals = read(left, job("payment-run"), seconds=0.0)
        assert script.clock.naps == []

    def test_documents_that_could_not_be_read_are_errors(self):
        body = SUMMARY | {"numberOfInputData": 2, "numberOfErrorInputData": 1}
        _, totals = read([answer(200, body)] * 9, job("payment-run"))
        assert totals.errors == 1
        assert totals.values["error_input_data"] == 1

    @pytest.mark.parametrize("number", [None, "many", -1, 1.5, True, "9" * 30])
    def test_without_a_number_of_errors_nothing_is_known(self, number):
        with pytest.raises(Unreadable, match="has no number of errors"):
            read([answer(200, SUMMARY | {"numberOfErrors": number})], job("payment-run"))


class TestARunThatWaitsForItsTime:
    def test_a_new_one_may_not_be_known_everywhere_yet(self):
        page = answer(200, {"id": RUN, "status": "Pending"})
        script = Script([NOT_THERE, NOT_THERE, page])
        assert script.run(read_waiting_run(script.client(), f"bill-run:{RUN}"))
        assert script.clock.naps == [1.0, 2.0]
        script = Script([NOT_THERE] * 5)
        with pytest.raises(NotFound):
            script.run(read_waiting_run(script.client(), f"bill-run:{RUN}"))

    def read(self, kind, **page):
        script = Script([answer(200, {"id": RUN, "success": True} | page)])
        return script.run(read_waiting_run(script.client(), f"{kind}:{RUN}"))

    @pytest.mark.parametrize("word", ["Pending", "Paused"])
    def test_it_is_returned_with_what_zuora_says_of_it(self, word):
        job, page = self.read("bill-run", status=word, scheduledExecutionTime="2024-08-01 03:00:00")
        assert (job.status, page["scheduledExecutionTime"]) == (word, "2024-08-01 03:00:00")

    @pytest.mark.parametrize(
        ("kind", "word"),
        [
            ("bill-run", "Processing"),
            ("bill-run", "Completed"),
            ("payment-run", "Processing"),
            ("payment-run", "x"),
        ],
    )
    def test_one_that_has_begun_is_none(self, kind, word):
        assert self.read(kind, status=word) is None

    def test_a_payment_run_waits_too(self):
        assert self.read("payment-run", status="Pending") is not None


def test_why_it_cannot_be_read_is_said():
    assert describe_totals(Refused("no")) == "what it came to cannot be read: no"
