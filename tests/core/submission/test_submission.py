"""Corners of the exactly-once protocol that need a story of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import (
    JobFailed,
)
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.submission.adoption import record_failure
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from tests.core.runners import Memory
from tests.core.submission.stories import (
    FIRST,
    HOUR,
    RETRY,
    kill_after_post,
    prepare,
)
from tests.core.tries import Actor, Zuora, body, store_answer, submit


class TestTheEndIsNoted:
    def test_a_failed_job_is_remembered_when_zuora_has_forgotten_it(self, order):
        zuora, memory = Zuora("job fails permanently"), Memory()
        job_id = submit(zuora, memory, FIRST, order).run().end
        job = zuora.run(zuora.client().get_job(job_id))
        zuora.run(record_failure(zuora.client(), FIRST, job), memory)
        del zuora.sandbox.state.jobs[job_id]
        zuora.clock.now += HOUR

        assert isinstance(submit(zuora, memory, RETRY, order).run().end, JobFailed)
        end = submit(zuora, memory, TaskAttempt(3, 2, is_cleared=True), order).run().end
        assert end in {job["jobId"] for job in zuora.ledger["jobs"]}
        assert len(zuora.made) == 1

    @pytest.mark.parametrize("killed", [True, False], ids=["its id is not noted", "its id is noted"])
    def test_a_failed_job_is_an_error_in_the_vendors_words(self, order, killed):
        zuora, memory = Zuora("job fails permanently"), Memory()
        if killed:
            kill_after_post(zuora, memory, FIRST, order)
        else:
            submit(zuora, memory, FIRST, order).run()
        end = submit(zuora, memory, RETRY, order).run().end

        assert type(end) is JobFailed
        assert "Rate plan is not effective" in str(end)
        assert "Rate plan is not effective" not in str(memory)

    def test_only_a_failed_job_of_this_task_is_noted(self):
        zuora, memory = Zuora(), Memory()
        job_id = submit(zuora, memory, FIRST).run().end
        before = dict(memory)
        job = zuora.run(zuora.client().get_job(job_id))
        zuora.run(record_failure(zuora.client(), FIRST, job), memory)
        zuora.run(record_failure(zuora.client(), FIRST, job), None)
        failed = replace(job, job_id="another task's", state=JobState.FAILED)
        zuora.run(record_failure(zuora.client(), FIRST, failed), memory)

        assert memory == before


def test_the_vendors_words_are_raised_and_not_kept():
    zuora, memory = Zuora(), Memory()
    zuora.sandbox.add_fault(store_answer(400, body(53200020, "Card 4111111111111111 is invalid")))
    end = submit(zuora, memory, FIRST).run().end

    assert "Card *** is invalid" in str(end)
    assert "53200020" in str(memory)
    assert "4111111111111111" not in str(memory)


def test_an_order_of_a_list_whose_turn_comes_late_is_sent_all_the_same(order):
    """A list of many orders is prepared at once, and takes longer than one POST may."""
    zuora = Zuora()
    submission = prepare(zuora, order, place="list")
    zuora.clock.now += 2 * HOUR
    end = Actor(zuora, None, submission.run()).run().end

    assert [end] == zuora.made
