"""The sample of the page for auditors, drawn by its own code from what a sandbox process was sent."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from pathlib import Path

import pytest

from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.reconcile import ZuoraReconcileOrdersOperator
from demo.sandbox import ServedSandbox
from tests.books import LATER, log_intents, make_context, make_order
from tests.conftest import Zuora

PAGE = (Path(__file__).parents[1] / "docs" / "controls.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SUBMIT = "/v1/async/orders"
FOUND = ("found", "")


class Audited:
    """A tenant of a sandbox process, with a submission log."""

    def __init__(self, served, folder, sessions) -> None:
        self.served, self.folder, self.sessions = served, folder, sessions
        self.shown = {}
        for block in BLOCKS:
            exec(block, self.shown)

    def post(self, name, **values):
        self.served.ask("POST", f"/sandbox/{name}", values)

    def submit(self, number, key="k", *, logs=True, **more):
        """Submit an order, whose content is its own."""
        adopted = more.pop("adopt_job_id", None)
        order = make_order(number, **{"description": number or key} | more)
        hook = ZuoraHook(submission_log=str(self.folder) if logs else None)
        options = {"idempotency_key": key, "adopt_job_id": adopted, "context": make_context()}
        job_id = hook.create_order(order, **options)
        self.served.ledger()  # so that it is made
        return job_id

    def reconcile(self):
        """Compare the books, hours later, and close what is certain."""
        now = dt.datetime.now(dt.UTC)
        window = {"start": now - dt.timedelta(hours=1), "end": now + dt.timedelta(hours=1)}
        session = self.sessions.use_session(clock=lambda: time.time() + LATER)
        task = ZuoraReconcileOrdersOperator(
            task_id="books", submission_log=str(self.folder), fail_on=(), **window
        )
        summary = task.execute(make_context("books"))
        session.close()
        return summary

    def draw(self, count=99, seed=7, days=1):
        today = dt.datetime.now(dt.UTC).date()
        first, last = (today + dt.timedelta(days=each) for each in (-1, days))
        return self.shown["show_sample"](self.folder, first, last, count, seed)

    def tell(self):
        return [(row["order_number"], row["finding"], row["detail"]) for row in sorted_rows(self.draw())]

    def list_outcomes(self):
        parts = [name.read_text() for name in sorted(self.folder.rglob("*.jsonl"))]
        lines = [json.loads(text) for part in parts for text in part.splitlines()]
        return [line["outcome"] for line in lines if line["outcome"]]


def sorted_rows(rows):
    return sorted(rows, key=lambda row: (row["order_number"], row["submitted"]))


def list_shown(capsys):
    """Return the lines that were printed, without those that Airflow 2 logs there."""
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("[")]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    options = ("--job-seconds", "0")
    with ServedSandbox(tmp_path_factory.mktemp("sandbox") / "log", *options) as served:
        yield served


@pytest.fixture
def zuora(served, tmp_path, monkeypatch, runtime_dir):
    served.ask("POST", "/sandbox/reset")
    served.ask("POST", "/sandbox/settings", {"order_delete_seconds": 0})
    sessions = Zuora(None, served.url)
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", sessions.connection())
    session = sessions.use_session()
    yield Audited(served, tmp_path / "log", sessions)
    session.close()


class TestWhatIsDrawn:
    def test_is_an_order_that_was_submitted(self, zuora, capsys):
        job_id = zuora.submit("O-1")
        [row] = zuora.draw()
        assert (row["finding"], row["detail"], row["job_id"]) == ("found", "", job_id)
        assert (row["zuora_status"], row["dag_id"], row["task_id"]) == ("Completed", "billing", "submit")
        shown = list_shown(capsys)
        assert shown[0] == "1 of 1 orders; 0 lines are not understood"
        assert shown[1] == f"found O-1 {job_id} Completed "

    def test_is_an_order_without_a_number_by_its_job(self, zuora):
        zuora.submit(None)
        [made] = zuora.served.ledger()["orders"]
        assert zuora.tell() == [(made["orderNumber"], *FOUND)]

    def test_is_an_order_that_was_adopted(self, zuora):
        job_id = zuora.submit("O-1", logs=False)
        zuora.submit("O-1", "adopts", adopt_job_id=job_id)
        zuora.submit("O-2", logs=False)
        zuora.submit("O-2", "adopts too", adopt_job_id="order:O-2")
        assert zuora.list_outcomes() == ["adopted"] * 2
        assert zuora.tell() == [("O-1", *FOUND), ("O-2", *FOUND)]

    def test_is_an_order_that_was_found_after_its_answers_were_lost(self, zuora):
        zuora.post("faults", path=SUBMIT, kind="reset", when="after", times=None)
        zuora.submit("O-1")
        assert zuora.list_outcomes() == ["found"]
        assert zuora.tell() == [("O-1", *FOUND)]

    def test_is_an_order_that_a_reconciliation_alone_has_found(self, zuora):
        log_intents(zuora.folder, [make_order("O-1"), make_order("O-2")])
        zuora.submit("O-1", logs=False)
        assert zuora.draw() == []
        assert zuora.reconcile()["closed"] == 2
        assert zuora.list_outcomes() == ["found", "absent"]
        assert zuora.tell() == [("O-1", "unknown", "Zuora has it, Completed")]

    def test_is_no_order_that_was_refused(self, zuora):
        zuora.post("faults", path=SUBMIT, status=400, body={"reasons": [{"code": 53200020}]}, when="instead")
        with pytest.raises(PermanentError):
            zuora.submit("O-1")
        assert zuora.list_outcomes() == ["refused"]
        assert zuora.draw() == []

    def test_is_the_same_for_a_seed(self, zuora):
        for number in range(12):
            zuora.submit(f"O-{number}", f"k-{number}")
        drawn = [[row["order_number"] for row in zuora.draw(5, seed)] for seed in (7, 7, 8)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert [len(set(each)) for each in drawn] == [5] * 3

    def test_was_first_submitted_on_the_days(self, zuora, capsys):
        zuora.submit("O-1")
        assert zuora.draw(days=-1) == []
        assert list_shown(capsys) == ["0 of 0 orders; 0 lines are not understood"]

    def test_is_nothing_where_no_log_is(self, zuora):
        with pytest.raises(PermanentError, match="nothing was ever written to"):
            zuora.draw()

    def test_does_not_hide_lines_that_are_not_understood(self, zuora, capsys):
        zuora.submit("O-1")
        [end] = [path for path in zuora.folder.rglob("*.jsonl") if "submitted" in path.read_text()]
        end.with_name("later.jsonl").write_text(
            end.read_text().replace('"schema_version":1', '"schema_version":2')
        )
        assert len(zuora.draw()) == 1
        assert "; 1 lines are not understood" in capsys.readouterr().out


class TestTheComparison:
    def test_reads_and_changes_nothing(self, zuora):
        zuora.submit("O-1")
        before, parts = zuora.served.ledger()["recent"], len(list(zuora.folder.rglob("*")))
        zuora.draw()
        sent = zuora.served.ledger()["recent"][len(before) :]
        assert {each["method"] for each in sent} == {"GET"}
        assert len(list(zuora.folder.rglob("*"))) == parts

    def test_says_that_an_order_was_deleted_at_zuora(self, zuora):
        zuora.submit("O-1")
        ZuoraHook().request("DELETE", "/v1/orders/O-1")
        zuora.submit("O-2")
        words = "it was made, and is not there any more"
        assert zuora.tell() == [("O-1", "missing", words), ("O-2", *FOUND)]

    def test_says_that_a_task_has_had_an_order_deleted(self, zuora):
        zuora.submit("O-1")
        ZuoraHook(submission_log=str(zuora.folder)).delete_order("O-1")
        assert zuora.tell() == [("O-1", "deleted", "a task has had it deleted")]

    def test_tells_an_order_from_another_submission_of_its_number(self, zuora):
        first = zuora.submit("O-1", "k-1")
        ZuoraHook().request("DELETE", "/v1/orders/O-1")
        second = zuora.submit("O-1", "k-2", description="another content")
        later = "a later submission has its number: there is one order for both"
        also = "its number was submitted as job {}, too"
        assert zuora.tell() == [
            ("O-1", "replaced", f"{later}; {also.format(second)}"),
            ("O-1", "found", also.format(first)),
        ]

    def test_says_that_an_order_was_made_twice_from_one_content(self, zuora):
        zuora.submit(None, "k-1", description="twice")
        zuora.submit(None, "k-2", description="twice")
        (first, second) = sorted(each["orderNumber"] for each in zuora.served.ledger()["orders"])
        words = "an earlier submission of the same content has made another"
        assert zuora.tell() == [(first, *FOUND), (second, "doubled", words)]
        [row] = [row for row in zuora.draw() if row["finding"] == "doubled"]
        assert row["other_numbers"] == first

    def test_finds_the_double_of_an_order_though_that_was_not_drawn(self, zuora):
        for key in ("k-1", "k-2"):
            zuora.submit(None, key, description="twice")
        found = {zuora.draw(1, seed)[0]["finding"] for seed in range(8)}
        assert found == {"found", "doubled"}

    def test_says_that_its_job_has_failed_and_the_order_is_of_another(self, zuora):
        zuora.submit("O-1", logs=False)
        zuora.post("settings", duplicate_order_numbers="accept", fail_jobs="[40000020]: Taken.")
        job_id = zuora.submit("O-1", "k-2")
        words = f"job {job_id} has failed: the order is not of this submission"
        assert zuora.tell() == [("O-1", "different", words)]

    def test_says_that_an_order_was_never_made(self, zuora):
        zuora.post("settings", fail_jobs="[40000020]: Not effective.")
        zuora.submit("O-1")
        assert zuora.tell() == [("O-1", "missing", "its job has failed (40000020)")]

    def test_says_that_its_job_has_made_another(self, zuora):
        job_id = zuora.submit("O-1")
        zuora.submit("O-2", logs=False)
        zuora.post(
            "faults",
            path="/v1/async-jobs",
            kind="change",
            when="after",
            change={"result": {"orderNumber": "O-2"}},
        )
        assert zuora.tell() == [("O-1", "different", f"job {job_id} has made O-2")]

    def test_says_that_the_job_is_not_known_any_more(self, zuora):
        job_id = zuora.submit("O-1")
        zuora.post("settings", job_memory_seconds=60)
        zuora.post("clock", advance=3600)
        assert zuora.tell() == [("O-1", "found", f"Zuora does not know job {job_id} any more")]

    def test_says_that_account_or_date_differ(self, zuora):
        zuora.submit("O-1")
        ZuoraHook().request("DELETE", "/v1/orders/O-1")
        zuora.submit("O-1", "k-2", logs=False, existingAccountNumber="A-2", orderDate="2024-07-02")
        [(_, finding, detail)] = zuora.tell()
        assert finding == "different"
        assert detail.split("; ") == [
            "its account is A-2, the log's is A00000097",
            "its order date is 2024-07-02, the log's is 2024-07-01",
        ]

    @pytest.mark.parametrize(
        ("options", "words"),
        [({"count": 0}, "count: must be 1 or more"), ({"days": -2}, "last: must not be before first")],
    )
    def test_of_nothing_is_refused_in_words(self, zuora, options, words):
        zuora.submit("O-1")
        with pytest.raises(PermanentError, match=words):
            zuora.draw(**options)
