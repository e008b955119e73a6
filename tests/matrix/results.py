"""What `make matrix` has run, and the table of it in docs/support.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILE = HERE / "results.json"
PAGE = ROOT / "docs" / "support.md"
BEGIN, END = "<!-- written by `make matrix` -->\n", "<!-- until here -->\n"

# Which Pythons each Airflow runs on, of those that we take.
PYTHONS = {
    "lowest": ("3.11",),
    "2.11": ("3.11", "3.12"),
    "3.0": ("3.11", "3.12"),
    "3.1": ("3.11", "3.12", "3.13"),
    "3.2": ("3.11", "3.12", "3.13", "3.14"),
    "3.3": ("3.11", "3.12", "3.13", "3.14"),
}
ROWS = tuple(f"{airflow}-py{python}" for airflow, pythons in PYTHONS.items() for python in pythons)


@dataclass(frozen=True)
class Row:
    """
    One Airflow on one Python.

    :param tests: how many tests passed without a real Airflow, and ``runs`` how many on one.
    :param failed: how many of both did not.
    """

    name: str
    airflow: str
    python: str
    tests: int
    runs: int
    failed: int
    date: str

    @property
    def cells(self) -> tuple[str, ...]:
        """How the table shows it."""
        airflow = self.airflow + (", all else as old as we allow" if self.name.startswith("lowest") else "")
        failed = f"**{self.failed} failed**" if self.failed else "all"
        return airflow, self.python, f"{self.tests:,}", f"{self.runs}", failed, self.date


def read() -> dict[str, Row]:
    """Return the row of each name, as it was run last, in the order of `ROWS`."""
    found = {name: Row(name, **row) for name, row in json.loads(FILE.read_text()).items()}
    return {name: found[name] for name in ROWS if name in found}


def write(rows: dict[str, Row]) -> None:
    """Keep rows, and show them in the docs."""
    kept = {
        name: {k: v for k, v in asdict(rows[name]).items() if k != "name"} for name in ROWS if name in rows
    }
    FILE.write_text(json.dumps(kept, indent=1) + "\n")
    old = PAGE.read_text()
    PAGE.write_text(
        re.sub(f"(?s)(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", lambda _: make_table(rows), old)
    )


def list_untried(rows: dict[str, Row], promised: Iterable[str]) -> list[str]:
    """
    Return what keeps a release from being made: an Airflow, or a promised Python, that nothing was run on.

    :param promised: the Pythons of the package's classifiers.
    """
    tried = {tuple(name.split("-py")) for name, row in rows.items() if not row.failed}
    others = {airflow for airflow, _ in tried}
    missing = [f"Airflow {airflow}" for airflow in PYTHONS if airflow not in others]
    newest = list(PYTHONS)[-1]
    missing += [f"Python {python}" for python in promised if (newest, python) not in tried]
    return [f"{each} has no green row in tests/matrix/results.json: make matrix" for each in missing]


def make_table(rows: dict[str, Row]) -> str:
    """Return the table of the docs."""
    head = ("Airflow", "Python", "tests without a real Airflow", "on one", "passed", "last run")
    not_run = ("", "", "", "not run")
    cells = (rows[name].cells if name in rows else (*_titles(name), *not_run) for name in ROWS)
    lines = [head, ("---",) * len(head), *cells]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _titles(name: str) -> tuple[str, str]:
    """How the table shows which Airflow and which Python a row is of that was not run."""
    airflow, _, python = name.partition("-py")
    return airflow, python
