"""What must be so at the end: each function yields what is wrong, in words, and nothing if all is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.cluster.load import DAGS, Load, is_returned, make_rows, mark
from tests.cluster.records import Instance, Records
from tests.cluster.waits import BUSY, LONGEST, Waits

SIGN_INS_EACH = 4
"""
Sign-ins that one occasion may cost: its first may be lost on the way, and a token may be refused that was
read just before. A storm would be one for each process, hundreds.
"""


def find_problems(load: Load, records: Records, revocations: int) -> list[str]:
    """Return all that is wrong."""
    return [
        *check_orders(load, records.ledger),
        *check_bill_runs(load, records.ledger),
        *check_states(load, records),
        *check_results(load, records),
        *check_queries(load, records),
        *check_sign_ins(records.ledger, revocations),
    ]


def check_orders(load: Load, ledger: dict[str, Any]) -> Iterator[str]:
    """Each order is there exactly once, told by its marker, and no other is."""
    made = Counter(order["description"] for order in ledger["orders"])
    for marker in load.markers:
        if made[marker] != 1:
            yield f"order {marker} was made {made[marker]} times"
    for marker in sorted(made.keys() - set(load.markers), key=str):
        yield f"order {marker} should not be there"


def check_bill_runs(load: Load, ledger: dict[str, Any]) -> Iterator[str]:
    """Each bill run was created once and posted once."""
    runs = ledger["billRuns"]
    for index in range(load.bill_runs):
        marker = mark("R", index)
        its = [run for run in runs if str(run["name"]).startswith(marker)]
        if [(run["status"], run["posts"]) for run in its] != [("Posted", 1)]:
            yield f"bill run {marker}: {its}"
    if len(runs) > load.bill_runs:
        yield f"{len(runs)} bill runs were created, not {load.bill_runs}"


def check_states(load: Load, records: Records) -> Iterator[str]:
    """Every task has ended, and failed only where Zuora has said no."""
    if len(records.instances) != load.tasks:
        yield f"{len(records.instances)} task instances, not {load.tasks}"
    for instance in records.instances:
        wanted = "failed" if instance.dag_id == "refused" else "success"
        if instance.state != wanted:
            yield f"{instance} is {instance.state} in try {instance.tries}, not {wanted}"
    for dag_id in DAGS:
        wanted = "failed" if dag_id == "refused" else "success"
        if records.runs.get(dag_id) != wanted:
            yield f"the run of {dag_id} is {records.runs.get(dag_id)}, not {wanted}"


def check_results(load: Load, records: Records) -> Iterator[str]:
    """What a task has returned is the order of its own marker, its job, or its bill run."""
    orders = {order["description"]: order for order in records.ledger["orders"]}
    runs = {str(run["name"])[:5]: run for run in records.ledger["billRuns"]}
    for instance in records.instances:
        if instance.state != "success" or instance.dag_id in ("queries", "refused"):
            continue
        if instance.dag_id == "bill_runs":
            its = runs.get(mark("R", instance.map_index), {})
            found = instance.value or {}
            right = (f"bill-run:{its.get('id')}", its.get("billRunNumber"), "Posted")
            if (found.get("job_id"), found.get("number"), found.get("status")) != right:
                yield f"{instance} returned {instance.value!r:.300}, not {right}"
            continue
        markers = list_markers(load, instance)
        if instance.task_id.startswith("submit"):
            yield from _check_jobs(instance, [orders.get(marker, {}) for marker in markers])
        else:
            yield from _check_numbers(instance, [orders.get(marker, {}) for marker in markers])


def list_markers(load: Load, instance: Instance) -> list[str]:
    """Return the markers of the orders that a task is about, in their order."""
    if instance.dag_id == "lists":
        is_bare = instance.task_id.endswith("bare")
        letter, count = ("C", load.bare_listed) if is_bare else ("B", load.listed)
        return [mark(letter, index) for index in range(count)]
    if instance.dag_id == "pairs":
        return [mark("P", int(instance.task_id[-3:]))]
    return [mark("M" if instance.task_id == "numbered" else "N", instance.map_index)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_jobs(instance: Instance, orders: list[dict[str, Any]]) -> Iterator[str]:
    """Compare job ids; an order that was found by its number stands for its job."""
    found = _as_list(instance.value)
    if len(found) != len(orders):
        yield f"{instance} returned {len(found)} jobs, not {len(orders)}"
        return
    for job_id, order in zip(found, orders, strict=True):
        if job_id not in (order.get("jobId"), f"order:{order.get('orderNumber')}"):
            yield f"{instance} returned {job_id!r}, not the job of {order}"


def _check_numbers(instance: Instance, orders: list[dict[str, Any]]) -> Iterator[str]:
    found = _as_list(instance.value)
    numbers = [each.get("orderNumber") if isinstance(each, dict) else each for each in found]
    wanted = [order.get("orderNumber") for order in orders]
    if numbers != wanted or None in wanted:
        wrong = [pair for pair in zip(numbers, wanted, strict=False) if pair[0] != pair[1]]
        yield f"{instance} returned {len(numbers)} orders, not {len(wanted)}: {wrong[:3]}"


def check_queries(load: Load, records: Records) -> Iterator[str]:
    """Each query's rows are its own, and all of them."""
    for instance in records.instances:
        if instance.dag_id != "queries" or instance.state != "success":
            continue
        is_rows = instance.task_id == "rows"
        index = [each for each in range(load.queries) if is_returned(each) == is_rows][instance.map_index]
        wanted = make_rows(index)
        if is_rows:
            found: Any = instance.value
        else:
            path = str((instance.value or {}).get("path"))
            found = records.files.get(path.removeprefix("file://"))
            wanted = [{name: str(value) for name, value in row.items()} for row in wanted]
        if found != wanted:
            yield f"{instance} has other rows than query {mark('Q', index)}: {found!r:.300}"


def check_sign_ins(ledger: dict[str, Any], revocations: int) -> Iterator[str]:
    """One sign-in, and one for each revocation, is enough; a few more are no storm."""
    most = SIGN_INS_EACH * (1 + revocations)
    if ledger["signIns"] > most:
        yield f"{ledger['signIns']} sign-ins, more than {most}"
    if ledger["exposedTokens"]:
        yield f"{ledger['exposedTokens']} requests for files carried a token"


def check_waits(waits: Waits) -> Iterator[str]:
    """A long pause is deferred, and no worker sleeps for longer than it may."""
    if not waits.deferred:
        yield "no pause was deferred"
    if waits.single.seconds > LONGEST + BUSY:
        yield f"a worker slept for {waits.single}"
