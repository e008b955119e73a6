"""The verdict of `make cluster-test` finds each thing that could be wrong, and nothing in what is right."""

from dataclasses import replace

import pytest

from tests.cluster import faults, verdict
from tests.cluster.load import DAGS, SMALL, is_returned, make_rows, mark
from tests.cluster.records import Instance, Records
from tests.cluster.waits import Sleep, Waits
from zuora_sandbox import Fault, Request, Sandbox

JOBS = {marker: f"job-{marker}" for marker in SMALL.markers}


def make_ledger():
    orders = [
        {"description": marker, "orderNumber": f"O-{marker}", "jobId": JOBS[marker]}
        for marker in SMALL.markers
    ]
    bill_runs = [
        {"id": f"id-{mark('R', index)}", "billRunNumber": f"BR-{index}", "name": f"{mark('R', index)} x"}
        | {"status": "Posted", "posts": 1}
        for index in range(SMALL.bill_runs)
    ]
    return {"orders": orders, "billRuns": bill_runs, "signIns": 3, "exposedTokens": 0}


def done(dag_id, task_id, index, value):
    return Instance(dag_id, task_id, index, "success", 1, {"return_value": value})


def numbers(letter, count):
    return [{"orderNumber": f"O-{mark(letter, index)}"} for index in range(count)]


def list_instances():
    for task_id, letter in (("numbered", "M"), ("bare", "N")):
        for index, result in enumerate(numbers(letter, 8)):
            yield done("mapped", task_id, index, result)
    for kind, letter, count in (("numbered", "B", 12), ("bare", "C", 4)):
        jobs = [JOBS[mark(letter, index)] for index in range(count)]
        yield done("lists", f"submit_{kind}", -1, jobs)
        yield done("lists", f"wait_{kind}", -1, numbers(letter, count))
    for index, result in enumerate(numbers("P", 8)):
        yield done("pairs", f"submit_{index:03d}", -1, JOBS[mark("P", index)])
        yield done("pairs", f"wait_{index:03d}", -1, result)
    yield done("queries", "rows", 0, make_rows(0))
    yield done("queries", "files", 0, {"path": "/files/Q-001.csv"})
    posted = {"job_id": "bill-run:id-R-000", "number": "BR-0", "status": "Posted"}
    yield done("bill_runs", "bill", 0, posted)
    yield Instance("refused", "create", 0, "failed", 1)


def make_records():
    rows = [{name: str(value) for name, value in row.items()} for row in make_rows(1)]
    runs = {dag_id: "failed" if dag_id == "refused" else "success" for dag_id in DAGS}
    return Records(list(list_instances()), runs, make_ledger(), {"/files/Q-001.csv": rows})


def change(records, name, **fields):
    """Return records of which one task instance is another."""
    changed = [replace(each, **fields) if str(each) == name else each for each in records.instances]
    assert changed != records.instances
    return replace(records, instances=changed)


def find(records, load=SMALL):
    return verdict.find_problems(load, records, revocations=2)


def test_nothing_is_found_where_all_is_right():
    assert find(make_records()) == []


def test_an_order_that_was_made_twice():
    records = make_records()
    records.ledger["orders"].append({"description": "N-003", "orderNumber": "O-2", "jobId": "other"})
    assert "order N-003 was made 2 times" in find(records)


def test_an_order_that_is_lost():
    records = make_records()
    records.ledger["orders"].pop(0)
    assert "order M-000 was made 0 times" in find(records)


def test_an_order_that_zuora_has_refused():
    records = make_records()
    records.ledger["orders"].append({"description": "X-000", "orderNumber": "O-X", "jobId": "x"})
    assert find(records) == ["order X-000 should not be there"]


@pytest.mark.parametrize("fields", [{"posts": 2}, {"posts": 0, "status": "Completed"}])
def test_a_bill_run_that_was_not_posted_once(fields):
    records = make_records()
    records.ledger["billRuns"][0] |= fields
    assert any(problem.startswith("bill run R-000") for problem in find(records))


def test_a_bill_run_too_many():
    records = make_records()
    records.ledger["billRuns"] *= 2
    assert "2 bill runs were created, not 1" in find(records)


def test_a_task_that_failed():
    records = change(make_records(), "mapped.bare[3]", state="failed", tries=6)
    assert find(records) == ["mapped.bare[3] is failed in try 6, not success"]


def test_a_task_that_should_have_failed():
    records = change(make_records(), "refused.create[0]", state="success")
    assert find(records) == ["refused.create[0] is success in try 1, not failed"]


def test_a_task_that_never_was():
    records = make_records()
    records.instances.pop()
    assert find(records) == ["39 task instances, not 40"]


def test_a_run_that_has_not_ended():
    records = make_records()
    records.runs["lists"] = "running"
    assert find(records) == ["the run of lists is running, not success"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mapped.numbered[0]", {"orderNumber": "O-M-001"}),
        ("mapped.bare[7]", None),
        ("pairs.submit_002", JOBS["P-003"]),
        ("pairs.wait_002", {"orderNumber": "O-P-003"}),
        ("lists.submit_bare", [JOBS["C-000"]] * 4),
        ("lists.submit_numbered", []),
        ("lists.wait_numbered", numbers("B", 11)),
        ("bill_runs.bill[0]", {"job_id": "bill-run:other", "number": "BR-0", "status": "Posted"}),
        ("queries.rows[0]", make_rows(2)),
        ("queries.files[0]", {"path": "/files/Q-003.csv"}),
    ],
)
def test_a_result_that_is_another_ones(name, value):
    problems = find(change(make_records(), name, xcoms={"return_value": value}))
    assert problems
    assert all(problem.startswith(name) for problem in problems)


def test_an_order_that_was_found_by_its_number_stands_for_its_job():
    records = change(make_records(), "pairs.submit_002", xcoms={"return_value": "order:O-P-002"})
    assert find(records) == []


def test_a_storm_of_sign_ins():
    records = make_records()
    records.ledger["signIns"] = 13
    assert find(records) == ["13 sign-ins, more than 12"]


def test_a_token_that_was_shown_to_a_store_of_files():
    records = make_records()
    records.ledger["exposedTokens"] = 1
    assert find(records) == ["1 requests for files carried a token"]


def test_the_rows_of_queries_differ():
    assert make_rows(0) != make_rows(2)
    assert [is_returned(index) for index in range(4)] == [True, False, True, False]


def test_the_sandbox_takes_each_fault():
    every = [Fault.from_json(fault) for fault in faults.list_faults(3)]
    assert len({fault.name for fault in every if fault.times is None}) == len(every) - 5


def test_each_fault_of_a_family_meets_five_in_a_hundred():
    sandbox = Sandbox()
    for fault in faults.list_faults(3):
        if fault["times"] is None:
            sandbox.add_fault(Fault.from_json(fault))
    for _ in range(400):
        sandbox.handle(Request("POST", "/v1/async/orders", (), {}, b"{}"))
    met = sandbox.ledger()["faults"]
    assert met == {f"order: {name}": 20 for name in faults.SUBMITTED}


def test_a_fault_that_no_request_has_met():
    met = {fault["name"]: 1 for fault in faults.list_faults(1) if fault["name"] != "order: lock"}
    assert faults.find_unmet(met) == ["order: lock"]


def test_a_worker_that_slept_for_long():
    assert list(verdict.check_waits(Waits(3, Sleep(39.0, "a"), Sleep(90.0, "b")))) == []
    assert list(verdict.check_waits(Waits(3, Sleep(46.0, "a")))) == ["a worker slept for 46 s in a"]


def test_no_pause_that_was_deferred():
    assert list(verdict.check_waits(Waits())) == ["no pause was deferred"]
