"""docs/support.md: the table of versions is what ran, with the constraints and the floors that are here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from tests.matrix.results import BEGIN, END, PAGE, PYTHONS, ROWS, Row, list_untried, make_table, read

ROOT = Path(__file__).parents[1]


def pinned(name, package="apache-airflow"):
    lines = (ROOT / "constraints" / f"airflow-{name}.txt").read_text().lower().replace("_", "-").splitlines()
    [found] = [line.partition("==")[2] for line in lines if line.startswith(f"{package}==")]
    return found


def test_the_table_is_what_ran():
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    assert shown == make_table(read())


def test_each_airflow_that_ran_had_its_constraints_and_nothing_failed():
    rows = read()

    assert {row.airflow for row in rows.values()} <= {pinned(name) for name in PYTHONS}
    assert [name for name, row in rows.items() if row.failed or not row.tests or not row.runs] == []
    assert all(row.python.startswith(name.partition("-py")[2] + ".") for name, row in rows.items())


def test_each_constraints_file_has_its_rows():
    files = {path.stem.removeprefix("airflow-") for path in (ROOT / "constraints").glob("airflow-*.txt")}

    assert files == set(PYTHONS)
    assert len(ROWS) == len(set(ROWS))


def make_rows(*names, failed=0):
    return {name: Row(name, "3.9.9", "3.9.9", 1, 1, failed, "2026-11-30") for name in names}


def test_what_was_not_run_is_in_the_table_too():
    table = make_table(make_rows("3.3-py3.11"))

    assert len(table.strip().splitlines()) == 2 + len(ROWS)
    assert "| 3.3 | 3.12 |  |  |  | not run |" in table


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        (make_rows("lowest-py3.11", *(f"{name}-py3.11" for name in PYTHONS)), ["Python 3.12"]),
        (make_rows(*ROWS), []),
        (make_rows("3.3-py3.11", "3.3-py3.12"), [f"Airflow {name}" for name in list(PYTHONS)[:-1]]),
        (make_rows(*ROWS) | make_rows("3.3-py3.12", failed=1), ["Python 3.12"]),
    ],
    ids=["one Python", "all", "one Airflow", "a failed row"],
)
def test_a_release_needs_a_green_row_of_each_airflow_and_of_each_promised_python(rows, missing):
    assert [each.partition(" has no ")[0] for each in list_untried(rows, ["3.11", "3.12"])] == missing


def test_this_environment_is_that_of_its_constraints():
    assert version("apache-airflow") in {pinned(name) for name in PYTHONS}
