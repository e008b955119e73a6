"""The show of Data Query: a day's invoices from Zuora to a file, by the run that was due last night."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pendulum

from demo.processes import wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.story import follow_run

DAG_ID = "zuora_query_to_storage"
INVOICES = 12
SHOWN = 4  # lines of the file
_SECONDS = 15  # that the query runs: longer than until the trigger's first poll


def make_rows() -> list[dict[str, Any]]:
    """Return the invoices that the query finds; the run of two o'clock asks for those of the day before."""
    day = pendulum.now("UTC").subtract(days=1, hours=2).start_of("day")
    return [
        {
            "id": f"8ad08200-0000-4000-8000-{number:012d}",
            "invoicenumber": f"INV{number:08d}",
            "accountid": f"8ad08770-0000-4000-8000-{number % 5:012d}",
            "invoicedate": day.to_date_string(),
            "duedate": day.add(days=30).to_date_string(),
            "amount": 199.0 * number,
            "balance": 199.0 * (number % 3),
            "status": "Posted",
            "createddate": day.add(hours=number).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        for number in range(1, INVOICES + 1)
    ]


def start_run(stack: AirflowStack, sandbox: ServedSandbox) -> str:
    """Let Airflow start the run that was due last night, and return its id."""
    script = {"contains": "FROM invoice", "rows": make_rows(), "seconds": _SECONDS}
    sandbox.ask("POST", "/sandbox/queries", script)
    stack.wait_dag(DAG_ID)
    stack.api.unpause(DAG_ID)
    return str(wait_for("the scheduled run", lambda: next(iter(stack.api.runs(DAG_ID)), None), 120))


def find_wrong(
    stack: AirflowStack, sandbox: ServedSandbox, run_id: str, exported: Mapping[str, Any], lines: list[str]
) -> Iterator[str]:
    """Yield what is not as it must be after the run."""
    [made] = sandbox.ledger()["queries"]
    day = str(stack.api.run(DAG_ID, run_id)["data_interval_start"])[:10]
    if f">= TIMESTAMP '{day} 00:00:00.000 +00:00'" not in made["query"]:
        yield f"the query is not about {day}: {made['query']}"
    if f"/day={day}/" not in exported["path"]:
        yield f"the file is not that of {day}: {exported['path']}"
    columns = list(make_rows()[0])
    if exported["columns"] != columns or lines[:1] != [",".join(columns)]:
        yield f"the columns are {exported['columns']} and {lines[:1]}, not {columns}"
    if not exported["rows"] == len(lines) - 1 == INVOICES:
        yield f"Zuora counts {exported['rows']} rows, the file has {len(lines) - 1}, not {INVOICES}"


def show(stack: AirflowStack, sandbox: ServedSandbox) -> bool:
    """Run the example DAG, print what came of it, and say whether that is right."""
    run_id = start_run(stack, sandbox)
    state = follow_run(stack, DAG_ID, run_id)
    exported = stack.xcom(DAG_ID, run_id, "export")
    if state != "success" or exported is None:
        return False
    lines = Path(urlsplit(exported["path"]).path).read_text(encoding="utf-8").splitlines()
    print(f"\n  file     {exported['path']}")
    print(f"  rows     {exported['rows']}, {exported['bytes']} bytes")
    print(f"  columns  {', '.join(exported['columns'])}\n")
    print(*(f"  {line}" for line in lines[:SHOWN]), f"  ... {len(lines) - SHOWN} more", "", sep="\n")
    wrong = list(find_wrong(stack, sandbox, run_id, exported, lines))
    print(*(f"Wrong: {each}" for each in wrong), sep="\n", flush=True)
    return not wrong
