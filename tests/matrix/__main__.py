"""`python -m tests.matrix [ROW ...]`: all tests on each Airflow and Python, and what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.matrix.results import ROOT, ROWS, Row, make_table, read, write

VERSIONS = "import platform, airflow; print(airflow.__version__, platform.python_version())"


def run(*command: str, **env: str) -> bool:
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=ROOT, env=os.environ | env, check=False).returncode == 0


def count(report: Path) -> tuple[int, int]:
    """Return how many tests passed and how many did not; a run without a report is one that did not."""
    if not report.exists():
        return 0, 1
    [suite] = ET.parse(report).getroot().iter("testsuite")
    tests, bad, skipped = (
        sum(int(suite.get(name, 0)) for name in names)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return tests - bad - skipped, bad


def is_there(version: str) -> bool:
    """Return whether the Makefile finds such a Python."""
    for python in (f"python{version}", *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        with suppress(OSError):
            if (
                subprocess.run(
                    [python, "-c", "import ensurepip"], capture_output=True, check=False
                ).returncode
                == 0
            ):
                return True
    return False


def run_row(name: str, place: Path) -> Row | None:
    """Run one row, None where there is no such Python."""
    if not is_there(name.partition("-py")[2]):
        return None
    if not run("make", "--no-print-directory", f"env-{name}"):
        raise SystemExit(f"{name}: its environment cannot be made")
    python = ROOT / f".venv-{name}" / "bin" / "python"
    home = {"AIRFLOW_HOME": str(place / "home")}
    said = subprocess.run(
        [python, "-c", VERSIONS], env=os.environ | home, text=True, stdout=-1, check=True
    ).stdout
    airflow, version = said.split()[-2:]
    units, real = place / "units.xml", place / "real.xml"
    run("make", "--no-print-directory", f"test-on-{name}", f"REPORT={units}")
    run(sys.executable, "-m", "pytest", "tests/matrix", f"--junit-xml={real}", MATRIX_PYTHON=str(python))
    (tests, failed), (runs, broken) = count(units), count(real)
    return Row(name, airflow, version, tests, runs, failed + broken, datetime.now(UTC).date().isoformat())


def main(names: list[str]) -> int:
    if unknown := set(names) - set(ROWS):
        print(f"no row: {', '.join(sorted(unknown))}; the rows are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    found: dict[str, Row] = {}
    for name in names or ROWS:
        with tempfile.TemporaryDirectory() as place:
            if row := run_row(name, Path(place)):
                found[name] = row
                write(read() | {name: row})  # others may have written theirs meanwhile
    print(make_table(found))
    missing = [name for name in names or ROWS if name not in found]
    print(*(f"not run, there is no such Python here: {name}" for name in missing), sep="\n")
    return 1 if any(row.failed for row in found.values()) or set(missing) & set(names) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
