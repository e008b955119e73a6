"""A client in a process of its own is killed or stopped by a fault, and no other process is."""

import asyncio
import concurrent.futures
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from urllib.request import Request, urlopen

import psutil
import pytest
import requests

from demo.processes import wait_for
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, clients, serve
from zuora_sandbox.clients import find_client_processes

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


@pytest.mark.parametrize("ends", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "ends"])
@pytest.mark.parametrize("is_reaped", [True, False], ids=["waited for", "not waited for"])
def test_a_stop_tells_whether_the_client_goes_on(ends, is_reaped):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stopping = asyncio.new_event_loop()

    def end():
        wait_for("it", lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, 30, interval=0.01)
        child.send_signal(ends)
        if is_reaped and ends == signal.SIGKILL:
            child.wait(30)

    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ended = pool.submit(end)
            goes_on = stopping.run_until_complete(clients.stop_processes([psutil.Process(child.pid)]))
            ended.result()
        assert goes_on == (ends == signal.SIGCONT)
    finally:
        stopping.close()
        child.kill()
        child.wait(30)


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
        find_client_processes(("192.0.2.1", 4711), ("127.0.0.1", 80))


def test_a_connection_that_nobody_holds():
    with pytest.raises(RuntimeError, match="nobody"):
        find_client_processes(("127.0.0.1", 1), ("127.0.0.1", os.getpid() % 1024 + 1))


def test_a_client_that_has_gone_is_nobody():
    with pytest.raises(RuntimeError, match="gone"):
        find_client_processes(None, ("127.0.0.1", 80))


SANDBOX = [sys.executable, "-m", "zuora_sandbox", "--port"]
KILL = json.dumps({"method": "GET", "path": "/x", "kind": "kill"})
CONNECT = """
import fcntl, os, socket, struct, sys, time
near, far, listens, forks = sys.argv[1:]
def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)
if listens:  # in a network namespace of its own, whose loopback is down yet
    with socket.socket() as plain:
        fcntl.ioctl(plain, 0x8914, struct.pack("16sH", b"lo", 1))
    server = socket.create_server(address(far))
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind(address(near))
door.connect(address(far))
child = os.fork() if forks else None
if child == 0:
    time.sleep(60)
print(child or os.getpid(), *door.getsockname(), flush=True)
if sys.stdin.readline():
    door.sendall(b"GET /x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(door.recv(12), flush=True)
time.sleep(60)
"""
ITS_OWN_PARENT = f"""
import http.client, re, subprocess, sys, urllib.request
with subprocess.Popen({[*SANDBOX, "0"]!r}, stdout=subprocess.PIPE, text=True) as sandbox:
    url = re.search(r"http://(\\S+)", sandbox.stdout.readline())[1]
    urllib.request.urlopen(urllib.request.Request(f"http://{{url}}/sandbox/faults", {KILL!r}.encode())).read()
    door = http.client.HTTPConnection(url, timeout=30)
    door.request("GET", "/x")
    print(door.getresponse().status)
    sandbox.terminate()
"""


def allow(*options):
    """Return the start of a command that makes namespaces, skipping the test where this user may not."""
    command = [shutil.which("unshare") or "unshare", *options]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespaces for this user")
    return command


@contextmanager
def started(*command):
    """Run a process that prints a line, and return both."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def connect(stack, far, near="127.0.0.1:0", *, within=(), listens="", forks=""):
    """Start a process that is connected so, and asks when told to; return it, its child, and its address."""
    command = [*within, sys.executable, "-c", CONNECT, near, far, listens, forks]
    process, line = stack.enter_context(started(*command))
    pid, host, port = line.split()
    return process, int(pid), f"{host}:{port}"


def ask(process):
    print("now", file=process.stdin, flush=True)


def is_spared(process):
    try:
        return process.wait(1) is None
    except subprocess.TimeoutExpired:
        return True


@pytest.fixture
def killing():
    """Serve a sandbox, in a process of its own, that kills who sends it GET /x; return its port."""
    with started(*SANDBOX, "0") as (_, line):
        port = int(line.split()[1].rpartition(":")[2])
        urlopen(Request(f"http://127.0.0.1:{port}/sandbox/faults", KILL.encode()), timeout=9).read()
        yield port


def test_who_has_the_same_ports_at_another_address_is_spared(killing):
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.2", killing)))
        client, _, near = connect(stack, f"127.0.0.1:{killing}")
        other, _, same = connect(stack, f"127.0.0.2:{killing}", near)
        assert same == near
        ask(client)
        assert client.wait(30) == -signal.SIGKILL
        assert is_spared(other)


def test_who_has_the_same_connection_in_another_network_namespace_is_spared(killing):
    with ExitStack() as stack:
        far = f"127.0.0.1:{killing}"
        client, _, near = connect(stack, far)
        other, _, same = connect(stack, far, near, within=allow("--net"), listens="listens")
        assert same == near
        ask(client)
        assert client.wait(30) == -signal.SIGKILL
        assert is_spared(other)


def test_what_the_client_has_forked_dies_with_it(killing):
    with ExitStack() as stack:
        client, child, _ = connect(stack, f"127.0.0.1:{killing}", forks="forks")
        ask(client)
        assert client.wait(30) == -signal.SIGKILL
        wait_for("the child's end", lambda: not psutil.pid_exists(child), 30, interval=0.05)


@pytest.mark.parametrize("within", [(), ("--pid", "--fork", "--mount-proc")], ids=["a parent", "process 1"])
def test_what_started_the_sandbox_is_spared(within):
    command = [*(allow(*within) if within else ()), sys.executable, "-c", ITS_OWN_PARENT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "500\n")


def test_nobody_is_killed_by_a_number_of_another_process_namespace():
    within = allow("--pid", "--fork", "--kill-child")
    with started(*within, *SANDBOX, "0") as (_, line), ExitStack() as stack:
        port = int(line.split()[1].rpartition(":")[2])
        urlopen(Request(f"http://127.0.0.1:{port}/sandbox/faults", KILL.encode()), timeout=9).read()
        client, _, _ = connect(stack, f"127.0.0.1:{port}")
        ask(client)
        assert client.stdout.readline() == "b'HTTP/1.1 500'\n"
        assert is_spared(client)
