"""The receiver of docs/callouts.md: what it takes for Zuora's, and what it answers."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import runpy
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


def test_what_is_logged_holds_no_secret(receiver):
    log = io.StringIO()
    post(receiver, **{"wsgi.errors": log})
    assert "Airflow does not take the event" in log.getvalue()
    assert SECRET not in log.getvalue()
