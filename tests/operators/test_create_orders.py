"""The operator for many orders, rendered and executed as Airflow does, over real HTTP."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from types import SimpleNamespace

import jinja2
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_zuora.exceptions import OutcomeUnknownError, PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from tests.conftest import ORDER
from tests.core.runners import Clock
from tests.one_airflow import serve_zuora
from tests.operators.test_create_order import CARD, show

PLAIN = {name: value for name, value in ORDER.items() if name != "orderNumber"}
POST = {"method": "POST", "path": "/v1/async/orders"}


def order(text, number=None, **more):
    return PLAIN | {"description": text} | ({} if number is None else {"orderNumber": number}) | more


class Task:
    """One task instance; each `run` is a try."""

    def __init__(self, retries=2):
        self.retries = self.max_tries = retries
        self.number = 0
        self.queued = datetime.now(UTC)
        self.xcoms = {}

    def clear(self):
        self.max_tries = self.number + self.retries

    @property
    def context(self):
        ti = {"dag_id": "d", "run_id": "r", "task_id": "submit", "map_index": -1, "max_tries": self.max_tries}
        push = lambda key, value: self.xcoms.update({key: json.loads(json.dumps(value))})  # noqa: E731
        return {
            "ti": SimpleNamespace(**ti, try_number=self.number, xcom_push=push),
            "task": SimpleNamespace(retries=self.retries),
            "dag_run": SimpleNamespace(queued_at=self.queued, clear_number=0),
            "ds": "2024-07-01",
        }

    def run(self, orders, **options):
        self.number += 1
        self.operator = ZuoraCreateOrdersOperator(task_id="submit", orders=orders, **options)
        self.operator.render_template_fields(self.context, jinja2.sandbox.SandboxedEnvironment())
        return self.operator.execute(self.context)

    @property
    def states(self):
        return [entry["state"] for entry in self.xcoms["submit_results"]]


@pytest.fixture
def task():
    return Task()


def list_made(zuora):
    return sorted(each["description"] for each in zuora.ledger()["orders"])


def refuse(zuora, text, status=400, code=53200020, **fault):
    body = json.dumps({"success": False, "reasons": [{"code": code, "message": f"{text} cannot be."}]})
    zuora.fault(**POST, when="instead", contains=f'"{text}"', status=status, body=body.encode(), **fault)


def test_the_job_ids_are_in_the_order_of_the_input(zuora, task):
    job_ids = task.run([order(f"order {number}") for number in range(50)])

    jobs = {each["jobId"]: each["description"] for each in zuora.ledger()["orders"]}
    assert [jobs[job_id] for job_id in job_ids] == [f"order {number}" for number in range(50)]
    assert zuora.ledger()["signIns"] == 1
    assert task.xcoms["submit_results"][7] == {
        "index": 7,
        "order_number": None,
        "state": "submitted",
        "job_id": job_ids[7],
        "error": None,
    }


class CountingTransport(AsyncTransport):
    """Counts how many requests are under way at a time."""

    under_way, most = 0, 0

    async def send(self, request):
        kind = type(self)
        kind.under_way += 1
        kind.most = max(kind.most, kind.under_way)
        try:
            return await super().send(request)
        finally:
            kind.under_way -= 1


def test_no_more_orders_at_once_than_told(zuora, task):
    session = zuora.use_session(open_async_transport=CountingTransport)
    task.run([order(f"order {number}") for number in range(30)], concurrency=4)
    assert CountingTransport.most == 4
    session.close()


def test_a_list_reordered_and_the_task_cleared_makes_no_second_order(zuora, task):
    orders = [order("a"), order("b"), order("a"), order("c", "C-1")] + [order(str(n)) for n in range(20)]
    first = task.run(orders)
    task.clear()
    random.Random(7).shuffle(orders)

    assert sorted(task.run(orders)) == sorted(first)
    assert len(zuora.ledger()["orders"]) == 24


def test_a_retry_repeats_nothing_and_sends_what_is_left(zuora, task):
    zuora.fault(**POST, kind="reset", when="after", contains='"b"', times=None)
    zuora.fault(**POST, kind="reset", when="before", contains='"c"', times=None)
    with pytest.raises(TransientError, match="2 of 4 orders have no job"):
        task.run([order(text) for text in "abcd"])
    assert task.states == ["submitted", "open", "open", "submitted"]
    zuora.sandbox.state.faults.clear()

    assert len(set(task.run([order(text) for text in "abcd"]))) == 4
    assert list_made(zuora) == ["a", "b", "c", "d"]


def test_refused_orders_do_not_stop_the_others_and_fail_the_task_at_its_end(zuora, task):
    refuse(zuora, "b")
    with pytest.raises(
        PermanentError, match=r"1 of 3 orders .*\norders\[1\] \(B-1\): refused: .*b cannot be"
    ):
        task.run([order("a"), order("b", "B-1"), order("c")])

    assert list_made(zuora) == ["a", "c"]
    assert task.states == ["submitted", "refused", "submitted"]
    assert task.xcoms["submit_results"][1]["job_id"] is None
    assert "b cannot be" in task.xcoms["submit_results"][1]["error"]


def test_refused_orders_are_left_out_where_told_to(zuora, task, tmp_path, caplog):
    refuse(zuora, "b")
    refused = tmp_path / "refused.jsonl"
    job_ids = task.run([order("a"), order("b"), order("c")], on_refusal="skip", refused_path=str(refused))

    assert job_ids == [each["job_id"] for each in task.xcoms["submit_results"] if each["job_id"]]
    assert len(job_ids) == 2
    assert [json.loads(line) for line in refused.read_text().splitlines()] == [order("b")]
    assert "b cannot be" in caplog.text


def test_skipping_refusals_skips_nothing_else(zuora, task):
    refuse(zuora, "b")
    zuora.fault(**POST, kind="reset", contains='"c"', times=None)

    with pytest.raises(TransientError):
        task.run([order("a"), order("b"), order("c")], on_refusal="skip")


def test_an_outcome_that_is_unknown_is_for_a_person(task, monkeypatch):
    """The answer is the stored one, and decides nothing: it takes half a minute to know that."""
    body = b'{"success": true}'
    with serve_zuora(Clock(), monkeypatch) as zuora:
        zuora.fault(**POST, when="instead", contains='"b"', status=200, body=body, times=None)
        with pytest.raises(OutcomeUnknownError, match="take it out of the list"):
            task.run([order("a"), order("b")], on_refusal="skip")
    assert task.states == ["submitted", "unknown"]


def test_the_refused_file_can_be_submitted_again(zuora, task, tmp_path):
    source, refused = tmp_path / "orders.jsonl", tmp_path / "refused.jsonl"
    source.write_text("".join(json.dumps(order(text)) + "\n" for text in "abc"))
    refuse(zuora, "b")
    with pytest.raises(PermanentError, match=r"\nline 2: refused"):
        task.run(str(source), refused_path=str(refused))
    assert refused.stat().st_mode & 0o777 == 0o600

    other = Task()
    assert len(other.run(str(refused), refused_path=str(tmp_path / "again.jsonl"), idempotency_key="2")) == 1
    assert list_made(zuora) == ["a", "b", "c"]
    assert not (tmp_path / "again.jsonl").read_text()


def test_a_file_in_object_storage(zuora, task):
    store = MemoryFileSystem()  # of which Airflow knows nothing
    store.pipe_file("/bucket/orders.jsonl", json.dumps(order("a")).encode())
    assert len(task.run("memory://bucket/{{ 'orders' }}.jsonl", refused_path="memory://bucket/no.jsonl")) == 1
    assert store.cat_file("/bucket/no.jsonl") == b""
    with pytest.raises(PermanentError, match=r"orders: .*s4"):
        task.run("s4://bucket/orders.jsonl")


def test_nothing_is_sent_where_one_order_breaks_a_rule(zuora, task, tmp_path):
    with pytest.raises(PermanentError, match=r"orders\[1\]: \$\.orderDate: "):
        task.run([order("a"), order("b", orderDate="tomorrow")])
    (tmp_path / "orders.jsonl").write_text(json.dumps(order("a")) + "\n\n{\n")
    with pytest.raises(PermanentError, match=r"line 3: is no JSON: "):
        task.run(str(tmp_path / "orders.jsonl"))
    assert not zuora.ledger()["recent"]


@pytest.mark.parametrize("around", ["%s", "%s\n%s", "\ufeff%s\n", "[%s]"])
def test_a_text_with_half_a_surrogate_pair_is_refused_and_not_sent_with_other_letters(zuora, task, around):
    text = json.dumps(order("a", description="M\udcfcller"), ensure_ascii=False)
    with pytest.raises(PermanentError, match=r"\$\.description: must be whole text, not half a surrogate"):
        task.run(around.replace("%s", text))
    assert not zuora.ledger()["recent"]


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ("nothing/here.jsonl", "orders: there is no file nothing/here.jsonl"),
        ("[1, 2", "orders: is no JSON: Expecting ',' delimiter .line 1, column 6."),
        ("", "orders: is empty; nor does it look like a path"),
        ({"orders": []}, "orders: must be a list of objects"),
        (None, "orders: must be a list of objects"),
    ],
)
def test_what_is_no_list_of_orders(zuora, task, orders, words):
    with pytest.raises(PermanentError, match=words):
        task.run(orders)


def test_a_refused_file_that_cannot_be_written_ends_it_before_anything_is_sent(zuora, task, tmp_path):
    for nowhere in (tmp_path / "no" / "folder.jsonl", tmp_path, "s4://bucket/no.jsonl"):
        with pytest.raises(PermanentError, match="refused_path: cannot be written to"):
            task.run([order("a")], refused_path=str(nowhere))
    (tmp_path / "orders.jsonl").write_text(json.dumps(order("a")))
    with pytest.raises(PermanentError, match="refused_path: must not be the file of the orders"):
        task.run(str(tmp_path / "orders.jsonl"), refused_path=str(tmp_path / "orders.jsonl"))
    assert not zuora.ledger()["recent"]
    assert (tmp_path / "orders.jsonl").read_text()


def test_what_stands_in_the_refused_file_stays_until_orders_were_sent(zuora, task, tmp_path):
    (tmp_path / "refused.jsonl").write_text("of the last run")
    with pytest.raises(PermanentError, match="none was sent"):
        task.run([{}], refused_path=str(tmp_path / "refused.jsonl"))
    assert (tmp_path / "refused.jsonl").read_text() == "of the last run"


@pytest.mark.parametrize("concurrency", [0, -1, True, 1.5, "a", None])
def test_the_hook_refuses_a_concurrency_that_submits_nothing(zuora, concurrency):
    with pytest.raises(PermanentError, match=r"concurrency: must be a whole number above 0, not "):
        ZuoraHook().create_orders([order("a")], concurrency=concurrency)
    assert not zuora.ledger()["recent"]


def test_no_orders(zuora, task):
    assert task.run([]) == task.run("[]") == []
    assert task.xcoms["submit_results"] == []
    assert not zuora.ledger()["recent"]


def test_a_refused_sign_in_is_asked_for_once(zuora, task, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(password="wrong-secret"))
    with pytest.raises(PermanentError, match="sign-in is refused"):
        task.run([order(str(number)) for number in range(50)])
    assert [each["path"] for each in zuora.ledger()["recent"]] == ["/oauth/token"]


def test_where_zuora_is_away_the_rest_is_left_to_a_retry(zuora, task):
    zuora.fault(**POST, kind="reset", times=None)
    with pytest.raises(TransientError, match="100 of 100 orders have no job"):
        task.run([order(str(number)) for number in range(100)], concurrency=5)
    tried = {each["idempotencyKey"] for each in zuora.posts()}
    assert len(tried) < 20
    zuora.sandbox.state.faults.clear()

    assert len(task.run([order(str(number)) for number in range(100)], concurrency=5)) == 100
    assert len(zuora.ledger()["orders"]) == 100


def test_a_function_makes_the_keys(zuora, task):
    orders = [order("a"), order("b")]
    first = task.run(orders, idempotency_key=lambda each: each["description"])
    other = Task()

    assert other.run(orders[::-1], idempotency_key=lambda each: each["description"]) == first[::-1]


def test_orders_that_are_there_are_taken_and_a_changed_one_is_refused(zuora, task):
    task.run([order("a", "A-1"), order("b", "B-1")])
    other = Task()
    orders = [order("changed", "B-1"), order("c", "C-1"), order("a", "A-1")]
    options = {"idempotency_key": "another run", "on_existing": "adopt"}
    with pytest.raises(PermanentError, match=r"orders\[0\] \(B-1\): refused: .*this one's is 'changed'"):
        other.run(orders, **options)

    assert other.states == ["refused", "submitted", "submitted"]
    assert other.xcoms["submit_results"][2]["job_id"] == "order:A-1"
    assert list_made(zuora) == ["a", "b", "c"]
    with pytest.raises(PermanentError, match="on_existing: must be fail or adopt"):
        ZuoraHook().create_orders([], on_existing="ignore")


def test_templates_are_rendered_and_a_json_text_is_a_list(zuora, task):
    task.run([order("{{ ds }}")])
    task.run(json.dumps([order("{{ ds }}.json")]), idempotency_key="{{ ds }}")

    assert list_made(zuora) == ["2024-07-01", "2024-07-01.json"]


def test_secrets_stay_out_of_what_airflow_shows(zuora, task):
    card = {"newAccount": {"name": "x", "creditCard": {"cardNumber": CARD, "securityCode": "987"}}}
    broken = json.dumps([card])[:-1]
    for orders in ([card], json.dumps([card]), broken):
        operator = ZuoraCreateOrdersOperator(task_id="submit", orders=orders)
        operator.render_template_fields(task.context, jinja2.sandbox.SandboxedEnvironment())
        assert CARD not in show(operator)
        assert "987" not in show(operator)
    with pytest.raises(PermanentError, match="orders: is no JSON") as caught:
        operator.execute(task.context)
    assert CARD not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_refusal": "ignore"}, "on_refusal: must be fail or skip, not 'ignore'"),
        ({"on_existing": "ignore"}, "on_existing: must be fail or adopt, not 'ignore'"),
        ({"concurrency": 0}, "concurrency: must be a whole number above 0, not 0"),
        ({"concurrency": True}, "concurrency: must be a whole number above 0, not True"),
    ],
)
def test_options_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        ZuoraCreateOrdersOperator(task_id="submit", orders=[], **options)


def test_the_hook_returns_an_entry_for_each_order(zuora):
    refuse(zuora, "b")
    entries = ZuoraHook().create_orders([order("a"), order("b")])

    assert [entry.state for entry in entries] == ["submitted", "refused"]


def test_killing_the_task_stops_nothing_at_zuora(capsys):
    ZuoraCreateOrdersOperator(task_id="submit", orders=[]).on_kill()

    assert "goes on there" in capsys.readouterr().out


SAYING = json.dumps(
    {
        "success": False,
        "reasons": [
            {"code": 53200020, "message": f"Card {CARD}, code 737, account 0012 3456: \x1b[2J\0\nno"}
        ],
    }
).encode()


@pytest.mark.parametrize("kind", ["a list", "a file"])
def test_what_zuora_quotes_of_an_order_is_in_no_error_no_log_and_no_xcom(zuora, task, tmp_path, kind, caplog):
    payment = {"cardNumber": CARD, "securityCode": "737", "bankAccountNumber": "0012-3456"}
    contact = {"firstName": "A", "lastName": "B"}
    account = {
        "name": "A",
        "currency": "USD",
        "billCycleDay": 0,
        "billToContact": contact,
        "creditCard": payment,
    }
    orders = [order("first"), {**order("bad"), "newAccount": account}]
    del orders[1]["existingAccountNumber"]
    zuora.fault(**POST, contains=CARD, when="instead", status=400, body=SAYING)
    path = tmp_path / "orders.jsonl"
    path.write_text("\n".join(map(json.dumps, orders)))
    with pytest.raises(PermanentError) as caught:
        task.run(orders if kind == "a list" else str(path))

    assert task.states == ["submitted", "refused"]
    words = r"Card ***, code ***, account ***: \x1b[2J\ufffd\nno".replace(r"\ufffd", "\ufffd")
    for text in (str(caught.value), task.xcoms["submit_results"][1]["error"], caplog.text):
        assert words in text
        assert not any(word in text for word in (CARD, "code 737", "account 0012", "\x1b", "\0"))


def test_an_order_number_is_one_line_in_logs_and_xcoms(zuora, task, caplog):
    zuora.fault(**POST, when="instead", status=400, body=SAYING)
    with pytest.raises(PermanentError) as caught:
        task.run([order("first", "O\n\x1b")])

    assert task.xcoms["submit_results"][0]["order_number"] == r"O\n\x1b"
    assert r"orders[0] (O\n\x1b): refused" in str(caught.value)
