"""The sandbox over real HTTP: whole, gzipped, cut, reset and hanging answers, and a clean end."""

import gc
import gzip
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests

from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, Settings, serve
from zuora_sandbox.server import LARGEST_BODY, listen

FORM = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
ORDER = {
    "orderDate": "2024-07-01",
    "existingAccountNumber": "A1",
    "orderNumber": "O 1-ä",
    "subscriptions": [{"orderActions": [{"type": "CreateSubscription", "createSubscription": {}}]}],
}


@pytest.fixture
def sandbox():
    return Sandbox()


@pytest.fixture
def url(sandbox):
    with serve(sandbox) as server:
        yield server.url


@pytest.fixture
def signed_in(url):
    with requests.Session() as session:
        token = session.post(f"{url}/oauth/token", data=FORM, timeout=9).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


def raw(url, method, path, body=b"", **headers):
    """Ask without a library that unzips or retries."""
    door = http.client.HTTPConnection(urlsplit(url).netloc, timeout=9)
    try:
        door.request(method, path, body, headers)
        response = door.getresponse()
        return response.status, response.headers, response.read()
    finally:
        door.close()


def test_an_order_goes_through(url, signed_in):
    accepted = signed_in.post(f"{url}/v1/async/orders", params={"returnIds": "true"}, json=ORDER, timeout=9)
    assert accepted.status_code == 200
    page = f"{url}/v1/async-jobs/{accepted.json()['jobId']}"
    assert signed_in.get(page, timeout=9).json()["status"] == "Processing"
    requests.post(f"{url}/sandbox/clock", json={"advance": 20}, timeout=9)
    result = signed_in.get(page, timeout=9).json()["result"]
    assert "orderId" in result
    found = signed_in.get(f"{url}/v1/orders/O%201-%C3%A4", timeout=9)
    assert found.json()["order"]["orderNumber"] == ORDER["orderNumber"]


def test_a_gzipped_request_is_unzipped_once(url, signed_in):
    content = gzip.compress(json.dumps(ORDER).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert signed_in.post(f"{url}/v1/async/orders", content, headers=headers, timeout=9).status_code == 200


def test_long_answers_are_gzipped_for_those_who_take_it(url, sandbox):
    short = raw(url, "GET", "/sandbox/ledger", **{"Accept-Encoding": "gzip"})
    assert short[1]["Content-Encoding"] is None
    for _ in range(9):
        raw(url, "GET", "/nowhere")
    _, headers, body = raw(url, "GET", "/sandbox/ledger", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    _, plain_headers, plain = raw(url, "GET", "/sandbox/ledger")
    assert plain_headers["Content-Encoding"] is None
    assert json.loads(gzip.decompress(body))["requests"] == json.loads(plain)["requests"]


def test_a_reset_connection(url, sandbox):
    sandbox.add_fault(Fault(kind="reset"))
    with pytest.raises(ConnectionResetError):
        raw(url, "GET", "/")


def test_a_cut_body(url, sandbox):
    sandbox.add_fault(Fault(kind="cut", status=200, body=b"0123456789"))
    with pytest.raises(http.client.IncompleteRead) as cut:
        raw(url, "GET", "/")
    assert (cut.value.partial, cut.value.expected) == (b"01234", 5)


def test_a_hanging_request_ends_with_its_client(url, sandbox):
    sandbox.add_fault(Fault(kind="hang"))
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.2)
    assert raw(url, "GET", "/")[0] == 404


def test_a_hanging_request_ends_with_the_server():
    seen = threading.Event()

    class Told(Sandbox):
        def handle(self, request):
            seen.set()
            return super().handle(request)

    sandbox = Told()
    sandbox.add_fault(Fault(kind="hang"))
    with serve(sandbox) as server:
        client = socket.create_connection(server.listener.getsockname(), timeout=9)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert seen.wait(9)
    with client:
        assert client.recv(1) == b""


def test_many_at_once_with_one_key_make_one_job(url, sandbox, signed_in):
    headers = {"Idempotency-Key": "k", **signed_in.headers}

    def submit(_):
        return requests.post(f"{url}/v1/async/orders", json=ORDER, headers=headers, timeout=9).json()["jobId"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(32)))) == 1
    assert len(sandbox.ledger()["jobs"]) == 1


class BrokenSandbox(Sandbox):
    def handle(self, request):
        raise ZeroDivisionError


def test_a_handler_that_raises_answers_500_and_its_error_is_raised_at_the_end():
    statuses = []

    def ask():
        with serve(BrokenSandbox()) as server:
            statuses.append(raw(server.url, "GET", "/")[0])
            statuses.append(len(server.errors))

    with pytest.raises(ZeroDivisionError):
        ask()
    assert statuses == [500, 1]


def test_an_error_of_the_block_is_not_hidden():

    def fail():
        with serve(BrokenSandbox()) as server:
            raw(server.url, "GET", "/")
            raise LookupError

    with pytest.raises(LookupError):
        fail()


def test_a_body_that_is_too_large_is_no_error_of_ours(sandbox):
    with serve(sandbox) as server:
        assert raw(server.url, "POST", "/", b"x" * (LARGEST_BODY + 1))[0] == 413


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_only_loopback_addresses_are_served(sandbox, host):
    with pytest.raises(ValueError, match=r"loopback|does not appear"), serve(sandbox, host):
        pass


def test_a_port_that_is_taken_is_told_to_the_caller(sandbox):
    with listen("localhost", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), serve(sandbox, port=port):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_the_other_loopback(sandbox):
    with serve(sandbox, "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert requests.get(server.url, timeout=9).status_code == 404


def test_nothing_listens_afterwards(sandbox):
    with serve(sandbox) as server:
        url = server.url
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=9)


def test_connections_made_as_the_server_stops_are_closed(sandbox, recwarn):
    with ExitStack() as clients:
        for _ in range(5):
            with serve(sandbox) as server:
                for _ in range(20):
                    clients.enter_context(socket.create_connection(server.listener.getsockname()))
        gc.collect()
    assert [str(each.message) for each in recwarn] == []


def test_calls_under_way_at_once_are_counted_and_those_below_sandbox_are_not(sandbox, url, signed_in):
    sandbox.settings = Settings(concurrent_requests=2)
    sandbox.add_fault(Fault(method="GET", kind="hang", times=2))
    hanging = [socket.create_connection(("127.0.0.1", urlsplit(url).port)) for _ in range(2)]
    for each in hanging:
        each.sendall(b"GET /v1/orders/1 HTTP/1.1\r\nHost: x\r\n\r\n")
    while sandbox.ledger()["requests"].get("GET /v1/orders/{orderNumber}", 0) < 2:
        time.sleep(0.01)
    assert raw(url, "GET", "/sandbox/ledger")[0] == 200
    assert signed_in.get(f"{url}/v1/orders/1", timeout=9).status_code == 429
    for each in hanging:
        each.close()
    while sandbox.calls_in_progress:
        time.sleep(0.01)
    assert signed_in.get(f"{url}/v1/orders/1", timeout=9).status_code == 404


def test_an_answer_takes_its_time(sandbox, url, signed_in):
    sandbox.settings = Settings(answer_seconds=0.3)
    began = time.monotonic()
    signed_in.get(f"{url}/v1/orders/1", timeout=9)
    assert time.monotonic() - began >= 0.3
