"""
A real Airflow whose database is a MariaDB of the test's own, on loopback.

`make mysql-test` runs these; without MYSQL_PYTHON, its environment's interpreter, there is nothing to run.
"""

import getpass
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.processes import Process, free_ports, wait_for
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack

PYTHON = os.environ.get("MYSQL_PYTHON", "")
collect_ignore_glob = [] if PYTHON else ["test_*.py"]
# Longer than a worker needs for a list, so that the sensor defers. A flame takes four bytes.
SANDBOX = ("--job-seconds", "60")
WORDS = "Not effective. " + "\N{FIRE}" * 100


@dataclass(frozen=True)
class MariaDb:
    """A server with one database, in a directory of its own."""

    place: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"mysql+mysqldb://airflow:{self.password}@127.0.0.1:{self.port}/airflow"

    def ask(self, statement: str) -> list[str]:
        """Return the lines that a statement answers."""
        command = ["mariadb", "--no-defaults", f"--socket={self.place}/socket", "--user=root", "-BN"]
        done = subprocess.run(
            command, input=statement, text=True, capture_output=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    def is_up(self) -> bool:
        try:
            return self.ask("SELECT 1") == ["1"]
        except subprocess.CalledProcessError:
            return False


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mysql")


@pytest.fixture(scope="session")
def database(place):
    data, user = place / "data", f"--user={getpass.getuser()}"
    root = "--auth-root-authentication-method=normal"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", user, f"--datadir={data}", root],
        check=True,
        capture_output=True,
    )
    [port] = free_ports(1)
    server = Process(
        [
            shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or "mariadbd",
            "--no-defaults",
            user,
            f"--datadir={data}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={place}/socket",
            f"--pid-file={place}/pid",
            "--character-set-server=utf8mb4",
        ],
        env=os.environ,
        cwd=place,
        log=place / "mariadb.log",
    )
    try:
        found = MariaDb(place, port, secrets.token_hex(8))
        wait_for("MariaDB", found.is_up, 60)
        found.ask(
            f"CREATE DATABASE airflow; CREATE USER airflow@localhost IDENTIFIED BY '{found.password}';"
            "GRANT ALL ON airflow.* TO airflow@localhost;"
        )
        yield found
    finally:
        server.stop(grace=10)


@pytest.fixture(scope="session")
def zuora(place):
    with ServedSandbox(place / "zuora.log", *SANDBOX) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def refusing_zuora(place):
    with ServedSandbox(place / "refusing.log", *SANDBOX, "--fail-jobs", f"[40000020]: {WORDS}") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def airflow(place, database, zuora, refusing_zuora):
    # Airflow 3.3's scheduler ends when it cleans up assets there: MariaDB has no such DELETE. MySQL has.
    config = {"database__sql_alchemy_conn": database.url, "scheduler__parsing_cleanup_interval": "86400"}
    dags = Path(__file__).parent / "dags"
    with AirflowStack(place / "airflow", dags, config=config, python=Path(PYTHON)) as stack:
        stack.cli(*zuora.connection())
        stack.cli(*refusing_zuora.connection("zuora_refusing"))
        yield stack
