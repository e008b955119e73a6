"""What the logs of `make cluster-test` show of a worker's pauses."""

import json

from tests.cluster.waits import NONE, Sleep, read_waits

FOLDER = "dag_id=mapped/run_id=cluster-test/task_id=bare"


def write(logs, *lines, name=f"{FOLDER}/attempt=1.log"):
    path = logs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    said = [json.dumps({"timestamp": f"2026-01-01T00:{at}Z", "event": words}) for at, words in lines]
    path.write_text("\n".join([*said, '{"timest']))


def test_a_pause_that_a_worker_slept(tmp_path):
    write(tmp_path, ("00:00", "POST 1 of 6, next in 45.0 s: HTTP 429"), ("00:46", "POST /v1/async/orders"))
    waits = read_waits(tmp_path)
    assert (waits.deferred, waits.single.seconds, waits.listed) == (0, 46.0, NONE)


def test_a_pause_that_was_deferred_is_no_sleep(tmp_path):
    write(
        tmp_path,
        ("00:00", "POST 1 of 6, next in 45.0 s: HTTP 429"),
        ("00:01", "No worker waits for 45 s: a triggerer does"),
        ("02:00", "::group::Pre Execute"),
    )
    assert (read_waits(tmp_path).deferred, read_waits(tmp_path).single.seconds) == (1, 1.0)


def test_a_process_that_was_killed_in_its_pause_has_not_slept_until_the_next_one(tmp_path):
    write(tmp_path, ("00:00", "Looking again in 20 s"), ("05:00", "::group::Pre Execute"))
    assert read_waits(tmp_path).single == NONE


def test_a_list_keeps_its_worker_and_is_told_apart(tmp_path):
    name = "dag_id=lists/run_id=cluster-test/task_id=submit_bare/attempt=2.log"
    lines = (("00:00", "HTTP 429: this process sends the account nothing for 45 s"), ("00:45", "POST"))
    write(tmp_path, *lines, name=name)
    assert read_waits(tmp_path).listed == Sleep(45.0, name)


def test_a_triggerer_may_wait(tmp_path):
    lines = (("00:00", "Attempt 1 of 10, next in 45.0 s"), ("00:45", "GET"))
    write(tmp_path, *lines, name=f"{FOLDER}/attempt=1.log.trigger.2.log")
    assert read_waits(tmp_path).single == NONE
