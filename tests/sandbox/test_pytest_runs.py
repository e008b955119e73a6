"""The pytest plugin in a pytest of its own: its errors, its traces, what it costs where nobody uses it."""

import json
import os
import subprocess
import sys

import pytest


def run_pytest(place, tests, *options, **environment):
    """Run pytest on the text of a file, in an empty directory, and return what it prints."""
    (place / "test_it.py").write_text(tests, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        command,
        cwd=place,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


UNUSED = """
def test_it(zuora_sandbox):
    zuora_sandbox.fail(order_number="O-1", errors="[40000020]: No.")
    zuora_sandbox.lose_answer(order_number="O-2")
"""


def test_what_met_no_request_is_an_error(tmp_path):
    shown = run_pytest(tmp_path, UNUSED)

    assert "1 passed, 1 error" in shown
    assert "What the test has scripted for zuora_sandbox met no request:" in shown
    assert (
        "  Fault(method='POST', path='/v1/async/orders', when='after', kind='reset', order_number='O-2')"
        in shown
    )
    assert "  OrderScript(order_number='O-1', errors='[40000020]: No.')" in shown
    assert "The last requests were:\n  none" in shown


def test_it_is_none_if_the_test_allows_it(tmp_path):
    assert "1 passed in" in run_pytest(tmp_path, UNUSED + "    zuora_sandbox.allows_unused_answers = True\n")


SEEN = """
import json, os, urllib.request
import pytest

NAMES = ("AIRFLOW_CONN_ZUORA_DEFAULT", "AIRFLOW_CONN_ELASTIC_PATH_DEFAULT", "NO_PROXY", "no_proxy",
         "AIRFLOW_CONN_ZUORA_EU", "AIRFLOW__ZUORA__RUNTIME_DIRECTORY")

@pytest.mark.parametrize("turn", range(4))
def test_it(zuora_sandbox, turn):
    assert zuora_sandbox.requests == []
    zuora_sandbox.add_connection("zuora_eu")
    conn = json.loads(os.environ["AIRFLOW_CONN_ZUORA_EU"])
    assert (conn["host"], conn["conn_type"]) == (zuora_sandbox.url, "zuora")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "example.org,127.0.0.1"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(conn["host"] + "/v1/orders/O-1", timeout=60)
    [seen] = zuora_sandbox.requests
    assert (seen.order_number, seen.status) == ("O-1", 400)

@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_in_the_environment():
    before = {name: os.environ.get(name) for name in NAMES}
    assert before["AIRFLOW_CONN_ZUORA_DEFAULT"] == "mine"
    yield
    assert {name: os.environ.get(name) for name in NAMES} == before
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_each_test_has_its_own_and_the_environment_is_put_back(tmp_path, options):
    if options:
        pytest.importorskip("xdist")
    variables = {"AIRFLOW_CONN_ZUORA_DEFAULT": "mine", "NO_PROXY": "example.org", "no_proxy": ""}
    shown = run_pytest(tmp_path, SEEN, "-q", *options, **variables)

    assert "4 passed in" in shown


LOADED = """
import json, sys

def test_it(request):
    with open("loaded.json", "w") as file:
        json.dump([sorted(sys.modules), request.config.pluginmanager.has_plugin("zuora_sandbox")], file)
"""


def test_a_pytest_that_does_not_use_it_imports_one_small_module(tmp_path):
    assert "1 passed in" in run_pytest(tmp_path, LOADED)

    loaded, is_plugin = json.loads((tmp_path / "loaded.json").read_text())
    assert is_plugin
    ours = [name for name in loaded if name.split(".")[0] in ("zuora_sandbox", "airflow_provider_zuora")]
    assert ours == ["zuora_sandbox", "zuora_sandbox.pytest_plugin"]
    assert not {name.split(".")[0] for name in loaded} & {"aiohttp", "airflow", "psutil", "requests"}
