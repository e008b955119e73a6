"""The life of a job, what it makes, and what its page says."""

import re

import pytest

PENDING = {"customFields": {"Sandbox__c": "pending"}}


def set_end(text):
    return {"customFields": {"Sandbox__c": text}}


def test_a_create_answers_with_a_job_id(desk):
    accepted = desk.create()
    assert desk.page(accepted) == {"jobId": desk.page(accepted)["jobId"], "success": True}
    assert re.fullmatch("[0-9a-f]{32}", desk.page(accepted)["jobId"])


def test_a_create_answers_202_when_told_to(open_desk):
    assert open_desk(create_status=202).create().status == 202


def test_a_job_says_processing_until_its_time_has_come(desk):
    accepted = desk.create()
    desk.time[0] += 19.9
    expected = {"errors": None, "result": None, "status": "Processing", "success": True}
    assert desk.job(accepted) == expected
    assert desk.sandbox.ledger()["orders"] == []
    desk.time[0] += 0.1
    assert desk.job(accepted)["status"] == "Completed"


def test_the_result_of_an_order(desk):
    order = desk.order(
        orderNumber="O 1",
        orderLineItems=[{}, {"itemNumber": "77"}],
        processingOptions={"runBilling": True, "collectPayment": True},
    )
    job = desk.finished(order)
    ids = [item.pop("id") for item in job["result"]["orderLineItems"]]
    owner_id = job["result"]["subscriptions"][0].pop("subscriptionOwnerId")
    assert [len(each) for each in (*ids, owner_id)] == [32, 32, 32]
    assert job == {
        "status": "Completed",
        "errors": None,
        "success": True,
        "result": {
            "orderNumber": "O 1",
            "accountNumber": "A1",
            "status": "Completed",
            "subscriptions": [
                {"subscriptionNumber": "A-S00000001", "status": "Active", "subscriptionOwnerNumber": "A1"}
            ],
            "invoiceNumbers": ["INV00000001"],
            "paymentNumber": "P-00000001",
            "paidAmount": 0,
            "orderLineItems": [{"itemNumber": "1"}, {"itemNumber": "77"}],
            "jobType": "AsyncCreateOrder",
            "success": True,
        },
    }


def test_ids_stand_where_numbers_stood_when_asked_for(desk):
    order = desk.order(processingOptions={"runBilling": True, "collectPayment": True})
    result = desk.finished(order, params=[("returnIds", "true")])["result"]
    assert not {name for name in result if "Number" in name}
    names = ("orderId", "accountId", "paymentId")
    assert [len(result[name]) for name in names] == [32, 32, 32]
    assert [row["subscriptionId"] for row in result["subscriptions"]] == result["subscriptionIds"]
    assert len(result["invoiceIds"]) == 1


def test_ids_without_a_bill(desk):
    result = desk.finished(desk.order(), params=[("returnIds", "True")])["result"]
    assert result["invoiceIds"] == []
    assert "paymentId" not in result


def test_old_versions_list_numbers_instead_of_rows(desk):
    old, new = (
        desk.finished(desk.order(), Zuora_Version=version)["result"] for version in ("206.0", "223.0")
    )
    assert old["subscriptionNumbers"] == ["A-S00000001"]
    assert "subscriptions" not in old
    assert new["subscriptions"][0]["subscriptionNumber"] == "A-S00000002"
    assert "subscriptionNumbers" not in new


def test_old_versions_list_ids_alone(desk):
    result = desk.finished(desk.order(), params=[("returnIds", "true")], Zuora_Version="206.0")["result"]
    assert len(result["subscriptionIds"]) == 1
    assert "subscriptions" not in result


def test_an_order_can_say_that_its_job_fails(desk):
    text = "[40000050]: Operation failed; try later."
    failed = {"status": "Failed", "errors": text, "result": None, "success": True}
    assert desk.finished(desk.order(**set_end(f"fail {text}"))) == failed
    assert desk.sandbox.ledger()["orders"] == []


def test_an_order_can_say_that_it_stays_pending(desk):
    result = desk.finished(desk.order(processingOptions={"runBilling": True}, **PENDING))["result"]
    assert result["status"] == "Pending"
    assert result["subscriptions"][0]["status"] == "Pending Activation"
    assert result["invoiceNumbers"] == []


def test_an_order_can_say_how_long_its_job_takes_and_how_it_ends(desk):
    accepted = desk.create(desk.order(**set_end("processing 120; fail [40000020]: a; b")))
    desk.time[0] += 119
    assert desk.job(accepted)["status"] == "Processing"
    desk.time[0] += 1
    assert desk.job(accepted)["errors"] == "[40000020]: a; b"


def test_an_order_can_give_its_job_a_status_that_nobody_knows(desk):
    job = desk.finished(desk.order(**set_end("status Paused")))
    assert (job["status"], job["errors"], job["result"]) == ("Paused", None, None)


def test_every_create_job_fails_when_the_settings_say_so_but_no_preview(open_desk):
    desk = open_desk(fail_jobs="[40000020]: Not effective.")
    assert desk.finished(desk.order())["errors"] == "[40000020]: Not effective."
    accepted = desk.preview(desk.order(previewOptions={}))
    desk.time[0] += 20
    assert desk.job(accepted)["status"] == "Completed"


def test_the_settings_say_what_orders_become(open_desk):
    desk = open_desk(order_status="Pending")
    assert desk.finished(desk.order())["result"]["status"] == "Pending"


def test_a_preview_shows_what_was_asked_for_and_makes_nothing(desk):
    options = {"previewTypes": ["BillingDocs", "Funds"], "specificPreviewThruDate": "2025-01-01"}
    accepted = desk.preview(desk.order(previewOptions=options))
    desk.time[0] += 20
    result = desk.job(accepted)["result"]
    amounts = {"amount": 0, "amountWithoutTax": 0, "taxAmount": 0}
    assert result == {
        "invoices": [amounts | {"targetDate": "2025-01-01", "invoiceItems": []}],
        "creditMemos": [],
        "funds": [],
        "jobType": "AsyncPreviewOrder",
        "success": True,
    }
    assert desk.sandbox.ledger()["orders"] == []


def test_a_preview_can_leave_invoices_out(desk):
    accepted = desk.preview(desk.order(previewOptions={"previewTypes": ["ChargeMetrics"]}))
    desk.time[0] += 20
    assert set(desk.job(accepted)["result"]) == {"chargeMetrics", "jobType", "success"}


def test_a_job_that_nobody_knows(desk):
    response = desk.ask("GET", "/v1/async-jobs/0")
    assert desk.page(response)["reasons"][0]["message"] == "Cannot find response for job"


def test_jobs_end_in_the_order_of_their_ends(desk):
    late = desk.create(desk.order(**set_end("processing 9")))
    early = desk.create(desk.order(**set_end("processing 3")))
    desk.time[0] += 60
    numbers = [desk.job(each)["result"]["orderNumber"] for each in (early, late)]
    assert numbers == ["O-00000001", "O-00000002"]


def test_a_chosen_number_is_stepped_over(desk):
    desk.finished(desk.order(orderNumber="O-00000001"))
    assert desk.finished(desk.order())["result"]["orderNumber"] == "O-00000002"


def test_an_order_number_is_taken_once(desk):
    desk.finished(desk.order(orderNumber="O1"))
    response = desk.create(desk.order(orderNumber="O1"))
    assert (response.status, desk.codes(response)) == (400, [53200030])


def test_the_second_of_two_orders_under_way_with_one_number_fails(desk):
    first, second = (desk.create(desk.order(orderNumber="O1")) for _ in range(2))
    desk.time[0] += 20
    assert desk.job(first)["status"] == "Completed"
    assert desk.job(second)["status"] == "Failed"
    assert desk.job(second)["errors"].startswith("[53200030]: ")


def test_an_order_can_be_looked_up_once_its_job_has_completed(desk):
    desk.create(desk.order(orderNumber="O 1", description="d"))
    missing = desk.ask("GET", "/v1/orders/O%201")
    assert (missing.status, desk.codes(missing)) == (404, [50000020])
    assert desk.page(missing)["reasons"][0]["message"] == "Invalid orderNumber: O 1"
    desk.time[0] += 20
    page = desk.page(desk.ask("GET", "/v1/orders/O%201"))
    assert page["success"] is True
    order = page["order"]
    assert order["orderNumber"] == "O 1"
    assert order["orderDate"] == "2024-07-01"
    assert order["existingAccountNumber"] == "A1"
    assert order["status"] == "Completed"
    assert order["createdDate"] == "2023-11-14 22:13:40"
    assert order["subscriptions"][0]["subscriptionNumber"] == "A-S00000001"


def change(kind, **content):
    field = kind[0].lower() + kind[1:]
    return {"subscriptions": [{"subscriptionNumber": "S1", "orderActions": [{"type": kind, field: content}]}]}


def test_an_account_gathers_subscriptions(desk):
    chosen = {"type": "CreateSubscription", "createSubscription": {"subscriptionNumber": "S1"}}
    desk.finished(desk.order(subscriptions=[{"orderActions": [chosen]}]))
    desk.finished(desk.order())
    assert desk.sandbox.ledger()["accounts"] == {"A1": {"S1": "Active", "A-S00000001": "Active"}}
    desk.finished(desk.order(**change("Suspend", suspendPolicy="Today")))
    assert desk.sandbox.ledger()["accounts"]["A1"]["S1"] == "Suspended"
    desk.finished(desk.order(**change("Resume", resumePolicy="Today")))
    assert desk.sandbox.ledger()["accounts"]["A1"]["S1"] == "Active"
    desk.finished(desk.order(**change("CancelSubscription", cancellationPolicy="EndOfCurrentTerm")))
    assert desk.sandbox.ledger()["accounts"]["A1"]["S1"] == "Cancelled"


@pytest.mark.parametrize(("number", "expected"), [("NEW", "NEW"), (None, "A00000001")])
def test_a_new_account(desk, number, expected):
    account = {
        "name": "n",
        "currency": "USD",
        "billCycleDay": 0,
        "billToContact": {},
        "accountNumber": number,
    }
    result = desk.finished(desk.order(existingAccountNumber=None, newAccount=account))["result"]
    assert result["accountNumber"] == expected


def test_an_account_is_known_by_its_id(desk):
    first = desk.finished(desk.order(), params=[("returnIds", "true")])["result"]
    order = desk.order(existingAccountNumber=None, existingAccountId=first["accountId"])
    assert desk.finished(order)["result"]["accountNumber"] == "A1"
    stranger = desk.order(existingAccountNumber=None, existingAccountId="x")
    assert desk.finished(stranger)["result"]["accountNumber"] == "A-x"
