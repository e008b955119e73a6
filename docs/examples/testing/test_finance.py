"""Data queries, bill runs, payment runs, exports and guards, by the hooks: these need no DAG."""

import pytest

from airflow_provider_zuora.exceptions import GuardRefusedError, LockContentionError, PermanentError
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from zuora_sandbox import BillRunScript, PaymentRunScript, QueryScript, Receivable


def test_a_query_has_the_rows_of_its_script(zuora_sandbox):
    zuora_sandbox.add_script(QueryScript(contains="FROM invoice", rows=[{"id": "8ad0", "balance": 56.5}]))

    assert list(ZuoraHook().query("SELECT id, balance FROM invoice")) == [{"id": "8ad0", "balance": 56.5}]


def test_a_query_fails_with_the_words_of_its_script(zuora_sandbox):
    zuora_sandbox.add_script(QueryScript(contains="FROM invoices", message="Table invoices does not exist"))

    with pytest.raises(PermanentError, match="Table invoices does not exist"):
        list(ZuoraHook().query("SELECT id FROM invoices"))


def test_a_bill_run_is_posted(zuora_sandbox):
    zuora_sandbox.add_script(BillRunScript(contains="July", invoices=6))
    hook = ZuoraHook()
    run = {"name": "July", "batches": ["Batch1"], "targetDate": "2026-07-31"}
    job_id = hook.create_bill_run(run, idempotency_key="July")
    assert hook.wait_for_job(job_id).result["status"] == "Completed"
    assert hook.wait_for_job(hook.post_bill_run(job_id)).result["status"] == "Posted"

    [run] = zuora_sandbox.sandbox.ledger()["billRuns"]
    assert (run["status"], run["posts"]) == ("Posted", 1)


def test_a_payment_run_collects(zuora_sandbox):
    zuora_sandbox.add_script(PaymentRunScript(receivables=[Receivable(200), Receivable(56, status="Error")]))
    hook = ZuoraHook()
    run = {"accountId": "8ad081dd9096ef9501909b40bb4e74a4", "targetDate": "2026-07-31"}
    totals = hook.wait_for_job(hook.create_payment_run(run, idempotency_key="July")).result

    assert totals["status"] == "Completed"
    assert zuora_sandbox.sandbox.ledger()["collected"] == {"USD": 200}


def test_a_locked_account(zuora_sandbox):
    zuora_sandbox.lock(path="/v1/payment-runs")
    run = {"accountId": "8ad081dd9096ef9501909b40bb4e74a4", "targetDate": "2026-07-31"}

    with pytest.raises(LockContentionError):
        ZuoraHook().create_payment_run(run, idempotency_key="July")


def test_an_export_of_elastic_path(zuora_sandbox, tmp_path):
    zuora_sandbox.sandbox.set_exportable([{"id": "1", "created_at": "2026-07-01T10:00:00Z"}])
    hook = ElasticPathHook()
    job_id = hook.export_orders("ge(created_at,2026-07-01T00:00:00Z)")
    assert hook.wait_for_job(job_id).result
    hook.download(job_id, tmp_path / "orders.csv")

    assert (tmp_path / "orders.csv").read_text().splitlines()[0].startswith("id,created_at")


def test_a_guard_refuses_what_is_too_much(zuora_sandbox):
    zuora_sandbox.change_settings(accounts={"A00000097": "USD"}, prices={"*": "100.10"})
    hook = ZuoraHook(guard={"max_amount": "499.99", "currency": "USD"})
    item = {"itemName": "Installation", "itemType": "Services", "quantity": 2, "amountPerUnit": 250}
    order = {"orderNumber": "WEB-6", "existingAccountNumber": "A00000097", "orderDate": "2026-01-01"}

    with pytest.raises(GuardRefusedError, match="USD is allowed"):
        hook.create_order(order | {"orderLineItems": [item]}, idempotency_key="test")
    assert zuora_sandbox.orders == []
