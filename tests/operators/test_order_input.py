"""One order comes in by many doors; whichever it takes, what is sent and what is shown are the same."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath

from airflow_provider_zuora.core.vendors.zuora.order_secrets import MOST_MASKED
from airflow_provider_zuora.exceptions import PermanentError, TransientError
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import (
    ZuoraCreateOrderOperator,
    ZuoraCreateOrdersOperator,
    ZuoraPreviewOrderOperator,
)
from tests.airflow_versions import ResolveMixin, record_masks
from tests.conftest import ORDER
from tests.operators.test_create_order import CARD, CONTEXT, NEW_ACCOUNT, Instance, show
from tests.operators.test_create_orders import Task

POST = {"method": "POST", "path": "/v1/async/orders"}
AWKWARD = {"PO__c": "1_000", "Ref__c": "1e5", "Hex__c": "0x1F", "Flag__c": "True", "End__c": "a\r\nb\n"}


def render(make, folder=None, *, native=False, **context):
    """Return a task as Airflow's worker has it before it executes it."""
    search = {} if folder is None else {"template_searchpath": str(folder)}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with DAG("d", schedule=None, start_date=start, render_template_as_native_obj=native, **search) as dag:
        task = make()
    task.resolve_template_files()
    task.render_template_fields(CONTEXT | context | {"dag": dag})
    return task


def one(order, **options):
    return lambda: ZuoraCreateOrderOperator(task_id="submit", order=order, **options)


def many(orders, **options):
    return lambda: ZuoraCreateOrdersOperator(task_id="submit", orders=orders, **options)


class Output(ResolveMixin):
    """What another task has pushed."""

    def __init__(self, pushed):
        self.pushed = pushed

    def iter_references(self):
        return iter(())

    def resolve(self, *_, **__):
        return self.pushed


class TestDoors:
    """Each is a way to hand an order over; all of them lead to one order at Zuora."""

    ORDER = ORDER | {"customFields": AWKWARD, "description": "für {{ 'Amy' }}".replace("{{ 'Amy' }}", "Amy")}
    TEXT = json.dumps(ORDER, ensure_ascii=False)

    def template(self, folder, content):
        (folder / "order.json").write_bytes(content)
        return "order.json"

    def path(self, folder, content, name="order.data"):
        (folder / name).write_bytes(content)
        return folder / name

    DOORS = {  # noqa: RUF012
        "object": lambda self, _: self.ORDER,
        "text": lambda self, _: self.TEXT,
        "text with a mark": lambda self, _: "\ufeff" + self.TEXT,
        "bytes": lambda self, _: self.TEXT.encode("utf-8-sig"),
        "template": lambda self, folder: self.template(folder, self.TEXT.encode()),
        "template with a mark": lambda self, folder: self.template(folder, self.TEXT.encode("utf-8-sig")),
        "path": lambda self, folder: self.path(folder, self.TEXT.encode("utf-8-sig")),
        "path of a .json": lambda self, folder: self.path(folder, self.TEXT.encode(), "a.json"),
        "packed": lambda self, folder: self.path(folder, gzip.compress(self.TEXT.encode())),
        "path in a text": lambda self, folder: str(
            self.path(folder, self.TEXT.encode(), "a, b.json.gz").rename(folder / "b.json.gz")
        ),
        "URL": lambda self, folder: f"file://{self.path(folder, self.TEXT.encode(), 'a.json')}",
        "Airflow's path": lambda self, folder: ObjectStoragePath(str(self.path(folder, self.TEXT.encode()))),
    }

    @pytest.mark.parametrize("native", [False, True])
    @pytest.mark.parametrize("door", DOORS)
    def test_the_same_order_is_sent(self, zuora, tmp_path, door, native):
        given = self.DOORS[door](self, tmp_path)
        render(one(given), tmp_path, native=native).execute(CONTEXT)
        (made,) = zuora.ledger()["orders"]
        ZuoraHook().create_order(self.ORDER, context=CONTEXT)
        assert zuora.ledger()["orders"] == [made], "the same key, the same content"

    def test_an_upstream_tasks_output(self, zuora):
        for pushed in (self.ORDER, self.TEXT, "\ufeff" + self.TEXT):
            render(one(Output(pushed))).execute(CONTEXT)
        assert len(zuora.ledger()["orders"]) == 1

    LISTS = {  # noqa: RUF012
        "list": lambda orders: orders,
        "list of texts": lambda orders: list(map(json.dumps, orders)),
        "tuple": tuple,
        "text": json.dumps,
        "text of lines": lambda orders: "\n".join(map(json.dumps, orders)),
        "text with a mark": lambda orders: "\ufeff" + json.dumps(orders, indent=1),
    }

    @pytest.mark.parametrize("door", LISTS)
    @pytest.mark.parametrize("native", [False, True])
    def test_the_same_list_is_sent(self, zuora, door, native):
        orders = [ORDER | {"orderNumber": f"O-{n}", "customFields": AWKWARD} for n in (1, 2)]
        context = CONTEXT | {"ti": Instance(try_number=1, max_tries=0)}
        render(many(self.LISTS[door](orders)), native=native).execute(context)
        made = zuora.ledger()["orders"]
        ZuoraHook().create_orders(orders, context=context)
        assert zuora.ledger()["orders"] == made
        assert len(made) == 2

    FILES = {  # noqa: RUF012
        "lines": lambda orders: "\n".join(map(json.dumps, orders)).encode(),
        "lines, each with a mark": lambda orders: b"\r\n\r\n".join(
            json.dumps(o).encode("utf-8-sig") for o in orders
        ),
        "packed lines": lambda orders: b"".join(
            gzip.compress(json.dumps(o).encode() + b"\n") for o in orders
        ),
        "a list": lambda orders: json.dumps(orders, indent=1).encode("utf-8-sig"),
        "a packed list": lambda orders: gzip.compress(b" " * 100 + json.dumps(orders).encode()),
    }

    @pytest.mark.parametrize("content", FILES)
    @pytest.mark.parametrize("given", [str, Path, lambda path: ObjectStoragePath(f"file://{path}")])
    def test_the_same_file_is_sent(self, zuora, tmp_path, content, given):
        orders = [ORDER | {"orderNumber": f"O-{n}"} for n in (1, 2)]
        (tmp_path / "orders.jsonl").write_bytes(self.FILES[content](orders))
        assert len(Task().run(given(tmp_path / "orders.jsonl"))) == 2


class TestNativeRendering:
    def test_what_is_a_template_becomes_what_airflow_makes_of_it(self):
        order = {"a": "{{ 1 + 1 }}", "b": ["{{ ds }}"], "{{ ds }}": "1e5", "c": "x {# no #}1"}
        task = render(one(order), native=True)
        assert task.order == {"a": 2, "b": ["2024-07-01"], "{{ ds }}": "1e5", "c": "x 1"}

    TAIL = '"orderDate":"{{ ds }}"}'
    TEXTS: ClassVar = {
        "slashes of PHP": r'{"description":"https:\/\/x\/y",' + TAIL,
        "escapes": r'{"description":"\u00e9 and café",' + TAIL,
        "a field twice": '{"description":"one","description":"two",' + TAIL,
        "Python": "{'description':'P'," + TAIL,
        "a list of Python's": "[{{ order }}]",
        "a text that a task made": "{{ text }}",
        "JSON of an object": " {{ order | tojson }}\n\n",
    }

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_that_stands_for_an_order_is_the_same_text_as_without_it(self, text):
        known = {"ds": "2024-07-01", "order": {"a": 1.50, "b": None}, "text": r'{"a": "\/"}'}
        for given in (one(self.TEXTS[text]), many(self.TEXTS[text])):
            tasks = [render(given, native=native, **known) for native in (False, True)]
            without, within = (getattr(task, task.order_field) for task in tasks)
            assert within == without
        for kind in (list, tuple):
            plain, native = (
                render(many(kind([self.TEXTS[text], {"a": "{{ 1 }}"}])), native=native, **known).orders
                for native in (False, True)
            )
            assert list(native) == [plain[0], {"a": 1}]

    def test_the_file_of_a_template_is_the_same_text_as_without_it(self, tmp_path):
        (tmp_path / "order.json").write_text(self.TEXTS["slashes of PHP"])
        plain, native = (
            render(one("order.json"), tmp_path, native=native, ds="2024-07-01").order
            for native in (False, True)
        )
        assert native == plain

    @pytest.mark.parametrize(
        "text", ["{{ order }}", "\n  {{ order }}  \n", "{% if order %}{{ order }}{% endif %}"]
    )
    def test_a_template_that_is_nothing_but_an_object_is_that_object(self, text):
        order = {"a": 1}
        assert render(one(text), native=True, order=order).order == order
        assert render(many([text]), native=True, order=order).orders == [order]

    def test_other_texts_of_an_operator_stay_texts_too(self):
        task = render(one({}, idempotency_key="20260101", adopt_job_id="1e5", zuora_conn_id="7"), native=True)
        assert (task.idempotency_key, task.adopt_job_id, task.zuora_conn_id) == ("20260101", "1e5", "7")

    @pytest.mark.parametrize("name", ["idempotency_key", "raw_idempotency_key", "adopt_job_id"])
    def test_a_number_that_a_template_made_is_named_and_nothing_is_sent(self, zuora, name):
        task = render(one(ORDER, **{name: "{{ 20260101 }}"}), native=True)
        with pytest.raises(PermanentError, match=f"{name}: must be a text, not of type int"):
            task.execute(CONTEXT)
        assert not zuora.posts()


class TestTemplateFiles:
    def test_a_path_with_marks_is_rendered_and_read_as_it_is(self, zuora, tmp_path):
        (tmp_path / "2024-07-01.json").write_text(json.dumps(ORDER | {"description": "{{ ds }}"}))
        for given in (f"{tmp_path}/{{{{ ds }}}}.json", tmp_path / "{{ ds }}.json"):
            render(one(given)).execute(CONTEXT)
        assert [order["description"] for order in zuora.ledger()["orders"]] == ["{{ ds }}"]

    @pytest.mark.parametrize(
        "name", ["idempotency_key", "raw_idempotency_key", "adopt_job_id", "zuora_conn_id"]
    )
    def test_only_the_order_is_read_from_a_file_and_a_key_that_is_called_like_it_stays(self, tmp_path, name):
        (tmp_path / "order.json").write_text(json.dumps(ORDER))
        for order in ("order.json", f"{tmp_path}/{{{{ ds }}}}.json", dict(ORDER)):
            task = render(one(order, **{name: "order.json"}), tmp_path, ds="order")
            assert getattr(task, name) == "order.json"
            assert task.template_fields == ZuoraCreateOrderOperator.template_fields
        assert render(one("order.json", **{name: "{{ ds }}.json"}), tmp_path, ds="a").order != "order.json"

    def test_one_that_is_not_there(self, tmp_path):
        with pytest.raises(PermanentError, match=r"order: there is no template file no\.json; Airflow looks"):
            render(one("no.json"), tmp_path)

    def test_one_that_is_not_utf_8(self, tmp_path):
        (tmp_path / "order.json").write_bytes(json.dumps(ORDER).encode("utf-16"))
        with pytest.raises(PermanentError, match="order: a template file is not UTF-8; save it as UTF-8"):
            render(one("order.json"), tmp_path)

    def test_an_error_holds_nothing_of_a_broken_template_file(self, tmp_path):
        (tmp_path / "order.json").write_bytes(f'{{"n": "\u00e9", "card": "{CARD}"}}'.encode("latin-1"))
        with pytest.raises(PermanentError) as caught:
            render(one("order.json"), tmp_path)
        assert caught.value.__context__ is None

    def test_a_text_that_only_ends_like_one_is_none(self, zuora):
        task = render(one(f'{{"cardNumber": "{CARD}", "file": "a.json'))
        assert CARD not in show(task)
        with pytest.raises(PermanentError, match="order: is no JSON: Unterminated string") as caught:
            task.execute(CONTEXT)
        assert CARD not in str(caught.value)


LEAKS = {
    "a mark": "\u200b{}".format,
    "Python": lambda text: repr((json.loads(text),)),
    "a comma": "{},".format,
    "a word before": "order = {}".format,
    "YAML": lambda _: f"cardNumber: {CARD}",
    "CSV": lambda _: f"Amy,{CARD},737,1/2030",
    "just it": lambda _: CARD,
    "a set": lambda text: {text},
    "an object": lambda _: SimpleNamespace(cardNumber=CARD),
    "in an object": lambda _: {"creditCard": SimpleNamespace(number=CARD)},
    "bytes": lambda text: text.encode() + b",",
    "a list of texts": lambda text: [text + ","],
}


@pytest.mark.parametrize("make", [one, many])
@pytest.mark.parametrize("form", LEAKS)
def test_what_is_neither_json_nor_a_path_is_shown_nowhere(zuora, make, form, caplog, capsys):
    task = render(make(Output(LEAKS[form](json.dumps(NEW_ACCOUNT)))))
    assert CARD not in show(task)
    context = CONTEXT | {"ti": Instance(try_number=1, max_tries=0)}
    if form == "a mark":
        return
    with pytest.raises(PermanentError) as caught:
        task.execute(context)
    assert CARD not in str(caught.value)
    assert CARD not in caplog.text + capsys.readouterr().out
    assert not zuora.posts()


class TestMasks:
    """Airflow masks the secrets of an order in its logs, by whichever door it came."""

    @pytest.fixture(autouse=True)
    def masked(self, monkeypatch):
        return record_masks(monkeypatch)

    def test_an_order_and_a_list_in_a_python_task(self, zuora, masked):
        for call in (ZuoraHook().create_order, lambda order: ZuoraHook().create_orders([order])):
            masked.clear()
            call(NEW_ACCOUNT)
            assert CARD in masked
            assert "737" in masked

    def test_a_preview(self, zuora, masked):
        with pytest.raises(PermanentError):
            ZuoraHook().preview_order({"creditCard": {"cardNumber": CARD}})
        assert masked.count(CARD) == 1

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_a_file_of_orders_and_of_one(self, zuora, tmp_path, masked, pack):
        (tmp_path / "orders.jsonl").write_bytes(pack(json.dumps(NEW_ACCOUNT).encode()))
        Task().run(str(tmp_path / "orders.jsonl"))
        assert CARD in masked
        masked.clear()
        render(one(tmp_path / "orders.jsonl")).execute(CONTEXT)
        assert CARD in masked

    def test_no_more_than_airflow_can_take_and_each_once(self, masked):
        cards = [{"cardNumber": f"{number:016}"} for number in range(MOST_MASKED + 5)]
        task = render(many(cards * 2))
        assert len(masked) == MOST_MASKED
        assert cards[-1]["cardNumber"] not in show(task), "it is hidden all the same"


class TestRefusedFile:
    @pytest.fixture
    def orders(self, tmp_path):
        path = tmp_path / "orders.jsonl"
        path.write_text("".join(json.dumps(ORDER | {"orderNumber": f"O-{n}"}) + "\n" for n in (1, 2)))
        return path

    def refuse(self, zuora, number):
        body = json.dumps({"success": False, "reasons": [{"code": 53200020, "message": "no"}]}).encode()
        zuora.fault(**POST, when="instead", contains=f'"{number}"', status=400, body=body)

    @pytest.mark.parametrize(
        "name", ["{}/orders.jsonl", "file://{}/./orders.jsonl", "{}/orders.jsonl/", "{}/link"]
    )
    def test_it_is_not_the_file_of_the_orders_under_another_name(self, zuora, orders, name):
        (orders.parent / "link").hardlink_to(orders)
        before = orders.read_bytes()
        refused = name.format(orders.parent)
        for given in (str(orders), orders):
            with pytest.raises(PermanentError, match="refused_path: must not be the file of the orders"):
                Task().run(given, refused_path=refused)
        assert not zuora.ledger()["recent"]
        assert orders.read_bytes() == before

    def test_a_path_object_will_do(self, zuora, orders):
        self.refuse(zuora, "O-2")
        Task().run(orders, refused_path=orders.parent / "refused.jsonl", on_refusal="skip")
        assert "O-2" in (orders.parent / "refused.jsonl").read_text()

    @pytest.mark.parametrize("nonsense", [5, ["a"], True, 0, [], " ", "a.jsonl\n"])
    def test_what_is_no_path(self, zuora, nonsense):
        with pytest.raises(
            PermanentError, match=r"refused_path: must be a path(, not of type| without white)"
        ):
            Task().run([ORDER], refused_path=nonsense)
        assert not zuora.ledger()["recent"]

    @pytest.mark.parametrize(("on_refusal", "kind"), [("skip", TransientError), ("fail", PermanentError)])
    def test_where_it_cannot_be_written_at_the_end_no_order_is_lost(self, zuora, orders, on_refusal, kind):
        self.refuse(zuora, "O-2")
        folder = orders.parent / "gone"
        folder.mkdir()
        task = Task()
        remove = zuora.sandbox.handle

        def handle(*args, **kwargs):
            if folder.is_dir():
                (folder / "refused.jsonl").unlink()
                folder.rmdir()
            return remove(*args, **kwargs)

        zuora.sandbox.handle = handle
        with pytest.raises(kind, match=r"refused_path: .* could not be written"):
            task.run(str(orders), refused_path=str(folder / "refused.jsonl"), on_refusal=on_refusal)
        assert task.states == ["submitted", "refused"]


class TestLimits:
    ITEM = {"itemName": "x", "itemType": "Fee", "quantity": 1, "amountPerUnit": 1}  # noqa: RUF012
    BIG = ORDER | {"orderLineItems": [ITEM] * 101}

    def test_more_than_zuora_publishes_is_a_warning_and_zuoras_to_refuse(self, zuora, capsys):
        with pytest.raises(PermanentError, match="101 orderLineItems; 100 are allowed"):
            one(self.BIG)().execute(CONTEXT)
        assert (
            "$.orderLineItems: at most 100 order line items in one order, this has 101"
            in capsys.readouterr().out
        )

    def test_the_connection_can_raise_them_and_then_they_hold(self, zuora, capsys, monkeypatch):
        limits = {"order_limits": {"orderLineItems": 101}}
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra=limits))
        with pytest.raises(PermanentError, match="101 orderLineItems; 100 are allowed"):
            one(self.BIG)().execute(CONTEXT)
        assert "at most" not in capsys.readouterr().out
        more = self.BIG | {"orderLineItems": self.BIG["orderLineItems"] * 2}
        preview = ZuoraPreviewOrderOperator(task_id="preview", order=more)
        for task in (one(more)(), preview):
            with pytest.raises(PermanentError, match=r"\$\.orderLineItems: at most 101 .* this has 202"):
                task.execute(CONTEXT | {"ti": Instance(try_number=1, max_tries=0)})
        with pytest.raises(PermanentError, match=r"orders\[1\]: \$\.orderLineItems: at most 101"):
            ZuoraHook().create_orders([ORDER, more])
        assert len(zuora.posts()) == 1

    def test_a_connection_with_limits_that_are_none(self, zuora, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", zuora.connection(extra={"order_limits": "many"}))
        with pytest.raises(
            PermanentError, match="order_limits: must be a whole number above 0, or an object"
        ):
            one(ORDER)().execute(CONTEXT)
