"""The fixture of the pytest plugin: what a test can say and see, and what it leaves behind."""

import os

import pytest

from airflow_provider_zuora.exceptions import LockContentionError, PermanentError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from zuora_sandbox import Fault, OrderScript, QueryScript, ZuoraSandbox

ITEM = {"itemName": "Installation", "itemType": "Services", "quantity": 1, "amountPerUnit": 250}


def make_order(number, **fields):
    order = {"orderNumber": number, "existingAccountNumber": "A1", "orderDate": "2026-01-01"}
    return order | {"orderLineItems": [ITEM]} | fields


def submit(number, conn_id="zuora_default"):
    return ZuoraHook(conn_id).create_order(make_order(number), idempotency_key=f"test {number}")


def list_submits(zuora_sandbox):
    posts = [each for each in zuora_sandbox.requests if each.path == "/v1/async/orders"]
    return [(each.order_number, each.status) for each in posts]


def test_an_order_is_made_and_seen(zuora_sandbox):
    job_id = submit("O-1")
    assert ZuoraHook().wait_for_job(job_id).result["orderNumber"] == "O-1"

    assert isinstance(zuora_sandbox, ZuoraSandbox)
    [order] = zuora_sandbox.orders
    assert (order.order_number, order.account_number, order.status) == ("O-1", "A1", "Completed")
    assert (order.job_id, order.body) == (job_id, make_order("O-1"))
    sign_in, post, poll = zuora_sandbox.requests
    assert (sign_in.path, sign_in.order_number, sign_in.body) == ("/oauth/token", "", None)
    assert (post.method, post.path, post.status, post.order_number) == (
        "POST",
        "/v1/async/orders",
        200,
        "O-1",
    )
    assert post.body == make_order("O-1")
    assert post.idempotency_key == order.idempotency_key != ""
    assert post.track_id.startswith("af-")
    assert sign_in.at <= post.at <= poll.at <= zuora_sandbox.sandbox.now
    assert str(post) == "POST /v1/async/orders (O-1): 200"


def test_a_wait_is_not_deferred(zuora_sandbox):
    job_ids = [submit("O-1"), submit("O-2")]
    results = ZuoraJobSensor(task_id="wait", job_id=job_ids, deferrable=True).execute({})

    assert [each["orderNumber"] for each in results] == ["O-1", "O-2"]


def test_a_job_fails_for_the_order_that_it_is_said_for(zuora_sandbox):
    zuora_sandbox.fail(order_number="O-1", errors="[40000020]: Not effective.")
    hook = ZuoraHook()

    assert hook.wait_for_job(submit("O-10")).result["orderNumber"] == "O-10"
    failed = hook.wait_for_job(submit("O-1"))
    with pytest.raises(PermanentError, match="Not effective"):
        _ = failed.result
    assert [each.order_number for each in zuora_sandbox.orders] == ["O-10"]


def test_without_a_number_it_is_said_for_every_order_and_for_so_many(zuora_sandbox):
    zuora_sandbox.fail(errors="[40000020]: Not effective.", times=2)
    states = [ZuoraHook().get_job(submit(f"O-{number}")).status for number in range(3)]

    assert states == ["Failed", "Failed", "Completed"]


def test_a_preview_fails_apart_from_its_order(zuora_sandbox):
    zuora_sandbox.fail(errors="[40000020]: No price.", kind="preview")
    options = {"previewTypes": ["BillingDocs"], "previewThruType": "TermEnd"}
    hook = ZuoraHook()
    job_id = hook.preview_order(make_order("O-1", previewOptions=options))

    assert hook.get_job(job_id).status == "Failed"
    assert hook.get_job(submit("O-1")).status == "Completed"


def test_a_job_takes_as_long_as_is_said(zuora_sandbox):
    zuora_sandbox.delay(order_number="O-1", seconds=3600)
    hook = ZuoraHook()
    job_id = submit("O-1")

    zuora_sandbox.advance(3000)
    assert (hook.get_job(job_id).has_ended, zuora_sandbox.orders) == (False, [])
    zuora_sandbox.advance(600)
    assert hook.wait_for_job(job_id).result["orderNumber"] == "O-1"


def test_an_order_is_refused(zuora_sandbox):
    zuora_sandbox.refuse(order_number="O-1", message="The account is not active.", code=53200040)

    with pytest.raises(PermanentError, match="The account is not active") as caught:
        submit("O-1")
    assert (caught.value.status_code, caught.value.codes) == (404, ("53200040",))
    assert list_submits(zuora_sandbox) == [("O-1", 404)]


def test_a_code_without_a_category_is_refused(zuora_sandbox):
    with pytest.raises(ValueError, match="code is 53200011; it ends with one of 10, 20"):
        zuora_sandbox.refuse(message="No.", code=53200011)


@pytest.mark.parametrize("seconds", [-5, -0.1, float("nan"), float("inf"), float("-inf")])
def test_seconds_that_cannot_pass_are_refused_by_the_name_of_their_argument(zuora_sandbox, seconds):
    before = zuora_sandbox.sandbox.now
    rule = f"is {seconds}; it must be a number of seconds, 0 or more"
    with pytest.raises(ValueError, match=f"seconds {rule}"):
        zuora_sandbox.advance(seconds)
    with pytest.raises(ValueError, match=f"seconds {rule}"):
        zuora_sandbox.delay(seconds=seconds)
    with pytest.raises(ValueError, match=f"retry_after {rule}"):
        zuora_sandbox.limit_rate(retry_after=seconds)
    zuora_sandbox.advance(0)
    assert before <= zuora_sandbox.sandbox.now < before + 3600


SAID = {
    "fail": {"errors": "[40000020]: Not effective."},
    "delay": {"seconds": 5},
    "refuse": {"message": "No."},
    "lock": {},
    "lose_answer": {},
    "limit_rate": {},
}


@pytest.mark.parametrize("times", [0, -1, 0.5])
@pytest.mark.parametrize("name", SAID)
def test_what_is_said_for_no_request_is_refused(zuora_sandbox, name, times):
    with pytest.raises(ValueError, match=f"times is {times}; it must be "):
        getattr(zuora_sandbox, name)(times=times, **SAID[name])
    assert zuora_sandbox.describe_unused() == ""


def test_scripts_and_faults_for_no_request_are_refused_too(zuora_sandbox):
    with pytest.raises(ValueError, match="times is 0; it must be 1 or more"):
        zuora_sandbox.add_script(QueryScript(times=0))
    with pytest.raises(ValueError, match="times is 0; it must be 1 or more"):
        zuora_sandbox.add_fault(Fault(times=0))
    with pytest.raises(ValueError, match="skip is -1; it must be 0 or more"):
        zuora_sandbox.add_fault(Fault(skip=-1))


@pytest.mark.parametrize("conn_type", ["nope", "", "Zuora", "http"])
def test_a_connection_of_a_type_that_leads_nowhere_here_is_refused(zuora_sandbox, conn_type):
    with pytest.raises(ValueError, match=f"conn_type is '{conn_type}'; it can be zuora or elastic_path"):
        zuora_sandbox.add_connection("other", conn_type)
    assert "AIRFLOW_CONN_OTHER" not in os.environ


def test_a_lock_is_met_once(zuora_sandbox):
    zuora_sandbox.lock(order_number="O-1")

    with pytest.raises(LockContentionError):
        submit("O-1")
    assert zuora_sandbox.orders == []
    assert list_submits(zuora_sandbox) == [("O-1", 409)]


def test_an_answer_is_lost_once(zuora_sandbox):
    zuora_sandbox.lose_answer(order_number="O-1")
    submit("O-1")

    assert list_submits(zuora_sandbox) == [("O-1", 0), ("O-1", 200)]
    assert len(zuora_sandbox.orders) == 1
    assert str(zuora_sandbox.requests[1]) == "POST /v1/async/orders (O-1): reset"


def test_a_request_too_many(zuora_sandbox):
    zuora_sandbox.limit_rate(path="/query/jobs")

    assert len(list(ZuoraHook().query("SELECT id FROM account"))) == 3
    requests = [(each.method, each.path, each.status) for each in zuora_sandbox.requests]
    assert [status for method, path, status in requests if (method, path) == ("POST", "/query/jobs")] == [
        429,
        200,
    ]


def test_scripts_faults_and_settings_have_words_for_everything_else(zuora_sandbox):
    zuora_sandbox.add_script(OrderScript(order_number="O-1", order_status="Pending"))
    zuora_sandbox.add_script(QueryScript(rows=[{"id": "1"}]))
    zuora_sandbox.add_fault(Fault(path="/v1/orders/", order_number="O/2", status=400))
    zuora_sandbox.change_settings(order_status="Scheduled")
    hook = ZuoraHook()

    assert [hook.get_job(submit(number)).result["status"] for number in ("O-1", "O-2")] == [
        "Pending",
        "Scheduled",
    ]
    assert list(hook.query("SELECT id FROM account")) == [{"id": "1"}]
    assert hook.request("GET", "/v1/orders/O-2")["order"]["orderNumber"] == "O-2"
    with pytest.raises(PermanentError):
        hook.request("GET", "/v1/orders/O%2F2")


def test_more_connections_lead_to_it(zuora_sandbox):
    zuora_sandbox.add_connection("zuora_eu", entity_id="2c92c0f86a8dd422016a9e7a70116b0d")
    zuora_sandbox.add_connection("shop", "elastic_path")
    submit("O-1", "zuora_eu")

    assert zuora_sandbox.requests[-1].request.header("Zuora-Entity-Ids") != ""
    assert ElasticPathHook("shop").test_connection()[0]
    assert ElasticPathHook().test_connection()[0]


def test_an_order_says_more_than_its_script(zuora_sandbox):
    zuora_sandbox.fail(errors="[40000020]: Not effective.")
    order = make_order("O-1", customFields={"Sandbox__c": "fail [40000030]: Its own."})
    job_id = ZuoraHook().create_order(order, idempotency_key="test")

    assert ZuoraHook().get_job(job_id).info.messages == ("Its own.",)


def test_a_script_without_effect_is_refused():
    with pytest.raises(ValueError, match="kind is previews; it can be create or preview"):
        OrderScript(kind="previews")
