"""The show of a month's end: billed, posted and collected; and once more with invoices above the ceiling."""

from __future__ import annotations

from collections.abc import Iterator

import pendulum

from demo.processes import wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.story import follow_run

DAG_ID = "zuora_month_end"
COLLECTED = {"USD": 256.1, "EUR": 40.5}


class MonthEnd:
    """The example DAG on an Airflow that is connected to a sandbox."""

    def __init__(self, stack: AirflowStack, sandbox: ServedSandbox) -> None:
        self.stack = stack
        self.api = stack.api
        self.sandbox = sandbox

    def start_first_run(self) -> str:
        """Let Airflow start the run that was due on the first of the month, and return its id."""
        self._bill_euros("40.500000")
        self.stack.wait_dag(DAG_ID)
        self.api.unpause(DAG_ID)
        return wait_for("the scheduled run", lambda: next(iter(self.api.runs(DAG_ID)), None), 120)

    def start_second_run(self) -> str:
        """Start another run for the same month, whose invoices in euros pass the ceiling; return its id."""
        self._bill_euros("100000.01")
        # Two runs may not have one logical date, but all of a month have the interval of the month before.
        date = pendulum.now("UTC").start_of("month").add(minutes=1).to_iso8601_string()
        return self.api.trigger(DAG_ID, {}, f"again__{date}", date)

    def check(self, run_ids: list[str]) -> Iterator[str]:
        """Yield what is not as it must be after these runs, of which the first alone collects."""
        ledger = self.sandbox.ledger()
        billed = [(each["status"], each["posts"], each["id"]) for each in ledger["billRuns"]]
        results = [self.stack.xcom(DAG_ID, run_id, "bill") or {"job_id": ""} for run_id in run_ids]
        wanted = [("Posted", 1, each["job_id"].removeprefix("bill-run:")) for each in results]
        if billed != wanted:
            yield f"the bill runs are {billed}, not {wanted}"
        if [each["isForAllAccounts"] for each in ledger["paymentRuns"]] != [False]:
            yield f"the payment runs are {ledger['paymentRuns']}, not one for the bill run"
        if ledger["collected"] != COLLECTED:
            yield f"collected are {ledger['collected']}, not {COLLECTED}"
        allowed = [self.stack.xcom(DAG_ID, run_id, "limit") for run_id in run_ids]
        if allowed != [wanted[0][2], *[None] * (len(run_ids) - 1)]:
            yield f"allowed are {allowed}"

    def _bill_euros(self, balance: str) -> None:
        """Let Zuora make two invoices in dollars and one in euros, which comes to this."""
        dollars = {"currency": "USD", "invoices": 2, "balance": "256.100000"}
        euros = {"currency": "EUR", "invoices": 1, "balance": balance}
        due = [{"amount": 200.1}, {"amount": 56}, {"amount": 40.5, "currency": "EUR"}]
        for kind, script in {
            "bill-runs": {"contains": "Month end", "invoices": 3, "seconds": 8},
            "queries": {"contains": "WHERE sourceid", "rows": [dollars, euros], "seconds": 1},
            "payment-runs": {"contains": "billingRunId", "receivables": due, "seconds": 8},
        }.items():
            self.sandbox.ask("POST", f"/sandbox/{kind}", script)


def show(stack: AirflowStack, sandbox: ServedSandbox) -> bool:
    """Run the example DAG twice, and return whether the first run alone has collected, and once."""
    month_end = MonthEnd(stack, sandbox)
    run_ids = [month_end.start_first_run()]
    states = [follow_run(stack, DAG_ID, run_ids[0])]
    wrong = list(month_end.check(run_ids))
    print("\nOnce more, with invoices of 100000.01 EUR, where the ceiling is 100000.00.")
    run_ids.append(month_end.start_second_run())
    states.append(follow_run(stack, DAG_ID, run_ids[1]))
    wrong += month_end.check(run_ids)
    if states != ["success", "failed"]:
        wrong.append(f"the runs ended as {states}; the second must fail before it collects")
    print(*(f"Wrong: {each}" for each in wrong), sep="\n", flush=True)
    if not wrong:
        print(f"As it must be: each bill run posted once; one payment run, {COLLECTED}.", flush=True)
    return not wrong
