"""What Airflow's web page sends when a connection is made or edited in it, sent to a real api-server."""

import json

import pytest

from demo.api import fetch_json

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

KEPT = ("connection_id", "conn_type", "description", "host", "login", "schema", "port", "password")


@pytest.fixture(scope="module")
def form(airflow):
    """Return the extra fields of the empty form, as the page gets them before it shows it."""
    airflow.api.call("GET", "version")
    meta = fetch_json("GET", f"{airflow.url}/ui/connections/hook_meta", token=airflow.api.token)
    (fields,) = [each["extra_fields"] for each in meta if each["connection_type"] == "zuora"]
    return {name: field["value"] for name, field in fields.items()}


def add(airflow, zuora, name, extra):
    """Make a connection to the sandbox, as the page does."""
    own = {"conn_type": "zuora", "host": zuora.url, "login": zuora.client_id, "password": zuora.client_secret}
    body = own | {"connection_id": name, "extra": json.dumps(extra)}
    airflow.api.create("connections", body=body)


def edit(airflow, form, name, **changes):
    """Save a connection in the page: it sends all that it was shown, what is hidden as its mask."""
    shown = airflow.api.call("GET", "connections", name)
    extra = form | json.loads(shown["extra"] or "{}")
    body = {field: shown[field] for field in KEPT} | {"extra": json.dumps(extra)} | changes
    airflow.api.call("PATCH", "connections", name, body=body)


def stored(airflow, name):
    """Return the extra that is kept; this command says every value as a text."""
    said = airflow.cli("connections", "get", name, "--output", "json")
    return json.loads(said[said.index("[{") :])[0]["extra_dejson"]


def works(airflow, name):
    """Return whether a worker could use the connection; the command fails if it could not."""
    return "success" in airflow.cli("connections", "test", name).lower()


def test_the_form_shows_every_default(form):
    assert form["shared_sign_in"] is True
    assert "***" not in form.values()


def test_a_connection_that_is_made_in_the_page_works(airflow, zuora, form):
    add(airflow, zuora, "by_page", form)

    assert stored(airflow, "by_page")["shared_sign_in"] == "True"
    assert works(airflow, "by_page")


def test_an_edit_in_the_page_leaves_what_it_does_not_show(airflow, zuora, form):
    extra = {"shared_sign_in": False, "proxies": {"https": "http://proxy:3128"}}
    add(airflow, zuora, "edited", extra)
    edit(airflow, form, "edited", description="edited")

    kept = stored(airflow, "edited")
    assert kept["shared_sign_in"] == "False"
    assert "http://proxy:3128" in str(kept["proxies"])
    assert works(airflow, "edited")


def test_a_connection_that_an_earlier_form_has_broken_works(airflow, zuora):
    add(airflow, zuora, "broken", {"share_token": "***"})

    assert works(airflow, "broken")
