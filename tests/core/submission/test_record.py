"""What is known of a submission: how it changes, and that it comes back from JSON as it was."""

from __future__ import annotations

import contextlib
import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import ApiError, JobFailed, LockContention, Refused, ResponseInfo
from airflow_provider_zuora.core.job import Job, JobState
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_json import read_record, write_record

NOW = 1_700_000_000.0
OPEN = SubmissionRecord(
    submitter="5ub",
    order_number="O-1",
    account="acc",
    key="af-1",
    generation=0,
    digest="d1",
    contents=("d1",),
    params=(("returnIds", "true"),),
    first_post=NOW,
    try_number=1,
    max_tries=2,
    paths={"$.orderDate": "1a2b"},
)
ANSWER = ResponseInfo("GET /v1/async-jobs/j-1", "af-2", 200, ("40000020",), ("Not effective.",))
FAILED = Job("j-1", JobState.FAILED, "Failed", info=ANSWER)
TRANSIENT = replace(FAILED, transient=True)
LOCKED = replace(TRANSIENT, locked=True)


def list_changes(before, after):
    """Return the fields that a transition has changed."""
    return {
        each.name: getattr(after, each.name)
        for each in fields(SubmissionRecord)
        if getattr(after, each.name) != getattr(before, each.name)
    }


def test_a_record_begins_open_and_no_post_is_unanswered():
    assert OPEN.state is SubmissionState.OPEN
    assert (OPEN.unanswered, OPEN.job_id, OPEN.lasting, OPEN.locked, OPEN.absence_believed) == (
        0,
        None,
        False,
        False,
        False,
    )
    assert (OPEN.decided_at, OPEN.reason, OPEN.track_ids) == (0.0, "", ())
    with pytest.raises(FrozenInstanceError):
        OPEN.state = SubmissionState.ABSENT


# Transitions.


def test_a_post_is_counted_before_it_is_sent():
    assert list_changes(OPEN, OPEN.count_post("t-1", "d1")) == {"track_ids": ("t-1",), "unanswered": 1}


def test_a_key_that_is_sent_again_is_open_again():
    with_refusal = OPEN.with_refusal("no", NOW, locked=False)
    assert with_refusal.count_post("t-1", "d1").state is SubmissionState.OPEN
    assert with_refusal.count_post("t-1", "d1").unanswered == 1


def test_a_post_of_another_content_is_noted_beside_the_first():
    twice = OPEN.count_post("t-1", "d2").count_post("t-2", "d2")
    assert list_changes(OPEN, twice) == {
        "track_ids": ("t-1", "t-2"),
        "contents": ("d1", "d2"),
        "unanswered": 2,
    }


def test_an_answer_that_is_about_its_post_settles_that_one_and_no_other():
    twice = OPEN.count_post("t-1", "d1").count_post("t-2", "d1")
    assert twice.discount_post().unanswered == 1
    assert twice.discount_post().discount_post().discount_post().unanswered == 0


def test_of_many_posts_the_last_eight_are_noted():
    record = OPEN
    for number in range(11):
        record = record.count_post(f"t-{number}", "d1")
    assert record.track_ids == tuple(f"t-{number}" for number in range(3, 11))
    assert record.unanswered == 11


def test_a_content_is_covered_once():
    assert OPEN.with_content("d1") == OPEN
    assert OPEN.with_content("d2").with_content("d3").with_content("d2").contents == ("d1", "d2", "d3")


def test_a_job_settles_all_posts():
    before = OPEN.count_post("t-1", "d1")
    assert list_changes(before, before.with_job("j-1", NOW)) == {
        "state": SubmissionState.STARTED,
        "job_id": "j-1",
        "unanswered": 0,
        "decided_at": NOW,
    }


def test_a_refusal_lasts_and_settles_all_posts():
    before = OPEN.count_post("t-1", "d1")
    after = before.with_refusal("no", NOW, locked=False)
    assert list_changes(before, after) == {
        "state": SubmissionState.REFUSED,
        "unanswered": 0,
        "lasting": True,
        "decided_at": NOW,
        "reason": "no",
    }
    assert after.lasting


def test_a_refusal_on_a_lock_passes():
    after = OPEN.with_refusal("busy", NOW, locked=True)
    assert list_changes(OPEN, after) == {
        "state": SubmissionState.REFUSED,
        "locked": True,
        "decided_at": NOW,
        "reason": "busy",
    }
    assert not after.lasting


@pytest.mark.parametrize(
    ("job", "lasting", "locked"), [(FAILED, True, False), (TRANSIENT, False, False), (LOCKED, False, True)]
)
def test_a_failed_job_is_permanent_or_transient_as_the_vendor_says(job, lasting, locked):
    before = OPEN.with_job("j-1", NOW - 60)
    after = before.with_failure(job, NOW)
    assert (after.lasting, after.locked) == (lasting, locked)
    assert {**list_changes(before, after), "lasting": lasting, "locked": locked} == {
        "state": SubmissionState.FAILED,
        "lasting": lasting,
        "locked": locked,
        "decided_at": NOW,
        "reason": after.reason,
    }
    assert "[40000020]" in after.reason
    assert "Not effective." not in after.reason, "the vendor's words may quote the order"


def test_a_job_that_fails_without_a_word_has_a_reason_too():
    assert OPEN.with_job("j-1", NOW).with_failure(replace(FAILED, info=None), NOW).reason == (
        "Job j-1 ended as Failed"
    )


def test_a_failure_was_seen_when_it_was_seen_first():
    """The rest after a lock is counted from there, however often the job is read again."""
    once = OPEN.with_job("j-1", NOW).with_failure(LOCKED, NOW)
    assert once.with_failure(LOCKED, NOW + 50) == once
    assert once.with_failure(FAILED, NOW + 50).decided_at == NOW


@pytest.mark.parametrize("before", [OPEN.with_job("j-1", NOW), OPEN.with_refusal("busy", NOW, locked=True)])
def test_what_was_decided_before_says_nothing_of_when_a_job_failed(before):
    assert before.with_failure(LOCKED, NOW + 50).decided_at == NOW + 50


def test_what_cannot_make_an_order_any_more_is_absent():
    before = OPEN.count_post("t-1", "d1")
    assert list_changes(before, before.with_absence("nothing there", NOW)) == {
        "state": SubmissionState.ABSENT,
        "unanswered": 0,
        "decided_at": NOW,
        "reason": "nothing there",
    }


@pytest.mark.parametrize(
    ("record", "kind", "transient"),
    [
        (OPEN.with_refusal("no", NOW, locked=False), Refused, False),
        (OPEN.with_refusal("no", NOW, locked=True), LockContention, True),
        (OPEN.with_failure(FAILED, NOW), JobFailed, False),
        (OPEN.with_failure(TRANSIENT, NOW), JobFailed, True),
        (OPEN.with_failure(LOCKED, NOW), LockContention, True),
        (OPEN.with_absence("no", NOW), ApiError, True),
    ],
    ids=["refused", "refused on a lock", "failed", "failed, transient", "failed on a lock", "absent"],
)
def test_the_error_that_an_end_amounts_to(record, kind, transient):
    error = record.to_error()
    assert type(error) is kind
    assert (str(error), error.transient) == (record.reason, transient)


# There and back.

TEXTS = st.text(max_size=10)
RECORDS = st.builds(
    SubmissionRecord,
    submitter=TEXTS,
    order_number=st.none() | TEXTS,
    account=TEXTS,
    key=TEXTS,
    generation=st.integers(0),
    digest=TEXTS,
    contents=st.lists(TEXTS).map(tuple),
    params=st.lists(st.tuples(TEXTS, TEXTS)).map(tuple),
    first_post=st.floats(0, 4e9) | st.just(float("-inf")),
    try_number=st.integers(0),
    max_tries=st.integers(0),
    state=st.sampled_from(SubmissionState),
    unanswered=st.integers(0),
    job_id=st.none() | TEXTS,
    lasting=st.booleans(),
    locked=st.booleans(),
    absence_believed=st.booleans(),
    decided_at=st.floats(0, 4e9),
    reason=TEXTS,
    paths=st.none() | st.dictionaries(TEXTS, TEXTS),
    track_ids=st.lists(TEXTS).map(tuple),
).filter(lambda record: record.state is not SubmissionState.STARTED or bool(record.job_id))


def stored(record):
    return json.loads(json.dumps(write_record(record)))


@given(RECORDS)
def test_a_record_comes_out_of_json_as_it_went_in(record):
    assert read_record(stored(record)) == record
    assert stored(record) == write_record(record)


@given(RECORDS, st.dictionaries(TEXTS, TEXTS | st.integers() | st.none()))
def test_fields_that_only_another_release_knows_are_left_out(record, more):
    noted = {f"new {name}": value for name, value in more.items()} | stored(record)
    assert read_record(noted) == record


def test_the_form_of_a_record_stays_what_it_is_from_release_to_release():
    """A task that is retried after an upgrade must find what it noted before."""
    assert {state.value for state in SubmissionState} == {"open", "started", "refused", "failed", "absent"}
    begun = {
        "submitter": "5ub",
        "order_number": "O-1",
        "account": "acc",
        "key": "af-1",
        "generation": 0,
        "digest": "d1",
        "contents": ["d1"],
        "params": [["returnIds", "true"]],
        "first_post": NOW,
        "try_number": 1,
        "max_tries": 2,
        "paths": {"$.orderDate": "1a2b"},
    }
    assert write_record(OPEN) == begun, "what is as it begins is left out"
    assert write_record(replace(OPEN, absence_believed=True).count_post("t-1", "d1")) == begun | {
        "unanswered": 1,
        "absence_believed": True,
        "track_ids": ["t-1"],
    }
    assert write_record(OPEN.count_post("t-1", "d1").with_job("j-1", NOW)) == begun | {
        "state": "started",
        "job_id": "j-1",
        "decided_at": NOW,
        "track_ids": ["t-1"],
    }
    assert write_record(OPEN.with_refusal("no", NOW, locked=False)) == begun | {
        "state": "refused",
        "lasting": True,
        "decided_at": NOW,
        "reason": "no",
    }
    assert write_record(OPEN.with_refusal("no", NOW, locked=True))["locked"] is True


def test_an_order_without_a_number_is_noted_as_one():
    record = replace(OPEN, order_number=None, paths=None)
    assert write_record(record)["order_number"] is None
    assert read_record(stored(record)) == record


# What is no record.

NEEDED = [each.name for each in fields(SubmissionRecord)][:11]  # the rest may come later
SHAPES = {
    "nothing": None,
    "a text": json.dumps(write_record(OPEN)),
    "a name": "submitter",
    "a number": 7,
    "a truth": True,
    "a list": [],
    "a list of names": [each.name for each in fields(SubmissionRecord)],
    "an object": {},
    "another one": {"job_id": "j-1"},
    **{f"no {name}": {k: v for k, v in write_record(OPEN).items() if k != name} for name in NEEDED},
    "an unknown state": write_record(OPEN) | {"state": "paused"},
    "no state at all": write_record(OPEN) | {"state": None},
    "a state that is a list": write_record(OPEN) | {"state": ["open"]},
    "no contents": write_record(OPEN) | {"contents": None},
    "a number of contents": write_record(OPEN) | {"contents": 1},
    "no params": write_record(OPEN) | {"params": None},
    "a param that is no pair": write_record(OPEN) | {"params": [["returnIds"]]},
    "a param that is a number": write_record(OPEN) | {"params": [7]},
    "params that are an object": write_record(OPEN) | {"params": {"returnIds": "true"}},
    "no Track-Ids": write_record(OPEN) | {"track_ids": None},
    "a job without an id": write_record(OPEN) | {"state": "started"},
    "a job with an empty id": write_record(OPEN) | {"state": "started", "job_id": ""},
}
WRONG = (KeyError, TypeError, ValueError)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_no_record_is_taken_for_none(shape):
    with pytest.raises(WRONG):
        read_record(shape)


TYPES = {
    "generation": "0",
    "first_post": "yesterday",
    "max_tries": None,
    "try_number": "1",
    "unanswered": "many",
    "contents": "d1",
    "paths": ["$.orderDate"],
    "key": None,
    "digest": 7,
    "submitter": ["5ub"],
    "account": None,
    "track_ids": {"t-1": 1},
    "decided_at": None,
    "job_id": 7,
    "order_number": 7,
    "lasting": 1,
    "locked": "no",
    "absence_believed": None,
    "reason": None,
}


@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_another_type_is_no_record_either(name):
    with pytest.raises(TypeError, match=f"^{name} is of type {type(TYPES[name]).__name__}$"):
        read_record(write_record(OPEN) | {name: TYPES[name]})


@given(
    st.recursive(st.none() | st.integers() | TEXTS, st.lists),
    st.sampled_from(fields(SubmissionRecord)),
)
def test_no_shape_raises_anything_but_those_errors(value, each):
    for shape in (value, write_record(OPEN) | {each.name: value}):
        with contextlib.suppress(*WRONG):
            assert isinstance(read_record(shape), SubmissionRecord)
