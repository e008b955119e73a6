"""The submission log in files and in stores: what tasks write there, over real HTTP, and what is read."""

from __future__ import annotations

import datetime as dt
import json
import time
from types import SimpleNamespace

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.core.errors import LogUnavailable
from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.submission_log import LogStore, make_log
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.billing import ZuoraBillRunOperator, ZuoraPaymentRunOperator
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator, ZuoraCreateOrdersOperator
from tests.conftest import ORDER, StateStore
from tests.core.run_tries import BILL_RUN, PAYMENT_RUN
from tests.s3_server import reach_s3
from tests.submission_logs import check_files, check_line, check_store

PLAIN = {name: value for name, value in ORDER.items() if name != "orderNumber"}


def make_context(number=1, index=-1, **names):
    ids = {"dag_id": "billing", "run_id": "manual__2026-11-30T18:00:00+00:00", "task_id": "submit"} | names
    ti = SimpleNamespace(**ids, map_index=index, try_number=number, max_tries=3)
    ti.xcom_push = lambda key, value: None
    return {
        "ti": ti,
        "task": SimpleNamespace(retries=3),
        "dag_run": SimpleNamespace(queued_at=dt.datetime.now(dt.UTC), clear_number=0),
    }


def make_orders(count):
    return [PLAIN | {"orderNumber": f"O-{number}"} for number in range(count)]


def read(prefix):
    today = dt.datetime.now(dt.UTC).date()
    lines = list(LogStore.of(str(prefix)).read_days(today - dt.timedelta(days=1), today))
    for line in lines:
        check_line(line)
    return lines


def list_parts(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def tell(lines):
    return [(line["event"], line["outcome"]) for line in lines]


@pytest.fixture(scope="module")
def s3():
    pytest.importorskip("s3fs", reason="make test has it, on Airflow 3.3")
    with reach_s3() as fs:
        yield fs


@pytest.fixture(params=["local", "file URL", "memory", "s3"])
def prefix(request, tmp_path):
    """Return where a log is, in each kind of store."""
    if request.param == "memory":
        yield "memory://log/zuora"
        MemoryFileSystem.store.clear()
    elif request.param == "s3":
        place = f"bucket/{time.monotonic_ns()}"
        s3 = request.getfixturevalue("s3")
        yield f"s3://{place}"
        check_store(s3, place)
    else:
        yield f"file://{tmp_path}/log" if request.param == "file URL" else str(tmp_path / "log")


def test_an_order_is_in_each_kind_of_store_before_and_after_it_is_sent(zuora, prefix):
    context = make_context(index=4)
    job_id = ZuoraHook(submission_log=prefix).create_order(ORDER, context=context)
    intent, end = read(prefix)
    assert tell([intent, end]) == [("intent", None), ("end", "submitted")]
    names = ("dag_id", "run_id", "task_id", "map_index", "try_number")
    ti = context["ti"]
    assert [intent[name] for name in names] == [ti.dag_id, ti.run_id, ti.task_id, 4, 1]
    assert (end["job_id"], end["order_number"], end["account_number"]) == (job_id, "O-1", "A00000097")
    assert intent["track_ids"] == [zuora.posts()[0]["trackId"]]


def test_a_list_has_a_part_for_each_hundred_orders_and_one_for_the_last_ends(zuora, prefix):
    ZuoraHook(submission_log=prefix).create_orders(make_orders(230), context=make_context())
    lines = read(prefix)
    assert tell(lines) == [
        *[("intent", None)] * 100,
        *[("end", "submitted")] * 100,
        *[("intent", None)] * 100,
        *[("end", "submitted")] * 100,
        *[("intent", None)] * 30,
        *[("end", "submitted")] * 30,
    ]
    assert {line["order_number"] for line in lines} == {f"O-{number}" for number in range(230)}


def test_a_part_is_named_by_day_and_task_and_what_a_path_may_not_hold_is_replaced(zuora, tmp_path):
    ZuoraHook(submission_log=tmp_path).create_order(
        ORDER, context=make_context(2, dag_id="../é" + "x" * 200, run_id="a/b:c+d", task_id="group.submit")
    )
    folder, dag, run, first = list_parts(tmp_path)[0].split("/")
    assert dt.date.fromisoformat(folder)
    assert dag == "____" + "x" * 76
    assert run == "a_b_c_d"
    assert first.startswith("group_submit.try2.")
    assert first.endswith(".00000.jsonl")


def test_the_log_of_the_connection_is_written_by_every_hook(zuora, tmp_path, monkeypatch):
    fields = {"submission_log": str(tmp_path / "all")}
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=fields))
    ZuoraHook().create_order(ORDER, context=make_context())
    ZuoraHook(submission_log=tmp_path / "own").create_order(PLAIN, context=make_context())
    assert len(read(tmp_path / "all")) == 4
    assert len(read(tmp_path / "own")) == 2


def test_one_log_that_is_named_twice_is_written_once(zuora, tmp_path, monkeypatch):
    fields = {"submission_log": str(tmp_path)}
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=fields))
    ZuoraHook(submission_log=f"file://{tmp_path}/").create_order(ORDER, context=make_context())
    assert len(read(tmp_path)) == 2


def test_outside_of_a_task_a_line_names_none(zuora, tmp_path):
    ZuoraHook(submission_log=tmp_path).create_order(ORDER, idempotency_key="mine")
    assert [(line["dag_id"], line["map_index"], line["try_number"]) for line in read(tmp_path)] == [
        (None, None, 1)
    ] * 2


def test_a_process_that_a_task_starts_is_known_by_its_environment(zuora, tmp_path, monkeypatch):
    for name, value in {"DAG_ID": "d", "DAG_RUN_ID": "r", "TASK_ID": "t", "TRY_NUMBER": "2"}.items():
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", value)
    with pytest.raises(OutcomeUnknownError):  # its run may be of any age
        ZuoraHook(submission_log=tmp_path).create_order(PLAIN, raw_idempotency_key="k")
    [line] = read(tmp_path)
    assert (line["dag_id"], line["run_id"], line["task_id"], line["try_number"]) == ("d", "r", "t", 2)
    assert (line["map_index"], line["outcome"], line["key"]) == (None, "unknown", "k")


@pytest.mark.parametrize("own", ["", "  ", "None", "nostore://bucket/log", 7], ids=str)
@pytest.mark.parametrize("submit", ["create_order", "create_orders"])
def test_a_place_that_is_none_is_refused_and_nothing_is_sent(zuora, own, submit):
    given = ORDER if submit == "create_order" else [ORDER]
    with pytest.raises(PermanentError, match=r"Nothing was sent.\nsubmission_log: "):
        getattr(ZuoraHook(submission_log=own), submit)(given, context=make_context())
    assert zuora.posts() == []


@pytest.mark.parametrize("submit", ["create_order", "create_orders"])
def test_a_log_that_cannot_be_written_stops_what_would_be_sent(zuora, tmp_path, submit):
    (tmp_path / "log").write_text("a file where the folder is to be")
    given = ORDER if submit == "create_order" else [ORDER]
    with pytest.raises(TransientError, match=r"The submission log .*log could not be written \(.*not sent"):
        getattr(ZuoraHook(submission_log=tmp_path / "log"), submit)(given, context=make_context())
    assert zuora.posts() == []


def test_a_message_has_no_password_of_the_place(zuora):
    hook = ZuoraHook(submission_log="sftp://me:word@127.0.0.1:1/log")
    with pytest.raises((PermanentError, TransientError)) as caught:
        hook.create_order(ORDER, context=make_context())
    assert "word" not in str(caught.value)
    assert zuora.posts() == []


class FullFileSystem(MemoryFileSystem):
    """A store that takes a number of objects, and then no more."""

    protocol = "full"
    takes = 0

    def pipe_file(self, path, value, **kwargs):
        FullFileSystem.takes -= 1
        if self.takes < 0:
            raise OSError(28, "No space left on device")
        super().pipe_file(path, value, **kwargs)


@pytest.fixture
def full():
    """Return a function that says how many objects a store takes from now on."""
    fsspec.register_implementation("full", FullFileSystem, clobber=True)
    yield lambda takes: setattr(FullFileSystem, "takes", takes)
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize("has_store", [True, False], ids=["state store", "no state store"])
def test_a_batch_that_cannot_be_logged_is_left_to_a_retry_that_sends_it(zuora, full, has_store):
    kept = {"task_state_store": StateStore()} if has_store else {}
    hook = ZuoraHook(submission_log="full://log")
    full(1)
    results = hook.create_orders(make_orders(230), context=make_context() | kept)
    assert [str(result.state) for result in results] == ["submitted"] * 100 + ["open"] * 130
    assert "the submission log could not be written" in str(results[-1].error)
    assert len(zuora.posts()) == 100
    assert tell(read("full://log")) == [("intent", None)] * 100
    full(99)
    again = hook.create_orders(make_orders(230), context=make_context(2) | kept)
    assert [result.job_id for result in again[:100]] == [result.job_id for result in results[:100]]
    assert len(zuora.ledger()["orders"]) == 230
    lines = read("full://log")
    ends = {line["order_number"]: line["outcome"] for line in lines if line["event"] == "end"}
    assert len(ends) == 230
    intents = {line["order_number"] for line in lines if line["event"] == "intent"}
    assert intents == set(ends)


def test_a_log_that_is_full_at_the_end_loses_no_job(zuora, full, caplog):
    full(1)
    job_id = ZuoraHook(submission_log="full://log").create_order(ORDER, context=make_context())
    assert job_id == zuora.ledger()["orders"][0]["jobId"]
    assert tell(read("full://log")) == [("intent", None)]
    assert "No space left on device" in caplog.text


def test_a_file_that_a_killed_process_has_left_is_not_read(zuora, tmp_path):
    ZuoraHook(submission_log=tmp_path).create_order(ORDER, context=make_context())
    part = next(tmp_path.rglob("*.00000.jsonl"))
    part.with_name(f".{part.name}.unfinished").write_bytes(part.read_bytes()[:20])
    torn = part.with_name(part.name.replace("00000", "00002"))
    torn.write_bytes(part.read_bytes()[:20])
    assert len(read(tmp_path)) == 2


def test_what_is_no_log_is_an_error_that_names_the_day(tmp_path):
    folder = tmp_path / "2026-11-30"
    folder.mkdir()
    (folder / "a.jsonl").write_text("no line\n")
    with pytest.raises(
        LogUnavailable, match=r"could not be read \(JSONDecodeError: .*\). Its day is 2026-11-30"
    ):
        list(LogStore.of(tmp_path).read_days(dt.date(2026, 11, 29), dt.date(2026, 11, 30)))


def test_days_are_read_in_their_order_and_others_are_not(tmp_path):
    for day in (27, 28, 29, 30):
        clock = dt.datetime(2026, 11, day, 23, 59, tzinfo=dt.UTC).timestamp
        log = make_log([tmp_path], {}, clock, process="p")
        [step] = log.note_intents([{"kind": "order", "key": f"k{day}"}])
        step.call()
    lines = LogStore.of(tmp_path).read_days(dt.date(2026, 11, 28), dt.date(2026, 11, 29))
    assert [line["key"] for line in lines] == ["k28", "k29"]


def test_a_store_with_folders_gets_them(tmp_path):
    from fsspec.implementations.local import LocalFileSystem

    store = LogStore("a store", f"{tmp_path}/not/there", LocalFileSystem())
    store.write("2026-11-30/a.jsonl", b"{}\n")
    assert list(store.read_days(dt.date(2026, 11, 30), dt.date(2026, 11, 30))) == [{}]


class TestOperators:
    def run(self, operator, **context):
        import jinja2

        whole = make_context() | {"ds": "2026-11-30"} | context
        operator.render_template_fields(whole, jinja2.sandbox.SandboxedEnvironment())
        return operator.execute(whole)

    def test_the_place_is_a_template(self, zuora, tmp_path):
        self.run(
            ZuoraCreateOrderOperator(task_id="submit", order=ORDER, submission_log=f"{tmp_path}/{{{{ ds }}}}")
        )
        assert tell(read(tmp_path / "2026-11-30")) == [("intent", None), ("end", "submitted")]

    def test_a_list(self, zuora, tmp_path):
        path = ObjectStoragePath(f"file://{tmp_path}")
        self.run(ZuoraCreateOrdersOperator(task_id="submit", orders=[ORDER], submission_log=path))
        assert tell(read(tmp_path)) == [("intent", None), ("end", "submitted")]

    def test_a_bill_run_and_its_posting(self, billing, tmp_path):
        self.run(
            ZuoraBillRunOperator(
                task_id="submit", bill_run=BILL_RUN, post=True, deferrable=False, submission_log=str(tmp_path)
            )
        )
        lines = read(tmp_path)
        assert sorted((line["kind"], line["event"], line["outcome"] or "") for line in lines) == [
            ("bill run", "end", "submitted"),
            ("bill run", "intent", ""),
            ("bill run post", "end", "submitted"),
            ("bill run post", "intent", ""),
            ("bill run post", "result", "completed"),
        ]

    @pytest.mark.parametrize("has_billed", [True, False])
    def test_an_order_that_is_waited_for_has_the_numbers_of_its_result(self, zuora, tmp_path, has_billed):
        options = {"processingOptions": {"runBilling": True}} if has_billed else {}
        self.run(
            ZuoraCreateOrderOperator(
                task_id="submit",
                order=ORDER | options,
                wait_for_completion=True,
                deferrable=False,
                submission_log=str(tmp_path),
            )
        )
        lines = {line["event"]: line for line in read(tmp_path)}
        assert set(lines) == {"intent", "end", "result"}
        result = lines["result"]
        assert (result["kind"], result["outcome"], result["order_number"]) == ("order", "completed", "O-1")
        assert result["job_id"] == lines["end"]["job_id"]
        assert result["subscription_numbers"] == ["A-S00000001"]
        assert result["invoice_numbers"] == (["INV00000001"] if has_billed else [])

    def test_an_order_whose_job_fails_has_the_code_and_no_words(self, zuora, tmp_path):
        order = ORDER | {
            "customFields": {"Sandbox__c": "fail [40000020]: Rate plan of Jane is not effective"}
        }
        operator = ZuoraCreateOrderOperator(
            task_id="submit",
            order=order,
            wait_for_completion=True,
            deferrable=False,
            submission_log=str(tmp_path),
        )
        with pytest.raises(PermanentError):
            self.run(operator)
        [result] = [line for line in read(tmp_path) if line["event"] == "result"]
        assert (result["outcome"], result["codes"], result["order_number"]) == ("failed", ["40000020"], None)

    def test_an_order_that_is_not_waited_for_has_no_result(self, zuora, tmp_path):
        self.run(ZuoraCreateOrderOperator(task_id="submit", order=ORDER, submission_log=str(tmp_path)))
        assert {line["event"] for line in read(tmp_path)} == {"intent", "end"}

    def test_a_payment_run(self, billing, tmp_path):
        self.run(
            ZuoraPaymentRunOperator(
                task_id="submit",
                payment_run=PAYMENT_RUN,
                fail_on_errors=False,
                deferrable=False,
                submission_log=str(tmp_path),
            )
        )
        assert {line["kind"] for line in read(tmp_path)} == {"payment run"}

    def test_a_query(self, billing, tmp_path):
        self.run(
            ZuoraDataQueryOperator(
                task_id="submit", query="SELECT 1", deferrable=False, submission_log=str(tmp_path)
            )
        )
        lines = read(tmp_path)
        assert sorted(line["event"] for line in lines) == ["end", "intent", "result"]
        assert "SELECT" not in json.dumps(lines)

    def test_a_query_of_a_python_task(self, billing, tmp_path):
        list(ZuoraHook(submission_log=tmp_path).query("SELECT 1"))
        assert tell(read(tmp_path)) == [("intent", None), ("end", "submitted")]


def test_every_file_of_a_log_is_checked_at_the_end_of_a_test_run(zuora, tmp_path):
    ZuoraHook(submission_log=tmp_path).create_order(ORDER, context=make_context())
    assert check_files(tmp_path) == 2
    part = next(tmp_path.rglob("*.00000.jsonl"))
    wrong = part.with_name(part.name.replace("00000", "00002"))
    wrong.write_bytes(part.read_bytes().replace(b'"O-1"', b'"Jane"'))
    with pytest.raises(AssertionError, match="Jane"):
        check_files(tmp_path)
    wrong.unlink()
