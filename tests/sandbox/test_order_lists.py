"""Lists of orders and their pages, in both families, and how an order is deleted."""

from urllib.parse import parse_qsl, urlsplit

import pytest

LIST = "/v1/orders"
OBJECTS = "/object-query/orders"
DAY = 86_400


def make(desk, number, **fields):
    desk.create(desk.order(orderNumber=number, **fields))
    desk.sandbox.advance(20)


def make_many(desk, count):
    for number in range(count):
        make(desk, f"O-{number:03}")


def numbers(page, name="orders"):
    return [row["orderNumber"] for row in page[name]]


def ask(desk, path, *params):
    return desk.page(desk.ask("GET", path, params=params))


def walk(desk, path, *params, name="orders"):
    """Follow the pages as a client has to, and return all rows."""
    rows, asked = [], list(params)
    while True:
        page = ask(desk, path, *asked)
        rows += page[name]
        following = page.get("nextPage")
        if following is None:
            return rows
        is_url = path == LIST
        asked = parse_qsl(urlsplit(following).query) if is_url else [*params, ("cursor", following)]


class TestTheList:
    def test_has_rows_without_the_wrapper_of_a_page(self, desk):
        make(desk, "O-1", description="one")
        page = ask(desk, LIST)
        assert set(page) == {"orders", "success"}
        [row] = page["orders"]
        shown = ask(desk, f"{LIST}/O-1")["order"]
        assert {name: row[name] for name in shown} == shown
        assert row["existingAccountNumber"] == "A1"
        assert row["createdDate"] == "2023-11-14 22:13:40"

    def test_is_empty_before_there_is_an_order(self, desk):
        desk.create(desk.order(orderNumber="O-1"))  # its job runs
        assert ask(desk, LIST) == {"orders": [], "success": True}

    @pytest.mark.parametrize("size", [1, 7, 40])
    def test_has_each_order_once_on_its_pages_the_last_one_first(self, desk, size):
        make_many(desk, 45)
        rows = walk(desk, LIST, ("pageSize", str(size)))
        assert numbers({"orders": rows}) == [f"O-{number:03}" for number in reversed(range(45))]

    def test_has_twenty_on_a_page_unless_told_otherwise(self, desk):
        make_many(desk, 21)
        assert len(ask(desk, LIST)["orders"]) == 20
        assert numbers(ask(desk, LIST, ("page", "2"))) == ["O-000"]
        assert "nextPage" not in ask(desk, LIST, ("page", "2"))

    @pytest.mark.parametrize(
        ("begins", "settings"),
        [
            ("https://localhost:8080/apps/v1/orders?", {}),
            ("/orders?", {"next_page_of_orders": "path"}),
        ],
    )
    def test_names_a_next_page_that_must_not_be_called_as_it_stands(self, open_desk, begins, settings):
        desk = open_desk(**settings)
        make_many(desk, 3)
        following = ask(desk, LIST, ("pageSize", "2"), ("status", "completed"))["nextPage"]
        assert following == f"{begins}pageSize=2&status=completed&page=2"
        assert desk.ask("GET", urlsplit(following).path).status == 404

    def test_shows_an_order_twice_if_another_is_made_between_two_pages(self, desk):
        make_many(desk, 4)
        first = numbers(ask(desk, LIST, ("pageSize", "2")))
        make(desk, "O-new")
        assert numbers(ask(desk, LIST, ("pageSize", "2"), ("page", "2"))) == [first[1], "O-001"]

    def test_lacks_an_order_if_another_is_deleted_between_two_pages(self, desk):
        make_many(desk, 4)
        first = numbers(ask(desk, LIST, ("pageSize", "2")))
        desk.ask("DELETE", f"{LIST}/{first[0]}")
        assert numbers(ask(desk, LIST, ("pageSize", "2"), ("page", "2"))) == ["O-000"]

    def test_is_filtered_by_date_as_days(self, open_desk):
        desk = open_desk(order_status="Pending", order_seconds=3 * DAY, order_next_status="Completed")
        make(desk, "O-1", orderDate="2023-11-01")
        make(desk, "O-2", orderDate="2023-11-30")
        by_order = [("dateFilterOption", "orderDate"), ("startDate", "2023-11-01"), ("endDate", "2023-11-29")]
        assert numbers(ask(desk, LIST, *by_order)) == ["O-1"]
        by_update = [("dateFilterOption", "updatedDate"), ("startDate", "2023-11-17")]
        assert numbers(ask(desk, LIST, *by_update)) == []
        desk.sandbox.advance(4 * DAY)
        desk.sign_in()
        assert numbers(ask(desk, LIST, *by_update)) == ["O-2", "O-1"]

    def test_is_filtered_by_status_in_lower_case(self, desk):
        make(desk, "O-1")
        make(desk, "O-2", customFields={"Sandbox__c": "pending"})
        assert numbers(ask(desk, LIST, ("status", "pending"))) == ["O-2"]
        assert numbers(ask(desk, LIST, ("status", "all"))) == ["O-2", "O-1"]
        assert desk.ask("GET", LIST, params=[("status", "Pending")]).status == 400

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("page", "0"),
            ("page", "x"),
            ("pageSize", "41"),
            ("pageSize", "0"),
            ("dateFilterOption", "createdDate"),
            ("startDate", "2023-11-01T00:00:00Z"),
            ("endDate", "1.11.2023"),
        ],
    )
    def test_refuses_a_parameter_that_is_none(self, desk, name, value):
        answer = desk.ask("GET", LIST, params=[(name, value)])
        assert (answer.status, desk.codes(answer)) == (400, [53200020])

    def test_needs_a_token(self, desk):
        assert desk.ask("GET", LIST, Authorization=None).status == 400


class TestObjectQuery:
    def test_names_the_account_by_id_and_leaves_null_fields_out(self, desk):
        make(desk, "O-1")
        [row] = ask(desk, OBJECTS)["data"]
        assert set(row) == {
            "id", "orderNumber", "orderDate", "accountId", "status", "category", "createdById", "createdDate",
            "updatedById", "updatedDate",
        }  # fmt: skip
        assert row["createdDate"] == "2023-11-14T22:13:40+00:00"
        account = desk.page(desk.ask("GET", "/v1/accounts/A1"))["basicInfo"]["id"]
        assert row["accountId"] == account
        assert ask(desk, OBJECTS, ("includeNullFields", "true"))["data"][0]["errorCode"] is None

    def test_adds_the_account_if_asked_to_and_nothing_that_it_does_not_know(self, desk):
        make(desk, "O-1")
        [row] = ask(desk, OBJECTS, ("expand[]", "account"))["data"]
        assert row["account"] == {"id": row["accountId"], "accountNumber": "A1"}
        answer = desk.ask("GET", OBJECTS, params=[("expand[]", "orderactions")])
        assert (answer.status, desk.codes(answer)) == (400, [50000027])

    @pytest.mark.parametrize("size", ["1", "10", "99"])
    def test_has_each_order_once_on_its_pages_by_cursor(self, desk, size):
        make_many(desk, 25)
        rows = walk(desk, OBJECTS, ("pageSize", size), ("sort[]", "ordernumber.ASC"), name="data")
        assert [row["orderNumber"] for row in rows] == [f"O-{number:03}" for number in range(25)]

    @pytest.mark.parametrize("size", ["0", "100", "x"])
    def test_refuses_a_page_of_another_size(self, desk, size):
        answer = desk.ask("GET", OBJECTS, params=[("pageSize", size)])
        assert (answer.status, desk.codes(answer)) == (400, [50000027])
        assert "success" not in desk.page(answer)

    def test_has_ten_on_a_page_and_a_cursor_that_is_no_url(self, desk):
        make_many(desk, 11)
        page = ask(desk, OBJECTS)
        assert len(page["data"]) == 10
        assert "/" not in page["nextPage"]
        assert desk.ask("GET", OBJECTS, params=[("cursor", "O-1")]).status == 400

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("ordernumber.EQ:O-1", ["O-1"]),
            ("ordernumber.IN:[O-1,O-3]", ["O-3", "O-1"]),
            ("orderdate.LT:2024-01-01", ["O-2"]),
            ("status.EQ:Pending", ["O-3"]),
            ("updateddate.GE:2023-11-14T22:14:20Z", ["O-3"]),
        ],
    )
    def test_filters_by_fields_of_the_order(self, desk, text, found):
        make(desk, "O-1")
        make(desk, "O-2", orderDate="2023-12-01")
        make(desk, "O-3", customFields={"Sandbox__c": "pending"})
        assert numbers(ask(desk, OBJECTS, ("filter[]", text)), "data") == found

    def test_filters_by_account_where_the_other_list_cannot(self, desk):
        make(desk, "O-1")
        make(desk, "O-2", existingAccountNumber="A2")
        account = desk.page(desk.ask("GET", "/v1/accounts/A2"))["basicInfo"]["id"]
        assert numbers(ask(desk, OBJECTS, ("filter[]", f"accountid.EQ:{account}")), "data") == ["O-2"]
        answer = desk.ask("GET", OBJECTS, params=[("filter[]", "account.accountnumber.EQ:A2")])
        assert desk.codes(answer) == [50000027]

    def test_shows_one_by_id_or_number_and_404_for_another(self, desk):
        make(desk, "O-1")
        row = ask(desk, f"{OBJECTS}/O-1")
        assert ask(desk, f"{OBJECTS}/{row['id']}") == row
        answer = desk.ask("GET", f"{OBJECTS}/O-2")
        assert (answer.status, desk.codes(answer)) == (404, [50000040])

    def test_knows_a_new_order_late_if_told_so(self, open_desk):
        desk = open_desk(object_query_lag_seconds=60.0)
        make(desk, "O-1")
        assert ask(desk, OBJECTS)["data"] == []
        assert desk.ask("GET", f"{OBJECTS}/O-1").status == 404
        assert numbers(ask(desk, LIST)) == ["O-1"]
        desk.sandbox.advance(60)
        assert numbers(ask(desk, OBJECTS), "data") == ["O-1"]


class TestADeletion:
    def delete(self, desk, number):
        return desk.ask("DELETE", f"/v1/async/orders/{number}")

    def test_answers_a_job_that_cannot_be_read_and_the_order_goes_later(self, desk):
        make(desk, "O-1")
        answer = self.delete(desk, "O-1")
        page = desk.page(answer)
        assert (answer.status, set(page), page["success"]) == (200, {"jobId", "success"}, True)
        assert desk.ask("GET", f"/v1/async-jobs/{page['jobId']}").status == 404
        assert desk.ask("GET", f"{LIST}/O-1").status == 200
        desk.sandbox.advance(5)
        assert desk.codes(desk.ask("GET", f"{LIST}/O-1")) == [50000020]
        assert ask(desk, LIST)["orders"] == ask(desk, OBJECTS)["data"] == []
        assert desk.ask("GET", f"/v1/async-jobs/{page['jobId']}").status == 404

    def test_has_a_job_that_completes_if_told_so(self, open_desk):
        desk = open_desk(order_deletion_job="completed")
        make(desk, "O-1")
        answer = self.delete(desk, "O-1")
        assert desk.job(answer)["status"] == "Processing"
        desk.sandbox.advance(5)
        assert desk.job(answer) == {"errors": None, "result": None, "status": "Completed", "success": True}

    def test_that_is_repeated_while_it_goes_on_deletes_nothing_else(self, desk):
        make(desk, "O-1")
        first, second = self.delete(desk, "O-1"), self.delete(desk, "O-1")
        assert desk.page(first)["jobId"] != desk.page(second)["jobId"]
        desk.sandbox.advance(5)
        assert desk.sandbox.ledger()["deletedOrders"] == ["O-1"]
        assert self.delete(desk, "O-1").status == 400

    def test_of_an_unknown_order_is_refused_in_the_words_that_were_seen(self, desk):
        answer = self.delete(desk, "O-1")
        assert answer.status == 400
        assert desk.page(answer)["reasons"][0]["message"] == "orderNumber does not exist"
        assert desk.ask("PUT", "/v1/async/orders/O-1", {}).status == 405

    @pytest.mark.parametrize("path", ["/v1/async/orders/O-1", "/v1/orders/O-1"])
    def test_of_an_order_that_is_invoiced_is_refused(self, desk, path):
        make(desk, "O-1", processingOptions={"runBilling": True})
        answer = desk.ask("DELETE", path)
        assert (answer.status, desk.codes(answer)) == (400, [53200030])
        desk.sandbox.advance(60)
        assert desk.sandbox.ledger()["deletedOrders"] == []

    def test_at_once_answers_success_or_the_code_that_was_recorded(self, desk):
        make(desk, "O-1")
        assert desk.page(desk.ask("DELETE", f"{LIST}/O-1")) == {"success": True}
        assert desk.codes(desk.ask("DELETE", f"{LIST}/O-1")) == [50000040]
        assert desk.sandbox.ledger()["deletedOrders"] == ["O-1"]

    def test_takes_the_subscriptions_along_that_the_order_created_and_leaves_others(self, desk):
        make(desk, "O-1", subscriptions=[self.create("S-1")])
        cancel = {
            "type": "CancelSubscription",
            "cancelSubscription": {"cancellationPolicy": "EndOfCurrentTerm"},
        }
        make(desk, "O-2", subscriptions=[{"subscriptionNumber": "S-1", "orderActions": [cancel]}])
        assert desk.sandbox.ledger()["accounts"]["A1"] == {"S-1": "Cancelled"}
        desk.ask("DELETE", f"{LIST}/O-2")
        assert desk.sandbox.ledger()["accounts"]["A1"] == {"S-1": "Active"}
        desk.ask("DELETE", f"{LIST}/O-1")
        assert desk.sandbox.ledger()["accounts"]["A1"] == {}

    def create(self, number):
        action = {
            "type": "CreateSubscription",
            "createSubscription": {"subscriptionNumber": number, "terms": {}},
        }
        return {"orderActions": [action]}

    def test_frees_the_number_and_the_ledger_lists_the_order_that_is_there(self, desk):
        make(desk, "O-1", description="first")
        desk.ask("DELETE", f"{LIST}/O-1")
        assert desk.sandbox.list_orders() == []
        make(desk, "O-1", description="second")
        assert [made.body["description"] for made in desk.sandbox.list_orders()] == ["second"]
        assert [row["description"] for row in desk.sandbox.ledger()["orders"]] == ["second"]
