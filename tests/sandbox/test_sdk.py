"""A client that we did not write agrees with the sandbox: Zuora's own SDK.

It understands a create that is answered with 202 only, and raises on every Completed job that has a result,
whoever sends it; so a Processing and a Failed job are read.
"""

import pytest
import zuora_sdk as sdk

from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox, Settings, serve

pytestmark = [  # the SDK uses pydantic in ways that pydantic warns of
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FAILURE = "[40000020]: Rate plan is not effective."


@pytest.fixture
def sandbox():
    return Sandbox(Settings(create_status=202, fail_jobs=FAILURE))


@pytest.fixture
def api(sandbox):
    """Return the SDK's orders API, signed in at the sandbox."""
    with serve(sandbox) as server:
        configuration = sdk.Configuration(host=server.url)
        client = sdk.ApiClient(configuration)
        token = sdk.OAuthApi(client).create_token(
            client_id=CLIENT_ID, client_secret=CLIENT_SECRET, grant_type="client_credentials"
        )
        client.default_headers["Authorization"] = f"Bearer {token.access_token}"
        assert token.expires_in == 3600
        yield sdk.OrdersApi(client)
        client.rest_client.pool_manager.clear()


def order(**fields):
    content = {
        "orderDate": "2024-07-01",
        "existingAccountNumber": "A1",
        "subscriptions": [{"orderActions": [{"type": "CreateSubscription", "createSubscription": {}}]}],
    }
    return content | fields


def test_it_creates_an_order_and_reads_its_job(api, sandbox):
    accepted = api.create_order_asynchronously(
        body=sdk.CreateOrderAsyncRequest.from_dict(order()), idempotency_key="k", zuora_track_id="t"
    )
    assert accepted.success is True
    job = api.get_job_status_and_response(job_id=accepted.job_id)
    assert (job.status, job.errors, job.result) == (sdk.JobStatus.PROCESSING, None, None)
    sandbox.advance(20)
    job = api.get_job_status_and_response(job_id=accepted.job_id)
    assert (job.status, job.errors, job.success) == (sdk.JobStatus.FAILED, FAILURE, True)
    assert [row["idempotencyKey"] for row in sandbox.ledger()["jobs"]] == ["k"]


def test_it_previews_an_order(api, sandbox):
    content = order(previewOptions={"previewThruType": "TermEnd", "previewTypes": ["BillingDocs"]})
    accepted = api.preview_order_asynchronously(body=sdk.PreviewOrderAsyncRequest.from_dict(content))
    assert sandbox.ledger()["jobs"][0]["jobId"] == accepted.job_id


def test_it_understands_a_refusal(api):
    with pytest.raises(sdk.exceptions.BadRequestException) as refused:
        api.create_order_asynchronously(body=sdk.CreateOrderAsyncRequest.from_dict(order(orderNumber="#")))
    assert [reason.code for reason in refused.value.data.reasons] == [53200020]


def test_it_looks_an_order_up_by_its_number(api, sandbox):
    sandbox.settings = Settings(create_status=202)
    content = order(orderNumber="O1")
    api.create_order_asynchronously(body=sdk.CreateOrderAsyncRequest.from_dict(content))
    sandbox.advance(20)
    assert api.get_order("O1").order.existing_account_number == "A1"
