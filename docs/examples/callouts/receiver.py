"""Turn Zuora's callouts into events of an Airflow asset: a WSGI application without dependencies."""

import hashlib
import hmac
import json
import os
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ASSET = "zuora_order_processed"
LARGEST = 65_536  # bytes of a callout
SECONDS = 4  # for each of three requests: Zuora's callout is over after 25


def is_signed(body, signature):
    """Return whether this is Zuora's signature of the body, as the callout template makes it."""
    secret = os.environ["ZUORA_CALLOUT_SECRET"].encode()
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    is_equal = hmac.compare_digest(expected.encode(), signature.strip().lower().encode())
    return is_equal and bool(secret.strip())  # whoever knows that there is no key could sign


def ask_airflow(path, body=None, token=None):
    """Return what Airflow's REST API answers: to a POST if there is a body."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(os.environ["AIRFLOW_URL"] + path, data, headers), timeout=SECONDS) as answer:
        return json.load(answer)


def add_event(extra):
    """Add an event to the asset, which starts the DAGs that are scheduled on it."""
    user = {"username": os.environ["AIRFLOW_USER"], "password": os.environ["AIRFLOW_PASSWORD"]}
    token = ask_airflow("/auth/token", user)["access_token"]
    found = ask_airflow("/api/v2/assets?" + urlencode({"name_pattern": ASSET}), token=token)["assets"]
    [asset_id] = [asset["id"] for asset in found if asset["name"] == ASSET]
    ask_airflow("/api/v2/assets/events", {"asset_id": asset_id, "extra": extra}, token)


def receive(environ):
    """Return the status that answers a callout. Zuora repeats one after 403, 408, 429 and 5xx."""
    size = environ.get("CONTENT_LENGTH") or ""
    if environ["REQUEST_METHOD"] != "POST" or not size.isdecimal() or int(size) > LARGEST:
        return "400 Bad Request"
    body = environ["wsgi.input"].read(int(size))
    if not is_signed(body, environ.get("HTTP_X_ZUORA_SIGNATURE", "")):
        return "401 Unauthorized"
    try:
        number = json.loads(body)["order_number"]
    except (LookupError, TypeError, ValueError):
        return "400 Bad Request"
    if not isinstance(number, str) or not number.strip():
        return "400 Bad Request"
    notification_id = environ.get("HTTP_ZUORA_NOTIFICATION_ID")
    try:
        add_event({"order_number": number, "notification_id": notification_id})
    except (HTTPException, LookupError, OSError, TypeError, ValueError) as error:
        print(f"Airflow does not take the event: {error!r}", file=environ["wsgi.errors"])
        return "503 Service Unavailable"
    return "200 OK"


def application(environ, start_response):
    """Answer a callout; the body is for the template's option to parse it."""
    status = receive(environ)
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps({"success": status == "200 OK"}).encode()]
