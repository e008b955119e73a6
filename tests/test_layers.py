"""The laws of the rooms (who may import whom), read from the source and tried in fresh interpreters."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_zuora"

# Left imports right, and nothing else of ours. A name with a dot and a star stands for a whole folder.
MAY_IMPORT = {
    "__init__": {"connection_form"},
    "connection_form": {"core.vendors.elastic_path", "core.vendors.zuora"},
    "operators": {
        "hooks",
        "order_files",
        "order_input",
        "triggers",
        "watching",
        "core.bulk",
        "core.ends",
        "core.errors",
        "core.jobs",
        "core.json_text",
        "core.masking",
        "core.options",
        "core.order_lines",
        "core.waiting",
    },
    "order_files": {"core.errors", "core.json_text"},
    "order_input": {"core.errors", "core.json_text", "core.order_lines", "hooks", "order_files"},
    "sensors": {
        "fewer_workers",
        "hooks",
        "triggers",
        "watching",
        "core.ends",
        "core.ids",
        "core.options",
        "core.verdicts",
        "core.waiting",
        "order_input",
    },
    "fewer_workers": {"comms"},
    "comms": set(),
    "watching": {"hooks", "triggers", "core.ends", "core.looks", "core.waiting"},
    "triggers": {"comms", "hooks", "core.ends", "core.errors", "core.ids", "core.verdicts", "core.waiting"},
    "hooks": {
        "accounts",
        "bulk",
        "connections",
        "connection_form",
        "core.bulk",
        "core.client",
        "core.ends",
        "core.errors",
        "core.exports",
        "core.jobs",
        "core.masking",
        "core.options",
        "core.order_limits",
        "core.plain",
        "core.submission",
        "core.vendors",
        "core.waiting",
        "core.wire",
        "downloads",
        "fetching",
        "tasks",
    },
    "bulk": {"accounts", "core.attempts", "core.bulk", "core.client", "core.wire"},
    "tasks": {"core.attempts", "core.keys"},
    "connections": {
        "accounts",
        "core.client",
        "core.errors",
        "core.jobs",
        "core.order_limits",
        "token_file",
        "transports",
    },
    "accounts": {
        "core.client",
        "core.errors",
        "core.jobs",
        "core.limits",
        "core.vendors",
        "core.wire",
        "gates",
        "pools",
        "readings",
        "sharing",
        "token_file",
        "transports",
    },
    "pools": {"gates", "transports"},
    "gates": {"core.limits", "core.wire", "transports"},
    "sharing": {"core.client", "core.wire", "private_files", "token_file"},
    "token_file": {"core.client", "core.jobs", "private_files"},
    "private_files": set(),
    "readings": set(),
    "downloads": {"core.errors", "fetching", "transports"},
    "fetching": {"core.checks", "core.errors", "transports"},
    "transports": {"", "core.errors", "core.wire"},
    "core.__init__": set(),
    "core.errors": set(),
    "core.checks": set(),
    "core.masking": set(),
    "core.wire": {"core.errors"},
    "core.plain": {"core.errors"},
    "core.orders": {"core.plain"},
    "core.jobs": {"core.checks", "core.errors", "core.wire"},
    "core.limits": {"core.errors", "core.wire"},
    "core.exchange": {"core.checks", "core.errors", "core.jobs", "core.limits", "core.wire"},
    "core.client": {"core.checks", "core.errors", "core.exchange", "core.jobs", "core.orders", "core.wire"},
    "core.keys": {"core.client", "core.plain", "core.wire"},
    "core.intents": {"core.errors", "core.jobs"},
    "core.lookup": {"core.client", "core.errors", "core.jobs", "core.wire"},
    "core.posting": {
        "core.client",
        "core.errors",
        "core.exchange",
        "core.intents",
        "core.jobs",
        "core.wire",
    },
    "core.attempts": {
        "core.client",
        "core.errors",
        "core.intents",
        "core.jobs",
        "core.keys",
        "core.lookup",
        "core.posting",
        "core.wire",
    },
    "core.submission": {
        "core.attempts",
        "core.checks",
        "core.client",
        "core.errors",
        "core.intents",
        "core.jobs",
        "core.keys",
        "core.orders",
        "core.wire",
    },
    "core.bulk": {
        "core.attempts",
        "core.checks",
        "core.client",
        "core.errors",
        "core.keys",
        "core.lookup",
        "core.order_lines",
        "core.orders",
        "core.submission",
        "core.wire",
    },
    "core.json_text": set(),
    "core.options": set(),
    "core.order_limits": {"core.errors", "core.plain"},
    "core.order_lines": {"core.errors", "core.json_text"},
    "core.ids": {"core.checks", "core.errors", "core.order_lines"},
    "core.ends": {"core.client", "core.errors", "core.ids", "core.jobs", "core.waiting", "core.wire"},
    "core.looks": {"core.client", "core.ends", "core.errors", "core.wire"},
    "core.verdicts": {"core.ends", "core.errors", "core.jobs"},
    "core.waiting": {"core.client", "core.errors", "core.exchange", "core.jobs", "core.wire"},
    "core.exports": {"core.checks", "core.client", "core.errors", "core.exchange", "core.wire"},
    "core.vendors.__init__": {"core.jobs", "core.vendors.elastic_path", "core.vendors.zuora"},
    "core.vendors.elastic_path": {
        "core.errors",
        "core.jobs",
        "core.vendors.bodies",
        "core.vendors.elastic_path_answers",
        "core.wire",
    },
    "core.vendors.elastic_path_answers": {"core.errors", "core.jobs", "core.vendors.bodies", "core.wire"},
    "core.vendors.zuora": {
        "core.errors",
        "core.jobs",
        "core.vendors.zuora_answers",
        "core.vendors.zuora_orders",
        "core.wire",
    },
    "core.vendors.zuora_orders": {"core.errors", "core.jobs", "core.masking", "core.plain", "core.wire"},
    "core.vendors.zuora_answers": {"core.errors", "core.jobs", "core.vendors.bodies", "core.wire"},
    "core.vendors.bodies": {"core.errors", "core.jobs", "core.wire"},
}
# comms speaks for triggers to their triggerer: what only Airflow 3.3 knows stands there, and nowhere else.
AIRFLOW = {"hooks", "operators", "order_files", "order_input", "sensors", "triggers", "links", "comms"}
SOCKETS = {
    "transports": {"aiohttp", "requests", "urllib.request", "yarl"},
    # A file's host is not the vendor's: what is said to the one must not be said to the other.
    "fetching": {"requests", "socket", "urllib3"},
    "sandbox.server": {"aiohttp", "socket"},
}
NETWORK = {"aiohttp", "requests", "httpx", "urllib3", "socket", "http.client", "urllib.request", "yarl"}


def rooms() -> dict[str, Path]:
    folder = ROOT / PACKAGE
    return {".".join(path.relative_to(folder).with_suffix("").parts): path for path in folder.rglob("*.py")}


def imports(path: Path, *, runtime_only: bool = False) -> set[str]:
    """Return the full names of the modules that a file imports anywhere, for types too unless told."""
    tree = ast.parse(path.read_text())
    if runtime_only:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def own(path: Path) -> set[str]:
    names = {name for name in imports(path) if name.split(".")[0] == PACKAGE}
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in names}


@pytest.mark.parametrize("room", sorted(room for room in rooms() if not room.startswith("sandbox.")))
def test_a_room_imports_what_it_may(room):
    assert own(rooms()[room]) <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", sorted(room for room in rooms() if room.startswith("sandbox.")))
def test_the_sandbox_reads_the_vendors_page_on_its_own(room):
    assert {name for name in own(rooms()[room]) if not name.startswith("sandbox")} <= {"core.wire"}


@pytest.mark.parametrize("room", sorted(rooms()))
def test_airflow_and_sockets_have_their_rooms(room):
    names = imports(rooms()[room])
    if room not in AIRFLOW:
        assert not {name for name in names if name.split(".")[0] == "airflow"}
    network = {
        name for name in names if name in NETWORK or name.split(".")[0] in NETWORK - {"urllib", "http"}
    }
    allowed = SOCKETS.get(room, set())
    assert {name for name in network if name not in allowed and name.split(".")[0] not in allowed} == set()


def loaded_after(code: str) -> set[str]:
    """Return the names of the top-level modules that a fresh interpreter has loaded after some code."""
    script = (
        f"{code}\nimport sys, json\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "module", ["core", "core.client", "core.submission", "core.vendors", "sandbox", "sandbox.rules"]
)
def test_core_and_sandbox_load_neither_airflow_nor_a_transport(module):
    loaded = loaded_after(f"import {PACKAGE}.{module}")

    assert loaded & {"airflow", "requests", "aiohttp", "jsonschema"} == set()
    assert PACKAGE in loaded


def test_the_package_itself_imports_nothing():
    loaded = loaded_after(f"import {PACKAGE}")

    assert loaded - loaded_after("") == {PACKAGE}


EMPTY_DAG = "from airflow.sdk import DAG\nDAG('empty', schedule=None)"


@pytest.mark.parametrize("path", sorted((ROOT / "example_dags").glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_stays_cheap_to_import(path):
    empty = loaded_after(EMPTY_DAG)
    loaded = loaded_after(f"{EMPTY_DAG}\nimport runpy\nrunpy.run_path({str(path)!r})")

    assert "aiohttp" not in loaded
    assert (loaded - empty) & {"requests", "jsonschema", "zuora_sdk"} == set()
    assert PACKAGE in loaded
