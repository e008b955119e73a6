"""What OpenLineage is told of a task by its facets, and Airflow's hook lineage of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from openlineage.client.serde import Serde

from airflow_provider_zuora.airflow_context.lineage import FilePlace
from airflow_provider_zuora.airflow_context.openlineage import MOST_QUERY
from airflow_provider_zuora.core.vendors.zuora.order_secrets import redact
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.elastic_path import ElasticPathExportOrdersOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from tests.airflow_context.test_receipts import CARD, SECRET, Task, log, slow, submit
from tests.conftest import ORDER
from tests.hooks.test_elastic_path import FILTER, ROWS
from tests.openlineage_events import check_facets
from zuora_sandbox import CLIENT_SECRET, QueryScript

__all__ = ["log", "slow"]  # fixtures
PAID, CODE = Path(__file__).parents[1] / "e2e" / "dags" / "paid.json", "7351973519"
QUERY = """SELECT a.accountnumber, i.balance
FROM Account a\tJOIN invoice i ON i.accountid = a.id -- all of them"""


def extract(task, moment):
    """Return what OpenLineage's provider takes from a task, as JSON; each facet is valid."""
    extractor = DefaultExtractor(task)
    found = extractor.extract() if moment == "start" else getattr(extractor, f"extract_on_{moment}")(None)
    assert found is not None, "the provider only logs what we raise"
    made = json.loads(Serde.to_json(found))
    for facets in (made["run_facets"], made["job_facets"]):
        check_facets(facets)
    for dataset in made["inputs"] + made["outputs"]:
        check_facets(dataset.get("facets", {}) | dataset.get("outputFacets", {}))
    return made


def names(datasets):
    return [(each["namespace"], each["name"]) for each in datasets]


class One(Task):
    """A task whose operators are kept, the last one at the end."""

    def __init__(self, log, make):
        def keep():
            self.operator = make()
            return self.operator

        super().__init__(log, keep)

    def extract(self, moment="complete"):
        return extract(self.operator, moment)

    @property
    def facet(self):
        return self.extract()["run_facets"]["zuora_receipt"]


def query(log, text=QUERY, **options):
    return One(log, lambda: ZuoraDataQueryOperator(task_id="t", query=text, **options))


class TestAnOrder:
    @pytest.fixture
    def task(self, slow, log):
        options = {"task_id": "t", "order": ORDER, "wait_for_completion": True}
        return One(log, lambda: ZuoraCreateOrderOperator(**options))

    def test_before_it_runs_only_its_kind_is_known(self, task):
        made = extract(task.make(), "start")
        facet = made["job_facets"].pop("zuora_task")
        assert {name: facet[name] for name in ("vendor", "kind", "conn_id")} == {
            "vendor": "zuora",
            "kind": "order",
            "conn_id": "zuora_default",
        }
        assert made == {"inputs": [], "outputs": [], "run_facets": {}, "job_facets": {}}

    def test_one_that_was_deferred_has_its_receipt_on_complete(self, slow, task):
        task.run(slow)

        facet, receipt = task.facet, task.receipt
        assert {name: facet[name] for name in ("kind", "state", "job_id", "track_id", "polls")} == {
            name: receipt[name] for name in ("kind", "state", "job_id", "track_id", "polls")
        }
        assert facet["facts"] == {
            "order_number": "O-1",
            "account_number": "A00000097",
            "subscription_numbers": ["A-S00000001"],
            "status": "Completed",
        }
        assert (facet["counts"], facet["codes"]) == ({}, [])

    def test_one_that_fails_has_codes_and_none_of_the_vendors_words(self, slow, task):
        words = f"[40000020]: Mrs Kowalczyk's card {CARD} is not valid"
        slow.sandbox.settings = replace(slow.sandbox.settings, fail_jobs=words)
        with pytest.raises(PermanentError):
            task.run(slow)

        made = task.extract("failure")
        facet = made["run_facets"]["zuora_receipt"]
        assert (facet["state"], facet["codes"]) == ("failed", ["40000020"])
        assert [word for word in ("Kowalczyk", CARD) if word in json.dumps(made)] == []

    def test_one_that_comes_from_a_file_has_it_as_its_input(self, zuora, log, tmp_path):
        file = tmp_path / "order.json"
        secret = {"creditCard": {"cardNumber": CARD}, "description": SECRET}
        file.write_text(json.dumps(ORDER | {"customFields": secret}))
        for given in (file, str(file), f"file://{file}"):
            task = One(log, lambda order=given: ZuoraCreateOrderOperator(task_id="t", order=order))
            task.make().execute(task.context)
            made = task.extract()
            assert (names(made["inputs"]), made["outputs"]) == ([("file", str(file))], [])
            assert [word for word in (CARD, SECRET) if word in json.dumps(made)] == []

    def test_of_one_that_waited_the_last_process_knows_its_file(self, slow, log, tmp_path):
        file = tmp_path / "order.json"
        file.write_text(json.dumps(ORDER))
        options = {"task_id": "t", "order": file, "wait_for_completion": True}
        task = One(log, lambda: ZuoraCreateOrderOperator(**options))
        deferral = task.deferral()
        file.unlink()
        slow.sandbox.advance(2e6)
        task.resume(deferral, task.fire(deferral))

        assert names(task.extract()["inputs"]) == [("file", str(file))]


def test_a_list_has_the_file_that_it_came_from_and_that_of_the_refused_ones(zuora, log, tmp_path):
    body = json.dumps({"success": False, "reasons": [{"code": 53200020, "message": "no"}]}).encode()
    post = {"method": "POST", "path": "/v1/async/orders", "when": "instead", "status": 400}
    zuora.fault(**post, contains='"O-3"', body=body)
    orders, refused = tmp_path / "orders.jsonl", tmp_path / "refused.jsonl"
    orders.write_text("".join(json.dumps(ORDER | {"orderNumber": f"O-{each}"}) + "\n" for each in range(5)))
    options = {"orders": str(orders), "refused_path": str(refused), "on_refusal": "skip"}
    task = One(log, lambda: ZuoraCreateOrdersOperator(task_id="t", **options))
    task.make().execute(task.context)

    made = task.extract()
    assert (names(made["inputs"]), names(made["outputs"])) == (
        [("file", str(orders))],
        [("file", str(refused))],
    )
    [written] = made["outputs"]
    statistics = written["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (1, refused.stat().st_size)
    assert task.facet["counts"] == {"submitted": 4, "refused": 1}


def test_a_sensor_says_what_the_job_was(zuora, log):
    job_id = submit(log)
    task = One(log, lambda: ZuoraJobSensor(task_id="t", job_id=job_id))
    assert extract(task.make(), "start")["job_facets"]["zuora_task"]["kind"] == "job"
    task.make().execute(task.context)

    assert task.extract()["job_facets"]["zuora_task"]["kind"] == "job"
    assert (task.facet["kind"], task.facet["facts"]["order_number"]) == ("order", "O-1")


def test_an_export_of_elastic_path_has_its_file(store, log, tmp_path):
    store.sandbox.set_exportable(ROWS)
    path = tmp_path / "orders.csv"
    options = {"filter": FILTER, "output_path": path}
    task = One(log, lambda: ElasticPathExportOrdersOperator(task_id="t", **options))
    task.make().execute(task.context)

    made = task.extract()
    assert names(made["outputs"]) == [("file", str(path))]
    assert made["outputs"][0]["outputFacets"]["outputStatistics"]["size"] == path.stat().st_size
    assert made["job_facets"]["zuora_task"]["vendor"] == "elastic_path"


class TestADataQuery:
    @pytest.fixture(autouse=True)
    def rows(self, zuora):
        zuora.sandbox.add_script(QueryScript(rows=[{"accountnumber": "A-1", "balance": 2}] * 3))

    def test_it_has_its_text_its_tables_and_its_file(self, zuora, log, tmp_path):
        path = tmp_path / "a.csv"
        task = query(log, output_path=path)
        task.run(zuora)

        made = task.extract()
        assert made["job_facets"]["sql"]["query"] == QUERY
        source = zuora.url.replace("http://", "zuora://")
        assert sorted(names(made["inputs"])) == [(source, "Account"), (source, "invoice")]
        [file] = made["outputs"]
        assert names([file]) == [("file", str(path))]
        assert [each["name"] for each in file["facets"]["schema"]["fields"]] == ["accountnumber", "balance"]
        statistics = file["outputFacets"]["outputStatistics"]
        assert (statistics["rowCount"], statistics["size"]) == (3, path.stat().st_size)
        asked = made["run_facets"]["externalQuery"]
        assert (asked["externalQueryId"], asked["source"]) == (task.ti.xcoms["job_id"], source)

    def test_one_that_returns_its_rows_writes_nothing(self, zuora, log):
        task = query(log)
        task.run(zuora)

        made = task.extract()
        assert made["outputs"] == []
        assert made["run_facets"]["zuora_receipt"]["facts"]["rows"] == 3

    def test_one_that_fails_has_its_text_and_no_file(self, zuora, log, tmp_path):
        zuora.sandbox.add_script(QueryScript(message="Mr Kowalczyk"))
        task = query(log, output_path=tmp_path / "a.csv")
        with pytest.raises(PermanentError):
            task.run(zuora)

        made = task.extract("failure")
        assert made["job_facets"]["sql"]["query"] == QUERY
        assert made["outputs"] == []
        assert "Kowalczyk" not in json.dumps(made)

    def test_no_secret_is_in_its_text(self, zuora, log):
        text = f"SELECT '{CLIENT_SECRET}', '{CARD}'\r\nFROM \"{CARD}\", Account"
        task = query(log, text)
        task.run(zuora)

        made = task.extract()
        assert made["job_facets"]["sql"]["query"] == "SELECT '***', '***'\nFROM \"***\", Account"
        assert [word for word in (CARD, CLIENT_SECRET) if word in json.dumps(made)] == []

    def test_of_a_long_one_the_beginning_is_told(self, zuora, log):
        task = query(log, f"SELECT 1 FROM Account WHERE id IN ({'1, ' * (MOST_QUERY // 3)}1)")
        task.run(zuora)

        made = task.extract()
        assert len(made["job_facets"]["sql"]["query"]) == MOST_QUERY
        assert made["inputs"] == []

    def test_without_a_connection_nothing_is_known_that_may_be_shown(self, monkeypatch, log):
        monkeypatch.delenv("AIRFLOW_CONN_ZUORA_DEFAULT")
        task = query(log)
        with pytest.raises(Exception, match="zuora_default"):
            task.make().execute(task.context)

        assert set(task.extract("failure")["job_facets"]) == {"zuora_task"}


PLACES = {
    "/data/a.csv": ("file:///data/a.csv", ("file", "/data/a.csv")),
    "/data/../b/./a.csv": ("file:///b/a.csv", ("file", "/b/a.csv")),
    "file:///data/a.csv": ("file:///data/a.csv", ("file", "/data/a.csv")),
    "s3://aws_default@bucket/b/a.csv": ("s3://bucket/b/a.csv", ("s3://bucket", "b/a.csv")),
    "s3a://bucket/b/a.csv": ("s3://bucket/b/a.csv", ("s3://bucket", "b/a.csv")),
    "gcs://bucket/a.csv": ("gs://bucket/a.csv", ("gs://bucket", "a.csv")),
    "sftp://me:word@host:22/data/a.csv": ("sftp://host:22/data/a.csv", ("file://host:22", "/data/a.csv")),
    "https://host/a.json?sig=word#x": ("https://host/a.json", ("https://host", "a.json")),
    "https://u:w@host:8443/a?sig=w/x@y": ("https://host:8443/a", ("https://host:8443", "a")),
    "https://[::1]:8443/a": ("https://[::1]:8443/a", ("https://[::1]:8443", "a")),
    **{
        f"{scheme}://me:word@host/a.csv?sig=word#x": (f"{scheme}://host/a.csv", (f"{scheme}://host", "a.csv"))
        for scheme in ("dav+https", "webdav", "http+unix", "dav", "abfss", "az")
    },
    "s3://bucket/a?b#c.csv": ("s3://bucket/a?b#c.csv", ("s3://bucket", "a?b#c.csv")),
    "s3://bucket/a@b/c:d.csv": ("s3://bucket/a@b/c:d.csv", ("s3://bucket", "a@b/c:d.csv")),
}


@pytest.mark.parametrize("path", PLACES)
def test_a_file_is_called_as_openlineage_names_it_and_holds_no_user(path):
    place = FilePlace.find(path)
    assert (place.uri, place.dataset) == PLACES[path]
    assert FilePlace.find(Path("a.csv")).dataset == ("file", str(Path.cwd() / "a.csv"))


@pytest.mark.parametrize("path", ["s3://bucket", "s3:/", "memory:///a.csv", 7])
def test_what_names_no_file_has_no_place(path):
    assert FilePlace.find(path) is None


CHAINED = [
    "simplecache::https://u:pw@h/a?sig=word",
    "SimpleCache::https://u:pw@h/a",
    "zip://a.csv::https://u:pw@h/a.zip?sig=word",
    "zip://a.csv::simplecache::https://u:pw@h/a.zip",
    "zip://a.csv::/data/a.zip",
    "simplecache::memory://bucket/a.csv",
    "file:///data/a::https://u:pw@h/a",
]


@pytest.mark.parametrize("path", CHAINED)
def test_a_chain_of_urls_names_no_place(path):
    assert FilePlace.find(path) is None
    assert FilePlace.find(ObjectStoragePath(path)) is None


@pytest.mark.parametrize(
    "path",
    [
        "https://u:p/w@host/x",
        "https://u:1/w@host/x",
        "https://u:/w@host/x",
        "sftp://u:p/w",
        "https://host:/x",
        "https://u:p?w@host/x",
        "https://host?sig=a/b",
        "https://a:b:1/x",
        "https://[::1/x",
    ],
)
def test_an_authority_that_may_be_a_part_of_a_password_is_no_place(path):
    assert FilePlace.find(path) is None


COLLECT = """
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow_provider_zuora.airflow_context.lineage import report_file
from airflow_provider_zuora.hooks.zuora import ZuoraHook

hook = ZuoraHook()
report_file(hook, "s3://conn@bucket/a.csv", is_written=True)
report_file(hook, "/data/orders.jsonl", is_written=False)
report_file(hook, "s3://bucket/" + "a" * 4000, is_written=True)  # longer than Airflow takes
found = get_hook_lineage_collector().collected_assets
print("found", [each.asset.uri for each in found.inputs], [each.asset.uri for each in found.outputs])

class Broken(Exception):
    pass  # what a reader's own library may raise

def refuse(**asset):
    raise Broken

get_hook_lineage_collector().add_output_asset = refuse
report_file(hook, "/data/b.csv", is_written=True)
print("goes on, although", refuse.__name__)
"""


@pytest.mark.slow
def test_airflow_collects_what_a_hook_reads_and_writes_if_somebody_listens():
    listening = {"AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}'}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        env=os.environ | listening,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "found ['file:///data/orders.jsonl'] ['s3://bucket/a.csv']" in done.stdout
    assert "goes on, although refuse" in done.stdout, "the file is there: no reader may fail its task"


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "openlineage" or name == "airflow.providers.openlineage.extractors":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import pkgutil, importlib
import airflow_provider_zuora as package
for module in pkgutil.walk_packages(package.__path__, "airflow_provider_zuora."):
    if not module.name.endswith(".airflow_context.openlineage"):
        importlib.import_module(module.name)
from airflow_provider_zuora.airflow_context.lineage import report_file
report_file(None, "/data/a.csv", is_written=True)
print("absent", [name for name in sys.modules if name.split(".")[0] == "openlineage"])
"""


@pytest.mark.slow
def test_where_openlineage_is_not_installed_nothing_of_it_is_imported():
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True, check=False)
    assert "absent []" in done.stdout, done.stderr


@pytest.mark.slow
def test_where_it_is_installed_the_provider_still_imports_nothing_of_it():
    modules = ["orders", "data_query", "billing", "elastic_path"]
    code = f"import sys\nfor name in {modules!r}: __import__('airflow_provider_zuora.operators.' + name)\n"
    code += "import airflow_provider_zuora.sensors.zuora, airflow_provider_zuora.hooks.zuora\n"
    code += "print('loaded', [name for name in sys.modules if name.split('.')[0] == 'openlineage'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded []" in done.stdout


@pytest.mark.parametrize("from_file", [True, False])
def test_no_number_of_a_card_is_in_the_fields_of_a_task_that_openlineage_can_be_set_to_tell(
    slow, log, from_file
):
    given = PAID if from_file else redact(json.loads(PAID.read_text()), str)  # as it is once it is rendered
    options = {"task_id": "t", "order": given, "wait_for_completion": True}
    task = One(log, lambda: ZuoraCreateOrderOperator(**options))
    deferral = task.deferral()
    assert CARD not in repr(vars(task.operator))
    slow.sandbox.advance(2e6)
    task.resume(deferral, task.fire(deferral))

    fields = repr(vars(task.operator))
    assert [word for word in (CARD, CODE) if word in fields] == []
