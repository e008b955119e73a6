"""README's "Try it without Zuora", block by block, in an empty environment: its log is what README says."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_zuora import __version__
from tests.test_wheel import CHECKOUT, CONSTRAINTS, OURS, build

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(1800)]


def read_blocks(file, heading):
    """Return the blocks of code of a section, each as its language and its text."""
    section = file.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def write_script(blocks):
    """Return what a reader does: run the commands, and save the Python where its first line says."""
    steps = ["set -eu"]
    for language, text in blocks:
        if language == "bash":
            steps.append(text)
        elif language == "python":
            steps.append(f"cat > {text.partition(chr(10))[0].removeprefix('# ')} <<'END'\n{text}END")
    return "\n".join(steps)


@pytest.fixture
def environment(tmp_path):
    """Return a user's environment, whose package index has both of our distributions, too."""
    wheels = tmp_path / "wheels"
    for number, project in enumerate((CHECKOUT, CHECKOUT / "sandbox")):
        built = build(project, wheels / str(number))
        built.rename(wheels / built.name)
    pins = [f"{name}=={__version__}" for name in ("airflow-provider-zuora", "zuora-sandbox")]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join((CONSTRAINTS.read_text(), *pins)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join((str(Path(sys._base_executable).parent), kept["PATH"])),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_FIND_LINKS": f"{wheels} {kept.get('PIP_FIND_LINKS', '')}",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_QUIET": "1",
    }


@pytest.mark.parametrize(
    ("page", "heading"),
    [("README.md", "Try it without Zuora"), ("docs/get-started.md", "Try it without Zuora")],
)
def test_the_blocks_are_those_that_are_replayed(page, heading):
    kinds = [kind for kind, _ in read_blocks(CHECKOUT / page, heading)]
    assert kinds == ["bash", "python", "bash", "text"]
    assert read_blocks(CHECKOUT / page, heading) == read_blocks(
        CHECKOUT / "README.md", "Try it without Zuora"
    )


def test_the_quick_start_makes_an_order(environment, tmp_path):
    blocks = read_blocks(CHECKOUT / "README.md", "Try it without Zuora")
    place = tmp_path / "user"
    place.mkdir()
    script = write_script(blocks)
    run = ["bash", "-c", script]
    done = subprocess.run(
        run, cwd=place, env=environment, capture_output=True, text=True, timeout=1700, check=False
    )

    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-9000:]
    [expected] = [text for language, text in blocks if language == "text"]
    rest = log
    for line in expected.splitlines():
        found = re.search(".+".join(re.escape(part) for part in line.split("\u2026")), rest)
        assert found, f"{line!r} is not in the log, in its turn:\n{log[-9000:]}"
        rest = rest[found.end() :]
    installed = next(place.rglob("site-packages/airflow_provider_zuora/get_provider_info.py"))
    ours = CHECKOUT / "airflow_provider_zuora" / "get_provider_info.py"
    assert filecmp.cmp(installed, ours, shallow=False), "pip has found another package of this name"
