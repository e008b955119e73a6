"""No secret is in anything that Airflow writes: database, logs, output of its components, metrics."""

import base64
import json
from urllib.parse import quote_plus

import pytest

from demo.stack import COMPONENTS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


def spellings(client_id, secret):
    """The forms in which a secret may be written down."""
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {secret, quote_plus(secret), json.dumps(secret)[1:-1], basic}


def places(found, needle):
    return sorted(place for place, text in found.items() if needle in text)


def test_no_secret_is_written_anywhere(zuora, refusing_zuora, found):
    for sandbox in (zuora, refusing_zuora):
        tokens = sandbox.ledger()["tokens"]
        assert tokens, "somebody has to have signed in"
        secrets = spellings(sandbox.client_id, sandbox.client_secret).union(tokens)
        assert {secret: places(found, secret) for secret in secrets} == {secret: [] for secret in secrets}


def test_the_search_finds_what_stands_there(found, made, survivor):
    where = places(found, made.order_number)
    assert "table xcom" in where
    assert {"table rendered_task_instance_fields", "table asset_event"} <= set(where)
    assert any("task_id=report" in place for place in where)
    assert {f"stack/{component}.log" for component in COMPONENTS} <= set(found)
    assert any(place.startswith("runtime/") for place in found)
    assert "table trigger, while deferred" in places(found, survivor.xcom("submit"))
    assert "airflow.zuora.submissions" in found["metrics"]


def test_it_holds_what_a_task_leaves_for_its_user(found, made, refused):
    for run, state in ((made, "completed"), (refused, "failed")):
        receipt = run.xcom("wait", "receipt")
        assert receipt["state"] == state
        where = places(found, receipt["job_id"])
        assert "table xcom" in where
        assert any(place.endswith(".log") and "task_id=wait" in place for place in where)
    events = found["table asset_event"]
    assert made.order_number in events
    assert refused.order_number not in events, "it has failed"
