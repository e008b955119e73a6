"""What became of an order, by its log and by Zuora: a word for each, and what is safe to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.submission.idempotency_keys import propose_key
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from tests.books import change, make_order
from tests.core.reconciliation.desk import HOUR, MARGIN, TASK, Desk
from zuora_sandbox import Fault
from zuora_sandbox.order_store import StatusPlan

NUMBERED, PLAIN = make_order("O-1"), make_order(None)
BY_ID = {**make_order("O-1"), "existingAccountId": "of-another"}
del BY_ID["existingAccountNumber"]
DAY = 86400.0


@pytest.fixture
def desk():
    return Desk()


def tell(entry):
    """Return what an entry says, in one tuple."""
    proposal = entry.proposal
    return str(entry.finding), str(proposal.action), proposal.value, entry.established


class TestAnOrderThatWasSent:
    @pytest.mark.parametrize("order", [NUMBERED, PLAIN], ids=["numbered", "not numbered"])
    def test_is_found(self, desk, order):
        desk.submit("k", order)
        entry = desk.find_one()
        assert (tell(entry), entry.detail, str(entry.action)) == (("found", "", "", None), "", "")
        assert entry.number == entry.name == next(iter(desk.sandbox.state.order_store.orders))

    def test_with_a_number_is_found_without_a_read_of_its_own(self, desk):
        desk.submit("k", NUMBERED)
        desk.find_one()
        assert [each.path for each in desk.sent if each.method == "GET"] == ["/object-query/orders"]

    def test_whose_number_is_spelt_otherwise_is_found(self, desk):
        desk.submit("k", NUMBERED)
        orders = desk.sandbox.state.order_store.orders
        orders["o-1"] = replace(orders.pop("O-1"), number="o-1")
        assert desk.find() == {"k": "found"}

    def test_that_the_list_does_not_show_yet_is_read_by_its_number(self):
        desk = Desk(object_query_lag_seconds=DAY)
        desk.submit("k", NUMBERED)
        assert desk.find() == {"k": "found"}

    @pytest.mark.parametrize(
        ("status", "finding"),
        [
            ("Pending", "pending"),
            ("Scheduled", "pending"),
            ("Executing", "pending"),
            ("Abgeschlossen", "pending"),
            ("Draft", "cancelled"),
            ("Cancelled", "cancelled"),
            ("Failed", "cancelled"),
        ],
    )
    def test_of_another_status_is_pending_or_cancelled(self, desk, status, finding):
        desk.submit("k", NUMBERED)
        change(desk.sandbox, "O-1", plan=StatusPlan(status))
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == (finding, f"it is {status}")

    @pytest.mark.parametrize("lag", [0, DAY], ids=["listed", "read by its number"])
    @pytest.mark.parametrize(
        ("changed", "detail"),
        [
            ({"account": "A9"}, "its account is A9, the log's is A00000097"),
            (
                {"order": NUMBERED | {"orderDate": "2024-07-02"}},
                "its order date is 2024-07-02, the log's is 2024-07-01",
            ),
        ],
    )
    def test_of_another_account_or_date_is_different(self, lag, changed, detail):
        desk = Desk(object_query_lag_seconds=lag)
        desk.submit("k", NUMBERED)
        change(desk.sandbox, "O-1", **changed)
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == ("different", detail)

    def test_is_compared_by_the_id_of_its_account_if_it_names_that(self, desk):
        desk.cut("k", BY_ID)
        desk.log("end", "k", BY_ID, outcome="found", job_id="order:O-1")
        desk.make("O-1")
        entry = desk.find_one()
        assert str(entry.finding) == "different"
        assert entry.detail.startswith("its account's id is ")
        assert entry.detail.endswith("the log's is of-another")


class TestAnOrderThatIsMissing:
    def test_was_made_and_is_gone(self, desk):
        desk.submit("k", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == ("missing", "it was made, and is not there any more")
        assert (entry.is_young, str(entry.action)) == (False, "look")

    def test_may_never_have_been_made(self, desk):
        desk.submit("k", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        desk.forget_jobs()
        entry = desk.find_one(later=60.0)
        assert (str(entry.finding), entry.detail) == ("missing", "nobody knows that it was made")
        assert (entry.is_young, str(entry.action)) == (True, "wait")

    def test_without_a_number_of_its_own_is_known_by_its_job(self, desk):
        desk.submit("k", PLAIN)
        [number] = desk.sandbox.state.order_store.orders
        desk.sandbox.state.order_store.delete_order(number)
        entry = desk.find_one()
        assert (str(entry.finding), entry.number) == ("missing", number)

    @pytest.mark.parametrize("order", [NUMBERED, PLAIN], ids=["numbered", "not numbered"])
    def test_because_its_job_failed_is_missing_if_no_task_has_learnt_that(self, order):
        desk = Desk(fail_jobs="[53200020]: Rate plan is not effective")
        desk.submit("k", order)
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == ("missing", "its job has failed (53200020)")

    def test_because_its_job_failed_is_refused_if_the_log_says_so(self):
        desk = Desk(fail_jobs="[53200020]: Rate plan is not effective")
        job_id = desk.submit("k", NUMBERED)
        desk.log("result", None, {"orderDate": None}, job_id=job_id, outcome="failed", codes=["53200020"])
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == ("refused", "its job has failed (53200020)")

    def test_is_pending_while_its_job_runs(self):
        desk = Desk(job_seconds=DAY)
        desk.submit("k", NUMBERED)
        entry = desk.find_one()
        assert (str(entry.finding), entry.detail) == ("pending", "its job has not ended")

    def test_and_has_no_number_is_unknown_once_its_job_is_forgotten(self, desk):
        desk.submit("k", PLAIN)
        desk.forget_jobs()
        [number] = desk.sandbox.state.order_store.orders
        entry = desk.find_one()
        assert tell(entry) == ("unknown", "look", f"order:{number}", None)
        assert entry.others == (number,)
        assert entry.detail == (
            "its job is not known any more, and it has no number; "
            "orders of its account and date that may be it: 1"
        )
        assert entry.name == entry.order.job_ids[0]

    def test_and_has_no_number_is_for_a_person_if_zuora_has_none_that_may_be_it(self, desk):
        desk.submit("k", PLAIN)
        [number] = desk.sandbox.state.order_store.orders
        desk.sandbox.state.order_store.delete_order(number)
        desk.forget_jobs()
        assert tell(desk.find_one()) == ("unknown", "look", "", None)


class TestAnOrderThatIsDoubled:
    def test_has_another_of_the_same_account_date_and_content(self, desk):
        desk.submit("k", NUMBERED)
        by_hand = desk.make()
        result = desk.compare()
        [entry] = result.entries
        assert (str(entry.finding), list(entry.others)) == ("doubled", [by_hand])
        assert result.others == []

    @pytest.mark.parametrize(
        "changed",
        [
            {"account": "A9"},
            {"orderDate": "2024-07-02"},
            {"description": "Another"},
            {"customFields": {"Region__c": "EMEA"}},
            {"plan": StatusPlan("Cancelled")},
        ],
        ids=str,
    )
    def test_has_none_that_differs_or_was_cancelled(self, desk, changed):
        desk.submit("k", NUMBERED)
        other = desk.make(**changed)
        result = desk.compare()
        assert [str(entry.finding) for entry in result.entries] == ["found"]
        assert [entry.number for entry in result.others] == [other]

    def test_and_was_cancelled_is_no_double(self, desk):
        desk.submit("k", NUMBERED)
        change(desk.sandbox, "O-1", plan=StatusPlan("Cancelled"))
        desk.make()
        assert desk.find() == {"k": "cancelled"}

    def test_is_so_by_what_it_creates_whatever_numbers_zuora_gives_to_that(self, desk):
        action = {
            "type": "CreateSubscription",
            "createSubscription": {"subscribeToRatePlans": [{"productRatePlanId": "p"}]},
        }
        content = {"orderLineItems": [], "subscriptions": [{"orderActions": [action]}]}
        desk.submit("k", NUMBERED | content)
        by_hand = desk.make(**content)
        entry = desk.find_one()
        assert (str(entry.finding), list(entry.others)) == ("doubled", [by_hand])

    def test_by_a_second_key_with_the_same_content_is_the_later_one(self, desk):
        desk.submit("k1", PLAIN)
        desk.clock.now += 60
        desk.submit("k2", PLAIN)
        first, second = desk.compare().entries
        assert (str(first.finding), str(second.finding)) == ("found", "doubled")
        assert second.others == (first.number,)

    def test_by_a_key_that_has_made_two(self, desk):
        first = desk.submit("k", PLAIN)
        assert desk.submit("k", PLAIN, try_number=2) != first
        entry = desk.find_one()
        numbers = sorted(desk.sandbox.state.order_store.orders)
        assert (str(entry.finding), [entry.number, *entry.others]) == ("doubled", numbers)

    def test_one_number_that_two_keys_name_is_one_order(self, desk):
        desk.submit("k1", NUMBERED)
        desk.cut("k2", NUMBERED)
        desk.log("end", "k2", NUMBERED, outcome="found", job_id="order:O-1")
        assert desk.find() == {"k1": "found", "k2": "found"}


class TestAnUnknownOutcome:
    def test_is_adopted_if_the_order_is_there(self, desk):
        desk.cut("k", NUMBERED)
        desk.make("O-1")
        assert tell(desk.find_one()) == ("unknown", "adopt_job_id", "order:O-1", "found")

    def test_is_sent_again_under_its_key_if_it_is_not(self, desk):
        desk.cut("k", NUMBERED)
        assert tell(desk.find_one()) == ("unknown", "clear the task", "", "absent")

    def test_needs_another_key_when_zuora_has_forgotten_its_own(self, desk):
        desk.cut("k", NUMBERED)
        entry = desk.find_one(later=23 * HOUR)
        assert tell(entry) == ("unknown", "submit again", propose_key("k", desk.clock()), "absent")

    def test_needs_another_key_if_the_task_has_asked(self, desk):
        desk.refuse("k", NUMBERED, "unknown", unanswered=1)
        assert tell(desk.find_one()) == ("unknown", "submit again", propose_key("k", desk.clock()), "absent")

    def test_may_be_under_way_in_the_first_quarter_of_an_hour(self, desk):
        desk.cut("k", NUMBERED)
        entry = desk.find_one(later=899)
        assert (tell(entry), entry.is_young, str(entry.action)) == (
            ("unknown", "wait", "", None),
            True,
            "wait",
        )

    @pytest.mark.parametrize("changed", [{"account": "A9"}, {"plan": StatusPlan("Cancelled")}], ids=str)
    def test_is_for_a_person_if_the_order_is_another_or_was_cancelled(self, desk, changed):
        desk.cut("k", NUMBERED)
        desk.make("O-1", **changed)
        assert tell(desk.find_one()) == ("unknown", "look", "", None)

    def test_names_the_order_that_a_person_has_made_instead(self, desk):
        desk.cut("k", NUMBERED)
        desk.make("O-1")
        by_hand = desk.make()
        entry = desk.find_one()
        assert (tell(entry)[1:3], list(entry.others)) == (("adopt_job_id", "order:O-1"), [by_hand])

    def test_of_several_posts_that_may_have_made_it_is_sent_again_under_its_key(self, desk):
        desk.refuse("k", NUMBERED, "open", unanswered=2)
        assert tell(desk.find_one()) == ("unknown", "clear the task", "", "absent")

    @pytest.mark.parametrize("others", ["submitted", "unknown"])
    def test_of_a_list_gets_no_other_key_which_all_of_its_orders_would_have(self, desk, others):
        for number in ("O-1", "O-2"):
            desk.refuse(f"k{number}", make_order(number), "unknown", unanswered=1)
        facts = {"job_id": "8ad0"} if others == "submitted" else {"unanswered": 1}
        desk.refuse("there", make_order("O-9"), others, **facts)
        found = {entry.order.key: tell(entry) for entry in desk.compare().entries}
        alone = ("unknown", "submit alone", "", "absent")
        assert [found[key] for key in ("kO-1", "kO-2")] == [alone] * 2

    def test_of_two_equal_orders_of_two_tasks_gets_a_key_of_its_own_each(self, desk):
        """Under one key of a user's own they would be one order."""
        desk.make()  # so that the account is known
        desk.clock.now += MARGIN + 1
        for index in range(2):
            desk.log("intent", f"k{index}", PLAIN, unanswered=1, map_index=index)
            desk.log("end", f"k{index}", PLAIN, outcome="unknown", unanswered=1, map_index=index)
        first, second = (tell(entry) for entry in desk.compare(later=23 * HOUR).entries)
        assert (first[1], second[1]) == ("submit again", "submit again")
        assert first[2] != second[2]

    def test_of_equal_orders_of_a_list_is_for_a_person(self, desk):
        """Their count alone tells them apart, so none may be taken out of it."""
        desk.make()
        desk.clock.now += MARGIN + 1
        for key in ("k1", "k2"):
            desk.refuse(key, PLAIN, "unknown", unanswered=1)
        assert [tell(entry) for entry in desk.compare(later=23 * HOUR).entries] == [
            ("unknown", "look", "", None)
        ] * 2

    @pytest.mark.parametrize("other", [{"map_index": 1}, {"try_number": 2}, {"run_id": "r2"}], ids=str)
    def test_needs_another_key_though_another_task_or_try_has_sent_something(self, desk, other):
        desk.refuse("k", NUMBERED, "unknown", unanswered=1)
        desk.submit("there", make_order("O-9"), **other)
        assert tell(desk.compare().entries[0])[1] == "submit again"

    def test_needs_another_key_if_nothing_came_of_the_others_of_its_list(self, desk):
        desk.refuse("k", NUMBERED, "unknown", unanswered=1)
        desk.refuse("none", make_order("O-9"), "refused")
        assert tell(desk.compare().entries[0])[1] == "submit again"

    def test_of_a_try_that_was_killed_is_unknown_whatever_a_later_one_says(self, desk):
        desk.cut("k", NUMBERED)
        desk.refuse("k", NUMBERED, "open", try_number=2)
        assert desk.find() == {"k": "unknown"}

    def test_is_replaced_by_a_submission_of_its_number(self, desk):
        desk.cut("k1", NUMBERED)
        desk.submit("k2", NUMBERED)
        assert desk.find() == {"k1": "replaced", "k2": "found"}

    def test_that_was_sent_is_replaced_by_a_later_submission_of_its_number(self, desk):
        """There is one order for both, and it was counted twice."""
        desk.submit("k1", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        desk.clock.now += 60
        desk.submit("k2", NUMBERED, run_id="r2")
        assert desk.find() == {"k1": "replaced", "k2": "found"}
        assert (
            desk.compare().entries[0].detail
            == "a later submission has its number: there is one order for both"
        )

    def test_is_replaced_by_a_later_try_of_its_task_with_its_content(self, desk):
        desk.cut("k1", PLAIN)
        desk.clock.now += 60
        desk.submit("k2", PLAIN, try_number=2)
        assert desk.find() == {"k1": "replaced", "k2": "found"}

    def test_is_not_replaced_by_an_equal_order_of_the_same_try(self, desk):
        desk.cut("k1", PLAIN)
        desk.clock.now += 60
        desk.submit("k2", PLAIN)
        assert desk.find() == {"k1": "unknown", "k2": "found"}

    def test_counts_although_the_log_says_refused_if_an_order_of_its_number_was_made_since(self, desk):
        desk.refuse("k", NUMBERED)
        desk.make("O-1")
        entry = desk.find_one()
        assert tell(entry) == ("unknown", "adopt_job_id", "order:O-1", "found")
        assert entry.detail.startswith("the log says that there is none, and Zuora has one of its number")


class TestAnUnknownOutcomeWithoutANumber:
    def test_is_for_a_person_if_one_order_of_its_account_and_date_may_be_it(self, desk):
        desk.cut("k", PLAIN)
        number = desk.make()
        entry = desk.find_one()
        assert (tell(entry), entry.others) == (("unknown", "look", f"order:{number}", None), (number,))

    def test_has_no_value_if_several_may_be_it(self, desk):
        desk.cut("k", PLAIN)
        numbers = sorted(desk.make() for _ in range(2))
        entry = desk.find_one()
        assert (tell(entry), list(entry.others)) == (("unknown", "look", "", None), numbers)

    def test_has_no_value_if_one_may_be_either_of_two(self, desk):
        desk.cut("k1", PLAIN)
        desk.cut("k2", make_order(None, description="Another"))
        desk.make()
        assert [tell(entry) for entry in desk.compare().entries] == [("unknown", "look", "", None)] * 2

    def test_is_sent_again_if_zuora_has_no_such_order_since(self, desk):
        desk.make()
        desk.clock.now += MARGIN + 1
        desk.cut("k", PLAIN)
        desk.make(orderDate="2024-07-02")
        assert tell(desk.find_one()) == ("unknown", "clear the task", "", "absent")

    def test_is_sent_again_under_its_key_although_the_task_has_asked(self, desk):
        """Its job may be slow, or the list may lag: then another key makes a second order."""
        desk.make()
        desk.clock.now += MARGIN + 1
        desk.refuse("k", PLAIN, "unknown", unanswered=1)
        assert tell(desk.find_one()) == ("unknown", "clear the task", "", "absent")

    def test_is_not_an_order_that_the_log_has(self, desk):
        desk.submit("k1", make_order(None, description="Another"))
        desk.cut("k2", PLAIN)
        entries = {entry.order.key: tell(entry) for entry in desk.compare().entries}
        assert entries["k2"] == ("unknown", "clear the task", "", "absent")

    @pytest.mark.parametrize(
        "order", [make_order(None, "A-unknown"), make_order(None, "")], ids=["unknown", "none"]
    )
    def test_is_for_a_person_if_no_account_is_known(self, desk, order):
        desk.cut("k", order)
        entry = desk.find_one()
        assert tell(entry) == ("unknown", "look", "", None)
        assert entry.detail == "it has no number, and no account by which it can be found is known"


class TestWhatATaskHasHadDeleted:
    def delete(self, desk, outcome="submitted", number="O-1"):
        facts = {"job_id": f"order-deletion:{number}", "outcome": outcome}
        desk.log("end", None, make_order(number), kind="order deletion", digest=None, **facts)

    @pytest.mark.parametrize("outcome", ["submitted", "found"])
    def test_is_deleted_and_not_missing(self, desk, outcome):
        desk.submit("k", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        self.delete(desk, outcome)
        assert desk.find() == {"k": "deleted"}

    def test_is_missing_if_the_deletion_was_refused_or_of_another_order(self, desk):
        desk.submit("k", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        for outcome, number in (("refused", "O-1"), ("unknown", "O-1"), ("submitted", "O-2")):
            self.delete(desk, outcome, number)
        self.delete(desk, number="4111111111111111")
        assert desk.find() == {"k": "missing"}

    def test_is_missing_if_it_was_made_again_since_and_is_not_there(self, desk):
        desk.submit("k1", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        desk.clock.now += 60
        self.delete(desk)
        desk.clock.now += 60
        desk.submit("k2", NUMBERED)
        desk.sandbox.state.order_store.delete_order("O-1")
        assert desk.find() == {"k1": "deleted", "k2": "missing"}

    def test_is_found_if_zuora_has_it_all_the_same(self, desk):
        desk.submit("k", NUMBERED)
        self.delete(desk)
        assert desk.find() == {"k": "found"}


class TestWhatWasNotSent:
    def test_is_refused(self, desk):
        desk.refuse("k", NUMBERED, codes=["53200020"])
        entry = desk.find_one()
        assert (tell(entry), entry.detail) == (("refused", "", "", None), "codes 53200020")

    def test_is_refused_if_another_key_or_an_earlier_order_has_its_number(self, desk):
        desk.submit("k1", NUMBERED)
        desk.refuse("k2", NUMBERED)
        desk.make("O-2")
        desk.clock.now += MARGIN + 1
        desk.refuse("k3", make_order("O-2"))
        assert desk.find() == {"k1": "found", "k2": "refused", "k3": "refused"}

    def test_is_open(self, desk):
        desk.refuse("k", NUMBERED, "open")
        assert desk.find() == {"k": "open"}


class TestTheWindow:
    def test_has_what_was_first_submitted_in_it(self, desk):
        for key in ("before", "in", "after"):
            desk.submit(key, make_order(f"O-{key}"))
            desk.clock.now += 60
        result = desk.compare(start=30, end=90)
        assert [entry.order.key for entry in result.entries] == ["in"]
        assert result.others == []

    @pytest.mark.parametrize("order", [NUMBERED, PLAIN], ids=["numbered", "not numbered"])
    def test_counts_no_order_as_made_by_others_that_was_submitted_around_it(self, desk, order):
        desk.cut("k", order)
        desk.clock.now += 60  # it is made as the window has begun
        job_id = desk.run(desk.client().submit(check_order(order).request, "order"))
        desk.log("end", "k", order, outcome="submitted", job_id=job_id)
        desk.sandbox.end_due_jobs()
        result = desk.compare(start=30)
        assert (result.entries, result.others) == ([], [])

    def test_counts_orders_of_others_that_were_created_in_it(self, desk):
        made = []
        for _ in range(3):
            made.append(desk.make())
            desk.clock.now += 60
        result = desk.compare(start=30, end=90)
        assert [entry.number for entry in result.others] == made[1:2]

    def test_passes_over_what_was_changed_since_and_made_long_before_or_after_it(self, desk):
        before = desk.make()
        change(desk.sandbox, before, plan=StatusPlan("Pending", 4 * HOUR))
        desk.clock.now += 3 * HOUR
        desk.submit("k", NUMBERED)
        desk.clock.now += 8 * DAY
        desk.make()
        result = desk.compare(start=3 * HOUR, end=4 * HOUR)
        assert (result.listed, [str(entry.finding) for entry in result.entries]) == (3, ["found"])

    def test_finds_a_double_that_was_made_after_it(self, desk):
        desk.submit("k", NUMBERED)
        desk.clock.now += DAY
        by_hand = desk.make()
        entry = desk.find_one()
        assert (str(entry.finding), list(entry.others)) == ("doubled", [by_hand])

    def test_takes_a_first_submission_of_the_same_content_before_it(self, desk):
        desk.submit("k1", PLAIN)
        desk.clock.now += 60
        desk.submit("k2", PLAIN)
        entry = desk.find_one(start=30)
        assert (entry.order.key, str(entry.finding)) == ("k2", "doubled")


class TestTheList:
    def test_is_read_page_by_page_and_with_its_cursor_alone(self):
        desk = Desk()
        for number in range(250):
            desk.make(f"X-{number}", description="Another")
        desk.submit("k", NUMBERED)
        result = desk.compare()
        pages = [request for request in desk.sent if request.path == "/object-query/orders"]
        assert (result.listed, len(result.others), len(pages)) == (251, 250, 3)
        assert [dict(page.params).get("cursor") for page in pages] == [None, "c99", "c198"]

    def test_is_read_again_while_that_fails_and_waits_as_long_as_zuora_asks(self):
        desk = Desk(
            Fault("GET", "/object-query/orders", times=1, status=503, headers={"Retry-After": "7"}),
            Fault("GET", "/object-query/orders", times=1, kind="cut", when="after"),
        )
        desk.submit("k", NUMBERED)
        assert desk.find() == {"k": "found"}
        assert desk.clock.naps[0] == 7

    def test_may_show_several_orders_of_a_number(self, desk):
        desk.submit("k", NUMBERED)
        orders = desk.sandbox.state.order_store.orders
        orders["second"] = replace(orders["O-1"], number="o-1", created=desk.clock())
        entry = desk.find_one()
        assert (str(entry.finding), len(entry.others)) == ("doubled", 1)
        assert entry.detail == "Zuora has several orders of its number"


def test_the_task_of_an_order_is_that_of_its_lines(desk):
    desk.submit("k", NUMBERED)
    assert desk.find_one().order.task == {
        name: TASK[name] for name in ("dag_id", "run_id", "task_id", "map_index")
    }
