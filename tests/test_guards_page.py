"""What docs/guards.md shows is what happens: the commands of the page are run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from airflow_provider_zuora.exceptions import GuardRefusedError, PermanentError
from airflow_provider_zuora.guards import OrderGuard
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.orders import ZuoraCreateOrdersOperator
from tests.conftest import ORDER

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "example_dags"
PAGE = (ROOT / "docs" / "guards.md").read_text("utf-8")
SECTION = PAGE.partition("\n## From a guard to the books\n")[2].partition("\n## ")[0]
SAID = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
SHOWN = re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)


def find_in_order(shown, text):
    """Assert that lines of the page stand in a text, in their order; each … stands for something."""
    for line in shown:
        found = re.search(".*?".join(map(re.escape, line.split("…"))), text)
        assert found, f"{line!r} is not there, in its turn:\n{text[-9000:]}"
        text = text[found.end() :]


def test_each_piece_of_the_example_stands_in_it():
    example = (EXAMPLES / "zuora_orders_reconciled.py").read_text("utf-8")
    pieces = re.findall(r"^\| `(.+?)` \|", SECTION, re.MULTILINE)
    assert len(pieces) == 5
    assert [piece for piece in pieces if piece not in example] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("airflow_database")
def test_the_guard_lets_five_orders_pass_and_not_eleven_as_the_page_says(tmp_path):
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    own = {"AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES), "PATH": path, "PYTHONPATH": str(ROOT)}
    own["COLUMNS"] = "500"  # Airflow 3.0 breaks what it shows of an error at the terminal's width
    commands = [part for block in SHOWN for part in block.removeprefix("$ ").split("\n$ ")]
    assert len(commands) == 5
    for part in commands:
        command, *shown = part.splitlines()
        if setting := re.fullmatch(r'export (\w+)="(.*)"', command):
            own[setting[1]] = setting[2].replace("$PWD", str(tmp_path))
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        find_in_order(shown, done.stdout + done.stderr)


def test_a_list_that_comes_to_a_cent_too_much_is_refused_in_the_words_of_the_page(zuora):
    zuora.sandbox.change_settings(accounts={"A00000097": "USD"}, job_seconds=0)
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 10000.01}
    order = {name: value for name, value in ORDER.items() if name != "subscriptions"}
    guard = OrderGuard(max_amount="10000.00", currency="USD")
    with pytest.raises(GuardRefusedError) as caught:
        ZuoraHook(guard=guard).create_orders([order | {"orderLineItems": [item]}], idempotency_key="own")
    assert str(caught.value) == SAID[0]


def test_a_limit_that_renders_to_nothing_is_an_error_of_the_dag_and_no_refusal_of_a_guard(zuora):
    guard = OrderGuard(max_orders="{{ nothing }}")
    operator = ZuoraCreateOrdersOperator(task_id="t", orders=[ORDER], guard=guard)
    operator.render_template_fields({}, jinja2.sandbox.SandboxedEnvironment())
    with pytest.raises(PermanentError) as caught:
        operator.execute({})
    assert type(caught.value) is PermanentError
    assert str(caught.value) == SAID[1]
    assert zuora.ledger()["orders"] == []
