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
    "__init__": {"connection_fields"},
    "accounts": {
        "core.submission.notes",
        "core.exchange",
        "core.client",
        "core.errors",
        "core.jobs",
        "core.limits",
        "core.vendors",
        "core.wire",
        "gates",
        "lines",
        "pools",
        "readings",
        "sharing",
        "token_file",
        "transports",
    },
    "adapters": {"", "lines"},
    "bodies": set(),
    "bulk": {
        "core.submission.notes",
        "accounts",
        "core.attempts",
        "core.client",
        "core.errors",
        "core.submission.api",
        "core.submission.bulk",
        "core.submission.record",
        "core.wire",
        "own_loop",
    },
    "comms": set(),
    "connection_fields": {"core.order_limits", "core.vendors.elastic_path", "core.vendors.zuora", "lines"},
    "connections": {
        "accounts",
        "core.client",
        "core.errors",
        "core.jobs",
        "connection_fields",
        "lines",
        "private_files",
        "token_file",
    },
    "core.__init__": set(),
    "core.attempts": set(),
    "core.checks": set(),
    "core.client": {"core.checks", "core.errors", "core.exchange", "core.jobs", "core.orders", "core.wire"},
    "core.contents": {"core.foreign_json", "core.wire"},
    "core.ends": {"core.client", "core.errors", "core.ids", "core.jobs", "core.waiting", "core.wire"},
    "core.errors": {"core.redaction"},
    "core.exchange": {
        "core.checks",
        "core.contents",
        "core.errors",
        "core.jobs",
        "core.limits",
        "core.redaction",
        "core.wire",
    },
    "core.exports": {"core.client", "core.errors", "core.exchange", "core.wire"},
    "core.foreign_json": set(),
    "core.ids": {"core.checks", "core.errors", "core.order_lines"},
    "core.jobs": {"core.checks", "core.errors", "core.redaction", "core.wire"},
    "core.json_text": {"core.plain"},
    "core.limits": {"core.times", "core.errors", "core.wire"},
    "core.looks": {
        "core.client",
        "core.ends",
        "core.errors",
        "core.jobs",
        "core.patience",
        "core.waiting",
        "core.wire",
    },
    "core.masking": set(),
    "core.options": set(),
    "core.order_limits": {"core.errors", "core.plain"},
    "core.order_lines": {"core.errors", "core.json_text"},
    "core.orders": {"core.times", "core.plain"},
    "core.patience": {"core.errors", "core.wire"},
    "core.plain": {"core.errors"},
    "core.redaction": set(),
    "core.rereads": {
        "core.times",
        "core.client",
        "core.ends",
        "core.errors",
        "core.jobs",
        "core.patience",
        "core.waiting",
        "core.wire",
    },
    "core.submission.__init__": set(),
    "core.submission.api": {
        "core.attempts",
        "core.checks",
        "core.client",
        "core.errors",
        "core.jobs",
        "core.masking",
        "core.orders",
        "core.submission.keys",
        "core.submission.notes",
        "core.submission.order_lookup",
        "core.submission.result",
        "core.submission.submission",
        "core.wire",
    },
    "core.submission.authority": {"core.jobs"},
    "core.submission.bulk": {
        "core.attempts",
        "core.checks",
        "core.client",
        "core.errors",
        "core.order_lines",
        "core.orders",
        "core.redaction",
        "core.submission.keys",
        "core.submission.notes",
        "core.submission.order_lookup",
        "core.submission.record",
        "core.submission.submission",
        "core.wire",
    },
    "core.submission.generations": {
        "core.attempts",
        "core.client",
        "core.errors",
        "core.masking",
        "core.submission.keys",
        "core.submission.notes",
        "core.submission.post",
        "core.submission.record",
        "core.wire",
    },
    "core.submission.keys": {"core.times", "core.client", "core.plain", "core.wire"},
    "core.submission.notes": {"core.attempts", "core.errors", "core.submission.record", "core.wire"},
    "core.submission.order_lookup": {"core.client", "core.errors", "core.jobs", "core.wire"},
    "core.submission.post": {
        "core.client",
        "core.errors",
        "core.exchange",
        "core.jobs",
        "core.submission.authority",
        "core.submission.notes",
        "core.submission.protocol",
        "core.submission.record",
        "core.wire",
    },
    "core.submission.protocol": set(),
    "core.submission.questions": {"core.submission.record", "core.times"},
    "core.submission.record": {"core.errors", "core.jobs"},
    "core.submission.result": {"core.errors", "core.jobs"},
    "core.submission.submission": {
        "core.errors",
        "core.jobs",
        "core.submission.authority",
        "core.submission.generations",
        "core.submission.order_lookup",
        "core.submission.post",
        "core.submission.protocol",
        "core.submission.questions",
        "core.submission.record",
        "core.submission.result",
        "core.wire",
    },
    "core.times": set(),
    "core.vendors.__init__": {"core.jobs", "core.vendors.elastic_path", "core.vendors.zuora"},
    "core.vendors.bodies": {"core.errors", "core.foreign_json", "core.jobs", "core.redaction", "core.wire"},
    "core.vendors.elastic_path": {
        "core.errors",
        "core.jobs",
        "core.redaction",
        "core.vendors.elastic_path_answers",
        "core.wire",
    },
    "core.vendors.elastic_path_answers": {
        "core.errors",
        "core.jobs",
        "core.redaction",
        "core.vendors.bodies",
        "core.wire",
    },
    "core.vendors.zuora": {
        "core.errors",
        "core.jobs",
        "core.redaction",
        "core.vendors.zuora_answers",
        "core.vendors.zuora_orders",
        "core.wire",
    },
    "core.vendors.zuora_answers": {
        "core.errors",
        "core.jobs",
        "core.redaction",
        "core.vendors.bodies",
        "core.wire",
    },
    "core.vendors.zuora_orders": {
        "core.errors",
        "core.jobs",
        "core.masking",
        "core.plain",
        "core.redaction",
        "core.wire",
    },
    "core.verdicts": {"core.ends", "core.errors", "core.jobs"},
    "core.waiting": {"core.client", "core.errors", "core.jobs", "core.wire"},
    "core.wire": {"core.errors"},
    "downloads": {"core.errors", "core.redaction", "fetching", "lines", "paths"},
    "environment": {"core.checks", "paths"},
    "fetching": {"adapters", "core.checks", "core.errors", "core.redaction", "lines"},
    "fewer_workers": {"comms"},
    "gates": {"core.limits", "core.wire", "transports"},
    "hooks": {
        "core.attempts",
        "core.submission.notes",
        "accounts",
        "bulk",
        "connection_fields",
        "connections",
        "core.client",
        "core.ends",
        "core.errors",
        "core.exports",
        "core.jobs",
        "core.masking",
        "core.options",
        "core.order_lines",
        "core.plain",
        "core.submission.api",
        "core.submission.bulk",
        "core.submission.keys",
        "core.submission.result",
        "core.submission.submission",
        "core.vendors",
        "core.waiting",
        "core.wire",
        "downloads",
        "fetching",
        "readings",
        "tasks",
    },
    "lines": {"core.checks", "core.errors", "core.wire", "environment", "paths"},
    "operators": {
        "core.ends",
        "core.errors",
        "core.jobs",
        "core.json_text",
        "core.masking",
        "core.options",
        "core.order_lines",
        "core.submission.bulk",
        "core.submission.result",
        "core.waiting",
        "hooks",
        "order_files",
        "order_input",
        "triggers",
        "watching",
    },
    "order_files": {"core.errors", "core.json_text", "paths"},
    "order_input": {"core.errors", "core.json_text", "core.order_lines", "hooks", "order_files"},
    "own_loop": set(),
    "paths": set(),
    "pools": {"gates", "lines", "transports"},
    "private_files": set(),
    "readings": set(),
    "sensors": {
        "core.ends",
        "core.ids",
        "core.options",
        "core.verdicts",
        "core.waiting",
        "fewer_workers",
        "hooks",
        "order_input",
        "triggers",
        "watching",
    },
    "sharing": {"core.client", "core.wire", "private_files", "token_file"},
    "tasks": {"core.errors", "core.plain", "core.times", "core.attempts", "core.submission.keys"},
    "token_file": {"core.client", "core.jobs", "private_files"},
    "transports": {"adapters", "bodies", "core.errors", "core.wire", "lines"},
    "triggers": {"comms", "core.ends", "core.errors", "core.ids", "core.verdicts", "core.waiting", "hooks"},
    "watching": {"core.ends", "core.looks", "core.rereads", "core.waiting", "hooks", "triggers"},
}
# comms speaks for triggers to their triggerer: what only Airflow 3.3 knows stands there, and nowhere else.
AIRFLOW = {"hooks", "operators", "order_files", "order_input", "sensors", "triggers", "links", "comms"}
SOCKETS = {
    "transports": {"aiohttp", "requests", "urllib3", "yarl"},
    "adapters": {"http.client", "requests", "socket", "urllib3"},
    # A file's host is not the vendor's: what is said to the one must not be said to the other.
    "fetching": {"requests", "socket", "urllib3"},
}
# The sandbox is a distribution of its own: it shares nothing with the client that it is to judge.
SANDBOX = "zuora_sandbox"
SANDBOX_MAY_IMPORT = {"server": {"aiohttp", "psutil"}, "clients": {"psutil"}}
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


def top_level(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("room", sorted(rooms()))
def test_a_room_imports_what_it_may(room):
    assert own(rooms()[room]) <= MAY_IMPORT[room]
    assert SANDBOX not in top_level(rooms()[room])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "sandbox" / SANDBOX).rglob("*.py")), ids=lambda path: path.stem
)
def test_the_sandbox_needs_nothing_of_the_provider_nor_of_airflow(path):
    allowed = {SANDBOX} | SANDBOX_MAY_IMPORT.get(path.stem, set())

    assert top_level(path) - sys.stdlib_module_names <= allowed


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


@pytest.mark.parametrize("module", ["core", "core.client", "core.submission.api", "core.vendors"])
def test_core_loads_neither_airflow_nor_a_transport(module):
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
