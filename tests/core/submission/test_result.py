"""The end is compared with the beginning: whether a job made the order that was submitted, or is adopted."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import (
    InvalidInput,
    NotFound,
    Refused,
    ResponseInfo,
    TimedOut,
    WrongOrder,
)
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.submission.adoption import adopt_job
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.order_lookup import build_expectation, check_adopted, check_result
from airflow_provider_zuora.core.submission.record_store import NAME
from airflow_provider_zuora.core.submission.submission import submit_order
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order, check_preview
from tests.core.runners import Memory
from tests.core.tries import BY, NUMBERED, ORDER, Actor, Zuora, body, submit
from zuora_sandbox import Fault
from zuora_sandbox.order_store import derive_id

CLEARED, AGAIN = TaskAttempt(2, 2, is_cleared=True), TaskAttempt(3, 4, is_cleared=True)
ANOTHER = IdempotencyScope("", ("dag", "another run", "task"), -1)
PREVIEW = ORDER | {"previewOptions": {"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]}}


@pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
def order(request):
    return request.param


# What is expected.

NEW = {"orderDate": "2024-07-01", "newAccount": {"name": "Amy", "accountNumber": "A-7"}}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (ORDER, {"accountNumber": "A00000097"}),
        (NUMBERED, {"orderNumber": "O-1", "accountNumber": "A00000097"}),
        (NUMBERED | {"orderNumber": None}, {"accountNumber": "A00000097"}),
        (NEW, {"accountNumber": "A-7"}),
        ({"newAccount": {"name": "Amy"}}, {}),
        ({"newAccount": None, "existingAccountId": "8ad0"}, {"accountId": "8ad0"}),
        ({}, {}),
    ],
)
def test_what_a_result_must_repeat_of_an_order(order, expected):
    assert build_expectation(order) == {"jobType": "AsyncCreateOrder", **expected}


def test_what_is_expected_holds_no_secret():
    card = {"newAccount": {"accountNumber": "A-7", "creditCard": {"cardNumber": "4111111111111111"}}}

    assert "4111" not in str(build_expectation(NUMBERED | card))


EXPECTED = {"jobType": "AsyncCreateOrder", "orderNumber": "O-1", "accountNumber": "A-1"}


ANSWER = ResponseInfo("GET /v1/async-jobs/j-1", "af-2", 200)


def job(result, state=JobState.SUCCEEDED):
    return Job("j-1", state, "Completed", result, info=ANSWER)


RIGHT = {
    "all of it": {"orderNumber": "O-1", "accountNumber": "A-1"},
    "another case": {"orderNumber": "o-1", "accountNumber": "a-1 "},
    "without the account": {"orderNumber": "O-1"},
    "ids instead": {"orderId": "8ad1", "accountId": "8ad0"},
    "more of it": {"orderNumber": "O-1", "accountNumber": "A-1", "status": "Completed"},
    "its type": {"orderNumber": "O-1", "jobType": "AsyncCreateOrder"},
    "nulls": {"orderNumber": None, "accountNumber": None, "orderId": "8ad1"},
}
WRONG = {
    "another number": ({"orderNumber": "O-2"}, "its order number is 'O-2', this one's is 'O-1'"),
    "a longer number": ({"orderNumber": "O-11"}, "its order number is 'O-11'"),
    "another account": (
        {"orderNumber": "O-1", "accountNumber": "A-2"},
        "its account is 'A-2', this one's is 'A-1'",
    ),
    "both": (
        {"orderNumber": "O-2", "accountNumber": "A-2"},
        "its order number is 'O-2', this one's is 'O-1'; its account is 'A-2'",
    ),
    "a number that is none": ({"orderNumber": 7}, "its order number is '7'"),
    "a preview": (
        {"jobType": "AsyncPreviewOrder", "invoices": []},
        "its type is 'AsyncPreviewOrder', this one's is 'AsyncCreateOrder'; it names no order that it made",
    ),
    "an order that was deleted": (
        {"jobType": "AsyncDeleteOrder", "orderNumber": "O-1"},
        "its type is 'AsyncDeleteOrder', this one's is 'AsyncCreateOrder'",
    ),
}


@pytest.mark.parametrize("result", RIGHT.values(), ids=RIGHT)
def test_a_job_that_made_the_order(result):
    check_result(job(result), EXPECTED)


@pytest.mark.parametrize(("result", "words"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("check", [check_result, check_adopted])
def test_a_job_that_made_another_order_is_an_error_that_names_both(result, words, check):
    with pytest.raises(Refused) as caught:
        check(job(result), EXPECTED)

    assert "Job j-1 did not make this task's order: " in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.info is ANSWER
    assert not caught.value.transient


@pytest.mark.parametrize("state", [JobState.ACTIVE, JobState.FAILED])
def test_a_job_that_has_not_succeeded_says_nothing_yet(state):
    check_result(job({"orderNumber": "O-2"}, state), EXPECTED)


@pytest.mark.parametrize("expected", [EXPECTED, build_expectation({})], ids=["with a number", "without"])
@pytest.mark.parametrize("check", [check_result, check_adopted])
@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        [],
        "text",
        {"success": True},
        {"previewResult": {}},
        {"orderNumber": ["O-1"]},
        {"orderId": ""},
    ],
)
def test_a_job_that_names_no_order_has_made_none(result, check, expected):
    with pytest.raises(Refused, match="it names no order that it made"):
        check(job(result), expected)


@pytest.mark.parametrize("result", [None, {}, {"jobType": "AsyncPreviewOrder"}])
def test_what_was_submitted_as_no_order_need_not_have_made_one(result):
    check_result(job(result), {})


def test_ids_do_not_say_whether_it_is_an_order_with_a_number():
    ids = job({"orderId": "8ad1", "accountId": "8ad0"})
    check_adopted(ids, {"jobType": "AsyncCreateOrder", "accountNumber": "A-1"})
    with pytest.raises(Refused, match="it does not say whether it is order O-1"):
        check_adopted(ids, EXPECTED)


def test_a_long_number_is_cut():
    with pytest.raises(Refused) as caught:
        check_result(job({"orderNumber": "x" * 5000}), EXPECTED)
    assert len(str(caught.value)) < 500


# Adopting.


def adopt(zuora, memory, job_id, order=NUMBERED, attempt=CLEARED, **options):
    flow = adopt_job(zuora.client(), job_id, check_order(order), BY, attempt, **options)
    return Actor(zuora, memory, flow).run().end


def elsewhere(zuora, order=NUMBERED, **options):
    """Submit an order in another task, and return its job."""
    return submit(zuora, None, TaskAttempt(), order, scope=ANOTHER, **options).run().end


class TestWhatIsAdopted:
    def test_stands_for_the_order_from_then_on(self, order):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora, order)

        assert adopt(zuora, memory, other, order) == other
        assert submit(zuora, memory, AGAIN, order).run().end == other
        assert len(zuora.keys) == 1

    def test_may_have_another_date_and_content(self):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        changed = NUMBERED | {"orderDate": "2024-08-01", "description": "changed"}

        assert adopt(zuora, memory, other, changed) == other

    def test_may_be_told_by_ids_alone_if_the_order_has_no_number(self):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora, ORDER)
        result = {"jobType": "AsyncCreateOrder", "orderId": "8ad1", "accountId": "8ad0"}
        page = json.dumps({"status": "Completed", "errors": None, "result": result, "success": True}).encode()
        zuora.sandbox.add_fault(Fault("GET", "/v1/async-jobs/", times=None, status=200, body=page))

        assert adopt(zuora, memory, other, ORDER) == other

    def test_is_not_compared_as_far_as_it_cannot_be_read(self):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", times=None, status=403, body=body(53200010)))

        assert adopt(zuora, memory, other) == other

    def test_may_have_made_an_order_that_cannot_be_looked_up_yet(self):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", times=None, status=404, body=body(53200040)))

        assert adopt(zuora, memory, other) == other

    def test_waits_for_a_vendor_that_is_away(self):
        zuora, memory = Zuora(), Memory()
        other = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        zuora.sandbox.add_fault(Fault("GET", "/v1/orders/", times=None, status=503))

        assert adopt(zuora, memory, other).transient

    def test_may_be_an_order_by_its_number(self):
        zuora, memory = Zuora(), Memory()
        elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends

        assert adopt(zuora, memory, "order:O-1") == "order:O-1"
        assert submit(zuora, memory, AGAIN).run().end == "order:O-1"
        assert len(zuora.keys) == 1

    def test_stands_for_an_order_with_a_raw_key_too(self):
        zuora, memory = Zuora(), Memory()
        job_id = elsewhere(zuora, raw_key="mine")
        adopt(zuora, memory, job_id, raw_key="mine")

        assert submit(zuora, memory, AGAIN, raw_key="mine").run().end == job_id
        assert len(zuora.keys) == 1

    def test_replaces_a_note_that_nobody_understands(self):
        zuora, memory = Zuora(), Memory()
        job_id = elsewhere(zuora)
        memory.set(f"{NAME}:1", {"key": "of another package"})

        assert adopt(zuora, memory, job_id) == job_id
        assert submit(zuora, memory, AGAIN).run().end == job_id

    def test_replaces_the_question_which_of_several_orders_it_is(self):
        zuora, memory = Zuora(), Memory()
        for text in ("for Berlin", "for Paris"):
            submit(zuora, memory, TaskAttempt(1, 1), ORDER | {"description": text}).run()
        changed = ORDER | {"description": "for Bonn"}
        other = elsewhere(zuora, changed)

        assert adopt(zuora, memory, other, changed) == other
        assert submit(zuora, memory, AGAIN, changed).run().end == other

    def test_stands_for_another_content_than_the_one_that_went_out(self):
        zuora, memory = Zuora(), Memory()
        first = submit(zuora, memory, TaskAttempt(1, 1), ORDER)
        while not zuora.keys:
            first.act()
        first.kill()
        changed = ORDER | {"description": "changed"}
        [job_id] = zuora.made

        assert adopt(zuora, memory, job_id, changed) == job_id
        assert submit(zuora, memory, AGAIN, changed).run().end == job_id
        assert submit(zuora, memory, TaskAttempt(4, 6, is_cleared=True), ORDER).run().end == job_id
        assert len(zuora.keys) == 1


NEW_ACCOUNT = {
    "name": "Another",
    "currency": "EUR",
    "billCycleDay": 1,
    "billToContact": {"firstName": "Amy", "lastName": "Lee", "country": "Germany"},
}


class TestWhatIsNotAdopted:
    def refused(self, zuora, job_id, words, order=NUMBERED, kind=Refused, **options):
        memory = Memory()
        end = adopt(zuora, memory, job_id, order, **options)

        assert type(end) is kind
        assert "adopt_job_id: " in str(end)
        assert words in str(end)
        assert not any("j-" in str(entry) or job_id in str(entry) for entry in memory.values())

    @pytest.mark.parametrize("by_number", [True, False])
    def test_an_order_of_another_number(self, by_number):
        zuora = Zuora()
        made = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        words = "its order number is 'O-1', this one's is 'O-2'"
        self.refused(zuora, "order:O-1" if by_number else made, words, NUMBERED | {"orderNumber": "O-2"})

    @pytest.mark.parametrize("by_number", [True, False])
    def test_an_order_of_another_account(self, by_number):
        zuora = Zuora()
        made = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        other = NUMBERED | {"existingAccountNumber": "A00000098"}
        words = "its account is 'A00000097', this one's is 'A00000098'"
        self.refused(zuora, "order:O-1" if by_number else made, words, other)

    @pytest.mark.parametrize("by_number", [True, False])
    @pytest.mark.parametrize(
        ("account", "words"),
        [
            ({"existingAccountId": derive_id("account", "A00000098")}, "its account's id is"),
            (
                {"newAccount": NEW_ACCOUNT},
                "its account's name is 'Account A00000097', this one's is 'Another'",
            ),
        ],
        ids=["by its id", "a new one"],
    )
    def test_an_order_of_an_account_that_is_named_otherwise(self, account, words, by_number):
        zuora = Zuora()
        made = elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        other = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"} | account
        self.refused(zuora, "order:O-1" if by_number else made, words, other)

    def test_a_job_whose_order_was_cancelled_after_it(self):
        zuora = Zuora(order_seconds=60, order_next_status="Cancelled", order_status="Executing")
        made = elsewhere(zuora)
        zuora.clock.now += 3600
        self.refused(zuora, made, "of order O-1 it is Cancelled")

    def test_a_job_that_is_still_processing_and_makes_another_order(self):
        zuora = Zuora(job_seconds=20)
        made = elsewhere(zuora)
        self.refused(zuora, made, "its order number is 'O-1'", NUMBERED | {"orderNumber": "O-2"})

    def test_a_job_whose_ids_do_not_tell_which_order_it_made(self):
        zuora = Zuora()
        made = elsewhere(zuora, return_ids=True)
        self.refused(
            zuora, made, "it does not say whether it is order O-2", NUMBERED | {"orderNumber": "O-2"}
        )

    def test_a_preview(self, order):
        zuora = Zuora(job_seconds=20)
        preview = zuora.run(zuora.client().submit(check_preview(PREVIEW).request, "preview"))
        self.refused(zuora, preview, "its type is 'AsyncPreviewOrder'", order)

    def test_a_job_that_failed(self):
        zuora = Zuora("job fails permanently")
        self.refused(zuora, elsewhere(zuora), "there is no order to adopt")

    def test_a_job_that_ends_badly_while_it_is_waited_for(self):
        zuora = Zuora(job_seconds=20, fail_jobs="[40000020]: Rate plan is not effective")
        self.refused(zuora, elsewhere(zuora), "there is no order to adopt")

    def test_a_job_whose_words_quote_a_secret_of_the_order(self):
        zuora = Zuora(fail_jobs="[40000020]: Token tok-4711-amy is not known")
        account = {
            "name": "Amy",
            "currency": "EUR",
            "billCycleDay": 1,
            "billToContact": {"firstName": "Amy", "lastName": "Lee", "country": "Germany"},
            "paymentMethod": {"type": "CreditCard", "tokenId": "tok-4711-amy"},
        }
        paid = {name: value for name, value in NUMBERED.items() if name != "existingAccountNumber"}
        self.refused(zuora, elsewhere(zuora), "Token *** is not known", paid | {"newAccount": account})

    def test_what_is_not_there(self):
        self.refused(Zuora(), "nothing", "Zuora knows no nothing; nothing was submitted", kind=NotFound)

    @pytest.mark.parametrize("status", ["Draft", "Cancelled", "Failed"])
    def test_an_order_that_is_no_success(self, status):
        zuora = Zuora(order_status=status)
        elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        self.refused(zuora, "order:O-1", "there is no order to adopt")

    def test_an_id_that_is_none(self):
        assert isinstance(adopt(Zuora(), Memory(), "no id\n"), InvalidInput)


class TestWaitingForIt:
    def test_a_job_under_way_is_waited_for(self, order):
        zuora, memory = Zuora(job_seconds=590), Memory()
        made = elsewhere(zuora, order)
        began = zuora.clock()

        assert adopt(zuora, memory, made, order) == made
        assert 590 <= zuora.clock() - began < 620

    def test_an_order_that_is_being_carried_out_is_not_waited_for_its_number_tells_whose_it_is(self):
        zuora = Zuora(order_status="Executing", order_seconds=100)
        elsewhere(zuora)
        zuora.ledger  # noqa: B018 - what is under way ends
        began = zuora.clock()

        assert adopt(zuora, Memory(), "order:O-1") == "order:O-1"
        assert zuora.clock() == began

    def test_for_ten_minutes_and_no_longer(self, order):
        zuora, memory = Zuora(job_seconds=3600), Memory()
        made = elsewhere(zuora, order)
        began = zuora.clock()
        end = adopt(zuora, memory, made, order)

        assert isinstance(end, TimedOut)
        assert f"job {made} is still Processing" in str(end)
        assert "nothing was submitted. Clear the task when it has ended." in str(end)
        assert zuora.clock() - began == 600
        assert not end.transient
        assert made not in str(memory)


# One raw key for two orders.


class TestARawKeyThatLedToAnothersJob:
    OTHER = NUMBERED | {"orderNumber": "O-2"}

    def test_fails_loudly_if_the_number_is_another(self):
        zuora = Zuora()
        elsewhere(zuora, raw_key="mine")
        zuora.ledger  # noqa: B018 - what is under way ends
        end = submit(zuora, Memory(), TaskAttempt(1, 1), self.OTHER, raw_key="mine").run().end

        assert type(end) is WrongOrder
        assert "did not make this task's order: its order number is 'O-1', this one's is 'O-2'" in str(end)

    def test_fails_loudly_if_the_account_is_another(self):
        zuora = Zuora()
        elsewhere(zuora, ORDER, raw_key="mine")
        zuora.ledger  # noqa: B018 - what is under way ends
        other = ORDER | {"existingAccountNumber": "A00000098"}
        end = submit(zuora, None, TaskAttempt(1, 1), other, raw_key="mine").run().end

        assert type(end) is WrongOrder
        assert "its account is 'A00000097'" in str(end)

    def test_fails_in_each_try_until_another_key_is_passed(self):
        zuora, memory = Zuora(), Memory()
        elsewhere(zuora, raw_key="mine")
        zuora.ledger  # noqa: B018 - what is under way ends
        for attempt in (TaskAttempt(1, 1), TaskAttempt(2, 1), AGAIN):
            assert type(submit(zuora, memory, attempt, self.OTHER, raw_key="mine").run().end) is WrongOrder
        end = (
            submit(zuora, memory, TaskAttempt(4, 6, is_cleared=True), self.OTHER, raw_key="another").run().end
        )

        assert end in zuora.made
        assert {order["orderNumber"] for order in zuora.ledger["orders"]} == {"O-1", "O-2"}

    def test_the_job_is_read_once_before_its_id_is_returned(self):
        zuora = Zuora(job_seconds=100)
        end = zuora.run(submit_order(zuora.client(), check_order(NUMBERED), BY, raw_key="mine"))

        assert zuora.ledger["requests"]["GET /v1/async-jobs/{jobId}"] == 1
        assert zuora.clock.naps == []
        assert end in {job["jobId"] for job in zuora.ledger["jobs"]}

    def test_a_job_that_is_not_known_yet_is_returned(self):
        zuora = Zuora(job_lag_seconds=30)
        end = submit(zuora, None, TaskAttempt(1, 1), raw_key="mine").run().end

        assert [end] == zuora.made

    def test_a_key_of_ours_needs_no_look_up(self):
        zuora = Zuora()
        zuora.run(submit_order(zuora.client(), check_order(NUMBERED), BY))

        assert "GET /v1/async-jobs/{jobId}" not in zuora.ledger["requests"]


def test_a_job_of_an_earlier_try_is_compared_too():
    """What is noted may be wrong: a job that was adopted by hand, say."""
    zuora, memory = Zuora(), Memory()
    other = elsewhere(zuora)
    mine = NUMBERED | {"orderNumber": "O-2"}
    submit(zuora, memory, TaskAttempt(1, 1), mine).run()
    entry = memory[f"{NAME}:1"]
    entry["submissions"][0]["job_id"] = other
    memory.set(f"{NAME}:1", entry)

    assert type(submit(zuora, memory, TaskAttempt(2, 1), mine).run().end) is WrongOrder


def test_an_account_by_its_id_is_compared_with_an_id():
    expected = build_expectation({"existingAccountId": derive_id("account", "A-1")})
    check_result(job({"orderId": "8ad1", "accountId": derive_id("account", "A-1").upper()}), expected)
    with pytest.raises(Refused):
        check_result(job({"accountId": derive_id("account", "A-2")}), expected)
