"""Submit and wait as in a hardened pod: read-only root, any uid, no home, no place to write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.airflow_versions import AIRFLOW
from tests.conftest import ORDER

ROOT = Path(__file__).parents[2]
UID = 54_321  # nobody's
# In a mount namespace of its own, every mount that can be is made read-only; then the user changes.
NOTHING_TO_WRITE = """
set -e
cut -d' ' -f2 /proc/self/mounts | while read -r place; do
    case "$place" in /proc*|/sys*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
exec setpriv --reuid "$1" --regid 0 --clear-groups -- "$2" -B -m tests.hooks.read_only_root "$3"
"""


def run_where_nothing_can_be_written(environment):
    command = ["unshare", "--mount", "sh", "-c", NOTHING_TO_WRITE, "sh", str(UID), sys.executable]
    return subprocess.run(
        [*command, json.dumps(ORDER)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def environment(zuora):
    """Yield a worker's: Airflow's home is in the image, and read-only too."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("only root makes a mount namespace and becomes another user, by unshare and setpriv")
    tried = ["unshare", "--mount", "setpriv", "--reuid", str(UID), "--regid", "0", "--clear-groups"]
    done = subprocess.run(
        [*tried, sys.executable, "-c", "import sys"], capture_output=True, check=False, cwd=ROOT
    )
    if done.returncode:
        pytest.skip(f"another user cannot run this interpreter in a namespace: {done.stderr[-200:]!r}")
    home = Path(tempfile.mkdtemp())  # pytest keeps its own to itself
    home.chmod(0o755)
    (home / "airflow.cfg").write_text("[core]\nload_examples = False\n")
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    yield kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_ZUORA_DEFAULT": zuora.connection(),
        # Airflow 3 itself asks for a temporary directory where this is not set.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/airflow.db",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "sandbox"))),
    }
    shutil.rmtree(home)


@pytest.mark.skipif(
    AIRFLOW < (3, 2),
    reason="Airflow 2 itself makes directories for logs when it is imported; dill, that 3.0 and 3.1 "
    "import, asks for a temporary one",
)
def test_submit_and_wait_succeed_where_nothing_can_be_written(zuora, environment):
    done = run_where_nothing_can_be_written(environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "uid": UID,
        "has_name": False,
        "has_home": False,
        "writable": [],
        "temporary": "",
        "result": ORDER["orderNumber"],
        "trigger": "Completed",
    }
    assert len(zuora.posts()) == 1
    assert zuora.ledger()["signIns"] == 1
    told = done.stdout + done.stderr
    assert told.count("The token cannot be shared, each process signs in for itself") == 1
    assert "Traceback" not in told
