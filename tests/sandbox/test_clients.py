"""A client in a process of its own is killed or stopped by a fault, and no other process is."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest
import requests

from airflow_provider_zuora.sandbox.clients import processes_at
from airflow_provider_zuora.sandbox.rules import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox
from airflow_provider_zuora.sandbox.server import serve
from demo.processes import wait_for

ORDERS = "/v1/async/orders"
SUBSCRIPTION = '{"orderActions": [{"type": "CreateSubscription", "createSubscription": {}}]}'
ORDER = f"""{{
    "orderDate": "2024-07-01", "existingAccountNumber": "A1", "description": "victim",
    "subscriptions": [{SUBSCRIPTION}]
}}"""
CLIENT = f"""
import http.client, sys
from urllib.parse import urlencode
import json
form = urlencode({{"client_id": {CLIENT_ID!r}, "client_secret": {CLIENT_SECRET!r},
                   "grant_type": "client_credentials"}})
door = http.client.HTTPConnection(sys.argv[1], timeout=60)
door.request("POST", "/oauth/token", form, {{"Content-Type": "application/x-www-form-urlencoded"}})
token = json.load(door.getresponse())["access_token"]
headers = {{"Content-Type": "application/json", "Authorization": "Bearer " + token}}
door.request("POST", {ORDERS!r}, {ORDER!r}, headers)
print(door.getresponse().status)
"""


@pytest.fixture
def sandbox():
    return Sandbox()


@contextmanager
def client(server):
    """Run a client that signs in and sends one order."""
    address = server.url.removeprefix("http://")
    with subprocess.Popen([sys.executable, "-c", CLIENT, address], stdout=subprocess.PIPE, text=True) as one:
        try:
            yield one
        finally:
            one.kill()


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_the_client_is_killed(sandbox, when, jobs):
    sandbox.add_fault(Fault(kind="kill", when=when, path=ORDERS, contains='"victim"'))
    with serve(sandbox) as server, client(server) as victim:
        assert victim.wait(30) == -signal.SIGKILL
        assert victim.stdout.read() == ""
        assert requests.get(f"{server.url}/sandbox/ledger", timeout=9).json()["signIns"] == 1
    assert len(sandbox.ledger()["jobs"]) == jobs
    assert sandbox.ledger()["recent"][-1]["damage"] == "kill"


def test_another_client_is_not_killed(sandbox):
    sandbox.add_fault(Fault(kind="kill", path=ORDERS, contains="somebody else"))
    with serve(sandbox) as server, client(server) as spared:
        assert spared.wait(30) == 0
        assert spared.stdout.read() == "200\n"


def test_a_stopped_client_has_its_request_processed_when_it_goes_on(sandbox):
    sandbox.add_fault(Fault(kind="stop", path=ORDERS))
    with serve(sandbox) as server, client(server) as stopped:
        process = psutil.Process(stopped.pid)
        wait_for("the stopped client", lambda: process.status() == psutil.STATUS_STOPPED, 30, interval=0.05)
        assert sandbox.ledger()["jobs"] == []
        process.resume()
        assert stopped.wait(30) == 0
        assert stopped.stdout.read() == "200\n"
    assert [(each["status"], each["damage"]) for each in sandbox.ledger()["recent"][1:]] == [
        (0, "stop"),
        (200, ""),
    ]


def test_a_stopped_client_can_die(sandbox):
    sandbox.add_fault(Fault(kind="stop", path=ORDERS))
    with serve(sandbox) as server, client(server) as stopped:
        process = psutil.Process(stopped.pid)
        wait_for("the stopped client", lambda: process.status() == psutil.STATUS_STOPPED, 30, interval=0.05)
        stopped.kill()
        stopped.wait(30)
    assert sandbox.ledger()["jobs"] == []


@pytest.mark.parametrize("kind", ["kill", "stop"])
def test_its_own_process_is_spared_and_the_error_is_told_at_the_end(sandbox, kind):
    sandbox.add_fault(Fault(kind=kind))
    statuses = []

    def ask():
        with serve(sandbox) as server:
            statuses.append(requests.get(server.url, timeout=9).status_code)

    with pytest.raises(RuntimeError, match="own process"):
        ask()
    assert statuses == [500]


def test_a_client_elsewhere_is_nobody_here():
    with pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        processes_at(("192.0.2.1", 4711), ("127.0.0.1", 80))


def test_a_connection_that_nobody_holds():
    with pytest.raises(RuntimeError, match="nobody"):
        processes_at(("127.0.0.1", 1), ("127.0.0.1", os.getpid() % 1024 + 1))
