"""docs/support.md: the table of versions is what ran, with the constraints and the floors that are here."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from tests.matrix.results import BEGIN, END, PAGE, PYTHONS, ROWS, make_table, read

ROOT = Path(__file__).parents[1]


def pinned(name, package="apache-airflow"):
    lines = (ROOT / "constraints" / f"airflow-{name}.txt").read_text().lower().replace("_", "-").splitlines()
    [found] = [line.partition("==")[2] for line in lines if line.startswith(f"{package}==")]
    return found


def test_the_table_is_what_ran():
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    assert shown == make_table(read())


def test_each_airflow_ran_with_its_constraints_and_nothing_failed():
    rows = read()

    assert {name.partition("-")[0] for name in rows} == set(PYTHONS)
    assert {row.airflow for row in rows.values()} == {pinned(name) for name in PYTHONS}
    assert [name for name, row in rows.items() if row.failed or not row.tests or not row.runs] == []
    assert all(row.python.startswith(name.partition("-py")[2] + ".") for name, row in rows.items())


def test_each_constraints_file_has_its_rows():
    files = {path.stem.removeprefix("airflow-") for path in (ROOT / "constraints").glob("airflow-*.txt")}

    assert files == set(PYTHONS)
    assert len(ROWS) == len(set(ROWS))


def test_each_python_that_is_promised_was_tried_on_the_newest_airflow():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = {found[1] for each in classifiers if (found := re.search(r":: (3\.\d+)$", each))}

    assert promised <= {name.partition("-py")[2] for name in read() if name.startswith("3.3")}


def test_this_environment_is_that_of_its_constraints():
    assert version("apache-airflow") in {pinned(name) for name in PYTHONS}
