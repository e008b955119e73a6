"""The operator of data queries, executed as Airflow does, against a served sandbox and its files."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import zipfile
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import fsspec
import jinja2
import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_zuora.exceptions import PermanentError, QueryQueueFullError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger
from tests.conftest import ORDER, StateStore
from zuora_sandbox import Fault, QueryScript, Settings

AT_ONCE = Settings(query_queue_seconds=0, query_seconds=0)
pytestmark = pytest.mark.parametrize("zuora", [AT_ONCE], indirect=True)
ROWS = [{"accountnumber": "A1", "balance": 230.0}, {"accountnumber": "A2", "balance": 0.5}]
CSV = "accountnumber,balance\nA1,230.0\nA2,0.5\n"


class Instance(SimpleNamespace):
    """A task instance that keeps its XComs."""

    def __init__(self, try_number=1, max_tries=0):
        names = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
        super().__init__(**names, try_number=try_number, max_tries=max_tries, xcoms={})

    def xcom_push(self, key, value):
        self.xcoms[key] = json.loads(json.dumps(value))


def make_context(store=None, **instance):
    context = {"ti": Instance(**instance), "ds": "2026-11-01"}
    return context | ({"task_state_store": store} if store else {})


def operator(query="SELECT accountnumber, balance FROM Account", **options):
    return ZuoraDataQueryOperator(task_id="t", query=query, **options)


def queries(zuora):
    return zuora.ledger()["queries"]


@pytest.fixture
def rows(zuora):
    zuora.sandbox.add_script(QueryScript(rows=ROWS))


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.usefixtures("rows")
def test_the_file_of_a_query_is_put_to_a_path_and_described(zuora, tmp_path, deferrable):
    path, context = tmp_path / "new" / "a.csv", make_context()
    result = operator(output_path=str(path), deferrable=deferrable).execute(context)

    assert path.read_text() == CSV
    job_id = context["ti"].xcoms["job_id"]
    assert result == {
        "job_id": job_id,
        "rows": 2,
        "bytes": len(CSV),
        "path": str(path),
        "columns": ["accountnumber", "balance"],
    }
    [made] = queries(zuora)
    assert f"data-query:{made['id']}" == job_id
    assert zuora.ledger()["exposedTokens"] == 0
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("rows")
def test_the_rows_are_returned_if_there_is_no_path(zuora):
    assert operator().execute(make_context()) == ROWS
    assert list(ZuoraHook().query("SELECT accountnumber, balance FROM Account")) == ROWS


READ = {
    "TSV": lambda data: data.decode() == CSV.replace(",", "\t"),
    "DSV": lambda data: data.decode() == CSV.replace(",", "|"),
    "JSON": lambda data: [json.loads(line) for line in data.splitlines()] == ROWS,
    "GZIP": lambda data: gzip.decompress(data).decode() == CSV,
    "ZIP": lambda data: zipfile.ZipFile(io.BytesIO(data)).testzip() is None,
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("says_encoding", [False, True])
@pytest.mark.usefixtures("rows")
def test_each_format_and_compression_arrives_as_it_was_asked_for(zuora, tmp_path, kind, says_encoding):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_encoding_header=says_encoding)
    options = {"compression": kind} if kind in ("GZIP", "ZIP") else {"output_format": kind}
    options |= {"column_separator": "|"} if kind == "DSV" else {}
    result = operator(output_path=tmp_path / "a", **options).execute(make_context())

    assert READ[kind]((tmp_path / "a").read_bytes())
    assert result["columns"] == ["accountnumber", "balance"]


@pytest.mark.usefixtures("rows")
def test_a_file_may_go_to_a_store(zuora):
    result = operator(output_path="memory://queries/a.csv").execute(make_context())
    assert result["bytes"] == len(CSV)
    assert fsspec.filesystem("memory").cat("/queries/a.csv").decode() == CSV


@pytest.mark.parametrize("empty", ["header", "zero", "none"])
def test_an_empty_result_is_a_file_of_no_rows_and_no_failure(zuora, tmp_path, empty):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_empty_file=empty)
    zuora.sandbox.add_script(QueryScript(rows=[], columns=["accountnumber"]))
    path = tmp_path / "a.csv"
    result = operator(output_path=path).execute(make_context())

    assert (result["rows"], result["bytes"]) == (0, path.stat().st_size)
    assert result["columns"] == (["accountnumber"] if empty == "header" else [])
    assert operator().execute(make_context()) == []


def test_more_rows_than_max_rows_are_not_read_and_output_path_is_named(zuora):
    zuora.sandbox.add_script(QueryScript(rows=1001))
    with pytest.raises(
        PermanentError, match=r"1,001 rows, more than max_rows=1,000: none is returned.*output_path"
    ):
        operator().execute(make_context())
    [made] = queries(zuora)
    assert not made["downloads"]
    assert len(operator(max_rows=1001).execute(make_context(try_number=2, max_tries=5))) == 1001


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"query": " "}, "query: must be a text"),
        ({"output_format": "XML"}, "output_format: must be one of"),
        ({"compression": "GZIP"}, "output_path: is missing"),
        ({"output_format": "TSV"}, "output_path: is missing"),
        ({"output_path": "/dev/null/a.csv"}, "output_path: its folder cannot be made"),
        ({"output_path": "nowhere://a/b.csv"}, "output_path: "),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_sent(zuora, options, rule):
    with pytest.raises(PermanentError, match=rule):
        operator(**options).execute(make_context())
    assert queries(zuora) == []


@pytest.mark.parametrize("number", [0, -1, True, "10", 1.5])
def test_max_rows_is_checked_when_the_dag_is_parsed(zuora, number):
    with pytest.raises(ValueError, match="max_rows: must be a whole number above 0"):
        operator(max_rows=number)


def test_the_query_is_a_template_and_may_be_a_file(zuora, tmp_path):
    (tmp_path / "due.sql").write_text("SELECT id FROM Invoice WHERE invoicedate = DATE '{{ ds }}'")
    task = operator("due.sql", output_path=str(tmp_path / "{{ ds }}.csv"))
    loader = jinja2.FileSystemLoader(tmp_path)
    task.render_template_fields(make_context(), jinja2.sandbox.SandboxedEnvironment(loader=loader))

    assert task.query == "SELECT id FROM Invoice WHERE invoicedate = DATE '2026-11-01'"
    assert task.output_path == str(tmp_path / "2026-11-01.csv")


def defer(task, context):
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context)
    path, arguments = deferral.value.trigger.serialize()
    assert path == "airflow_provider_zuora.triggers.jobs.ZuoraJobTrigger"
    assert arguments["cancel_on_kill"] is True
    trigger = ZuoraJobTrigger(**json.loads(json.dumps(arguments)) | {"not_before": 0.0, "poll_interval": 0.3})
    return trigger, deferral.value.kwargs or {}


def fire(trigger):
    return json.loads(json.dumps(asyncio.run(anext(trigger.run())).payload))


@pytest.mark.usefixtures("rows")
def test_a_query_that_takes_its_time_is_waited_for_in_the_triggerer(zuora, tmp_path):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_seconds=1)
    context, task = make_context(), operator(output_path=tmp_path / "a.csv")
    trigger, kwargs = defer(task, context)
    again = operator(output_path=tmp_path / "a.csv")
    assert again.execute_complete(context, fire(trigger), **kwargs)["rows"] == 2
    assert [each["queryStatus"] for each in queries(zuora)] == ["completed"]


def test_a_link_that_has_run_out_is_asked_for_again_once(zuora, tmp_path):
    expired = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=403, body=expired, times=1))
    assert operator(output_path=tmp_path / "a.csv").execute(make_context())["rows"] == 3

    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=403, body=expired, times=2))
    with pytest.raises(TransientError, match=r"No file came.*AccessDenied"):
        operator(output_path=tmp_path / "b.csv").execute(make_context(try_number=2, max_tries=7))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.csv"]


@pytest.mark.parametrize(
    "fault",
    [
        {"when": "after", "kind": "cut"},
        {"when": "after", "kind": "short"},
        {"status": 307, "headers": {"Location": "http://127.0.0.1:9/other"}},
        {"status": 503, "body": b"<Error><Code>SlowDown</Code></Error>"},
        {"status": 200, "body": b"<html>hello"},
    ],
    ids=["cut", "short", "redirect", "slow down", "a page"],
)
def test_a_file_that_does_not_come_whole_leaves_what_was_there_before(zuora, tmp_path, fault):
    path = tmp_path / "a.csv"
    path.write_text("before")
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", times=2, **fault))
    with pytest.raises((TransientError, PermanentError)):
        operator(output_path=path).execute(make_context())
    assert path.read_text() == "before"
    assert list(tmp_path.glob(".download-*")) == []


@pytest.mark.parametrize(
    ("output_format", "body", "words"),
    [
        ("CSV", b"a\n1\n2\n", "at most 2 of 3 rows"),
        ("CSV", gzip.compress(b"a\n1\n2\n"), "at most 2 of 3 rows"),
        ("JSON", b'{"a":1}\n{"a":2}\n', "at most 2 of 3 rows"),
        ("JSON", b'{"a":1}\n{"a":2}\n{"a":', "within its last row"),
    ],
    ids=["CSV", "gzip", "JSON", "within a row"],
)
def test_a_file_that_the_store_has_in_part_only_is_no_file(zuora, tmp_path, output_format, body, words):
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=200, body=body, times=1))
    with pytest.raises(TransientError, match=f"was cut off.*{words}"):
        operator(output_path=tmp_path / "a.csv", output_format=output_format).execute(make_context())
    assert list(tmp_path.glob("a.csv")) == []


def test_of_a_file_that_the_store_has_gzipped_the_rows_are_counted(zuora, tmp_path):
    body = gzip.compress(b"a\n1\n2\n3\n")
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=200, body=body, times=1))
    path = tmp_path / "a.csv"
    assert operator(output_path=path).execute(make_context())["rows"] == 3
    assert path.read_bytes() == b"a\n1\n2\n3\n"


def test_the_link_to_a_file_is_in_no_log_no_error_and_no_xcom(zuora, tmp_path, caplog):
    caplog.set_level("DEBUG", "airflow_provider_zuora")
    logging.getLogger("urllib3").setLevel("INFO")  # Airflow masks what it logs, see `DownloadPolicy.hide`
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=403, times=2))
    context = make_context()
    with pytest.raises(TransientError) as caught:
        operator(output_path=tmp_path / "a.csv").execute(context)
    shown = f"{caplog.text} {caught.value!r} {context['ti'].xcoms}"
    assert "X-Amz" not in shown
    assert "Signature" not in shown


@pytest.mark.parametrize("code", ["LINK_30000007", None])
def test_a_query_that_failed_says_why(zuora, code):
    zuora.sandbox.add_script(QueryScript(message="Table owl.data.acccount does not exist", code=code))
    kind = TransientError if code else PermanentError
    with pytest.raises(kind, match="acccount does not exist"):
        operator().execute(make_context())


def test_a_full_queue_has_a_name_of_its_own(zuora):
    stuck(zuora)
    for index in range(15):  # five run, ten wait
        defer(operator(f"SELECT {index}"), make_context(try_number=1, max_tries=index))
    with pytest.raises(QueryQueueFullError, match="takes no more queries now") as caught:
        operator().execute(make_context())
    assert caught.value.transient
    assert len(queries(zuora)) == 15


def stuck(zuora, **settings):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_seconds=900, **settings)


def status(zuora):
    return [each["queryStatus"] for each in queries(zuora)]


def test_a_query_that_ran_out_of_time_is_cancelled(zuora):
    stuck(zuora)
    with pytest.raises(TransientError, match="has not ended in time"):
        operator(deferrable=False, timeout=0.5, poll_interval=0.2).execute(make_context())
    assert status(zuora) == ["cancelled"]


def test_a_deferred_query_that_ran_out_of_time_is_cancelled_by_the_worker(zuora):
    stuck(zuora)
    context, task = make_context(), operator()
    _, kwargs = defer(task, context)
    event = {"status": "error", "message": "no", "transient": True}
    with pytest.raises(TransientError):
        operator().execute_complete(context, event, **kwargs)
    assert status(zuora) == ["cancelled"]


def test_a_killed_task_cancels_its_query_once(zuora):
    stuck(zuora)
    task = operator()
    defer(task, make_context())
    task.on_kill()
    task.on_kill()
    assert status(zuora) == ["cancelled"]
    assert [row["method"] for row in zuora.ledger()["recent"]].count("DELETE") == 1


def test_a_task_that_is_killed_before_it_submits_cancels_nothing(zuora):
    operator().on_kill()
    assert zuora.ledger()["recent"] == []


def test_a_hook_that_gives_up_cancels_its_query(zuora):
    stuck(zuora)
    with pytest.raises(TransientError, match=r"has not ended in time, and is cancelled\.$"):
        ZuoraHook().export_query("SELECT 1", "memory://x/a.csv", timeout=0.3, poll_interval=0.2)
    assert status(zuora) == ["cancelled"]


def test_a_retry_waits_for_the_query_of_the_try_before(zuora):
    stuck(zuora)
    store = StateStore()
    defer(operator(), make_context(store, max_tries=2))
    zuora.sandbox.advance(901)
    assert len(operator().execute(make_context(store, try_number=2, max_tries=2))) == 3
    assert status(zuora) == ["completed"]


@pytest.mark.parametrize(("honours", "count"), [(True, 1), (False, 2)])
def test_a_lost_answer_leaves_one_query_if_zuora_honours_the_key(zuora, honours, count):
    zuora.sandbox.settings = replace(zuora.sandbox.settings, query_honours_key=honours)
    zuora.sandbox.add_fault(Fault(method="POST", path="/query/jobs", when="after", kind="reset", times=1))
    assert len(operator().execute(make_context())) == 3
    assert len(queries(zuora)) == count


@pytest.mark.parametrize("read_deleted", [True, False])
def test_a_query_with_our_text_and_other_options_is_not_taken_for_ours(zuora, read_deleted):
    zuora.sandbox.add_fault(Fault(method="POST", path="/query/jobs", contains="JSON", kind="reset", times=1))
    other = operator(read_deleted=not read_deleted, output_path="memory://a/other.csv")
    theirs = other.execute(make_context())["job_id"]
    assert len(operator(read_deleted=read_deleted).execute(make_context())) == 3
    assert len({theirs} | {f"data-query:{each['id']}" for each in queries(zuora)}) == 2


def test_the_hooks_export_describes_its_file(zuora, tmp_path):
    result = ZuoraHook().export_query("SELECT 1", tmp_path / "a.jsonl", output_format="JSON")
    assert (result["rows"], result["path"]) == (3, str(tmp_path / "a.jsonl"))
    with pytest.raises(PermanentError, match="query: must be a text"):
        ZuoraHook().export_query("", tmp_path / "b.csv")


def test_a_query_of_the_hook_that_failed_is_an_error(zuora):
    zuora.sandbox.add_script(QueryScript(message="no such table"))
    with pytest.raises(PermanentError, match="no such table"):
        next(ZuoraHook().query("SELECT 1"))


def test_each_call_of_the_hook_is_a_query_of_its_own(zuora):
    hook, sql = ZuoraHook(), "SELECT count(*) c FROM Account"
    for count in (1, 2):
        zuora.sandbox.add_script(QueryScript(rows=[{"c": count}]))
        assert list(hook.query(sql)) == [{"c": count}]
    assert len(queries(zuora)) == 2


@pytest.mark.parametrize(
    "limits", [{"timeout": -1}, {"timeout": "x"}, {"poll_interval": -1}, {"timeout": None}]
)
def test_a_wrong_limit_of_the_hook_is_refused_before_anything_is_sent(zuora, limits):
    with pytest.raises(PermanentError, match=f"Nothing was sent.\n{next(iter(limits))}: "):
        next(ZuoraHook().query("SELECT 1", **limits))
    assert queries(zuora) == []


def test_an_old_try_that_is_killed_does_not_cancel_what_a_later_one_waits_for(zuora):
    stuck(zuora)
    store, old, new = StateStore(), operator(), operator()
    defer(old, make_context(store, try_number=1, max_tries=2))
    defer(new, make_context(store, try_number=2, max_tries=2))
    old.on_kill()
    assert "cancelled" not in status(zuora)
    new.on_kill()
    assert status(zuora) == ["cancelled"]


def test_a_task_that_is_killed_while_it_submits_cancels_its_query(zuora):
    stuck(zuora)
    task = operator()

    class Store(StateStore):
        def set(self, *args, **kwargs):
            super().set(*args, **kwargs)
            task.on_kill()  # as a signal would, at any moment

    with pytest.raises(TransientError, match="was killed while it submitted"):
        task.execute(make_context(Store()))
    assert status(zuora) == ["cancelled"]


def test_a_task_whose_store_fails_after_it_submitted_cancels_its_query(zuora):
    stuck(zuora)

    class Store(StateStore):
        def set(self, key, value, **kwargs):
            if value["job_id"]:
                raise OSError("the database is gone")

    with pytest.raises(TransientError, match="could not be noted"):
        operator().execute(make_context(Store()))
    assert status(zuora) == ["cancelled"]


def pull(ti, task_ids, key, map_indexes=None):
    """Return an XCom as Airflow does: without an index those of all mapped tasks."""
    assert task_ids == ti.task_id
    own = ti.xcoms[key]
    return own if map_indexes == ti.map_index else [own, "data-query:of-another"]


def test_a_task_whose_query_cannot_be_cancelled_ends_with_its_own_error(zuora):
    stuck(zuora)

    class Store(StateStore):
        def get(self, key, default=None):
            if self.kept:
                raise OSError("the database is gone")
            return default

    context = make_context(Store())
    with pytest.raises(TransientError, match="has not ended in time"):
        operator(deferrable=False, timeout=0.3, poll_interval=0.2).execute(context)


def test_a_password_in_a_path_is_in_no_xcom_and_no_log(zuora, caplog):
    caplog.set_level("INFO", "airflow_provider_zuora")
    result = operator(output_path="memory://me:s3cret@queries/a.csv").execute(make_context())
    assert result["path"] == "memory://me:***@queries/a.csv"
    assert "s3cret" not in caplog.text


def test_a_query_whose_wait_airflow_has_ended_is_cancelled(zuora):
    stuck(zuora)
    context = make_context()
    defer(operator(), context)
    context["ti"].xcom_pull = partial(pull, context["ti"])
    with pytest.raises(AirflowException):
        operator().resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert status(zuora) == ["cancelled"]


@pytest.mark.parametrize("other", ["data-query:other", "8a8"])
def test_the_event_of_another_job_is_not_taken_for_ours(zuora, tmp_path, other):
    stuck(zuora)
    context = make_context()
    _, kwargs = defer(operator(), context)
    event = fire(ZuoraJobTrigger(job_id=other, unknown_until=0.0))
    with pytest.raises(PermanentError, match="fired an event that is not about data-query:"):
        operator(output_path=tmp_path / "a.csv").execute_complete(context, event, **kwargs)
    assert status(zuora) == ["cancelled"]
    assert not (tmp_path / "a.csv").exists()


def test_more_rows_than_zuora_says_are_not_returned(zuora):
    rows = b"".join(b'{"id": %d}\n' % number for number in range(50))
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=200, body=rows))
    with pytest.raises(PermanentError, match="has more rows, more than max_rows=10"):
        operator(max_rows=10).execute(make_context())


def test_a_link_whose_token_has_run_out_is_asked_for_again(zuora, tmp_path):
    expired = b"<Error><Code>ExpiredToken</Code></Error>"
    zuora.sandbox.add_fault(Fault(path="/data-query-files/", status=400, body=expired, times=1))
    assert operator(output_path=tmp_path / "a.csv").execute(make_context())["rows"] == 3


@pytest.mark.parametrize("path", ["", " ", "None"])
def test_a_path_that_a_template_has_made_of_nothing_is_refused(zuora, path):
    with pytest.raises(PermanentError, match="output_path: is blank"):
        operator(output_path=path).execute(make_context())
    assert queries(zuora) == []


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_sent(zuora):
    with pytest.raises(PermanentError, match="output_path: "):
        operator(output_path="/proc/a.csv").execute(make_context())
    assert queries(zuora) == []


def test_jobs_of_several_kinds_are_waited_for_in_one_sensor(zuora):
    query_id = operator().execute(context := make_context()) and context["ti"].xcoms["job_id"]
    order_id = ZuoraHook().create_order(ORDER)
    zuora.sandbox.advance(10_000)
    query, order = ZuoraJobSensor(task_id="w", job_id=[query_id, order_id]).execute(make_context())
    assert query["rows"] == 3
    assert order["orderNumber"] == "O-1"
