"""What a user does in Airflow's web page: connect, test, trigger, watch, read the log, press the button."""

import os
import shutil
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from demo import pictures
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.web_page import WebPage, find_browser
from tests.e2e.test_secrets import spellings

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

if find_browser() is None:
    left_out = "no browser is found: apt-get install chromium, or name one by CHROMIUM=..."
    if os.environ.get("NEEDS_BROWSER"):  # .ci/run, make test-browser
        pytest.fail(left_out, pytrace=False)
    pytest.skip(left_out, allow_module_level=True)

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAG_ID = "zuora_order"
# So long that a task is deferred: our trigger polls no sooner than 10 s after that.
JOB_SECONDS = ("--job-seconds", "12")
MAX_BYTES = 150_000


class Tenant(BaseHTTPRequestHandler):
    """Stands in for the pages of a tenant, which a person opens."""

    def do_GET(self):
        body = f"This is the page of {unquote(self.path)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def zuora(place):
    with ServedSandbox(place / "zuora.log", *JOB_SECONDS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def tenant():
    with ThreadingHTTPServer(("127.0.0.1", 0), Tenant) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stack(place):
    dags = place / "dags"
    dags.mkdir()
    for name in (DAG_ID, pictures.DAG_ID):
        shutil.copy(EXAMPLES / f"{name}.py", dags)
    # Else the page unpauses and triggers at once, and with SQLite the api-server may then wait for itself: it
    # writes its audit log on the event loop that the other request needs for its commit.
    config = {"core__dags_are_paused_at_creation": "False"}
    with AirflowStack(place / "airflow", dags, config=config) as stack:
        yield stack


@pytest.fixture(scope="module")
def web(stack, place):
    with WebPage(stack.url, place / "window") as web:
        yield web


@pytest.fixture(scope="module")
def connected(web, zuora, tenant):
    """A connection that the form has made."""
    fields = {
        "Base URL": zuora.url,
        "OAuth client ID": zuora.client_id,
        "OAuth client secret": zuora.client_secret,
        "Port": zuora.url.rpartition(":")[2],  # Airflow 3.3.2 tests no connection without one
    }
    form = web.fill_connection("Zuora", "zuora_default", fields)
    web.open_extra(form)
    web.fill_extra(form, "Web page", f"{tenant}/orders/{{order_number}}")
    web.save(form)


@pytest.fixture(scope="module")
def verdict(web, connected):
    """What the page says when the button Test is pressed."""
    return web.test_connection("zuora_default")


@dataclass(frozen=True)
class Seen:
    """A run as the page has shown it."""

    order_number: str
    state: str
    log: list[str]
    address: str
    page: str


@pytest.fixture(scope="module")
def seen(web, stack, verdict):
    """The example, triggered and watched; its log, and the page that the button opens."""
    for name in (DAG_ID, pictures.DAG_ID):
        stack.wait_dag(name)
    run_id = web.trigger(DAG_ID)
    # It shares the waiting time, and asks nothing of the api-server: see `stack`.
    stack.cli("dags", "trigger", pictures.DAG_ID, "--run-id", pictures.RUN_ID)
    state = web.wait_end()
    web.open_task("create")
    log = web.read_log(" completed: ")
    web.open_tab("Details")
    return Seen(f"{DAG_ID}-{run_id}", state, log, *web.press_link("Open Zuora"))


@pytest.fixture(scope="module")
def taken(seen, web, stack, place):
    """Where the pictures of the docs are, taken of this Airflow."""
    assert stack.wait_run(pictures.DAG_ID, pictures.RUN_ID, timeout=400) == "success"
    pictures.take_all(web, place / "images")
    return place / "images"


def test_the_button_test_tells_that_the_connection_of_the_form_works(verdict, zuora):
    assert verdict.startswith("Test Connection Successful")
    assert f"Signed in to {zuora.url} as client {zuora.client_id}. It may read orders." in verdict


def test_the_example_that_the_page_triggers_succeeds(seen, zuora):
    assert seen.state == "Success"
    assert seen.order_number in [order["orderNumber"] for order in zuora.ledger()["orders"]]


def test_the_log_shows_the_receipt_once(seen):
    receipts = [line for line in seen.log if f"Order {seen.order_number} completed: " in line]
    assert len(receipts) == 1, seen.log
    for part in ("account A00000097", "subscriptions A-S", "; job ", " polls; Track-Id af-"):
        assert part in receipts[0]
    assert "polls next in" in "\n".join(seen.log), "it was not deferred"


def test_the_button_opens_the_page_of_the_order(seen, tenant):
    assert seen.address == f"{tenant}/orders/{quote(seen.order_number, safe='')}"
    assert seen.page == f"This is the page of /orders/{seen.order_number}"


def test_mapped_tasks_are_named_by_their_order_numbers(web, taken):
    run = f"/dags/{pictures.DAG_ID}/runs/{pictures.RUN_ID}/tasks/create/mapped"
    for number in range(1, 6):
        assert f"{pictures.DAG_ID}-{pictures.RUN_ID}-{number}" in web.seen[run]


def test_the_pictures_of_the_docs_are_those_that_are_taken(taken):
    names = {file.name for file in taken.iterdir()}
    assert names == {file.name for file in pictures.IMAGES.glob("*.png")}
    assert [file.name for file in taken.iterdir() if file.stat().st_size > MAX_BYTES] == []


def test_no_page_shows_a_secret(web, taken, zuora):
    web.open("connections")
    web.page.get_by_role("button", name="Edit Connection").click()
    web.page.get_by_label("OAuth client ID", exact=True).wait_for()
    web.look()
    assert zuora.client_id in web.seen["/connections"], "fields are seen, too"
    assert len(web.seen) >= 7, web.seen.keys()
    secrets = spellings(zuora.client_id, zuora.client_secret).union(zuora.ledger()["tokens"])
    found = {secret: [where for where, text in web.seen.items() if secret in text] for secret in secrets}
    assert found == {secret: [] for secret in secrets}
