"""The example of docs/testing.md, copied into an empty project, passes: under pytest and pytest-xdist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FILES = sorted((DOCS / "examples" / "testing").rglob("*.py"))
NAMES = [str(path.relative_to(DOCS / "examples" / "testing")) for path in FILES]
BLOCKS = re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", (DOCS / "testing.md").read_text(), re.DOTALL)
# As for a user: no setting of ours.
OURS = ("AIRFLOW", "COV", "PYTEST")


def test_the_page_shows_the_files():
    shown = dict(
        re.findall(r"```python\n\"\"\"(.*?)\"\"\"(.*?)```", (DOCS / "testing.md").read_text(), re.DOTALL)
    )
    assert {f'"""{first}"""{rest}' for first, rest in shown.items()} == {path.read_text() for path in FILES}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["pytest", "xdist"])
def test_its_example_passes_where_it_is_copied_to(tmp_path, options):
    if options:
        pytest.importorskip("xdist")
    for name, path in zip(NAMES, FILES, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(path.read_text())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "pytest", "-q", *options]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=800, check=False
    )

    assert re.search(r"^12 passed", done.stdout, re.MULTILINE), done.stdout[-9000:] + done.stderr[-2000:]
