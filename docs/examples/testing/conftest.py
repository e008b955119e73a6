"""An Airflow for tests alone, in a directory of its own, so that pytest-xdist's workers do not share one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HOME = tempfile.TemporaryDirectory(prefix="airflow-")
# Airflow reads these when it is first imported.
os.environ["AIRFLOW_HOME"] = HOME.name
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(__file__).parent / "dags")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


@pytest.fixture(scope="session")
def airflow_database():
    """Make the tables that dag.test() needs: about ten seconds, once for each worker."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
