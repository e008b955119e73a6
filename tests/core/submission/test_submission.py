"""Corners of the exactly-once protocol that need a story of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.attempts import Try
from airflow_provider_zuora.core.errors import NotFound, OutcomeUnknown, Refused
from airflow_provider_zuora.core.jobs import JobState
from airflow_provider_zuora.core.submission.api import adopt_job, note_end
from airflow_provider_zuora.core.submission.keys import Submitter
from airflow_provider_zuora.core.submission.notes import NAME
from airflow_provider_zuora.sandbox.rules import Fault
from tests.core.carriers import Memory
from tests.core.tries import BY, NUMBERED, ORDER, Actor, Zuora, submit

HOUR = 3600
FIRST, RETRY = Try(1, 1), Try(2, 1)
CLEARED = Try(2, 2, cleared=True)


@pytest.fixture(params=[NUMBERED, ORDER], ids=["numbered", "not numbered"])
def order(request):
    return request.param


class TestAJobThatZuoraNoLongerKnows:
    def forgotten(self, order, seconds, **settings):
        zuora, memory = Zuora(**settings), Memory()
        first = submit(zuora, memory, FIRST, order).run().end
        zuora.clock.now += seconds
        zuora.ledger  # noqa: B018 - what is under way ends
        del zuora.sandbox.state.jobs[first]
        return zuora, memory, first

    def test_is_taken_to_be_there_where_it_was_issued_a_moment_ago(self, order):
        zuora, memory, first = self.forgotten(order, 5)

        assert submit(zuora, memory, RETRY, order).run().end == first

    def test_is_looked_up_by_its_order_and_never_submitted_again(self, order):
        zuora, memory, _ = self.forgotten(order, HOUR)
        end = submit(zuora, memory, CLEARED, order).run().end

        if order is NUMBERED:
            assert end == "order:O-1"
        else:
            assert isinstance(end, OutcomeUnknown)
        assert len(zuora.keys) == 1

    def test_whose_order_is_gone_too_is_left_to_a_person(self):
        zuora, memory, _ = self.forgotten(NUMBERED, HOUR)
        zuora.sandbox.state.books.orders.clear()
        for attempt in (CLEARED, Try(3, 4)):
            end = submit(zuora, memory, attempt).run().end
            assert isinstance(end, OutcomeUnknown)
            assert "neither its job" in str(end)
        assert len(zuora.keys) == 1


def test_a_failed_job_is_remembered_when_zuora_has_forgotten_it(order):
    zuora, memory = Zuora("job fails for good"), Memory()
    job_id = submit(zuora, memory, FIRST, order).run().end
    job = zuora.run(zuora.client().job(job_id))
    zuora.run(note_end(zuora.client(), job), memory)
    del zuora.sandbox.state.jobs[job_id]
    zuora.clock.now += HOUR

    assert submit(zuora, memory, CLEARED, order).run().end in {job["jobId"] for job in zuora.ledger["jobs"]}
    assert len(zuora.made) == 1


def test_only_a_failed_job_of_this_task_is_noted():
    zuora, memory = Zuora(), Memory()
    job_id = submit(zuora, memory, FIRST).run().end
    before = dict(memory)
    job = zuora.run(zuora.client().job(job_id))
    zuora.run(note_end(zuora.client(), job), memory)
    zuora.run(note_end(zuora.client(), job), None)
    failed = replace(job, job_id="another task's", state=JobState.FAILED)
    zuora.run(note_end(zuora.client(), failed), memory)

    assert memory == before


class TestRawKey:
    def test_goes_out_as_it_is_and_is_used_up_by_a_refusal(self, order):
        zuora, memory = Zuora("category 20"), Memory()
        assert isinstance(submit(zuora, memory, FIRST, order, raw_key="mine").run().end, Refused)
        end = submit(zuora, memory, CLEARED, order, raw_key="mine").run().end

        assert "raw_idempotency_key mine is used up" in str(end)
        assert isinstance(submit(zuora, memory, Try(3, 4), order, raw_key="other").run().end, str)
        assert [key for _, key in zuora.keys] == ["mine", "other"]

    def test_is_never_sent_again_when_it_is_old(self):
        zuora = Zuora()
        submit(zuora, None, Try(1, 1, since=zuora.clock()), raw_key="mine")
        since = zuora.clock()
        zuora.clock.now += 25 * HOUR
        end = submit(zuora, None, Try(2, 1, since=since), raw_key="mine").run().end

        assert "is used up" in str(end)
        assert zuora.keys == []


class TestAdopt:
    def adopt(self, zuora, memory, job_id, order=NUMBERED, attempt=CLEARED, **options):
        flow = adopt_job(zuora.client(), job_id, order, BY, attempt, **options)
        return Actor(zuora, memory, flow).run().end

    @pytest.mark.parametrize("job_id", ["order:O-1", None])
    def test_an_order_of_another_number_is_not_adopted(self, job_id):
        zuora = Zuora()
        made = submit(zuora, None, Try()).run().end
        end = self.adopt(zuora, Memory(), job_id or made, NUMBERED | {"orderNumber": "O-2"})

        assert isinstance(end, Refused)
        assert "is order O-1, not O-2" in str(end)

    def test_a_job_that_failed_is_not_adopted(self):
        zuora = Zuora("job fails for good")
        failed = submit(zuora, None, Try()).run().end

        assert "no order to adopt" in str(self.adopt(zuora, Memory(), failed))

    def test_it_stands_for_an_order_with_a_raw_key_too(self):
        zuora, memory = Zuora(), Memory()
        job_id = submit(zuora, None, Try(), raw_key="mine").run().end
        self.adopt(zuora, memory, job_id, raw_key="mine")

        assert submit(zuora, memory, Try(3, 4), raw_key="mine").run().end == job_id
        assert len(zuora.keys) == 1

    def test_it_replaces_a_note_that_nobody_understands(self):
        zuora, memory = Zuora(), Memory()
        job_id = submit(zuora, None, Try()).run().end
        memory.set(NAME, {"key": "of another package"})

        assert self.adopt(zuora, memory, job_id) == job_id
        assert submit(zuora, memory, Try(3, 4)).run().end == job_id

    def test_what_is_adopted_stands_for_the_order_from_then_on(self, order):
        zuora, memory = Zuora(), Memory()
        other = submit(zuora, None, Try(), order, by=Submitter("", ("somebody",))).run().end

        assert self.adopt(zuora, memory, other, order) == other
        assert submit(zuora, memory, Try(3, 4), order).run().end == other
        assert len(zuora.keys) == 1

    def test_what_is_not_there_is_not_adopted(self):
        assert isinstance(self.adopt(Zuora(), Memory(), "nothing"), NotFound)

    def test_adopting_over_an_open_intent_of_another_content(self):
        zuora, memory = Zuora("no answer, made"), Memory()
        submit(zuora, memory, FIRST, ORDER).run(4)
        changed = ORDER | {"description": "changed"}
        job_id = zuora.made[0]

        assert self.adopt(zuora, memory, job_id, changed) == job_id
        assert submit(zuora, memory, Try(3, 4), changed).run().end == job_id


def test_an_order_that_came_late_is_found_where_its_next_key_was_refused():
    zuora, memory = Zuora("category 61, made", job_seconds=1000), Memory()
    submit(zuora, memory, FIRST).run()
    zuora.clock.now += 2000
    end = submit(zuora, memory, CLEARED).run().end

    assert end == "order:O-1"
    assert len(zuora.ledger["orders"]) == 1


def test_what_is_noted_by_nobody_we_know_is_an_error():
    zuora, memory = Zuora(), Memory()
    memory.set(NAME, {"key": "of another package"})
    end = submit(zuora, memory, RETRY).run().end

    assert isinstance(end, OutcomeUnknown)
    assert zuora.keys == []


def test_a_user_key_of_an_order_without_a_number_is_taken_at_its_word_after_a_clear():
    zuora = Zuora()
    since, by = zuora.clock(), Submitter("", ("another key",))
    zuora.clock.now += 25 * HOUR
    retry = submit(zuora, None, Try(2, 1, since=since), ORDER, by=by).run().end
    cleared = submit(zuora, None, Try(2, 3, cleared=True, since=since, anew=True), ORDER, by=by).run().end

    assert isinstance(retry, OutcomeUnknown)
    assert isinstance(cleared, str)


def test_query_and_key_stay_together_when_return_ids_changes():
    zuora, memory = Zuora("no answer, made"), Memory()
    submit(zuora, memory, FIRST, return_ids=False).run(4)
    end = submit(zuora, memory, RETRY, return_ids=True).run().end

    assert [end] == zuora.made


def test_a_raw_key_of_an_order_without_a_number_is_not_sent_again_when_nobody_remembers():
    zuora = Zuora()
    since = zuora.clock()
    submit(zuora, None, Try(1, 1, since=since), ORDER, raw_key="mine").run()
    zuora.clock.now += 30 * HOUR
    end = (
        submit(zuora, None, Try(2, 2, cleared=True, anew=True, since=since), ORDER, raw_key="mine").run().end
    )

    assert isinstance(end, OutcomeUnknown)
    assert len(zuora.keys) == 1


def test_a_retry_that_can_read_its_notes_and_finds_none_sends_the_order(order):
    """Whatever kept the first try from writing also kept it from sending."""
    zuora = Zuora()
    since = zuora.clock()
    zuora.clock.now += 30 * HOUR
    end = submit(zuora, Memory(), Try(2, 3, since=since, remembers=True), order).run().end

    assert [end] == zuora.made


def test_what_was_noted_of_one_key_is_there_again_when_that_key_comes_back(order):
    zuora, memory = Zuora(), Memory()
    first = submit(zuora, memory, FIRST, order).run().end
    other = Submitter("", ("another key",))
    order_2 = order if order is ORDER else order | {"orderNumber": "O-2"}
    second = submit(zuora, memory, CLEARED, order_2, by=other).run().end
    zuora.clock.now += 30 * HOUR

    assert first != second
    assert submit(zuora, memory, Try(3, 4, cleared=True), order).run().end == first
    assert submit(zuora, memory, Try(4, 6, cleared=True), order_2, by=other).run().end == second
    assert len(zuora.keys) == 2


def test_a_job_that_was_found_by_an_old_key_may_be_unknown_for_a_moment():
    zuora = Zuora("no answer, made")
    since = zuora.clock()
    submit(zuora, None, Try(1, 1, since=since), ORDER).run(1)
    zuora.clock.now += 3 * HOUR
    [made] = zuora.made
    retry = submit(zuora, None, Try(2, 1, since=since), ORDER).run(1)
    job = zuora.sandbox.state.jobs.pop(made)

    assert retry.run().end == job.job_id


def test_the_vendors_words_are_raised_and_not_kept():
    zuora, memory = Zuora(), Memory()
    told = Fault(
        "POST",
        "/v1/async/orders",
        when="instead",
        status=400,
        body=b'{"reasons": [{"code": 53200020, "message": "Card 4111111111111111 is invalid"}]}',
    )
    zuora.sandbox.add_fault(told)
    end = submit(zuora, memory, FIRST).run().end

    assert "Card *** is invalid" in str(end)
    assert "53200020" in str(memory)
    assert "4111111111111111" not in str(memory)


@pytest.mark.parametrize(
    ("answered", "order", "steps"),
    [
        ("accepted", ORDER, 1),  # about to send
        ("no answer, made", ORDER, 5),  # about to send again
        ("category 61", NUMBERED, 5),
        ("category 61", NUMBERED, 12),  # about to send the next key
        ("category 61, made", NUMBERED, 5),
    ],
)
def test_a_try_that_another_has_overtaken_sends_nothing_and_ends_as_it_does(answered, order, steps, caplog):
    zuora, memory = Zuora(answered), Memory()
    overtaken = submit(zuora, memory, FIRST, order).run(steps)
    other = submit(zuora, memory, RETRY, order).run()
    sent = len(zuora.keys)

    assert overtaken.run().end == other.end
    assert (len(zuora.keys), len(zuora.made)) == (sent, 1)
    assert "Another try of this task has come further" in caplog.text
