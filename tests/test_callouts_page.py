"""The receiver of docs/callouts.md: what it takes for Zuora's, and what it answers."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import runpy
import socketserver
import threading
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FILES = sorted((DOCS / "examples" / "callouts").rglob("*.py"))
SECRET = "hush-hush-42"
BODY = json.dumps({"order_number": "O-1"}).encode()


def sign(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def receiver(monkeypatch):
    for name in ("AIRFLOW_USER", "AIRFLOW_PASSWORD"):
        monkeypatch.setenv(name, "callouts")
    monkeypatch.setenv("ZUORA_CALLOUT_SECRET", SECRET)
    monkeypatch.setenv("AIRFLOW_URL", "http://127.0.0.1:9")  # nobody is there
    return runpy.run_path(str(DOCS / "examples" / "callouts" / "receiver.py"))


def post(receiver, body=BODY, signature=None, **environ):
    """Return the status and the body that answer a callout."""
    answered = []
    own = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_X_ZUORA_SIGNATURE": sign(body) if signature is None else signature,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    parts = receiver["application"](own | environ, lambda status, headers: answered.append(status))
    return answered[0], json.loads(b"".join(parts))


def test_the_page_shows_the_files():
    shown = re.findall(r"```python\n(.*?)```", (DOCS / "callouts.md").read_text(), re.DOTALL)
    assert sorted(shown) == sorted(path.read_text() for path in FILES)


def test_a_signature_is_that_of_a_known_answer(receiver, monkeypatch):
    monkeypatch.setenv("ZUORA_CALLOUT_SECRET", "key")
    body = b"The quick brown fox jumps over the lazy dog"
    known = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert receiver["is_signed"](body, known)
    assert receiver["is_signed"](body, f" {known.upper()} ")


@pytest.mark.parametrize(
    "signature", ["", "0" * 64, sign(BODY, "another"), sign(BODY + b" "), sign(BODY)[:-1], "\u00e4"]
)
def test_what_zuora_has_not_signed_is_refused_and_not_repeated(receiver, signature):
    assert post(receiver, signature=signature) == ("401 Unauthorized", {"success": False})


@pytest.mark.parametrize("secret", ["", "  ", "\n"])
def test_without_a_secret_key_nothing_is_taken_even_if_signed_with_that(receiver, monkeypatch, secret):
    monkeypatch.setenv("ZUORA_CALLOUT_SECRET", secret)
    assert post(receiver, signature=sign(BODY, secret)) == ("401 Unauthorized", {"success": False})


@pytest.mark.parametrize("number", ["null", "7", "true", '""', '" "', "[]", '["O-1"]', '{"a": "O-1"}'])
def test_a_number_of_an_order_that_is_no_text_or_blank_is_not_understood(receiver, number):
    body = f'{{"order_number": {number}}}'.encode()
    assert post(receiver, body) == ("400 Bad Request", {"success": False})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"number": "O-1"}'])
def test_what_is_not_understood_is_not_repeated(receiver, body):
    assert post(receiver, body)[0] == "400 Bad Request"


@pytest.mark.parametrize(
    "environ",
    [
        {"REQUEST_METHOD": "GET"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "65537"},
        {"CONTENT_LENGTH": "x"},
    ],
)
def test_what_is_no_callout_is_not_read(receiver, environ):
    assert post(receiver, **environ)[0] == "400 Bad Request"


def test_if_airflow_is_away_zuora_sends_it_again(receiver):
    assert post(receiver) == ("503 Service Unavailable", {"success": False})


TOKEN, ASSETS = {"access_token": "t"}, {"assets": [{"id": 1, "name": "zuora_order_processed"}]}


def say(body, status="200 OK", length=None):
    """Return the bytes of an HTTP answer; without a length of its own, that of its body is stated."""
    text = json.dumps(body)
    return f"HTTP/1.1 {status}\r\nContent-Length: {length or len(text)}\r\n\r\n{text}".encode()


@pytest.fixture
def airflow(monkeypatch):
    """Serve answers, one for each connection; return their list."""
    answers = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            size = 0
            while (line := self.rfile.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
            self.rfile.read(size)
            self.wfile.write(answers.pop(0))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AIRFLOW_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield answers
        server.shutdown()
        thread.join()


def test_what_airflow_takes_is_done(receiver, airflow):
    airflow[:] = [say(TOKEN), say(ASSETS), say({})]
    assert post(receiver) == ("200 OK", {"success": True})
    assert airflow == []


WRONG = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "half of an answer": say(TOKEN, length=1000),
    "an error": say({}, "500 Internal Server Error"),
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n<",
    "a header without an end": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
}
ASSETS_OF_NO_SHAPE = (None, 7, "a", ["a"], [[]], [{}])
SHAPES = [[], ["a"], None, 7, "assets", {}, *({"assets": each} for each in ASSETS_OF_NO_SHAPE)]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("before", [[], [say(TOKEN)], [say(TOKEN), say(ASSETS)]], ids=len)
def test_if_what_airflow_answers_is_cut_or_no_http_zuora_sends_it_again(receiver, airflow, before, wrong):
    airflow[:] = [*before, wrong]
    assert post(receiver) == ("503 Service Unavailable", {"success": False})
    assert airflow == []


@pytest.mark.parametrize("shape", SHAPES, ids=json.dumps)
@pytest.mark.parametrize("before", [[], [say(TOKEN)]], ids=len)
def test_if_what_airflow_answers_has_another_shape_zuora_sends_it_again(receiver, airflow, before, shape):
    airflow[:] = [*before, say(shape)]
    assert post(receiver) == ("503 Service Unavailable", {"success": False})


def test_what_is_logged_holds_no_secret(receiver):
    log = io.StringIO()
    post(receiver, **{"wsgi.errors": log})
    assert "Airflow does not take the event" in log.getvalue()
    assert SECRET not in log.getvalue()
