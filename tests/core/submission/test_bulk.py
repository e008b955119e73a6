"""Many orders in one task: checked, told apart, submitted once each, reported together."""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    JobFailed,
    LockContention,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    StoreUnavailable,
    TurnedAway,
    Unreachable,
    WrongOrder,
)
from airflow_provider_zuora.core.submission.beginnings import read_notes
from airflow_provider_zuora.core.submission.bulk import (
    prepare_order,
    refuse_repeated,
    reserve_batch,
    submit_one,
)
from airflow_provider_zuora.core.submission.bulk_orders import prepare_orders
from airflow_provider_zuora.core.submission.bulk_results import (
    BulkResult,
    Progress,
    leave_unsent,
    summarize_errors,
)
from airflow_provider_zuora.core.submission.idempotency_keys import (
    EQUAL,
    OUTSIDE,
    IdempotencyScope,
    TaskAttempt,
)
from airflow_provider_zuora.core.validation import find_list_violations
from tests.conftest import ORDER
from tests.core.runners import Memory, Tenant
from tests.core.tries import ANSWERS, Actor, Zuora, body
from zuora_sandbox import Fault

TASK = IdempotencyScope("", ("dag", "run", "task"), -1)
PLAIN = {name: value for name, value in ORDER.items() if name != "orderNumber"}


def order(text, number=None):
    return PLAIN | {"description": text} | ({} if number is None else {"orderNumber": number})


def keys(orders, by=TASK, key=None):
    """Return what tells the orders apart, as the pair of description and submitter."""
    return {(each.checked.document["description"], each.scope) for each in prepare_orders(orders, by, key)}


class TestKeys:
    def test_the_order_of_the_list_plays_no_part(self):
        orders = [order("a"), order("b"), order("a"), order("c", "C-1"), order("a")]

        assert {frozenset(keys(each)) for each in itertools.permutations(orders)} == {frozenset(keys(orders))}
        assert len(keys(orders)) == len(orders)

    def test_an_order_more_or_less_changes_no_other_key(self):
        assert keys([order("a"), order("a")]) < keys([order("x"), order("a"), order("a"), order("a")])

    def test_the_order_of_the_names_in_an_object_plays_no_part(self):
        assert (
            prepare_orders([order("a")], TASK)[0].scope
            == prepare_orders([dict(reversed(order("a").items()))], TASK)[0].scope
        )

    def test_mapped_tasks_do_not_share_keys_of_unnumbered_orders(self):
        other = IdempotencyScope("", TASK.identity, 3)

        assert not keys([order("a")]) & keys([order("a")], other)

    def test_a_users_key_stands_for_the_task(self):
        other = IdempotencyScope("", ("another", "run", "task"), 3)

        assert keys([order("a"), order("a")], key="k") == keys([order("a"), order("a")], other, key="k")
        assert len(keys([order("a"), order("a")], key="k")) == 2

    def test_they_stay_what_they_are_from_release_to_release(self):
        """A task that is retried after an upgrade must send the keys that it sent before."""
        equal = [order("a"), order("a")]

        own = [each.scope for each in prepare_orders(equal, IdempotencyScope("ns", TASK.identity, -1))]
        assert own == [IdempotencyScope("ns", TASK.identity, f"-1/{count}") for count in (0, 1)]
        users = [each.scope for each in prepare_orders(equal, IdempotencyScope("ns", TASK.identity, -1), "k")]
        assert users == [IdempotencyScope("ns", ("k",)), IdempotencyScope("ns", ("k", "1"))]

    def test_a_function_makes_the_key_of_each_order(self):
        found = prepare_orders([order("a"), order("b")], TASK, lambda each: f"key {each['description']}")

        assert [each.scope.identity for each in found] == [("key a",), ("key b",)]


class TestChecks:
    def test_a_function_that_fails_is_named_with_the_order(self):
        def of(each):
            return int(each["description"])

        lines = self.broken([order("1"), order("4111 1111")], of)
        line = of.__code__.co_firstlineno + 1
        assert lines[1] == f"orders[1]: idempotency_key: it raised ValueError in of, line {line}"
        assert "4111" not in "".join(lines)

    @pytest.mark.parametrize(
        ("of", "name"),
        [
            (lambda each: each["customer"], "KeyError"),
            (lambda each: each["description"].number, "AttributeError"),
            (lambda each: each["description"] + 1, "TypeError"),
            (lambda each: str(1 / (len(each["description"]) - 1)), "ZeroDivisionError"),
        ],
    )
    def test_whatever_such_a_function_stumbles_over_is_named(self, of, name):
        [line] = self.broken([order("a")], of)
        assert line.startswith(f"orders[0]: idempotency_key: it raised {name} in <lambda>, line ")

    def broken(self, orders, key=None, places=()):
        with pytest.raises(InvalidInput) as caught:
            prepare_orders(orders, TASK, key, places)
        return caught.value.violations

    def test_all_orders_are_checked(self):
        orders = [order("a"), {**order("b"), "orderDate": "today"}, 7, order("d")]

        first, second = self.broken(orders)
        assert first.startswith("orders[1]: $.orderDate: ")
        assert second.startswith("orders[2]: $: ")

    def test_lines_are_called_lines(self):
        assert self.broken([7], places=["line 4"])[0].startswith("line 4: ")

    def test_an_order_number_is_taken_once(self):
        orders = [order("a", "N-1"), order("b", "N-2"), order("c", "N-1")]

        assert self.broken(orders) == ("orders[2]: $.orderNumber: orders[0] has it too",)

    def test_equal_orders_must_not_get_the_same_key_of_a_function(self):
        rule = ("orders[2]: idempotency_key: an equal order before it has the same one",)

        assert self.broken([order("a"), order("b"), order("a")], lambda each: "same") == rule

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            ("", "must have 1 to 254"),
            (7, "must be a text"),
            (lambda each: None, "must be a text"),
            (lambda each: 7, "must be a text"),
            (lambda each: "ü", "ASCII"),
        ],
    )
    def test_a_key_that_cannot_be_one(self, key, why):
        [line] = self.broken([order("a")], key)
        assert line.startswith("orders[0]: idempotency_key: ")
        assert why in line

    @pytest.mark.parametrize("orders", [None, {"orders": []}, "[]", 7])
    def test_no_list(self, orders):
        assert self.broken(orders) == ("orders: must be a list of objects",)

    def test_the_values_are_not_quoted(self):
        assert "4111" not in str(self.broken([{**order("a"), "orderDate": "4111111111111111"}]))


@pytest.mark.parametrize(
    ("on_existing", "concurrency", "words"),
    [
        ("fail", 1, ()),
        ("adopt", 16, ()),
        ("skip", 1, ("on_existing: must be fail or adopt, not 'skip'",)),
        ("fail", 0, ("concurrency: must be a whole number above 0, not 0",)),
        ("fail", True, ("concurrency: must be a whole number above 0, not True",)),
        ("fail", "4", ("concurrency: must be a whole number above 0, not '4'",)),
        ([], 1.5, 2),
    ],
)
def test_the_options_of_a_list(on_existing, concurrency, words):
    found = find_list_violations(on_existing, concurrency)
    assert len(found) == words if isinstance(words, int) else found == words


def entries(*errors):
    orders = prepare_orders([order(str(index), f"N-{index}") for index in range(len(errors))], TASK)
    return [
        BulkResult(each, None if error else f"job-{each.index}", error)
        for each, error in zip(orders, errors, strict=True)
    ]


class TestReport:
    def test_nothing_to_report(self):
        assert summarize_errors(entries(None, None)) is None
        assert summarize_errors([]) is None

    @pytest.mark.parametrize(
        ("errors", "kind", "transient"),
        [
            ((None, Refused("no")), Refused, False),
            ((None, JobFailed("no")), Refused, False),
            ((Refused("no"), OutcomeUnknown("who knows")), OutcomeUnknown, False),
            ((Refused("no"), OutcomeUnknown("?"), Unreachable("x", transient=True)), ApiError, True),
            ((Refused("no"), LockContention("locked", transient=True)), ApiError, True),
            ((ApiError("x", transient=True), SignInRefused("no")), SignInRefused, False),
            ((Refused("no"), TurnedAway("no"), OutcomeUnknown("?")), TurnedAway, False),
            ((TurnedAway("no"), ApiError("x", transient=True)), ApiError, True),
            ((None, WrongOrder("another")), OutcomeUnknown, False),
        ],
    )
    def test_the_kind(self, errors, kind, transient):
        error = summarize_errors(entries(*errors))

        assert type(error) is kind
        assert error.transient is transient

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (None, "submitted"),
            (Refused("no"), "refused"),
            (JobFailed("no"), "refused"),
            (TurnedAway("an edge"), "open"),
            (SignInRefused("no"), "open"),
            (ApiError("x", transient=True), "open"),
            (WrongOrder("another"), "unknown"),
            (OutcomeUnknown("?"), "unknown"),
        ],
    )
    def test_only_what_the_vendor_refused_is_refused(self, error, state):
        [entry] = entries(error)
        assert entry.state == state

    def test_the_words(self):
        text = str(summarize_errors(entries(None, Refused("no:\nwhy"), OutcomeUnknown("?"))))

        assert text == (
            "2 of 3 orders have no job (1 submitted, 1 refused, 1 unknown, 0 open).\n"
            "orders[1] (N-1): refused: no:\n    why\n"
            "orders[2] (N-2): unknown: ?"
        )

    def test_a_long_report_is_cut(self):
        text = str(summarize_errors(entries(*[Refused("no")] * 25)))

        assert len(text.splitlines()) == 22
        assert text.endswith("and 5 more, see the XCom submit_results")

    def test_an_entry_as_json(self):
        [first, second] = entries(None, Refused("no"))

        expected = {"index": 0, "order_number": "N-0", "state": "submitted", "job_id": "job-0", "error": None}
        assert first.as_dict() == expected
        assert second.as_dict() == {
            **expected,
            "index": 1,
            "order_number": "N-1",
            "state": "refused",
            "job_id": None,
            "error": "no",
        }

    def test_an_entry_without_a_number_as_json(self):
        [entry] = prepare_orders([order("a")], TASK)

        assert BulkResult(entry, "job-0").as_dict()["order_number"] is None


class TestProgress:
    def test_it_is_logged_at_each_tenth(self, caplog):
        caplog.set_level(logging.INFO)
        progress = Progress(30, 10)
        for entry in entries(*[None] * 29, Refused("no")):
            progress.add(entry)

        assert len(caplog.messages) == 10
        assert caplog.messages[-1] == "30 of 30 orders: 1 refused, 29 submitted"
        assert str(Progress(1, 1)) == "none yet"

    def test_too_many_transient_failures_in_a_row_end_it(self):
        progress = Progress(10, 3)
        transient_error, locked = Unreachable("x", transient=True), LockContention("locked", transient=True)
        for entry in entries(
            transient_error,
            transient_error,
            Refused("no"),
            transient_error,
            transient_error,
            locked,
            transient_error,
            transient_error,
        ):
            progress.add(entry)
            assert progress.stop is None
        progress.add(entries(transient_error)[0])
        assert progress.stop is transient_error

    def test_a_refused_sign_in_ends_it(self):
        progress = Progress(10, 3)
        progress.add(entries(error := SignInRefused("no"))[0])

        assert progress.stop is error

    def test_those_that_are_left_are_for_a_retry(self):
        [entry] = entries(None)

        assert leave_unsent(entry.order, Unreachable("x")).state == "open"
        assert "too many before it failed" in str(leave_unsent(entry.order, Unreachable("x")).error)
        assert "sign-in" in str(leave_unsent(entry.order, SignInRefused("x")).error)
        assert "state store failed" in str(leave_unsent(entry.order, StoreUnavailable("x")).error)


def submitting(client, orders, attempt, *, adopt=False, size=2):
    """Submit a list as a task does, one order after the other; a batch is noted before its first is sent."""
    notes = yield from read_notes(attempt)
    ready = [prepare_order(client, each, attempt, notes) for each in orders]
    entries = []
    for at in range(0, len(ready), size):
        yield from reserve_batch(ready[at : at + size], notes)
        for each in ready[at : at + size]:
            entries += [(yield from submit_one(each, adopt=adopt))]
    yield from notes.reserve(())
    return entries


class TestSubmitting:
    def run(self, tenant, orders, attempt=OUTSIDE, by=TASK, memory=None, return_ids=False, **options):
        prepared = prepare_orders(orders, by, return_ids=return_ids)
        flow = submitting(tenant.client(), prepared, attempt, **options)
        return tenant.run(flow, memory)

    def test_each_order_has_its_job(self):
        tenant = Tenant(job_seconds=0)
        entries = self.run(tenant, [order("a"), order("b"), order("a")])

        assert sorted(each.job_id for each in entries) == sorted(
            each["jobId"] for each in tenant.ledger["orders"]
        )

    @pytest.mark.parametrize(("return_ids", "query"), [(True, (("returnIds", "true"),)), (False, ())])
    def test_the_ids_are_asked_for_if_the_task_says_so(self, return_ids, query):
        tenant = Tenant()
        self.run(tenant, [order("a")], return_ids=return_ids)

        assert [each.params for each in tenant.sent if each.path == "/v1/async/orders"] == [query]

    def test_a_refusal_is_an_entry(self):
        tenant = Tenant(
            Fault("POST", "/v1", when="instead", status=400, body=body(53200020, "Not this one."))
        )
        [entry] = self.run(tenant, [order("a")])

        assert entry.state == "refused"
        assert "Not this one." in str(entry.error)

    def test_the_ways_on_are_those_of_a_list(self):
        tenant = Tenant()
        [entry] = self.run(tenant, [order("a")], TaskAttempt(number=2, since=tenant.clock() - 90_000))

        assert entry.state == "unknown"
        assert "take it out of the list" in str(entry.error)
        assert "adopt_job_id" not in str(entry.error)

    def test_the_way_on_of_equal_orders_is_to_take_all_of_them_out(self):
        """f4: their count alone tells them apart."""
        tenant = Tenant()
        orders = [order("a"), order("a"), order("b")]
        first, second, other = self.run(tenant, orders, TaskAttempt(number=2, since=tenant.clock() - 90_000))

        for entry in (first, second):
            assert entry.state == "unknown"
            assert "Take all of them out of the list, and clear the task" in str(entry.error)
        assert "take it out of the list" in str(other.error)

    def test_an_order_that_is_there_is_taken_by_another_task_a_day_later(self):
        tenant = Tenant(job_seconds=0)
        self.run(tenant, [order("a", "N-1"), order("b", "N-2"), order("c")])
        tenant.clock.now += 90_000
        other = IdempotencyScope("", ("dag", "another run", "task"), -1)
        again = [order("c"), order("changed", "N-2"), order("a", "N-1"), order("d", "N-4")]
        sent = len(tenant.sent)

        ended = self.run(tenant, again, by=other, adopt=True)

        assert [entry.state for entry in ended] == ["submitted", "refused", "submitted", "submitted"]
        assert ended[2].job_id == "order:N-1"
        assert "$.description is 'b', this one's is 'changed'" in str(ended[1].error)
        assert [each.path for each in tenant.sent[sent:]].count("/v1/async/orders") == 2
        assert sorted(each["description"] for each in tenant.ledger["orders"]) == ["a", "b", "c", "c", "d"]

    def test_an_order_that_was_taken_is_noted(self):
        tenant, memory = Tenant(job_seconds=0), Memory()
        self.run(tenant, [order("a", "N-1")], by=IdempotencyScope("", ("dag", "another run", "task"), -1))
        tenant.ledger  # noqa: B018 - what is under way ends
        self.run(tenant, [order("a", "N-1")], TaskAttempt(1, 1), memory=memory, adopt=True)
        sent = len(tenant.sent)
        [entry] = self.run(tenant, [order("a", "N-1")], TaskAttempt(2, 1), memory=memory)

        assert entry.job_id == "order:N-1"
        assert "/v1/async/orders" not in [each.path for each in tenant.sent[sent:]]

    def test_if_the_lookup_fails_nothing_is_sent(self):
        tenant = Tenant(Fault("GET", "/v1/orders", kind="reset", times=None))
        [entry] = self.run(tenant, [order("a", "N-1")], adopt=True)

        assert entry.state == "open"
        assert {request.method for request in tenant.sent if "oauth" not in request.path} == {"GET"}


class TestASecondListOfATask:
    """f10: only an order's number, or a key of its own, tells it from an equal one of the list before."""

    def prepared(self, tenant, memory, orders, attempt, key=None):
        def flow():
            notes = yield from read_notes(attempt)
            client = tenant.client()
            return [prepare_order(client, each, attempt, notes) for each in prepare_orders(orders, TASK, key)]

        return tenant.run(flow(), memory)

    def submit(self, orders):
        tenant, memory = Tenant(job_seconds=0), Memory()
        tenant.run(submitting(tenant.client(), prepare_orders(orders, TASK), TaskAttempt(1, 1)), memory)
        return tenant, memory

    def test_may_hold_no_equal_order_in_the_same_try(self):
        tenant, memory = self.submit([order("a"), order("b"), order("c", "C-1")])
        again = [order("c", "C-1"), order("d"), order("b"), order("a")]
        with pytest.raises(InvalidInput) as caught:
            refuse_repeated(self.prepared(tenant, memory, again, TaskAttempt(1, 1)))

        assert caught.value.violations == (f"orders[2]: {EQUAL}", f"orders[3]: {EQUAL}")

    def test_is_the_same_list_in_the_next_try(self):
        orders = [order("a"), order("b"), order("a")]
        tenant, memory = self.submit(orders)

        refuse_repeated(self.prepared(tenant, memory, orders, TaskAttempt(2, 1)))

    def test_may_hold_one_with_a_key_of_its_own(self):
        tenant, memory = self.submit([order("a")])

        refuse_repeated(self.prepared(tenant, memory, [order("a")], TaskAttempt(1, 1), key="own"))

    def test_a_print_tells_all_of_a_try_apart_that_have_neither_number_nor_key(self):
        found = prepare_orders([order("a"), order("a"), order("b"), order("c", "C-1")], TASK)
        claims = [each.claim for each in found]

        assert len(set(claims[:3])) == 3
        assert claims[3] is None
        assert prepare_orders([order("a")], TASK, "own")[0].claim is None


LOCK = Fault("POST", "/v1/async/orders", when="instead", status=409, body=body(53200050))
LOST = Fault("POST", "/v1/async/orders", kind="reset", when="after")
EDGE = Fault("POST", "/v1/async/orders", status=400, body=body(90000020), times=None)


class TestAListRemembers:
    """On Airflow 3.3 the promise for a list is that for a single order."""

    ORDERS = tuple(order(text) for text in "abcde")

    def tried(self, zuora, memory, attempt, orders=ORDERS, steps=None):
        flow = submitting(zuora.client(), prepare_orders(orders, TASK), attempt)
        return Actor(zuora, memory, flow).run(steps)

    def test_what_each_order_came_to(self):
        zuora, memory = Zuora(), Memory()
        first = [entry.job_id for entry in self.tried(zuora, memory, TaskAttempt(1, 1)).end]
        zuora.clock.now += 48 * 3600
        again = [entry.job_id for entry in self.tried(zuora, memory, TaskAttempt(2, 1)).end]

        assert first == again
        assert len(zuora.keys) == len(zuora.made) == 5

    def test_a_refusal_of_the_first_try_is_known_in_the_second(self):
        zuora, memory = Zuora("category 20"), Memory()
        first = self.tried(zuora, memory, TaskAttempt(1, 1)).end
        second = self.tried(zuora, memory, TaskAttempt(2, 1)).end

        assert [entry.state for entry in first] == [entry.state for entry in second]
        assert [entry.state for entry in first].count("refused") == 1
        assert len(zuora.keys) == 5

    def test_a_refusal_is_asked_for_again_after_a_clear(self):
        zuora, memory = Zuora("category 20"), Memory()
        self.tried(zuora, memory, TaskAttempt(1, 1))
        entries = self.tried(zuora, memory, TaskAttempt(2, 3, is_cleared=True)).end

        assert {entry.state for entry in entries} == {"submitted"}
        assert len(zuora.made) == 5

    def test_a_lock_is_retried_under_the_next_key(self):
        zuora, memory = Zuora("category 50"), Memory()
        first = self.tried(zuora, memory, TaskAttempt(1, 1)).end
        second = self.tried(zuora, memory, TaskAttempt(2, 1)).end

        assert [entry.state for entry in first].count("open") == 1
        assert {entry.state for entry in second} == {"submitted"}
        assert len(zuora.made) == 5

    def test_an_order_whose_answer_was_lost_is_not_refused_by_an_edge(self):
        """a01: `on_refusal` would leave it out, and `refused_path` offer it for another submission."""
        zuora, memory = Zuora(), Memory()
        zuora.script = [LOST]
        killed = self.tried(zuora, memory, TaskAttempt(1, 1), steps=4)
        assert len(zuora.keys) == 1
        killed.kill()
        zuora.script = []
        zuora.sandbox.add_fault(EDGE)
        states = [entry.state for entry in self.tried(zuora, memory, TaskAttempt(2, 1)).end]

        assert "refused" not in (states[0], states[1]), "their batch may have been sent"
        assert len(zuora.made) == 1

    def test_an_order_that_has_changed_is_what_was_sent_under_its_number(self):
        zuora, memory = Zuora(), Memory()
        [first] = self.tried(zuora, memory, TaskAttempt(1, 1), [order("a", "N-1")]).end
        [second] = self.tried(zuora, memory, TaskAttempt(2, 1), [order("changed", "N-1")]).end

        assert [first.job_id] == [second.job_id] == zuora.made
        assert len(zuora.keys) == 1

    def test_another_order_of_the_list_does_not_stand_for_one_that_has_changed(self):
        zuora, memory = Zuora(), Memory()
        self.tried(zuora, memory, TaskAttempt(1, 1))
        more = [*self.ORDERS[:4], order("changed")]
        entries = self.tried(zuora, memory, TaskAttempt(2, 1), more).end

        assert {entry.state for entry in entries} == {"submitted"}
        assert len(zuora.made) == 6

    def test_a_list_that_a_later_try_has_overtaken_sends_nothing_more(self):
        zuora, memory = Zuora(), Memory()
        first = self.tried(zuora, memory, TaskAttempt(1, 1), steps=4)
        second = self.tried(zuora, memory, TaskAttempt(2, 1))
        sent = len(zuora.keys)
        end = first.run().end

        assert {entry.state for entry in second.end} == {"submitted"}
        assert len(zuora.made) == 5
        assert len(zuora.keys) <= sent + 2, "the batch that was noted, and no more"
        assert isinstance(end, ApiError)

    @pytest.mark.parametrize("steps", range(1, 40))
    def test_wherever_its_worker_is_killed_each_order_is_made_once(self, steps):
        zuora, memory = Zuora("category 50", "no answer, made"), Memory()
        killed = self.tried(zuora, memory, TaskAttempt(1, 3), steps=steps)
        if killed.running:
            killed.kill()
        for number in (2, 3):
            ended = self.tried(zuora, memory, TaskAttempt(number, 3)).end

        assert {entry.state for entry in ended} == {"submitted"}
        assert len(zuora.made) == len(zuora.ledger["orders"]) == 5


# What passes by itself, or after a retry; the others are refusals, or questions to a person.
TRANSIENT_ANSWERS = [
    each
    for each, answer in ANSWERS.items()
    if not isinstance(answer, Fault) or answer.when != "instead" or each in ("429, stored", "category 50")
    if "without" not in each and "no JSON" not in each and "with a word" not in each
    if each
    not in ("category 61, made", "job fails permanently", "401 permanently", "refused before the store")
]


@pytest.mark.parametrize("answers", [TRANSIENT_ANSWERS, list(ANSWERS)], ids=["transient", "all"])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5),
    tries=st.lists(
        st.tuples(
            st.lists(st.integers(0, 100), max_size=3),
            st.integers(0, 40),  # steps before the worker is killed; few lists take more
            st.integers(0, 1_000_000),  # how the list is ordered
        ),
        max_size=4,
    ),
    remembered=st.booleans(),
)
def test_a_list_is_made_once_whatever_happens_to_its_tries(answers, texts, tries, remembered):
    zuora, memory = Zuora(job_seconds=0), Memory() if remembered else None
    queued, number = zuora.clock(), 0

    def one_try(ordered, steps=None):
        nonlocal number
        number += 1
        orders = prepare_orders([order(text) for text in ordered], TASK)
        flow = submitting(zuora.client(), orders, TaskAttempt(number, max_tries=9, since=queued))
        actor = Actor(zuora, memory, flow).run(steps)
        if actor.running:
            actor.kill()
        return actor.end

    for chosen, steps, seed in tries:
        zuora.script = [ANSWERS[answers[each % len(answers)]] for each in chosen]
        zuora.sandbox.state.faults.clear()
        one_try(random.Random(seed).sample(texts, len(texts)), steps)
    zuora.script = []
    zuora.sandbox.state.faults.clear()
    for _ in range(4):
        zuora.clock.now += 120
        ended = one_try(texts)
    made = Counter(each["description"] for each in zuora.ledger["orders"])
    submitted_now = Counter(e.order.checked.document["description"] for e in ended if e.state == "submitted")
    assert submitted_now <= made <= Counter(texts)
    if answers is TRANSIENT_ANSWERS:
        assert submitted_now == Counter(texts)
