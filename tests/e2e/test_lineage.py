"""What OpenLineage is told on a real Airflow 3.3 and 2.11: valid events with our facets, and no secret."""

import json
import shutil
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pytest

from demo.airflow2 import Airflow2Stack
from demo.stack import AirflowStack
from tests.e2e.conftest import start
from tests.e2e.test_receipts import CARD, CODE, HERE, NAME, PYTHON_211
from tests.openlineage_events import check_event
from zuora_sandbox import CLIENT_SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

QUERY = f"""SELECT id
FROM Account -- {CLIENT_SECRET} {CARD}"""


@dataclass(frozen=True)
class Lineage:
    """The end of a run on one Airflow, and the file to which OpenLineage's transport writes."""

    receipt: dict[str, object]  # of the task `completed`
    events_file: Path
    files: Path
    number: str
    has_all_fields: bool  # of tasks, by a setting of OpenLineage's provider

    @cached_property
    def events(self):
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]

    def find(self, task_id, state):
        """Return the last event of a task of this type."""
        name = f"lineage.{task_id}"
        found = [each for each in self.events if (each["job"]["name"], each["eventType"]) == (name, state)]
        assert found, {(each["job"]["name"], each["eventType"]) for each in self.events}
        return found[-1]

    def dataset(self, name):
        return "file", str(self.files / name)


def names(datasets):
    return [(each["namespace"], each["name"]) for each in datasets]


def make_files(dags, number):
    """Write what the DAG reads; both Airflows are of one Zuora, so their orders have other numbers."""
    files = dags / "lineage"
    files.mkdir(parents=True)
    shutil.copy(HERE / "lineage" / "lineage.py", dags)
    order = json.loads((HERE / "dags" / "paid.json").read_text())
    for name in ("completed", "failing"):
        (files / f"{name}.json").write_text(json.dumps(order | {"orderNumber": f"{number}-{name}"}))
    lines = [json.dumps(order | {"orderNumber": f"{number}-{each}"}) for each in range(2)]
    (files / "orders.jsonl").write_text("\n".join(lines))
    (files / "query.sql").write_text(QUERY)
    return files


@pytest.fixture(scope="module", params=["3.3", "2.11"])
def lineage(request, place, zuora):
    number, home = f"O-LINEAGE-{request.param}", place / f"lineage-{request.param}"
    words = f"[40000020]: The card {CARD} of code {CODE} is declined, says {CLIENT_SECRET}"
    zuora.ask("POST", "/sandbox/orders", {"order_number": f"{number}-failing", "errors": words})
    files, events = make_files(home / "dags", number), home / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    has_all_fields = request.param == "2.11"
    config = {
        "openlineage__transport": json.dumps(transport),
        "openlineage__include_full_task_info": str(has_all_fields),
    }
    stacks = {"3.3": AirflowStack, "2.11": partial(Airflow2Stack, python=PYTHON_211)}
    with stacks[request.param](home / "airflow", home / "dags", config=config) as stack:
        stack.cli(*zuora.connection())
        run = start(stack, "lineage")
        assert stack.wait_run("lineage", run.run_id, timeout=400) == "failed"
        receipt = run.xcom("completed", "receipt")
    return Lineage(receipt, events, files, number, has_all_fields)


def test_each_event_is_valid(lineage):
    for event in lineage.events:
        check_event(event)
    assert {each["eventType"] for each in lineage.events} >= {"START", "COMPLETE", "FAIL"}


def test_an_order_that_waited_deferred_has_its_kind_its_numbers_and_its_file(lineage):
    started, ended = lineage.find("completed", "START"), lineage.find("completed", "COMPLETE")
    assert started["job"]["facets"]["zuora_task"] == ended["job"]["facets"]["zuora_task"]
    facet, receipt = ended["run"]["facets"]["zuora_receipt"], lineage.receipt
    assert (facet["kind"], facet["state"], facet["job_id"]) == ("order", "completed", receipt["job_id"])
    assert facet["facts"]["order_number"] == f"{lineage.number}-completed"
    assert facet["facts"]["account_number"] == receipt["account_number"]
    assert facet["polls"] >= 2
    assert names(ended["inputs"]) == [lineage.dataset("completed.json")]


def test_an_order_that_fails_has_its_codes(lineage):
    failed = lineage.find("failing", "FAIL")
    facet = failed["run"]["facets"]["zuora_receipt"]
    assert (facet["state"], facet["codes"]) == ("failed", ["40000020"])
    assert "is declined" in failed["run"]["facets"]["errorMessage"]["message"], "Airflow's own facet has it"


def test_orders_of_a_file_have_it_as_their_input(lineage):
    ended = lineage.find("many", "COMPLETE")
    assert names(ended["inputs"]) == [lineage.dataset("orders.jsonl")]
    assert ended["run"]["facets"]["zuora_receipt"]["counts"] == {"submitted": 2}


def test_a_query_has_its_text_its_table_and_its_file(lineage, zuora):
    ended = lineage.find("query", "COMPLETE")
    assert ended["job"]["facets"]["sql"]["query"] == "SELECT id\nFROM Account -- *** ***"
    source = zuora.url.replace("http://", "zuora://")
    assert names(ended["inputs"]) == [(source, "Account")]
    assert names(ended["outputs"]) == [lineage.dataset("query.csv")]
    facets, statistics = ended["outputs"][0]["facets"], ended["outputs"][0]["outputFacets"]
    assert facets["schema"]["fields"]
    file = lineage.files / "query.csv"
    assert statistics["outputStatistics"]["size"] == file.stat().st_size
    assert statistics["outputStatistics"]["rowCount"] == len(file.read_text().splitlines()) - 1


def test_a_file_that_a_hook_writes_is_found_by_hook_lineage(lineage):
    assert names(lineage.find("by_hook", "COMPLETE")["outputs"]) == [lineage.dataset("by_hook.csv")]


def test_no_secret_and_no_name_is_in_an_event(lineage):
    if lineage.has_all_fields:  # then Airflow writes the text of a query, and the names of an order
        for event in lineage.events:
            event["run"]["facets"].get("airflow", {}).get("task", {}).pop("query", None)
    text, names = json.dumps(lineage.events), () if lineage.has_all_fields else (NAME,)
    assert [word for word in (CARD, CODE, CLIENT_SECRET, *names) if word in text] == []
    assert "zuora_receipt" in text
