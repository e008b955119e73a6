"""What tries note of submissions: one entry a try, written before a POST, read by the tries after it."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import ApiError, OutcomeUnknown
from airflow_provider_zuora.core.flow import Runner, run
from airflow_provider_zuora.core.submission.beginnings import read_notes
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.record import SubmissionRecord, SubmissionState
from airflow_provider_zuora.core.submission.record_store import (
    LATEST,
    NAME,
    RecordStore,
    SharedRecordStore,
    write_record,
)
from tests.core.runners import CREDENTIALS, Memory, Tenant

NOW = 1_700_000_000.0
ENTRY = 64 * 1024  # characters; Airflow warns of more


class Store(Memory):
    """A state store that also tells in which order it was written."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.written = []

    def set(self, name, value):
        super().set(name, value)
        self.written.append(name)


def run_flow(flow, store):
    """Let a flow that asks for notes only have what it asks for."""

    def refuse(step):
        raise AssertionError(f"it asked for {step}")

    return run(flow, Runner(refuse, refuse, refuse, store))


def load(number, store, **more):
    return run_flow(RecordStore(TaskAttempt(number, 3, **more)).load(), store)


def record(number=1, digest=None, **fields):
    name = f"O-{number}"
    own = digest or f"digest of {name}"
    return SubmissionRecord(
        submitter=f"submitter of {name}",
        order_number=name,
        account="acc",
        key=f"af-{number}",
        generation=0,
        digest=own,
        contents=(own,),
        params=(),
        first_post=NOW,
        try_number=1,
        max_tries=3,
        **fields,
    )


def find(notes, number=1):
    return notes.find(f"submitter of O-{number}", "acc", f"digest of O-{number}")


# One entry a try.


def test_the_names_of_the_entries_stay_what_they_are_from_release_to_release():
    store = Store()
    notes = load(2, store)
    run_flow(notes.note_post(record().count_post("t-1", "d1")), store)

    assert (NAME, LATEST) == ("zuora_submission", "zuora_submission:latest")
    assert store.keys() == {"zuora_submission:2", "zuora_submission:latest"}
    assert store[LATEST] == {"try": 2}
    assert store.keys().isdisjoint({NAME}), "another release's note stays as it is"


def test_what_was_noted_is_read_by_the_next_try():
    store, sent = Store(), record().count_post("t-1", "d1")
    first = load(1, store)
    assert first.is_empty
    run_flow(first.note_post(sent), store)
    assert first
    second = load(2, store)

    assert find(second) == sent
    assert second.find_all(sent.submitter, "acc") == [sent]
    assert second.find_all(sent.submitter, "another account") == []
    assert second.find(sent.submitter, "another account", sent.digest) is None


def test_what_is_noted_can_be_read_by_a_person():
    store = Store()
    notes = load(1, store)
    run_flow(notes.note_post(record(paths={"$.orderDate": "1a2b"}).count_post("t-1", "d1")), store)

    [row] = store[f"{NAME}:1"]["submissions"]
    assert (row["order_number"], row["unanswered"], row["track_ids"]) == ("O-1", 1, ["t-1"])


def test_a_try_writes_under_its_own_number_what_the_ones_before_it_noted():
    store = Store()
    run_flow(load(1, store).save(record(1).with_job("j-1", NOW)), store)
    third = load(3, store)
    run_flow(third.save(record(2).with_job("j-2", NOW)), store)
    before = json.dumps(store[f"{NAME}:1"])

    assert [find(load(4, store), number).job_id for number in (1, 2)] == ["j-1", "j-2"]
    assert json.dumps(store[f"{NAME}:1"]) == before
    assert f"{NAME}:2" not in store


def test_what_is_noted_tells_which_try_wrote_it_last():
    store = Store()
    run_flow(load(1, store).save(record(1)), store)
    notes = run_flow(RecordStore(TaskAttempt(2, 7, is_cleared=True)).load(), store)
    run_flow(notes.save(find(notes)), store)

    again = find(load(3, store))
    assert (again.try_number, again.max_tries) == (2, 7)


def test_the_same_try_reads_its_own_notes_again():
    """A task that was deferred is resumed in the same try."""
    store = Store()
    run_flow(load(2, store).save(record(1).with_job("j-1", NOW)), store)
    resumed = load(2, store)
    store.written.clear()
    run_flow(resumed.save(find(resumed).with_job("j-2", NOW)), store)

    assert store.written == [f"{NAME}:2"]
    assert find(load(3, store)).job_id == "j-2"


def test_notes_of_fifty_tries_ago_are_not_looked_for():
    store = Store()
    run_flow(load(1, store).save(record()), store)

    assert find(load(50, store)) is not None
    assert find(load(51, store)) is None


def test_a_content_that_went_out_under_the_same_key_is_found_too():
    store = Store()
    sent = record().count_post("t-1", "digest of O-1").count_post("t-2", "another digest")
    run_flow(load(1, store).note_post(sent), store)
    notes = load(2, store)

    assert notes.find(sent.submitter, "acc", "another digest") == find(notes) == sent
    assert notes.find(sent.submitter, "acc", "a third one") is None


def test_a_job_is_found_by_its_id():
    notes = load(1, None)
    run_flow(notes.save(record(1).with_job("j-1", NOW)), None)
    run_flow(notes.save(record(2).with_job("j-2", NOW)), None)

    assert notes.find_job("j-2").order_number == "O-2"
    assert notes.find_job("j-3") is None


def test_if_there_is_no_store_nothing_is_known():
    assert load(1, None).is_empty
    assert load(2, None).is_empty


# Whether anything can have been sent that is not noted.


@pytest.mark.parametrize(
    ("attempt", "complete"),
    [
        (TaskAttempt(1, 1), True),
        (TaskAttempt(2, 1), False),
        (TaskAttempt(1, 1, is_cleared=True), False),
        (TaskAttempt(1, 1, has_moved=True), False),
    ],
    ids=["the first try", "a retry", "a clear", "another of the mapped tasks"],
)
def test_only_the_first_try_knows_that_nothing_was_sent(attempt, complete):
    assert run_flow(RecordStore(attempt).load(), Store()).is_complete is complete


@pytest.mark.parametrize("first", [1, 2], ids=["noted from the first try on", "the first try noted nothing"])
def test_notes_say_to_all_later_tries_whether_they_are_complete(first):
    store = Store()
    run_flow(load(first, store).save(record(1)), store)
    run_flow(load(first + 1, store).save(record(2)), store)

    assert load(first + 2, store).is_complete is (first == 1)


def test_notes_that_do_not_say_so_are_not_complete():
    store = Store()
    run_flow(load(1, store).save(record(1)), store)
    del store[f"{NAME}:1"]["complete"]

    assert not load(2, store).is_complete


def test_a_first_try_that_cannot_send_says_so_to_the_next_one():
    store = Store()
    run_flow(RecordStore(TaskAttempt(1, 1)).note_nothing_sent(), store)

    assert store == {f"{NAME}:1": {"complete": True, "parts": 1, "submissions": []}}
    second = load(2, store)
    assert second.is_complete
    assert second.is_empty


def test_a_later_try_that_cannot_send_claims_nothing():
    store = Store()
    run_flow(RecordStore(TaskAttempt(2, 1)).note_nothing_sent(), store)

    assert store == {}


def test_what_is_noted_is_not_claimed_away():
    store = Store()
    notes = load(1, store)
    run_flow(notes.save(record(1)), store)
    run_flow(notes.note_nothing_sent(), store)

    assert find(load(2, store)) is not None


# Of two tries that overlap at least one sees the other.


def test_a_try_notes_that_it_has_begun_before_it_reads():
    store = Store()
    flow = RecordStore(TaskAttempt(2, 3)).load()
    steps = [next(flow), flow.send(None), flow.send(None)]
    flow.close()

    assert [type(step).__name__ for step in steps] == ["LoadState", "SaveState", "LoadState"]
    assert [step.name for step in steps] == [LATEST, LATEST, f"{NAME}:2"]
    assert store == {}


def overtaken(store):
    earlier = load(1, store)
    load(2, store)
    return earlier


def test_a_try_that_a_later_one_has_overtaken_sends_nothing_more():
    store = Store()
    notes = overtaken(store)
    with pytest.raises(ApiError, match="Try 2 of this task has begun, so this one, number 1") as caught:
        run_flow(notes.note_post(record().count_post("t-1", "d1")), store)

    assert caught.value.transient
    assert find(load(3, store)).unanswered == 1, "the later one takes it for sent"


def test_a_list_that_a_later_try_has_overtaken_sends_nothing_more():
    store = Store()
    notes = overtaken(store)
    with pytest.raises(ApiError, match="Try 2 of this task has begun"):
        run_flow(notes.reserve([record()]), store)


def test_what_came_of_a_post_is_noted_even_so():
    store = Store()
    notes = load(1, store)
    run_flow(notes.note_post(record().count_post("t-1", "d1")), store)
    load(2, store)
    run_flow(notes.save(record().count_post("t-1", "d1").with_job("j-1", NOW)), store)

    assert find(load(3, store)).job_id == "j-1"


def test_a_try_that_comes_to_itself_when_a_later_one_has_begun_does_not_begin():
    store = Store()
    load(3, store)
    with pytest.raises(ApiError, match="Try 3 of this task has begun, so this one, number 2"):
        load(2, store)
    assert store[LATEST] == {"try": 3}


@pytest.mark.parametrize("latest", [{}, {"try": "3"}, {"try": None}, [3], "3", 3])
def test_what_says_nothing_of_a_later_try_stops_nobody(latest):
    store = Store()
    store.set(LATEST, latest)
    run_flow(load(2, store).note_post(record()), store)

    assert store[LATEST] == {"try": 2}


# A list: many at a time.


def many(count, seed=0, **fields):
    """Return records as long as real ones, whose order numbers and hashes nothing can pack."""
    dice = random.Random(seed)

    def digest():
        return f"{dice.getrandbits(256):064x}"

    account = digest()
    for number in range(count):
        own = digest()
        yield SubmissionRecord(
            submitter=digest(),
            order_number=f"O-2026-11-28-{number:06}",
            account=account,
            key=f"af-{digest()}",
            generation=0,
            digest=own,
            contents=(own,),
            params=(),
            first_post=NOW + dice.random() * 3600,
            try_number=1,
            max_tries=3,
            **fields,
        )


def with_refusal(each, dice):
    said = (
        f"POST /v1/async/orders: HTTP 400: [53200020] (requestId {uuid.UUID(int=dice.getrandbits(128))}, "
        f"processId {dice.getrandbits(64):016X}, Zuora-Track-Id af-{dice.getrandbits(128):032x})"
    )
    return each.with_refusal(said, NOW + dice.random() * 3600, locked=False)


@pytest.mark.parametrize("how", ["reserved", "started", "refused"])
def test_2000_submissions_are_noted_in_entries_below_64_kb(how):
    store, dice = Store(), random.Random(1)
    notes = load(1, store)
    records = list(many(2000))
    if how == "started":
        records = [each.with_job(f"{dice.getrandbits(128):032x}", NOW + dice.random()) for each in records]
    elif how == "refused":
        records = [with_refusal(each, dice) for each in records]
    run_flow(notes.reserve(records), store)

    assert len(store) == 10
    assert max(len(json.dumps(entry)) for entry in store.values()) < ENTRY
    again = load(2, store)
    assert again.is_complete
    for each in records:
        kept = again.find(each.submitter, each.account, each.digest)
        assert kept == replace(each, unanswered=1)


def test_a_long_entry_holds_no_track_ids_and_no_hashes_of_values():
    store = Store()
    notes = load(1, store)
    run_flow(notes.reserve(each.count_post("t-1", each.digest) for each in many(200)), store)
    run_flow(notes.reserve(()), store)
    [first, *_] = many(1)
    kept = load(2, store).find(first.submitter, first.account, first.digest)

    assert "packed" in store[f"{NAME}:1"]
    assert (kept.track_ids, kept.paths) == ((), None)


def test_orders_that_are_submitted_one_by_one_and_have_many_values_stay_below_64_kb():
    store = Store()
    notes = load(1, store)
    paths = {f"$.subscriptions[0].orderActions[{at}].type": f"{at:016x}" for at in range(200)}
    for each in many(30, paths=paths):
        run_flow(notes.note_post(each.count_post("t-1", each.digest)), store)

    assert len(json.dumps(store[f"{NAME}:1"])) < ENTRY


def test_the_first_entry_is_written_last_because_it_tells_how_many_there_are():
    store = Store()
    notes = load(1, store)
    run_flow(notes.reserve(many(500)), store)

    assert store.written == [f"{NAME}:1:2", f"{NAME}:1:1", f"{NAME}:1"]
    assert [store[name]["parts"] for name in store.written] == [3, 3, 3]


def test_a_try_that_was_killed_while_it_wrote_leaves_the_notes_of_the_one_before():
    store = Store()
    run_flow(load(1, store).reserve(many(500)), store)
    second = load(2, store)
    flow = second.reserve(many(500, seed=9))
    step = next(flow)
    while step.name != f"{NAME}:2:1":  # nothing is sent yet
        store.set(step.name, step.value)
        step = flow.send(None)
    flow.close()
    third = load(3, store)

    assert all(third.find(each.submitter, each.account, each.digest) for each in many(500))


def test_only_what_has_changed_is_written_again():
    store = Store()
    records = list(many(500))
    notes = load(1, store)
    run_flow(notes.reserve(records), store)
    run_flow(notes.reserve(()), store)
    store.written.clear()
    run_flow(notes.save(records[450].with_job("j-1", NOW)), store)

    assert store.written == [f"{NAME}:1:2"]


def test_more_entries_than_before_are_counted_by_the_first():
    store = Store()
    records = list(many(201))
    notes = load(1, store)
    run_flow(notes.reserve(records[:200]), store)
    run_flow(notes.reserve(()), store)  # of the first entry nothing else changes any more
    run_flow(notes.reserve(records[200:]), store)

    assert store[f"{NAME}:1"]["parts"] == 2
    assert load(2, store).find(records[200].submitter, records[200].account, records[200].digest)


def test_all_that_earlier_tries_noted_of_a_list_is_carried_over():
    store = Store()
    records = list(many(450))
    run_flow(load(1, store).reserve(records), store)
    second = load(2, store)
    run_flow(second.save(records[0].with_job("j-1", NOW)), store)

    assert {f"{NAME}:2", f"{NAME}:2:1", f"{NAME}:2:2"} <= store.keys()
    third = load(3, store)
    assert third.find(records[0].submitter, records[0].account, records[0].digest).job_id == "j-1"
    assert all(third.find(each.submitter, each.account, each.digest) for each in records)


def test_a_batch_is_noted_as_sent_before_its_first_is():
    store = Store()
    notes = load(1, store)
    batch = [record(number) for number in range(3)]
    run_flow(notes.reserve(batch), store)
    noted = load(2, store)

    assert [find(noted, number).unanswered for number in range(3)] == [1, 1, 1]
    assert [find(notes, number).unanswered for number in range(3)] == [0, 0, 0], "this try knows better"


def test_a_post_of_a_batch_needs_no_other_note():
    store = Store()
    notes = load(1, store)
    batch = [record(number) for number in range(3)]
    run_flow(notes.reserve(batch), store)
    store.written.clear()
    sent = batch[0].count_post("t-1", batch[0].digest)
    run_flow(notes.note_post(sent), store)
    run_flow(notes.save(sent.with_job("j-1", NOW)), store)

    assert store.written == []
    assert find(load(2, store), 0).state is SubmissionState.OPEN


def test_what_came_of_a_batch_is_noted_with_the_next_one():
    store = Store()
    notes = load(1, store)
    batch = [record(number) for number in range(3)]
    run_flow(notes.reserve(batch), store)
    run_flow(notes.save(batch[0].with_job("j-0", NOW)), store)
    run_flow(notes.save(batch[1].with_refusal("no", NOW, locked=False)), store)
    run_flow(notes.reserve([record(7)]), store)
    noted = load(2, store)

    states = [find(noted, number).state for number in (0, 1, 2, 7)]
    assert states == [
        SubmissionState.STARTED,
        SubmissionState.REFUSED,
        SubmissionState.OPEN,
        SubmissionState.OPEN,
    ]
    assert [find(noted, number).unanswered for number in (2, 7)] == [0, 1]


def test_the_next_key_of_an_order_of_a_batch_is_noted_before_it_is_sent():
    store = Store()
    notes = load(1, store)
    run_flow(notes.reserve([record(1), record(2)]), store)
    following = replace(record(1), key="af-1/1", generation=1).count_post("t-1", "digest of O-1")
    run_flow(notes.note_post(following), store)
    kept = find(load(2, store))

    assert (kept.key, kept.unanswered) == ("af-1/1", 1)
    assert find(load(2, store), 2).unanswered == 1, "the other is still reserved"
    run_flow(notes.save(following.discount_post().with_refusal("no", NOW, locked=False)), store)
    assert find(load(2, store)).state is SubmissionState.REFUSED, "it is of no batch any more"


def test_another_content_under_a_key_of_a_batch_is_noted_before_it_is_sent():
    store = Store()
    notes = load(1, store)
    run_flow(notes.reserve([record(1)]), store)
    run_flow(notes.note_post(record(1).count_post("t-1", "another digest")), store)

    assert load(2, store).find("submitter of O-1", "acc", "another digest") is not None


def test_what_a_reserved_order_of_an_earlier_try_was_left_with_stays_counted():
    store = Store()
    run_flow(load(1, store).note_post(record(1).count_post("t-1", "digest of O-1")), store)
    second = load(2, store)
    run_flow(second.reserve([find(second)]), store)

    assert find(load(3, store)).unanswered == 2


@pytest.mark.parametrize("parts", [{}, {"parts": None}, {"parts": "3"}], ids=str)
def test_an_entry_that_does_not_say_how_many_there_are_is_the_only_one(parts):
    store = Store()
    run_flow(load(1, store).save(record(1)), store)
    del store[f"{NAME}:1"]["parts"]
    store[f"{NAME}:1"] |= parts

    assert find(load(2, store)) is not None


# What is no note of ours.

NO_NOTES = {
    "a text": "of another package",
    "a list": [],
    "a number": 7,
    "an object": {"key": "of another package"},
    "no list": {"submissions": 7},
    "a list of others": {"submissions": ["a"]},
    "a list of an object": {"submissions": [{"key": "a"}]},
    "contents that are no texts": {"submissions": [write_record(record()) | {"contents": [["a"]]}]},
    "packed, but no text": {"packed": 7},
    "packed, but not by us": {"packed": "abc"},
    "packed, but cut": {"packed": "c$_!"},
    "more entries than there are": {"submissions": [], "parts": 2},
    "very many more": {"submissions": [], "parts": 10**9},
}


@pytest.mark.parametrize("noted", NO_NOTES.values(), ids=NO_NOTES)
def test_what_is_no_note_of_ours_means_that_what_was_sent_is_unknown(noted):
    store = Store()
    store.set(f"{NAME}:1", noted)
    with pytest.raises(OutcomeUnknown) as caught:
        load(2, store)

    words = str(caught.value)
    assert words.startswith("The task's state store holds something under 'zuora_submission' that is no")
    assert "what was sent before is unknown" in words
    assert "pass its job as adopt_job_id, or delete the entry, and clear the task" in words
    assert not caught.value.transient
    assert caught.value.__cause__ is not None


def test_an_entry_that_unpacks_to_very_much_is_no_note_of_ours():
    import base64
    import zlib

    bomb = base64.b85encode(zlib.compress(b"[" + b" " * 5_000_000 + b"]", 9)).decode()
    store = Store()
    store.set(f"{NAME}:1", {"packed": bomb})
    with pytest.raises(OutcomeUnknown):
        load(2, store)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["submissions", "packed", "parts", "complete", "try", "contents"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(VALUES.filter(lambda noted: noted is not None), VALUES)
def test_whatever_is_noted_raises_nothing_but_that_error(noted, latest):
    store = Store()
    store.set(f"{NAME}:1", noted)
    store.set(LATEST, latest)
    later = isinstance(latest, dict) and isinstance(latest.get("try"), int) and latest["try"] > 2
    with contextlib.suppress(ApiError if later else OutcomeUnknown):
        load(2, store)


def test_of_two_threads_neither_writes_over_what_the_other_has_noted():
    """The first one writes while the second one has something to note."""
    begun, others = threading.Event(), []

    class Slow(Store):
        def set(self, name, value):
            if not begun.is_set():
                begun.set()
                others[0].join(0.2)  # it would be through by then
            super().set(name, value)

    store = Slow()
    notes = load(1, store)
    one, other = (record(number, job_id=f"j-{number}", state=SubmissionState.STARTED) for number in (1, 2))

    def note_other():
        begun.wait(30)
        run_flow(notes.save(other), store)

    others.append(threading.Thread(target=note_other))
    others[0].start()
    run_flow(notes.save(one), store)
    others[0].join()

    read = load(2, store)
    assert [find(read, number).job_id for number in (1, 2)] == ["j-1", "j-2"]


def test_if_there_is_no_store_nothing_is_written_and_all_is_known():
    notes = RecordStore(TaskAttempt())
    notes.is_kept = False
    started = record(1, job_id="j-1", state=SubmissionState.STARTED)

    assert list(notes.reserve([record(1)])) == list(notes.save(started)) == []
    assert find(notes, 1).job_id == "j-1"


def test_the_second_call_of_a_try_reads_nothing_again():
    tenant, shared = Tenant(), SharedRecordStore()
    notes = tenant.run(read_notes(TaskAttempt(), shared), Memory())
    assert tenant.run(read_notes(TaskAttempt(), shared), Memory()) is notes


@pytest.mark.parametrize("is_read", [True, False])
def test_a_refused_sign_in_notes_that_nothing_was_sent_unless_the_notes_were_read(is_read):
    """Afterwards another call of the try may be about to note what it sends: nothing may overwrite that."""
    shared, memory = SharedRecordStore(), Memory()
    if is_read:
        Tenant().run(read_notes(TaskAttempt(1, 1), shared), memory)
    stranger = Tenant(credentials=replace(CREDENTIALS, client_secret="wrong"))
    with pytest.raises(ApiError):
        stranger.run(read_notes(TaskAttempt(1, 1), shared), memory)
    assert (f"{NAME}:1" in memory) == (not is_read)
