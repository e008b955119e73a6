"""The operator that compares the books, executed as Airflow does: its window, its report, how it ends."""

from __future__ import annotations

import csv
import datetime as dt
import json
import time

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.submission_log import LogStore
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from tests.books import LATER, add_order, change, log_intents, make_context, make_order
from tests.submission_logs import check_line
from zuora_sandbox.order_store import StatusPlan

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def later(zuora):
    """Return what lets hours pass for the hooks of this process."""
    kept = []
    yield lambda: kept.append(zuora.use_session(clock=lambda: time.time() + LATER))
    for session in kept:
        session.close()


def submit(zuora, folder, *numbers):
    orders = [make_order(number, description=number) for number in numbers]
    ZuoraHook(submission_log=str(folder)).create_orders(orders, context=make_context())
    zuora.sandbox.end_due_jobs()


def get_interval():
    now = dt.datetime.now(dt.UTC)
    return {"data_interval_start": now - HOUR, "data_interval_end": now + HOUR}


def make(folder=None, **options):
    log = {} if folder is None else {"submission_log": str(folder)}
    return ZuoraReconcileOrdersOperator(task_id="reconcile", **log | options)


def run(folder=None, context=None, **options):
    """Execute the task for the data interval around now; return what it returns, and its XComs."""
    context = context or make_context("reconcile", **get_interval())
    return make(folder, **options).execute(context), context["ti"].xcoms


def find_part(place):
    """Return the first part of a log in memory."""
    return min(name for name in MemoryFileSystem.store if place in name)


def read_log(folder):
    day = dt.datetime.now(dt.UTC).date()
    lines = list(LogStore.of(str(folder)).read_days(day - dt.timedelta(days=1), day + dt.timedelta(days=1)))
    for line in lines:
        check_line(line)
    return lines


class TestBooksThatAgree:
    def test_end_well_and_say_so(self, zuora, folder):
        submit(zuora, folder, "O-1", "O-2")
        summary, xcoms = run(folder)
        assert xcoms["reconciliation"] == summary
        assert {name: count for name, count in summary["counts"].items() if count} == {"found": 2}
        assert (summary["submitted"], summary["listed"], summary["proposals"], summary["closed"]) == (
            2,
            2,
            [],
            0,
        )
        receipt = xcoms["receipt"]
        assert (receipt["kind"], receipt["state"], receipt["counts"]) == (
            "reconciliation",
            "completed",
            {"found": 2},
        )

    def test_change_nothing_at_zuora(self, zuora, folder):
        submit(zuora, folder, "O-1")
        before = len(zuora.ledger()["recent"])
        run(folder)
        sent = zuora.ledger()["recent"][before:]
        assert {(each["method"], each["path"]) for each in sent} == {("GET", "/object-query/orders")}

    def test_are_read_by_a_connection_that_is_read_only(self, zuora, folder, monkeypatch):
        submit(zuora, folder, "O-1")
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"read_only": True}))
        assert run(folder)[0]["counts"]["found"] == 1

    def test_may_be_empty_in_the_window(self, zuora, folder):
        (folder / "2024-07-01").mkdir(parents=True)
        assert run(folder)[0]["submitted"] == 0

    def test_are_none_if_nothing_was_ever_written_there(self, zuora, folder):
        """A path with a typing error must not say that all is well."""
        submit(zuora, folder, "O-1")
        words = (
            r"^Nothing was compared\.\nsubmission_log: nothing was ever written to .*: it must be the log of"
        )
        with pytest.raises(PermanentError, match=words):
            run(folder.parent / "lgo")

    def test_are_none_if_their_place_is_a_file(self, zuora, folder):
        folder.touch()
        with pytest.raises(TransientError, match="could not be read"):
            run(folder)

    def test_lie_where_the_connection_says(self, zuora, folder, monkeypatch):
        submit(zuora, folder, "O-1")
        connection = zuora.connection(extra={"submission_log": str(folder)})
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", connection)
        assert run()[0]["counts"]["found"] == 1

    def test_lie_somewhere(self, zuora):
        with pytest.raises(
            PermanentError, match="submission_log: there is none to compare with; pass it, or set it"
        ):
            run()


class TestBooksThatDiffer:
    def test_fail_the_task_which_leaves_all_that_it_has_found(self, zuora, folder, tmp_path, later):
        submit(zuora, folder, "O-1", "O-2")
        zuora.sandbox.state.order_store.delete_order("O-2")
        later()
        context = make_context("reconcile", **get_interval())
        report = tmp_path / "new" / "report.csv"
        with pytest.raises(
            PermanentError, match=r"differ: 1 missing \(O-2\)\. The report is at .*report\.csv\."
        ):
            run(folder, context, report_path=str(report))
        summary = context["ti"].xcoms["reconciliation"]
        assert (summary["missing"], summary["report"]) == (["O-2"], str(report))
        assert context["ti"].xcoms["receipt"]["state"] == "failed"
        with report.open(newline="") as file:
            assert sorted(row["finding"] for row in csv.DictReader(file)) == ["found", "missing"]

    def test_are_looked_at_again_by_a_retry_while_they_are_new(self, zuora, folder):
        submit(zuora, folder, "O-1")
        zuora.sandbox.state.order_store.delete_order("O-1")
        with pytest.raises(TransientError, match=r"1 missing \(O-1\).* a retry looks again"):
            run(folder)

    @pytest.mark.parametrize(
        ("fail_on", "ends_well"),
        [((), True), (["missing"], True), (["cancelled"], False), ({"cancelled", "others"}, False)],
        ids=str,
    )
    def test_fail_it_for_what_it_is_told(self, zuora, folder, later, fail_on, ends_well):
        submit(zuora, folder, "O-1")
        change(zuora.sandbox, "O-1", plan=StatusPlan("Cancelled"))
        later()
        if ends_well:
            assert run(folder, fail_on=fail_on)[0]["cancelled"] == ["O-1"]
            return
        with pytest.raises(PermanentError, match=r"1 cancelled \(O-1\)"):
            run(folder, fail_on=fail_on)


class TestIntentsWithoutAnEnd:
    def test_are_closed_once_by_what_is_certain(self, zuora, folder, later):
        keys = log_intents(folder, [make_order("U-1"), make_order("U-2"), make_order(None)])
        add_order(zuora.sandbox, make_order("U-1"))
        add_order(zuora.sandbox, make_order(None))
        later()
        interval = get_interval()
        first, again = (run(folder, make_context("reconcile", **interval), fail_on=())[0] for _ in range(2))
        assert (first.pop("closed"), again.pop("closed")) == (2, 0)
        assert first == again
        said = [line for line in read_log(folder) if line["event"] == "reconciled"]
        assert [(line["key"], line["outcome"]) for line in said] == [(keys[0], "found"), (keys[1], "absent")]
        assert {line["task_id"] for line in said} == {"reconcile"}

    def test_stay_open_on_request(self, zuora, folder, later):
        log_intents(folder, [make_order("U-1")])
        later()
        summary, _ = run(folder, fail_on=(), close_intents=False)
        assert "closed" not in summary
        assert not [line for line in read_log(folder) if line["event"] == "reconciled"]

    def test_stay_open_if_the_log_cannot_be_written(self, zuora, folder, later, caplog):
        log_intents(folder, [make_order("U-1")])
        later()
        day = dt.datetime.fromtimestamp(time.time() + LATER, dt.UTC).date().isoformat()
        context = make_context("reconcile", **get_interval())
        context["ti"].dag_id = "books"
        (folder / day).mkdir(exist_ok=True)
        (folder / day / "books").write_text("in the way")
        summary, _ = run(folder, context, fail_on=())
        assert summary["closed"] == 0
        assert "so that intents stay open" in caplog.text


class TestTheWindow:
    @pytest.mark.parametrize(
        "context",
        [{}, {"data_interval_start": None, "data_interval_end": None}, "empty"],
        ids=["no interval", "none", "empty"],
    )
    def test_must_be_given_if_the_run_has_none(self, zuora, folder, context):
        now = dt.datetime.now(dt.UTC)
        interval = {"data_interval_start": now, "data_interval_end": now} if context == "empty" else context
        with pytest.raises(
            PermanentError, match=r"start, end: the run has no data interval, or an empty one"
        ):
            run(folder, make_context("reconcile", **interval))
        with pytest.raises(PermanentError, match=r"\nend: the run has no data interval, or an empty one"):
            run(folder, make_context("reconcile", **interval), start=now.isoformat())

    @pytest.mark.parametrize("shape", [str, dt.datetime.isoformat, lambda moment: moment])
    def test_can_be_given(self, zuora, folder, shape):
        submit(zuora, folder, "O-1")
        now = dt.datetime.now(dt.UTC)
        own = {"start": shape(now - HOUR), "end": shape(now + HOUR)}
        assert run(folder, make_context(), **own)[0]["submitted"] == 1
        assert run(folder, end=shape(now - HOUR / 2))[0]["submitted"] == 0

    @pytest.mark.parametrize("blank", ["", " ", "None", None])
    def test_is_that_of_the_run_if_a_template_makes_nothing(self, zuora, folder, blank):
        submit(zuora, folder, "O-1")
        assert run(folder, start=blank, end=blank)[0]["submitted"] == 1

    def test_is_in_utc_if_it_names_no_zone(self, zuora, folder):
        submit(zuora, folder, "O-1")
        summary, _ = run(folder, start="2024-07-01", end="2024-07-02T12:30")
        assert (summary["start"], summary["end"]) == ("2024-07-01T00:00:00Z", "2024-07-02T12:30:00Z")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"start": "yesterday"}, "start: must be a moment in ISO 8601"),
            ({"end": 5}, "end: must be a moment in ISO 8601"),
            ({"start": "2024-07-02", "end": "2024-07-01"}, "end: must be later than start"),
            ({"start": "2024-07-02", "end": "2024-07-02"}, "end: must be later than start"),
        ],
    )
    def test_that_is_none_is_refused(self, zuora, folder, options, words):
        with pytest.raises(PermanentError, match=words):
            run(folder, **options)


class TestOptions:
    @pytest.mark.parametrize(
        ("fail_on", "error", "words"),
        [
            (["mising"], ValueError, "fail_on: 'mising' is none of missing, .*; did you mean 'missing'?"),
            (["found"], ValueError, "fail_on: 'found' is none of"),
            ("missing", TypeError, "fail_on: must be a list of words"),
            (None, TypeError, "fail_on: must be a list of words"),
        ],
    )
    def test_a_wrong_word_is_refused_when_the_dag_is_read(self, fail_on, error, words):
        with pytest.raises(error, match=words):
            make(fail_on=fail_on)

    def test_other_options_too(self):
        with pytest.raises(ValueError, match="margin: must be a number of seconds"):
            make(margin=-1)
        with pytest.raises(ValueError, match="list_others"):
            make(list_others="yes")
        with pytest.raises(TypeError, match="did you mean 'report_path'"):
            make(report_pth="a.csv")

    def test_templates_are_rendered(self):
        fields = {"start", "end", "report_path", "zuora_conn_id", "submission_log"}
        assert set(ZuoraReconcileOrdersOperator.template_fields) == fields

    def test_a_report_goes_to_a_store(self, zuora, folder, tmp_path):
        submit(zuora, folder, "O-1")
        summary, _ = run(folder, report_path=f"file://{tmp_path}/report.csv")
        assert summary["report"] == f"file://{tmp_path}/report.csv"
        assert len((tmp_path / "report.csv").read_text().splitlines()) == 2

    def test_a_report_that_cannot_be_written_is_an_error_before_anything_is_asked(
        self, zuora, folder, tmp_path
    ):
        with pytest.raises(PermanentError, match="report_path: is blank"):
            run(folder, report_path=" ")
        (tmp_path / "file").write_text("")
        with pytest.raises(PermanentError, match="report_path: "):
            run(folder, report_path=str(tmp_path / "file" / "report.csv"))
        assert zuora.ledger()["recent"] == []

    def test_others_are_counted_and_named_on_request(self, zuora, folder):
        submit(zuora, folder, "O-1")
        add_order(zuora.sandbox, make_order("X-1", description="X-1"))
        counted, named = run(folder)[0], run(folder, list_others=True)[0]
        assert (counted["counts"]["others"], "others" in counted, named["others"]) == (1, False, ["X-1"])


class TestReads:
    def test_wait_as_zuora_asks_and_go_on(self, zuora, folder):
        submit(zuora, folder, "O-1")
        zuora.fault(
            method="GET", path="/object-query/orders", times=1, status=429, headers={"Retry-After": "9"}
        )
        assert run(folder)[0]["counts"]["found"] == 1
        assert zuora.naps[0] == 9

    def test_that_fail_for_good_fail_the_task(self, zuora, folder):
        zuora.fault(method="GET", path="/object-query/orders", times=9, status=403, body=b"{}")
        with pytest.raises(PermanentError):
            run(folder)

    def test_of_a_log_that_is_broken_are_a_transient_error(self, zuora, folder):
        place = f"memory://{folder.parent.name}"
        submit(zuora, place, "O-1")
        part = find_part(folder.parent.name)
        MemoryFileSystem().pipe_file(part, b"no json\n")
        with pytest.raises(TransientError, match="could not be read"):
            run(place)
        MemoryFileSystem().rm(part)  # it is not what we have written

    def test_of_lines_of_another_version_are_counted(self, zuora, folder, caplog):
        place = f"memory://{folder.parent.name}"
        submit(zuora, place, "O-1")
        part = find_part(folder.parent.name)
        text = MemoryFileSystem.store[part].getvalue().replace(b'"schema_version":1', b'"schema_version":2')
        MemoryFileSystem().pipe_file(part, text)
        summary, _ = run(place)
        MemoryFileSystem().rm(part)
        assert summary["unread_lines"] == 1
        assert "1 lines of the submission log are not understood" in caplog.text


def test_the_summary_is_plain_json_and_small(zuora, folder, later):
    log_intents(folder, [make_order(f"U-{number}") for number in range(300)])
    later()
    summary, _ = run(folder, fail_on=(), list_others=True)
    text = json.dumps(summary)
    assert summary["counts"]["unknown"] == 300
    assert len(text) < 20_000
