"""What docs/sandbox.md shows can be run, and its tables name what there is."""

import re
import shlex
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
    Request,
    Sandbox,
    Settings,
)
from zuora_sandbox.__main__ import make_parser
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


PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
STEERING = [
    each
    for page in PAGES
    for pattern in (
        r"/sandbox/([\w-]+)\s+-d\s+'(\{.*?\})'",
        r"(?m)^\| `POST /sandbox/([\w-]+)` \|[^|]*?`(\{[^`]*\})`",
        r"(?m)^\| `POST /sandbox/([\w-]+)` \|[^|]*? or `(\{[^`]*\})`",
    )
    for each in re.findall(pattern, page.read_text("utf-8"))
]


def test_what_steers_it_in_any_page_is_accepted():
    assert {"settings", "faults", "clock", "exportable"} <= {name for name, _ in STEERING}
    for name, body in STEERING:
        request = Request("POST", f"/sandbox/{name}", body=body.encode())
        assert Sandbox().handle(request).status == 200, (name, body)


def test_each_command_line_in_any_page_is_one():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    found = re.findall(r"[$`] ?zuora-sandbox (--?[^\n`]*(?:\n[^\n`]+(?=`))?)", text)
    assert len(found) >= 4
    for options in found:
        given = vars(make_parser().parse_args(shlex.split(options)))
        settings = {each.name: given[each.name] for each in fields(Settings) if each.name in given}
        assert Settings(**settings)


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
