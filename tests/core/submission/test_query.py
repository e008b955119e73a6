"""A data query is found again, not submitted twice, and cancelled if nobody waits for it."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import ApiError, QueryQueueFull, Refused, Unreachable
from airflow_provider_zuora.core.http.cancel import cancel_job
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.query import NAME, read_file_link, submit_query
from airflow_provider_zuora.core.vendors.zuora.query_rules import check_query
from tests.core import runners
from tests.core.runners import Memory, answer

SCOPE = IdempotencyScope("", ("dag", "run", "task"), -1)
DOCUMENT = check_query("SELECT 1")
FIRST = TaskAttempt(1, 2, since=0.0)
SECOND = TaskAttempt(2, 2, since=0.0)
LOST = Unreachable("no answer", transient=True)
REFUSED = answer(400, {"code": 400, "message": "Column x cannot be resolved"})
NO_ROWS = answer(200, {"data": []})


def row(name="q-1", status="accepted", **more):
    made = {"id": name, "query": "SELECT 1", "queryStatus": status, "sourceData": "LIVE"}
    return made | {"createdOn": "2023-11-14T22:13:20.000Z"} | more  # when the clock of the tests begins


def query(name="q-1", status="accepted", **more):
    return answer(200, {"data": row(name, status, **more)})


def listed(*rows):
    return answer(200, {"data": list(rows)})


def Script(*answers):  # noqa: N802 - the runner, with its answers one by one
    return runners.Script(answers)


def submit(script, attempt=FIRST, memory=None, document=DOCUMENT):
    return script.run(submit_query(script.client(), document, SCOPE, attempt), memory)


def asked(script):
    return [f"{each.method} {each.path}" for each in script.sent]


POST, LIST, GET, DELETE = (
    "POST /query/jobs",
    "GET /query/jobs",
    "GET /query/jobs/q-1",
    "DELETE /query/jobs/q-1",
)


def test_a_first_try_submits_once_under_a_key_and_notes_the_query():
    script, memory = Script(query()), Memory()
    assert submit(script, memory=memory) == "data-query:q-1"
    assert asked(script) == [POST]
    (sent,) = script.sent
    assert sent.headers["Idempotency-Key"].startswith("af-")
    assert json.loads(sent.body) == {
        "query": "SELECT 1",
        "outputFormat": "CSV",
        "compression": "NONE",
        "output": {"target": "S3"},
    }
    assert memory[NAME]["job_id"] == "data-query:q-1"


@pytest.mark.parametrize("status", ["submitted", "accepted", "in_progress", "completed"])
def test_a_retry_waits_for_the_query_that_the_first_try_left(status):
    memory = Memory()
    submit(Script(query()), memory=memory)
    script = Script(query(status=status))
    assert submit(script, SECOND, memory) == "data-query:q-1"
    assert asked(script) == [GET]


@pytest.mark.parametrize(
    "gone", [query(status="failed"), query(status="cancelled"), answer(404, {"code": 404})]
)
def test_a_retry_after_a_query_that_came_to_nothing_submits_another_under_another_key(gone):
    memory, first = Memory(), Script(query())
    submit(first, memory=memory)
    script = Script(gone, query("q-2"), query("q-2"))
    assert submit(script, SECOND, memory) == "data-query:q-2"
    assert asked(script)[:2] == [GET, POST]
    assert script.sent[1].headers["Idempotency-Key"] != first.sent[0].headers["Idempotency-Key"]


def test_a_retry_looks_for_a_query_whose_answer_never_came_and_sends_none_if_it_is_there():
    memory = Memory()
    with pytest.raises(ApiError):
        submit(Script(*[LOST, NO_ROWS] * 6), memory=memory)
    script = Script(listed(row()), query())
    assert submit(script, SECOND, memory) == "data-query:q-1"
    assert asked(script) == [LIST, GET]


def test_a_retry_sends_the_same_key_if_the_query_is_not_there():
    memory, first = Memory(), Script(*[LOST, NO_ROWS] * 6)
    with pytest.raises(ApiError):
        submit(first, memory=memory)
    script = Script(NO_ROWS, query(), query())
    assert submit(script, SECOND, memory) == "data-query:q-1"
    assert asked(script)[:2] == [LIST, POST]
    keys = {each.headers["Idempotency-Key"] for each in (first.sent[0], script.sent[1])}
    assert len(keys) == 1


def test_a_clear_runs_the_query_again_and_cancels_what_the_tries_before_left():
    memory, first = Memory(), Script(query())
    submit(first, memory=memory)
    script = Script(answer(200, {"data": row(status="cancelled")}), query("q-2"), query("q-2"))
    assert submit(script, TaskAttempt(2, 5, is_cleared=True, since=0.0), memory) == "data-query:q-2"
    assert asked(script)[:2] == [DELETE, POST]
    assert script.sent[1].headers["Idempotency-Key"] != first.sent[0].headers["Idempotency-Key"]


def test_another_text_is_another_query_and_the_one_before_is_cancelled():
    memory = Memory()
    submit(Script(query()), memory=memory)
    script = Script(answer(200, {"data": row(status="cancelled")}), query("q-2"), query("q-2"))
    submit(script, SECOND, memory, check_query("SELECT 2"))
    assert asked(script)[:2] == [DELETE, POST]


def test_without_a_store_a_retry_asks_under_the_same_key_and_takes_another_if_that_query_has_failed():
    first = Script(query())
    submit(first)
    script = Script(query(), query(status="failed"), query("q-2"))
    assert submit(script, SECOND) == "data-query:q-2"
    assert asked(script) == [POST, GET, POST]
    keys = [each.headers["Idempotency-Key"] for each in (*first.sent, script.sent[0], script.sent[2])]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "kept", [{}, {"job_id": 5}, "text", None, {"account": 1, "digest": "", "max_tries": 0, "generation": 0}]
)
def test_a_note_that_is_none_is_as_good_as_none(kept):
    memory = Memory({NAME: kept})
    assert submit(Script(query()), memory=memory) == "data-query:q-1"


UNCLEAR = {
    "no answer": LOST,
    "a page": answer(502),
    "an answer without an id": answer(200, {"data": {}}),
    "under way": answer(409, {"code": 409, "message": "idempotent request in progress"}),
}


@pytest.mark.parametrize("unclear", UNCLEAR.values(), ids=UNCLEAR)
def test_a_query_whose_answer_is_unclear_is_looked_for_before_it_is_sent_again(unclear):
    script = Script(unclear, listed(row()))
    assert submit(script) == "data-query:q-1"
    assert asked(script) == [POST, LIST]
    script = Script(unclear, NO_ROWS, query())
    assert submit(script) == "data-query:q-1"
    assert asked(script) == [POST, LIST, POST]
    assert len({script.sent[each].headers["Idempotency-Key"] for each in (0, 2)}) == 1


@pytest.mark.parametrize(
    "other",
    [
        row(query="SELECT 2"),
        row(status="failed"),
        row(sourceData="WAREHOUSE"),
        row(createdOn="2023-11-14T21:00:00Z"),
        row(createdOn="yesterday"),
        row(createdOn=None),
        row(createdOn=None, updatedOn="2023-11-14T21:00:00Z"),
    ],
)
def test_another_query_in_the_list_is_not_taken_for_ours(other):
    script = Script(LOST, listed(other, "no row"), query("q-2"))
    assert submit(script) == "data-query:q-2"


def test_a_list_may_show_only_when_a_query_was_changed_last():
    found = row(createdOn=None, updatedOn="2023-11-14T22:13:25.5Z")
    assert submit(Script(LOST, listed(found))) == "data-query:q-1"


def test_of_several_with_the_same_text_the_newest_counts():
    assert submit(Script(LOST, listed(row("q-2"), row("q-1")))) == "data-query:q-2"


def test_a_query_that_zuora_refuses_is_a_permanent_error_in_its_words():
    with pytest.raises(Refused, match="cannot be resolved") as caught:
        submit(Script(REFUSED, NO_ROWS))
    assert not caught.value.transient
    assert not isinstance(caught.value, QueryQueueFull)


@pytest.mark.parametrize(
    ("refusal", "rows"),
    [
        (REFUSED, [row(f"q-{index}") for index in range(10)]),
        (answer(400, {"code": 400, "message": "The queue is full"}), []),
        (answer(403, {"code": 403, "message": "maximum number of queries"}), []),
        (answer(429, {"code": 429, "message": "no"}), [row(f"q-{index}") for index in range(10)]),
    ],
)
def test_a_full_queue_has_a_name_of_its_own_and_a_retry_may_help(refusal, rows):
    repeats = 6 if refusal.status == 429 else 1
    script = Script(*[refusal] * repeats, listed(*rows))
    with pytest.raises(QueryQueueFull, match="takes no more queries now") as caught:
        submit(script)
    assert caught.value.transient
    assert dict(script.sent[-1].params)["queryStatus"] == "accepted"


def test_a_limit_that_is_not_the_queues_is_one_of_the_requests():
    script = Script(*[answer(429)] * 6, NO_ROWS)
    with pytest.raises(Refused) as caught:
        submit(script)
    assert caught.value.transient
    assert asked(script) == [POST] * 6 + [LIST]


def test_a_refusal_stays_one_if_the_queue_cannot_be_read():
    with pytest.raises(Refused, match="cannot be resolved"):
        submit(Script(REFUSED, answer(403, {"code": 403, "message": "no"})))


def test_a_submission_gives_up_after_six_posts():
    script = Script(*[LOST, NO_ROWS] * 6)
    with pytest.raises(Unreachable):
        submit(script)
    assert asked(script) == [POST, LIST] * 6


CANCELS = {
    "cancelled": ([query(status="cancelled")], True),
    "has ended": ([answer(400, {"code": 400, "message": "no"}), query(status="completed")], True),
    "goes on": ([answer(400, {"code": 400, "message": "no"}), query(status="in_progress")], False),
    "unknown": ([answer(400, {"code": 400, "message": "no"}), answer(404, {"code": 404})], False),
}


@pytest.mark.parametrize(("answers", "is_over"), CANCELS.values(), ids=CANCELS)
def test_a_query_is_cancelled_and_a_refusal_to_do_so_is_no_error(answers, is_over):
    script = Script(*answers)
    assert script.run(cancel_job(script.client(), "data-query:q-1")) is is_over
    assert asked(script)[0] == DELETE


def test_an_order_cannot_be_cancelled_and_nothing_is_sent():
    script = Script()
    assert script.run(cancel_job(script.client(), "8a8")) is False
    assert script.sent == []


def test_the_link_to_a_file_is_read_anew_each_time():
    script = Script(query(status="completed", dataFile="https://files.example/1"), query(status="completed"))
    assert script.run(read_file_link(script.client(), "data-query:q-1")) == "https://files.example/1"
    assert script.run(read_file_link(script.client(), "data-query:q-1")) == ""
