"""What a task notes of its submission: how it changes, and that it comes back from JSON as it was."""

from __future__ import annotations

import contextlib
import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import (
    Answer,
    ApiError,
    JobFailed,
    LockContention,
    OutcomeUnknown,
    Refused,
)
from airflow_provider_zuora.core.jobs import Job, JobState
from airflow_provider_zuora.core.submission.record import NAME, Fate, Intent

NOW = 1_700_000_000.0
OPEN = Intent(
    submitter="5ub",
    order_number="O-1",
    account="acc",
    key="af-1",
    generation=0,
    digest="d1",
    contents=("d1",),
    params=(("returnIds", "true"),),
    paths={"$.orderDate": "1a2b"},
    first_post=NOW,
    max_tries=2,
)
ANSWER = Answer("GET /v1/async-jobs/j-1", "af-2", 200, ("40000020",), ("Not effective.",))
FAILED = Job("j-1", JobState.FAILED, "Failed", answer=ANSWER)
PASSING = replace(FAILED, transient=True)
LOCKED = replace(PASSING, locked=True)


def changed(before, after):
    """Return the fields that a transition has changed."""
    return {
        each.name: getattr(after, each.name)
        for each in fields(Intent)
        if getattr(after, each.name) != getattr(before, each.name)
    }


def test_an_intent_begins_open_and_knows_of_no_answer():
    assert OPEN.fate is Fate.OPEN
    assert (OPEN.job_id, OPEN.lasting, OPEN.locked, OPEN.seen, OPEN.said, OPEN.track_ids) == (
        None,
        False,
        False,
        0.0,
        "",
        (),
    )
    with pytest.raises(FrozenInstanceError):
        OPEN.fate = Fate.GONE


# Transitions.


def test_a_post_is_noted_with_its_track_id_and_the_try_that_sends_it():
    assert changed(OPEN, OPEN.posting("t-1", "d1", 5)) == {"track_ids": ("t-1",), "max_tries": 5}


def test_a_post_of_another_content_is_noted_beside_the_first():
    twice = OPEN.posting("t-1", "d2", 2).posting("t-2", "d2", 2)
    assert changed(OPEN, twice) == {"track_ids": ("t-1", "t-2"), "contents": ("d1", "d2")}


def test_of_many_posts_the_last_eight_are_noted():
    intent = OPEN
    for number in range(11):
        intent = intent.posting(f"t-{number}", "d1", 2)
    assert intent.track_ids == tuple(f"t-{number}" for number in range(3, 11))


def test_a_content_is_covered_once():
    assert OPEN.covering("d1") == OPEN
    assert OPEN.covering("d2").covering("d3").covering("d2").contents == ("d1", "d2", "d3")


def test_a_job_that_was_started_is_noted_with_the_try_that_learnt_of_it():
    after = OPEN.started("j-1", 3)
    assert changed(OPEN, after) == {"fate": Fate.STARTED, "job_id": "j-1", "max_tries": 3}


def test_a_refusal_lasts():
    after = OPEN.refused("no", NOW, locked=False)
    assert changed(OPEN, after) == {"fate": Fate.REFUSED, "lasting": True, "seen": NOW, "said": "no"}


def test_a_refusal_on_a_lock_passes():
    after = OPEN.refused("busy", NOW, locked=True)
    assert changed(OPEN, after) == {"fate": Fate.REFUSED, "locked": True, "seen": NOW, "said": "busy"}


@pytest.mark.parametrize(
    ("job", "lasting", "locked"), [(FAILED, True, False), (PASSING, False, False), (LOCKED, False, True)]
)
def test_a_failed_job_lasts_or_passes_as_the_vendor_says(job, lasting, locked):
    before = OPEN.started("j-1", 2)
    after = before.failed(job, NOW)
    assert (after.lasting, after.locked) == (lasting, locked)
    assert {**changed(before, after), "lasting": lasting, "locked": locked} == {
        "fate": Fate.FAILED,
        "lasting": lasting,
        "locked": locked,
        "seen": NOW,
        "said": after.said,
    }
    assert "[40000020]" in after.said
    assert "Not effective." not in after.said, "the vendor's words may quote the order"


def test_a_failure_was_seen_when_it_was_seen_first():
    """The rest after a lock is counted from there, however often the job is read again."""
    once = OPEN.started("j-1", 2).failed(LOCKED, NOW)
    assert once.failed(LOCKED, NOW + 50) == once
    assert once.failed(FAILED, NOW + 50) == replace(OPEN.started("j-1", 2).failed(FAILED, 0), seen=NOW)


def test_a_refusal_that_was_seen_says_nothing_of_when_a_job_failed():
    assert OPEN.refused("busy", NOW, locked=True).failed(LOCKED, NOW + 50).seen == NOW + 50


def test_what_cannot_make_an_order_any_more_is_gone():
    assert changed(OPEN, OPEN.gone("nothing there")) == {"fate": Fate.GONE, "said": "nothing there"}


@pytest.mark.parametrize(
    ("intent", "kind", "transient"),
    [
        (OPEN.refused("no", NOW, locked=False), Refused, False),
        (OPEN.refused("no", NOW, locked=True), LockContention, True),
        (OPEN.failed(FAILED, NOW), JobFailed, False),
        (OPEN.failed(PASSING, NOW), JobFailed, True),
        (OPEN.failed(LOCKED, NOW), LockContention, True),
        (OPEN.gone("no"), ApiError, True),
    ],
    ids=["refused", "refused on a lock", "failed", "failed, passing", "failed on a lock", "gone"],
)
def test_the_error_that_an_end_amounts_to(intent, kind, transient):
    error = intent.error()
    assert type(error) is kind
    assert (str(error), error.transient) == (intent.said, transient)


# There and back.

TEXTS = st.text(max_size=10)
INTENTS = st.builds(
    Intent,
    submitter=TEXTS,
    order_number=st.none() | TEXTS,
    account=TEXTS,
    key=TEXTS,
    generation=st.integers(0),
    digest=TEXTS,
    contents=st.lists(TEXTS).map(tuple),
    params=st.lists(st.tuples(TEXTS, TEXTS)).map(tuple),
    paths=st.dictionaries(TEXTS, TEXTS),
    first_post=st.floats(0, 4e9),
    max_tries=st.integers(0),
    fate=st.sampled_from(Fate),
    job_id=st.none() | TEXTS,
    lasting=st.booleans(),
    locked=st.booleans(),
    seen=st.floats(0, 4e9),
    said=TEXTS,
    answered=TEXTS,
    blind=st.booleans(),
    doubt=st.booleans(),
    track_ids=st.lists(TEXTS).map(tuple),
).filter(lambda intent: intent.fate is not Fate.STARTED or bool(intent.job_id))


def stored(intent):
    return json.loads(json.dumps(intent.as_dict()))


@given(INTENTS)
def test_an_intent_comes_out_of_json_as_it_went_in(intent):
    assert Intent.from_dict(stored(intent)) == intent
    assert stored(intent) == intent.as_dict()


@given(INTENTS, st.dictionaries(TEXTS, TEXTS | st.integers() | st.none()))
def test_fields_that_only_another_release_knows_are_left_out(intent, more):
    assert Intent.from_dict({f"new {name}": value for name, value in more.items()} | stored(intent)) == intent


def test_the_form_of_an_intent_stays_what_it_is_from_release_to_release():
    """A task that is retried after an upgrade must find what it noted before."""
    assert NAME == "zuora_submission"
    assert {fate.value for fate in Fate} == {"open", "started", "refused", "failed", "gone"}
    assert OPEN.posting("t-1", "d1", 2).started("j-1", 2).as_dict() == {
        "submitter": "5ub",
        "order_number": "O-1",
        "account": "acc",
        "key": "af-1",
        "generation": 0,
        "digest": "d1",
        "contents": ["d1"],
        "params": [["returnIds", "true"]],
        "paths": {"$.orderDate": "1a2b"},
        "first_post": NOW,
        "max_tries": 2,
        "fate": "started",
        "job_id": "j-1",
        "lasting": False,
        "locked": False,
        "blind": False,
        "doubt": False,
        "seen": 0.0,
        "said": "",
        "answered": "",
        "track_ids": ["t-1"],
    }


def test_what_an_older_release_did_not_note_is_as_if_it_had_not_happened():
    values = {name: value for name, value in OPEN.as_dict().items() if name not in ("locked", "said", "seen")}
    assert Intent.from_dict(values) == OPEN


# What is no intent.

LACKING = [*[each.name for each in fields(Intent)][:12], "track_ids"]  # the rest may come later
SHAPES = {
    "nothing": None,
    "a text": json.dumps(OPEN.as_dict()),
    "a name": "submitter",
    "a number": 7,
    "a truth": True,
    "a list": [],
    "a list of names": [each.name for each in fields(Intent)],
    "an object": {},
    "another one": {"job_id": "j-1"},
    **{f"no {name}": {k: v for k, v in OPEN.as_dict().items() if k != name} for name in LACKING},
    "an unknown fate": OPEN.as_dict() | {"fate": "paused"},
    "no fate at all": OPEN.as_dict() | {"fate": None},
    "a fate that is a list": OPEN.as_dict() | {"fate": ["open"]},
    "no contents": OPEN.as_dict() | {"contents": None},
    "a number of contents": OPEN.as_dict() | {"contents": 1},
    "no params": OPEN.as_dict() | {"params": None},
    "a param that is no pair": OPEN.as_dict() | {"params": [["returnIds"]]},
    "a param that is a number": OPEN.as_dict() | {"params": [7]},
    "params that are an object": OPEN.as_dict() | {"params": {"returnIds": "true"}},
    "no Track-Ids": OPEN.as_dict() | {"track_ids": None},
}


def refused(shape):
    with pytest.raises(OutcomeUnknown) as caught:
        Intent.from_dict(shape)
    error = caught.value
    assert str(error).startswith("The task's state store holds something under 'zuora_submission' that is no")
    assert "what was sent before is unknown" in str(error)
    assert "pass its job as adopt_job_id, or delete the entry, and clear the task" in str(error)
    assert not error.transient
    assert error.__cause__ is not None


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_no_intent_means_that_nobody_knows_what_was_sent(shape):
    refused(shape)


TYPES = {
    "generation": "0",
    "first_post": "yesterday",
    "max_tries": None,
    "contents": "d1",
    "paths": ["$.orderDate"],
    "key": None,
    "digest": 7,
    "submitter": ["5ub"],
    "account": None,
    "track_ids": {"t-1": 1},
    "seen": None,
    "job_id": 7,
}


def test_a_value_of_another_type_is_no_intent_either():
    taken = []
    for name, value in TYPES.items():
        with contextlib.suppress(OutcomeUnknown):
            taken.append(Intent.from_dict(OPEN.as_dict() | {name: value}))
    assert taken == []


def test_a_job_that_was_started_has_an_id():
    refused(OPEN.as_dict() | {"fate": "started"})


@given(
    st.recursive(st.none() | st.integers() | TEXTS, st.lists),
    st.sampled_from(fields(Intent)),
)
def test_no_shape_raises_anything_but_that_error(value, each):
    for shape in (value, OPEN.as_dict() | {each.name: value}):
        with contextlib.suppress(OutcomeUnknown):
            assert isinstance(Intent.from_dict(shape), Intent)
