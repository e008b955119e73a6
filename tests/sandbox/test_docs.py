"""What docs/sandbox.md shows can be run, and its tables name what there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from zuora_sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    BillRunScript,
    Fault,
    OrderScript,
    PaymentRunScript,
    QueryScript,
    Receivable,
)
from zuora_sandbox.control import ACTIONS
from zuora_sandbox.endpoints import ROUTES
from zuora_sandbox.jobs import DIRECTIVES
from zuora_sandbox.settings import CHOICES

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys):
    first, *others = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for block in (*others, first):
        exec(compile(block, "docs/sandbox.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "[]"


SCRIPTS = (OrderScript, QueryScript, BillRunScript, PaymentRunScript, Receivable)
NAMED = [
    *ROUTES,
    *(f"/sandbox/{name}" for name in ACTIONS),
    *(f"| `{name}" for name in DIRECTIVES),
    *(each.name for each in fields(Fault)),
    *(name for name in CHOICES),
    *(f"`{each.name}`" for kind in SCRIPTS for each in fields(kind)),
    CLIENT_ID,
    CLIENT_SECRET,
]


@pytest.mark.parametrize("name", NAMED)
def test_the_page_names_it(name):
    assert name in PAGE
