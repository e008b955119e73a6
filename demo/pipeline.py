"""The pipeline's show: a day's orders from Elastic Path to Zuora, then the same day again with other rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum

from demo.processes import wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.story import follow_run

DAG_ID = "elastic_path_to_zuora"
ORDERS = 12
CHANGED = 3  # which of them the shop corrects after it was sent to Zuora
DAY_AND_AN_HOUR = 25 * 3600  # seconds; Zuora forgets an Idempotency-Key after 24 hours


def make_rows(day: pendulum.DateTime) -> list[dict[str, Any]]:
    """Return what the shop sold on a day, and on the days beside it, which no export of that day may hold."""
    hours = [*range(1, 1 + 2 * ORDERS, 2), -1, 24]
    return [
        {
            "id": f"4eac8cd8-68f6-4fab-9cb4-{hour + 100:012d}",
            "created_at": day.add(hours=hour).to_iso8601_string(),
            "status": "complete",
            "payment": "paid",
            "zuora_account": f"A{hour + 100:08d}",
            "product": "Team plan, one year",
            "quantity": 1 + hour % 5,
            "unit_amount": 19900,
            "currency": "USD",
        }
        for hour in hours
    ]


class Pipeline:
    """The example DAG on an Airflow that is connected to a sandbox with both vendors in it."""

    def __init__(self, stack: AirflowStack, sandbox: ServedSandbox) -> None:
        self.stack = stack
        self.api = stack.api
        self.sandbox = sandbox
        self.day = pendulum.now("UTC").start_of("day").subtract(days=1)
        self.sold = make_rows(self.day)

    def start_first_run(self) -> str:
        """Let Airflow start the run that was due at midnight, and return its id."""
        self.sandbox.ask("POST", "/sandbox/exportable", {"orders": self.sold})
        self.stack.wait_dag(DAG_ID)
        self.api.unpause(DAG_ID)
        return wait_for("the scheduled run", lambda: next(iter(self.api.runs(DAG_ID)), None), 120)

    def start_second_run(self) -> str:
        """
        Start a run for the same day, 25 hours later by the sandbox's clock, and return its id.

        The rows come in another order, and one was corrected in the shop meanwhile.
        """
        self.sold[CHANGED] = self.sold[CHANGED] | {"quantity": 50}
        self.sold.reverse()
        self.sandbox.ask("POST", "/sandbox/clock", {"advance": DAY_AND_AN_HOUR})
        self.sandbox.ask("POST", "/sandbox/exportable", {"orders": self.sold})
        # Two runs may not have one logical date, but all of a day have the interval of the day before.
        date = self.day.add(days=1, minutes=1).to_iso8601_string()
        return self.api.trigger(DAG_ID, {}, f"again__{date}", date)

    def list_made(self) -> list[str]:
        """Return the numbers of the orders at Zuora that came from the shop."""
        numbers = [str(order["orderNumber"]) for order in self.sandbox.ledger()["orders"]]
        return [number for number in numbers if number.startswith("EP-")]

    def check_first_run(self, run_id: str) -> Iterator[str]:
        """Yield what is not as it must be after the first run."""
        made = set(self.list_made())
        wanted = {f"EP-{row['id']}" for row in self.sold[:ORDERS]}
        if made != wanted:
            yield f"Zuora holds {sorted(made)}, not {sorted(wanted)}"
        report = self.stack.xcom(DAG_ID, run_id, "report")
        if report != {number.removeprefix("EP-"): number for number in wanted}:
            yield f"the report says {report}"

    def check_second_run(self, run_id: str, made_before: int) -> Iterator[str]:
        """Yield what is not as it must be after the second run: nothing new, and one row reported."""
        made = len(self.list_made())
        if made != made_before:
            yield f"Zuora holds {made} orders, not {made_before}: some were made twice"
        entries = self.stack.xcom(DAG_ID, run_id, "submit", "submit_results")
        refused = [entry for entry in entries or [] if entry["state"] == "refused"]
        changed = f"EP-{make_rows(self.day)[CHANGED]['id']}"
        if [entry["order_number"] for entry in refused] != [changed]:
            yield f"refused are {refused}, not the changed row {changed}"
        elif "quantity" not in refused[0]["error"]:
            yield f"what has changed is not said: {refused[0]['error']}"


def show(stack: AirflowStack, sandbox: ServedSandbox) -> bool:
    """Run the pipeline twice, and return whether both runs did what they must."""
    pipeline = Pipeline(stack, sandbox)
    print(f"            The shop sold {ORDERS} orders on {pipeline.day.to_date_string()}.")
    run_id = pipeline.start_first_run()
    states = [follow_run(stack, DAG_ID, run_id)]
    wrong = list(pipeline.check_first_run(run_id))
    made = len(pipeline.list_made())
    print("\nOnce more for the same day, 25 hours later: rows reordered, one changed, another run id.")
    run_id = pipeline.start_second_run()
    states.append(follow_run(stack, DAG_ID, run_id))
    wrong += pipeline.check_second_run(run_id, made)
    if states != ["success", "failed"]:
        wrong.append(f"the runs ended as {states}; the second must fail on the changed row")
    print(*(f"Wrong: {each}" for each in wrong), sep="\n", flush=True)
    if not wrong:
        print(f"As it must be: {made} orders at Zuora, none twice; the changed row is reported.", flush=True)
    return not wrong
