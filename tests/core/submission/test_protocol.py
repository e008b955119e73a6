"""The protocol's table: it is what the page shows, it is complete, and its laws hold in every row."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from textwrap import dedent

import pytest

from airflow_provider_zuora.core.submission.post import PROVABLE, Post
from airflow_provider_zuora.core.submission.protocol import ROWS, TABLE, Action, Event, Standing
from airflow_provider_zuora.core.submission.record import SubmissionState
from airflow_provider_zuora.core.submission.submission import ACTIONS, Submission
from tests.core.submission.test_answers import ANSWERS


def read_rows():
    """Return the rows of the page's table: standing, events, next standing and action."""
    page = (Path(__file__).parents[3] / "docs" / "exactly-once.md").read_text()
    drawn = page.split("| standing | event |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in drawn.splitlines()[2:]]


def read_table():
    """Return what the page says, in the form of `TABLE`; a row of a standing goes before one of any."""
    table = {}
    for name, events, then in sorted(read_rows(), key=lambda row: row[0] != "any"):
        after, action = then.split(", ", 1)
        for standing in Standing if name == "any" else (Standing[name],):
            for event in events.split(", "):
                table[standing, Event[event]] = (Standing[after], Action(action))
    return table


def test_the_page_shows_the_table_of_the_code():
    assert read_table() == TABLE


def test_no_row_says_the_same_pair_twice():
    of_the_page = [(name, event) for name, events, _ in read_rows() for event in events.split(", ")]
    of_the_code = [(standing, event) for standing, events, _, _ in ROWS for event in events]

    assert len(of_the_page) == len(set(of_the_page)) == len(of_the_code) == len(set(of_the_code))


# Completeness: whatever an action can yield has a row.

METHODS = {
    **ACTIONS,
    Action.CONSIDER: Submission._consider,
}
ENDS = {Action.RETURN, Action.FAIL, Action.STOP, Action.ASK}


def list_named(function):
    """Return the events that the source of a function names."""
    tree = ast.parse(dedent(inspect.getsource(function)))
    return {
        Event[node.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }


def yields(action):
    """Return the events that an action can come to, as its own source has them."""
    if action is Action.SEND:
        stored = {Event[f"{each.name}_STORED"] for each in PROVABLE}
        after_absence = {Event.REFUSED_AFTER_ABSENCE, Event.REFUSED_AFTER_ABSENCE_STORED}
        return {*ANSWERS} | stored | after_absence | list_named(Post.send) | {Event.ACCEPTED_BEFORE}
    return list_named(METHODS[action])


DECIDED = {Standing[state.name] for state in SubmissionState if state is not SubmissionState.OPEN}
BEGINNINGS = {Standing.CLEAR, Standing.UNDECIDED} | DECIDED


def list_reached():
    """Return each pair of a standing and an event that a submission can come to."""
    todo = [(standing, Event.START) for standing in BEGINNINGS]
    seen = set()
    while todo:
        pair = todo.pop()
        if pair in seen:
            continue
        seen.add(pair)
        standing, action = TABLE[pair]  # a pair without a row is an error here
        if action not in ENDS:
            todo += [(standing, event) for event in yields(action) if list_possible(standing, event)]
    return seen


def list_possible(standing, event):
    """Return whether an action can yield this event where it stands so: two ask where they stand."""
    if event in Event.NOT_FOUND_TURNED_AWAY | Event.NOT_FOUND_STORED:
        return standing is Standing.CONTRADICTED
    return True


def test_every_action_that_goes_on_has_its_events():
    assert yields(Action.SEND) >= {Event.ACCEPTED, Event.OLD, Event.ENOUGH, Event.REFUSED_AFTER_ABSENCE}
    assert yields(Action.LOOK_UP) == {
        Event.FOUND,
        Event.NOT_FOUND,
        Event.NOT_FOUND_STORED,
        Event.NOT_FOUND_TURNED_AWAY,
        Event.NO_NUMBER,
    }
    assert yields(Action.LOOK_ONCE) == {Event.FOUND, Event.NOT_FOUND_YET}
    assert yields(Action.NEXT_KEY) == {Event.FOUND, Event.BEGUN, Event.BEGUN_BEFORE}
    assert yields(Action.CONSIDER) == {Event.AGAIN, Event.AGAIN_ASKED, Event.OVER}
    assert yields(Action.READ_JOB) == {Event.RUNS, Event.JOB_FAILED, Event.JOB_UNKNOWN}
    assert set(METHODS) | ENDS | {Action.SEND} == set(Action)


def test_every_pair_that_a_submission_can_come_to_has_a_row():
    assert list_reached() <= TABLE.keys()


def test_every_row_is_one_that_a_submission_can_come_to():
    own = {(standing, event) for standing, events, _, _ in ROWS if standing for event in events}
    assert own - list_reached() == set()


def test_every_standing_and_every_event_is_in_use():
    pairs = list_reached()
    assert {standing for standing, _ in pairs} | {then for then, _ in TABLE.values()} == set(Standing)
    assert {event for _, event in pairs} == set(Event)
    assert {action for _, action in TABLE.values()} == set(Action)


# The laws.

ENDED = {Standing.REFUSED, Standing.ABSENT}
OPEN = {Standing.UNDECIDED, Standing.CONTRADICTED}  # an earlier POST may have made the order
ALONE = {Standing.CLEAR, Standing.REPROVED}  # no other POST under the key can have
# Whatever became of the others: the answer that all POSTs under the key get, or no order there, twice.
OF_THE_KEY = {
    Event.REFUSED_STORED,
    Event.LOCKED_STORED,
    Event.LIMITED_STORED,
    Event.NOT_FOUND,
    Event.NOT_FOUND_STORED,
}
OF_NOBODY = {Event.NO_ANSWER, Event.IN_PROGRESS, Event.ENOUGH, Event.NOT_FOUND_YET}
OF_ITS_POST = {Event.TURNED_AWAY, Event.SIGN_IN_REFUSED, Event.LIMITED}


def leading(wanted):
    """Return the pairs from which it is so, without what was so before the try began."""
    return {pair for pair, then in TABLE.items() if wanted(*pair, *then) and pair[1] is not Event.START}


def test_after_an_unanswered_post_only_what_speaks_for_the_key_ends_it():
    """No refusal, no absence and no other key on the word of one answer."""
    ends = leading(lambda stands, _, then, action: then in ENDED or action is Action.NEXT_KEY)

    assert {event for stands, event in ends if stands in OPEN} == OF_THE_KEY
    assert {event for stands, event in ends if stands in {Standing.STUCK, Standing.MISUSED}} == {
        Event.NOT_FOUND
    }


def test_the_only_post_under_a_key_is_decided_by_its_own_refusal():
    ends = leading(lambda stands, _, then, action: then in ENDED or action is Action.NEXT_KEY)
    own = {Event.REFUSED, Event.LOCKED, Event.OLD, Event.ENOUGH}

    assert {event for stands, event in ends if stands in ALONE} <= OF_THE_KEY | own
    assert (Standing.CLEAR, Event.REFUSED_AFTER_ABSENCE) not in ends, "the key before may have come late"


@pytest.mark.parametrize("event", sorted(OF_NOBODY | OF_ITS_POST, key=lambda event: event.name))
def test_what_speaks_for_nobody_or_for_its_post_alone_ends_no_key(event):
    for (stands, heard), (then, action) in TABLE.items():
        if heard is event and stands is not Standing.REPROVED:  # that was refused before
            assert then not in ENDED | {Standing.FAILED}
            assert action not in {Action.NEXT_KEY, Action.FAIL}


def test_what_may_have_been_made_is_never_forgotten():
    """From an open standing to a clear one leads only that no order was found, or a key nobody sent."""
    clears = leading(
        lambda stands, _, then, action: stands not in ALONE and then in {Standing.CLEAR, Standing.REPROVED}
    )

    assert {event for _, event in clears} == {Event.NOT_FOUND_TURNED_AWAY, Event.AGAIN, Event.BEGUN}
    assert {standing for standing, event in clears if event is Event.AGAIN} == {Standing.REFUSED}
    assert {standing for standing, event in clears if event is Event.NOT_FOUND_TURNED_AWAY} == {
        Standing.CONTRADICTED
    }


def test_a_key_follows_only_on_one_that_has_ended():
    for then, action in TABLE.values():
        if action is Action.NEXT_KEY:
            assert then in ENDED | {Standing.FAILED}


def test_success_is_a_job_or_an_order_that_was_found():
    for (_, event), (then, action) in TABLE.items():
        if action is Action.RETURN:
            assert then is Standing.STARTED
            assert event in {Event.ACCEPTED, Event.RUNS, Event.FOUND}


def test_if_there_is_a_job_no_order_is_sent():
    for (stands, event), (_, action) in TABLE.items():
        if stands in {Standing.STARTED, Standing.LOST} and event not in {Event.BEGUN, Event.BEGUN_BEFORE}:
            assert action is not Action.SEND
            assert action is not Action.NEXT_KEY


def test_a_person_is_asked_if_nothing_can_be_known():
    asked = leading(lambda stands, _, then, action: action is Action.ASK)

    assert {event for _, event in asked} == {Event.NO_NUMBER, Event.NOT_FOUND}
    assert {standing for standing, event in asked if event is Event.NOT_FOUND} == {
        Standing.LOST,
        Standing.MISUSED,
    }


def test_the_next_key_follows_only_if_every_post_under_this_one_comes_to_nothing():
    """Else a try that remembers nothing would send the key that was left, and make a second order."""
    left = leading(lambda stands, _, then, action: action is Action.NEXT_KEY)

    assert {event for _, event in left} == {
        Event.REFUSED_STORED,
        Event.LOCKED_STORED,
        Event.LIMITED_STORED,
        Event.OLD,
        Event.NOT_FOUND,
        Event.AGAIN,
        Event.AGAIN_ASKED,
    }
    assert {standing for standing, event in left if event is Event.NOT_FOUND} == {Standing.STUCK}
    assert {standing for standing, event in left if event is Event.AGAIN} == {Standing.FAILED}
