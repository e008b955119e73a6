"""The sandbox has its public names in one place, and without its server it is cheap to import."""

import json
import subprocess
import sys

import pytest

import zuora_sandbox
from zuora_sandbox import server

LIST_MODULES = "import json, sys, zuora_sandbox; print(json.dumps(sorted(sys.modules)))"


def test_an_import_loads_no_airflow_no_client_and_no_server():
    shown = subprocess.run([sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True)
    loaded = json.loads(shown.stdout)
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {
        "airflow_provider_zuora",
        "airflow",
        "requests",
        "aiohttp",
        "psutil",
        "httpx",
        "urllib3",
    }


@pytest.mark.parametrize("name", zuora_sandbox.__all__)
def test_every_public_name_is_there(name):
    assert getattr(zuora_sandbox, name)


def test_the_server_comes_when_it_is_asked_for():
    assert (zuora_sandbox.serve, zuora_sandbox.Server) == (server.serve, server.Server)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'zuora_sandbox' has no attribute 'serves'"):
        _ = zuora_sandbox.serves
