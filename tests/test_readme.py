"""What README and docs show is executed, and what they count is counted."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import fold_status
from airflow_provider_zuora.get_provider_info import get_provider_info
from airflow_provider_zuora.hooks.data_query import MAX_SECONDS
from airflow_provider_zuora.operators.data_query import ZuoraDataQueryOperator
from airflow_provider_zuora.version_compat import SUPPORTS_TASKS_IN_TRIGGERER
from tests.airflow_versions import IS_AIRFLOW_2
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Settings

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "sandbox" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
EXAMPLES = {path.read_text() for path in (ROOT / "docs" / "examples").rglob("*.py")}  # see test_testing_page
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), 1)
    if block not in EXAMPLES
]

SDK = "airflow.providers.common.compat.sdk"


@pytest.mark.parametrize("zuora", [Settings(query_queue_seconds=0, query_seconds=0)], indirect=True)
@pytest.mark.parametrize("block", BLOCKS)
def test_python_that_is_shown_runs(block, zuora, tmp_path):
    code = tmp_path / "shown.py"
    # What a page tells users of Airflow 2 to write instead.
    code.write_text(block.replace("from airflow.sdk ", f"from {SDK} ") if IS_AIRFLOW_2 else block)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )

    if "_from_trigger=" in block and not SUPPORTS_TASKS_IN_TRIGGERER:
        assert "it needs 3.3 or later" in done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_the_readme_is_short_and_in_its_order():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 140
    assert re.findall("^## (.+)$", text, re.MULTILINE) == [
        "Requirements",
        "Install",
        "Try it without Zuora",
        "Use it with Zuora",
        "Modules",
        "What happens when ...",
        "Documentation",
        "Help, contributing, licence",
    ]


def test_the_dag_of_the_quick_start_has_at_most_12_lines():
    [dag] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = [line for line in dag.splitlines() if line and not line.startswith("#")]
    assert len(code) <= 12


def test_placeholders_look_like_placeholders():
    text = "\n".join(page.read_text() for page in PAGES)
    given = re.findall(r"--conn-(?:login|password) (\S+)", text)
    known = {CLIENT_ID, f"'{CLIENT_SECRET}'"}  # of the sandbox
    assert [word for word in given if not word.startswith("YOUR_") and word not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z-]+)[:%]", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))

    patterns = tuple(target for target in targets if target.endswith("-"))  # of what follows: test-on-3.1
    assert {"demo", "test"} <= named
    assert [name for name in named - targets if not name.startswith(patterns)] == []


@pytest.mark.parametrize(
    "described", get_provider_info()["connection-types"], ids=lambda each: each["hook-name"]
)
def test_every_field_of_the_form_is_explained(described):
    name = {"zuora": "connection.md", "elastic_path": "elastic-path.md"}[described["connection-type"]]
    page = (ROOT / "docs" / name).read_text()

    assert [name for name in described["conn-fields"] if f"| `{name}` |" not in page] == []


def test_every_environment_is_listed():
    page = (ROOT / "docs" / "connection.md").read_text()

    assert [
        name for name, url in VENDORS["zuora"].environments.items() if f"| {name} | `{url}` |" not in page
    ] == []


def read_rows(page, heading):
    """The cells of a table below a heading, without its first two lines."""
    _, _, below = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")
    lines = below.partition("\n## ")[0].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in row] for row in rows]


def words_in(cell):
    return {fold_status(word).replace("cancelled", "canceled") for word in re.findall(r"`([^`]+)`", cell)}


def test_every_kind_of_job_has_its_row_and_its_words():
    shown = {
        re.match(r"`([a-z-]*:|)", names)[1]: (words_in(good), words_in(bad))
        for names, _, good, bad in read_rows("waiting.md", "Which jobs there are")
    }
    in_code = {
        kind.prefix: tuple(
            {word.replace("cancelled", "canceled") for word, state in kind.states.items() if state is wanted}
            for wanted in (JobState.SUCCEEDED, JobState.FAILED)
        )
        for kind in VENDORS["zuora"].kinds.values()
    }
    assert shown == in_code


def test_every_option_of_a_data_query_is_explained_with_its_default():
    rows = {name.strip("`"): default for name, _, default in read_rows("data-query.md", "Options")}
    given = inspect.signature(ZuoraDataQueryOperator.__init__).parameters
    options = {
        name: each.default
        for name, each in given.items()
        if each.kind is each.KEYWORD_ONLY and name != "task_id"
    }

    assert list(rows) == list(options)
    told = {name: value for name, value in options.items() if isinstance(value, str) or value in (True, 1000)}
    assert {name: rows[name].strip("`") for name in told} == {n: str(value) for n, value in told.items()}
    assert rows["timeout"].startswith(f"{MAX_SECONDS / 3600} h")
