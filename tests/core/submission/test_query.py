"""A data query is found again, not submitted twice, and cancelled if nobody waits for it."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import ApiError, QueryQueueFull, Refused, Unreachable
from airflow_provider_zuora.core.http.cancel import cancel_job
from airflow_provider_zuora.core.messages import Response
from airflow_provider_zuora.core.submission.idempotency_keys import IdempotencyScope, TaskAttempt
from airflow_provider_zuora.core.submission.query import (
    NAME,
    QueryRecord,
    cancel_own,
    read_file_link,
    submit_query,
)
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
    return made | more


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
    sent = script.sent[0]
    assert sent.headers["Idempotency-Key"].startswith("af-")
    assert json.loads(sent.body) == {
        "query": "SELECT 1",
        "outputFormat": "CSV",
        "compression": "NONE",
        "output": {"target": "S3"},
    }
    assert memory[NAME]["job_id"] == "data-query:q-1"
    assert "SELECT" not in json.dumps(memory)


def test_whoever_submits_is_told_the_id_before_it_is_noted():
    class Full(Memory):
        def set(self, name, value):
            if value["job_id"]:
                raise OSError("the database is gone")
            super().set(name, value)

    script, told = Script(query()), []
    with pytest.raises(ApiError, match="It was sent, but what came of it could not be noted"):
        script.run(submit_query(script.client(), DOCUMENT, SCOPE, FIRST, told.append), Full())
    assert told == ["data-query:q-1"]


@pytest.mark.parametrize("status", ["submitted", "accepted", "in_progress", "completed"])
def test_a_retry_waits_for_the_query_that_the_first_try_left(status):
    memory = Memory()
    submit(Script(query()), memory=memory)
    script = Script(query(status=status))
    assert submit(script, SECOND, memory) == "data-query:q-1"
    assert asked(script) == [GET]
    assert memory[NAME]["try_number"] == 2


def test_a_retry_waits_for_a_query_that_cannot_be_read_just_now():
    memory = Memory()
    submit(Script(query()), memory=memory)
    script = Script(answer(403, {"code": 403, "message": "no"}))
    assert submit(script, SECOND, memory) == "data-query:q-1"


@pytest.mark.parametrize(
    "gone", [query(status="failed"), query(status="cancelled"), answer(404, {"code": 404})]
)
def test_a_retry_after_a_query_that_came_to_nothing_submits_another_under_another_key(gone):
    memory, first = Memory(), Script(query())
    submit(first, memory=memory)
    script = Script(gone, query("q-2"))
    assert submit(script, SECOND, memory) == "data-query:q-2"
    assert asked(script) == [GET, POST]
    assert get_key(script, 1) != get_key(first, 0)


def get_key(script, index):
    return script.sent[index].headers["Idempotency-Key"]


def lose(memory):
    """Let a first try end without knowing whether it has submitted its query."""
    script = Script(*[LOST] * 6)
    with pytest.raises(Unreachable):
        submit(script, memory=memory)
    return script


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_retry_sends_the_same_key_after_a_query_whose_answer_never_came(is_kept):
    memory = Memory()
    first = lose(memory if is_kept else None)
    script = Script(query(), query())
    assert submit(script, SECOND, memory) == "data-query:q-1"
    assert asked(script) == [POST, GET]
    assert get_key(script, 0) == get_key(first, 0)


def test_a_clear_runs_the_query_again_and_cancels_what_the_tries_before_left():
    memory, first = Memory(), Script(query())
    submit(first, memory=memory)
    script = Script(query(status="cancelled"), query("q-2"), query("q-2"))
    assert submit(script, TaskAttempt(2, 5, is_cleared=True, since=0.0), memory) == "data-query:q-2"
    assert asked(script)[:2] == [DELETE, POST]
    assert get_key(script, 1) != get_key(first, 0)


def test_another_text_is_another_query_and_the_one_before_is_cancelled():
    memory = Memory()
    submit(Script(query()), memory=memory)
    script = Script(query(status="cancelled"), query("q-2"), query("q-2"))
    submit(script, SECOND, memory, check_query("SELECT 2"))
    assert asked(script)[:2] == [DELETE, POST]


def test_without_a_store_a_retry_asks_under_the_same_key_and_takes_another_if_that_query_has_failed():
    first = Script(query())
    submit(first)
    script = Script(query(), query(status="failed"), query("q-2"))
    assert submit(script, SECOND) == "data-query:q-2"
    assert asked(script) == [POST, GET, POST]
    assert get_key(first, 0) == get_key(script, 0) != get_key(script, 2)


def test_a_query_that_is_not_known_everywhere_yet_is_not_submitted_again():
    script = Script(query(), answer(404, {"code": 404}))
    assert submit(script, SECOND) == "data-query:q-1"


NOTE = QueryRecord("", "", 0, 1, 0).as_dict()


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"job_id": 5},
        "text",
        None,
        {
            "account": 1,
            "digest": "",
            "max_tries": 0,
            "try_number": 1,
            "generation": 0,
            "job_id": "",
        },
        {
            "account": "",
            "digest": "",
            "max_tries": 0,
            "try_number": 1,
            "generation": None,
            "job_id": "",
        },
    ],
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
def test_a_query_whose_answer_is_unclear_is_sent_again_under_its_key(unclear):
    script = Script(unclear, query())
    assert submit(script) == "data-query:q-1"
    assert asked(script) == [POST, POST]
    assert get_key(script, 0) == get_key(script, 1)


def test_a_query_that_zuora_refuses_is_a_permanent_error_in_its_words():
    with pytest.raises(Refused, match="cannot be resolved") as caught:
        submit(Script(REFUSED, NO_ROWS))
    assert not caught.value.transient
    assert not isinstance(caught.value, QueryQueueFull)


WAITING = [row(f"q-{index}") for index in range(10)]
FULL = {
    "ten wait": (REFUSED, WAITING, 1),
    "it says so": (answer(400, {"code": 400, "message": "The queue of queries is full"}), [], 1),
    "it counts": (answer(403, {"code": 403, "message": "maximum number of queued queries"}), [], 1),
    "too many requests": (answer(429, {"code": 429, "message": "no"}), WAITING, 6),
}


@pytest.mark.parametrize(("refusal", "rows", "repeats"), FULL.values(), ids=FULL)
def test_a_full_queue_has_a_name_of_its_own_and_a_retry_may_help(refusal, rows, repeats):
    script, memory = Script(*[refusal] * repeats, listed(*rows)), Memory()
    with pytest.raises(QueryQueueFull, match="takes no more queries now") as caught:
        submit(script, memory=memory)
    assert caught.value.transient
    assert dict(script.sent[-1].params)["queryStatus"] == "accepted"
    again = Script(query())
    submit(again, SECOND, memory)
    assert get_key(again, 0) != get_key(script, 0)  # the vendor may repeat its refusal under the first one


@pytest.mark.parametrize(
    "message",
    [
        "Column queue cannot be resolved",
        "maximum number of columns exceeded",
        "Function concurrent is unknown",
    ],
)
def test_a_refusal_that_only_sounds_like_a_full_queue_is_permanent(message):
    with pytest.raises(Refused) as caught:
        submit(Script(answer(400, {"code": 400, "message": message}), listed(*WAITING[:9])))
    assert not caught.value.transient


def test_queries_of_the_warehouse_wait_apart():
    document = check_query("SELECT 1", source_data="WAREHOUSE")
    with pytest.raises(Refused) as caught:
        submit(Script(REFUSED, listed(*WAITING)), document=document)
    assert not isinstance(caught.value, QueryQueueFull)


def test_without_a_store_a_full_queue_that_an_earlier_try_met_is_not_repeated_for_ever():
    full = FULL["it says so"][0]
    script = Script(full, NO_ROWS, query("q-1"))
    assert submit(script, SECOND) == "data-query:q-1"
    assert get_key(script, 0) != get_key(script, 2)


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
    script = lose(Memory())
    assert asked(script).count(POST) == 6


NO = answer(400, {"code": 400, "message": "no"})
CANCELS = {
    "cancelled": ([query(status="cancelled")], True),
    "at the second time": ([answer(503), query(status="cancelled")], True),
    "has ended": ([NO, query(status="completed")], True),
    "has not begun": ([NO, query(status="submitted"), query(status="cancelled")], True),
    "goes on": ([NO, query(status="in_progress")] * 3, False),
    "unknown": ([NO, answer(404, {"code": 404})], False),
    "a page": ([Response(200, {}, b"<html>")] * 3 + [query(status="cancelled")], True),
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


def test_an_old_try_does_not_cancel_the_query_that_a_later_one_waits_for():
    memory = Memory()
    submit(Script(query()), memory=memory)
    submit(Script(query()), SECOND, memory)
    script = Script()
    assert script.run(cancel_own(script.client(), "data-query:q-1", FIRST), memory) is False
    assert script.sent == []
    script = Script(query(status="cancelled"))
    assert script.run(cancel_own(script.client(), "data-query:q-1", SECOND), memory) is True


def test_the_link_to_a_file_is_read_anew_each_time():
    script = Script(query(status="completed", dataFile="https://files.example/1"), query(status="completed"))
    assert script.run(read_file_link(script.client(), "data-query:q-1")) == "https://files.example/1"
    assert script.run(read_file_link(script.client(), "data-query:q-1")) == ""
