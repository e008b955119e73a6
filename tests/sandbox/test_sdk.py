"""A client that we did not write agrees with the sandbox: Zuora's own SDK.

It understands a create that is answered with 202 only, and raises on every Completed job that has a result,
whoever sends it; so a Processing and a Failed job are read.
"""

import pytest
import zuora_sdk as sdk

from zuora_sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    PaymentRunScript,
    Receivable,
    Sandbox,
    Settings,
    serve,
)

pytestmark = [  # the SDK uses pydantic in ways that pydantic warns of
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FAILURE = "[40000020]: Rate plan is not effective."


@pytest.fixture
def sandbox():
    return Sandbox(Settings(create_status=202, fail_jobs=FAILURE))


@pytest.fixture
def client(sandbox):
    """Return the SDK's client, signed in at the sandbox."""
    with serve(sandbox) as server:
        configuration = sdk.Configuration(host=server.url)
        client = sdk.ApiClient(configuration)
        granted = sdk.OAuthApi(client).create_token(
            client_id=CLIENT_ID, client_secret=CLIENT_SECRET, grant_type="client_credentials"
        )
        client.default_headers["Authorization"] = f"Bearer {granted.access_token}"
        assert granted.expires_in == 3600
        yield client
        client.rest_client.pool_manager.clear()


@pytest.fixture
def api(client):
    return sdk.OrdersApi(client)


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


def test_it_creates_posts_and_reads_a_bill_run(client, sandbox):
    runs = sdk.BillRunApi(client)
    asked = {"name": "July", "batches": ["AllBatches"], "targetDate": "2024-07-31"}
    run = runs.create_bill_run(request=sdk.CreateBillRunRequest.from_dict(asked), idempotency_key="k")
    assert (run.status, run.name, run.success) == ("Pending", "July", True)
    sandbox.advance(60)
    assert runs.get_bill_run(run.id).status == "Completed"
    posting = sdk.PostBillRunRequest.from_dict({})
    assert runs.post_bill_run(bill_run_id=run.id, request=posting).status == "PostInProgress"
    with pytest.raises(sdk.exceptions.BadRequestException) as refused:
        runs.post_bill_run(bill_run_id=run.id, request=posting)
    assert [reason.code for reason in refused.value.data.reasons] == ["58730230"]
    sandbox.advance(60)
    rows = sdk.ObjectQueriesApi(client).query_billing_runs(filter=["name.EQ:July"]).data
    assert [(row.status, row.number_of_invoices) for row in rows] == [("Posted", 1)]
    row = sdk.ObjectQueriesApi(client).query_billing_run_by_key(key=run.bill_run_number)
    assert (row.id, row.total_time) == (run.id, 20_000)


def test_it_creates_and_reads_a_payment_run(client, sandbox):
    runs = sdk.PaymentRunsApi(client)
    sandbox.add_script(PaymentRunScript(receivables=[Receivable(), Receivable(amount=200, status="Error")]))
    asked = {"targetDate": "2024-07-31", "data": [{"accountId": "a", "documentId": each} for each in "de"]}
    run = runs.create_payment_run(body=sdk.CreatePaymentRunRequest.from_dict(asked), idempotency_key="k")
    assert (run.status, run.success) == ("Pending", True)
    sandbox.advance(60)
    assert runs.get_payment_run(run.number).status == "Completed"
    summary = runs.get_payment_run_summary(run.id)
    assert (summary.number_of_payments, summary.number_of_errors) == (1, 1)
    assert [each.total_value_of_payments for each in summary.total_values] == ["56 USD"]
    rows = runs.get_payment_run_data(run.id).data
    assert [(row.result, row.amount_collected) for row in rows] == [("Processed", 56), ("Error", 0)]
    assert [each.id for each in runs.get_payment_runs(sort="+number").payment_runs] == [run.id]
    row = sdk.ObjectQueriesApi(client).query_payment_run_by_key(key=run.number)
    assert (row.number_of_payments, row.total_execution_time) == (1, 20_000)
    with pytest.raises(sdk.exceptions.BadRequestException) as refused:
        runs.delete_payment_run(run.id)
    assert [reason.code for reason in refused.value.data.reasons] == ["58730230"]
