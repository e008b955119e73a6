"""What README and docs show is executed, and what they count is counted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.get_provider_info import get_provider_info

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "sandbox" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_that_is_shown_runs(block, zuora, tmp_path):
    code = tmp_path / "shown.py"
    code.write_text(block)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr


def test_the_readme_shows_python():
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))

    assert {"demo", "test"} <= named <= targets


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
