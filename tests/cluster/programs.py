"""The programs of Debian's that the cluster needs, and how they are started in a directory of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from demo.processes import StackError

INSTALL = (
    "{} not found. `make cluster-test` needs the servers of PostgreSQL and Redis:\n"
    "    apt-get install --no-install-recommends postgresql redis-server\n"
    "It starts its own in .cluster/, on 127.0.0.1; what the system runs is not used and may be off."
)
POSTGRES = ("postgres", "initdb", "pg_ctl")
USER = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this user


def find_programs() -> dict[str, str]:
    """
    Return the paths of all programs, by name.

    :raises StackError: if one is missing, with what is to be installed.
    """
    # Debian keeps PostgreSQL's out of the PATH, a folder for each version.
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name))
    path = os.pathsep.join([*map(str, reversed(places)), os.environ.get("PATH", os.defpath)])
    found = {name: shutil.which(name, path=path) for name in (*POSTGRES, "redis-server")}
    if missing := [name for name, place in found.items() if place is None]:
        raise StackError(INSTALL.format(", ".join(missing)))
    return {name: place for name, place in found.items() if place is not None}


def as_postgres(*command: str) -> list[str]:
    """Return a command that runs as a user whom PostgreSQL takes: us, or `USER` if we are root."""
    lower = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
    return [*(lower if os.geteuid() == 0 else []), *command]


def make_database_folder(programs: dict[str, str], folder: Path) -> None:
    """
    Make PostgreSQL's files.

    :raises StackError: if it cannot, with its words.
    """
    folder.mkdir()
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(USER)
        except KeyError as error:
            raise StackError(f"There is no user {USER}, and PostgreSQL does not run as root.") from error
        shutil.chown(folder, USER, USER)
    command = [programs["initdb"], "-D", str(folder), "-A", "trust", "-U", "airflow", "-E", "UTF8"]
    done = subprocess.run(as_postgres(*command), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        words = f"initdb ended with {done.returncode}; can {USER} reach {folder}?"
        raise StackError(f"{words}\n{done.stdout}{done.stderr}")


def make_postgres_command(programs: dict[str, str], folder: Path, port: int) -> list[str]:
    """Return the command that serves a database on 127.0.0.1."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "max_connections": 300,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return as_postgres(programs["postgres"], "-D", str(folder), *options)


def make_redis_command(programs: dict[str, str], folder: Path, port: int) -> list[str]:
    """Return the command that serves Redis on 127.0.0.1, and keeps nothing."""
    options = {"bind": "127.0.0.1", "port": port, "dir": folder, "save": "", "appendonly": "no"}
    return [programs["redis-server"], *_list_options(options)]


def _list_options(options: dict[str, object]) -> Iterator[str]:
    for name, value in options.items():
        yield from (f"--{name}", str(value))


def end_leftover_database(programs: dict[str, str], folder: Path) -> None:
    """End the server of an earlier run that was killed: its id is in its folder, and nowhere else."""
    if (folder / "postmaster.pid").exists():
        command = [programs["pg_ctl"], "stop", "-D", str(folder), "-m", "immediate"]
        subprocess.run(as_postgres(*command), cwd="/", capture_output=True, check=False)
