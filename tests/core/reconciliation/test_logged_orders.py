"""What the lines of a key say together, in whatever order they are read."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_zuora.core.reconciliation.logged_orders import LogState, read_books
from tests.books import make_order
from tests.core.reconciliation.desk import Desk

ORDER = make_order("O-1")
CARD = make_order("4111111111111111")


@pytest.fixture
def desk():
    return Desk()


def read(desk):
    """Return the one order of a log, the same for each order of its lines."""
    found = [read_books(lines).orders["k"] for lines in itertools.permutations(desk.lines)]
    [order] = {(each.state, each.first, each.last, tuple(each.job_ids)): each for each in found}.values()
    return order


def test_an_end_of_a_later_try_counts_whenever_its_line_is_read(desk):
    desk.refuse("k", ORDER, "open")
    desk.clock.now += 60
    desk.refuse("k", ORDER, try_number=2)
    order = read(desk)
    assert order.state is LogState.REFUSED
    assert (order.first, order.last) == (desk.began, desk.began + 60)
    assert (order.first_try, order.last_try) == (1, 2)


def test_the_last_end_of_a_try_counts(desk):
    for outcome in ("refused", "open"):
        desk.refuse("k", ORDER, outcome)
        desk.clock.now += 60
    assert read(desk).state is LogState.OPEN


def test_a_job_that_was_named_counts_whatever_came_later(desk):
    job_id = desk.submit("k", ORDER)
    desk.clock.now += 60
    desk.refuse("k", ORDER, "unknown", try_number=2)
    order = read(desk)
    assert (order.state, order.job_ids) == (LogState.SENT, [job_id])


def test_a_job_that_a_later_try_knows_to_have_failed_has_made_none(desk):
    desk.submit("k", ORDER)
    desk.clock.now += 60
    desk.log("end", "k", ORDER, outcome="refused", try_number=2)
    assert read(desk).state is LogState.REFUSED


def test_a_process_that_goes_on_with_a_try_has_an_intent_of_its_own(desk):
    desk.refuse("k", ORDER, "open")
    desk.clock.now += 60
    desk.cut("k", ORDER)
    assert read(desk).state is LogState.UNKNOWN


def test_a_try_that_was_killed_is_closed_by_a_later_one_that_was_refused(desk):
    desk.cut("k", ORDER)
    desk.clock.now += 60
    desk.refuse("k", ORDER, try_number=2)
    assert read(desk).state is LogState.REFUSED


def test_a_number_that_looks_like_a_cards_is_not_known(desk):
    job_id = desk.submit("k", CARD)
    desk.log("result", None, CARD, digest=None, job_id=job_id, outcome="completed")
    books = read_books(desk.lines)
    order = books.orders["k"]
    assert (order.order_number, order.list_numbers(books.jobs)) == ("", [])


def test_an_account_that_looks_like_a_card_is_not_known_so_that_it_is_not_different(desk):
    desk.submit("k", make_order("O-1", "5500000000000004"))
    assert desk.lines[0]["account_number"] == "***"
    assert desk.find() == {"k": "found"}


def test_the_result_of_a_job_names_the_order_that_it_has_made(desk):
    job_id = desk.submit("k", make_order(None))
    desk.log("result", None, ORDER, digest=None, job_id=job_id, outcome="completed")
    desk.find()
    assert [each.path for each in desk.sent if each.method == "GET"] == [
        "/object-query/orders",
        "/v1/orders/O-1",  # of which nobody has heard
    ]


def test_an_order_that_was_found_by_its_number_has_that(desk):
    desk.cut("k", make_order(None))
    desk.log("end", "k", make_order(None), outcome="adopted", job_id="order:O-9")
    desk.log("end", "k", make_order(None), outcome="adopted", job_id="order:O-9")
    books = read_books(desk.lines)
    assert books.orders["k"].list_numbers(books.jobs) == ["O-9"]


def test_lines_of_other_versions_and_kinds_are_passed_over(desk):
    desk.submit("k", ORDER)
    desk.cut("other", ORDER, kind="bill run")
    later = desk.lines[0] | {"schema_version": 2, "key": "newer"}
    books = read_books([*desk.lines, later, {"event": "intent"}, {}])
    assert (set(books.orders), books.unread) == ({"k"}, 3)
    assert desk.compare().unread == 0


@pytest.mark.parametrize(
    "change",
    [
        {"event": "other"},
        {"key": None},
        {"key": 5},
        {"order_number": 5},
        {"try_number": "1"},
        {"try_number": None},
        {"unanswered": None},
        {"codes": [1]},
        {"codes": None},
        {"track_ids": None},
        {"time": "yesterday"},
        {"kind": None},
    ],
    ids=str,
)
def test_a_line_of_another_form_is_passed_over_and_counted(desk, change):
    desk.submit("k", ORDER)
    books = read_books([*desk.lines, desk.lines[0] | {"key": "broken"} | change])
    assert (set(books.orders), books.unread) == ({"k"}, 1)
    for name in desk.lines[0]:
        read_books([{key: value for key, value in desk.lines[0].items() if key != name}])


def test_what_a_reconciliation_has_written_closes_what_was_open_until_a_later_line(desk):
    desk.cut("k", ORDER)
    desk.clock.now += 60
    desk.log("reconciled", "k", ORDER, outcome="absent")
    desk.log("reconciled", "unknown", ORDER, outcome="found")
    order = read(desk)
    assert (order.is_closed, order.state) == (True, LogState.UNKNOWN)
    desk.clock.now += 60
    desk.cut("k", ORDER, try_number=2)
    assert read(desk).is_closed is False


@pytest.mark.parametrize("event", ["intent", "end"])
def test_a_line_alone_is_enough(desk, event):
    more = {"outcome": "unknown"} if event == "end" else {}
    desk.log(event, "k", ORDER, **more)
    assert read(desk).state is LogState.UNKNOWN


@pytest.mark.parametrize(
    ("outcomes", "is_there"),
    [
        (["submitted"], True),
        (["found"], True),
        (["adopted"], True),
        (["refused"], False),
        (["unknown"], False),
        (["open"], False),
        (["submitted", "refused"], False),
        (["unknown", "reconciled found"], True),
        (["unknown", "reconciled absent"], False),
        (["unknown", "reconciled found", "open"], True),
        (["unknown", "reconciled found", "refused"], False),
        (["unknown", "reconciled found", "reconciled absent"], False),
        (["unknown", "reconciled absent", "submitted"], True),
    ],
)
def test_an_order_is_at_zuora_if_a_line_says_so_and_no_later_one_that_there_is_none(desk, outcomes, is_there):
    desk.cut("k", ORDER)
    for words in outcomes:
        desk.clock.now += 60
        *event, outcome = words.split()
        job = {} if event or outcome in ("refused", "unknown", "open") else {"job_id": "j-1"}
        desk.log(*(event or ["end"]), "k", ORDER, outcome=outcome, **job)
    assert read(desk).is_there is is_there
