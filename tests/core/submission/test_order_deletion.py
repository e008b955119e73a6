"""The deletion of an order: sent while it is there, and believed only if its account can still be read."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    LogUnavailable,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unreadable,
)
from airflow_provider_zuora.core.job import JobState
from airflow_provider_zuora.core.polling.wait import PollOptions, PollSchedule, wait_until_done
from airflow_provider_zuora.core.submission.order_absence import confirm_deletion
from airflow_provider_zuora.core.submission.order_deletion import delete_order
from tests.core.deletions import CLEARED, FIRST, RETRY, Killed, Orders, kill_before
from tests.core.runners import Memory, Script, answer
from zuora_sandbox import Fault

DELETE, PAGE, ACCOUNT = "/v1/async/orders/O-1", "/v1/orders/O-1", "/v1/accounts/"
DENIED = {"success": False, "reasons": [{"code": 50000010, "message": "permission denied"}]}
INVOICED = "The order O-1 cannot be deleted: its charges are invoiced."


def fault(method, path, *, when="before", kind="answer", **more):
    return Fault(method, path, when=when, kind=kind, **more)


def answered(method, path, status, body, **more):
    return fault(method, path, status=status, body=json.dumps(body).encode(), **more)


def wait(tenant, deletion, seconds=600.0):
    """Wait for the end of a deletion, and return the result of the wait."""
    now = tenant.clock()
    options = PollOptions(now, now, now + seconds, PollSchedule(5.0))
    return tenant.run(wait_until_done(tenant.client(), deletion.job_id, options))


def confirm(tenant, deletion, **headers):
    tenant.run(confirm_deletion(tenant.client(**headers), deletion))


def test_it_is_sent_once_without_a_key_after_order_and_account_were_read():
    tenant = Orders()
    deletion = tenant.delete()
    assert deletion.job_id == "order-deletion:O-1"
    assert (deletion.account, deletion.order_date) == ("A-1", "2024-07-01")
    asked = [(request.method, request.path) for request in tenant.sent]
    assert asked == [("GET", PAGE), ("GET", f"{ACCOUNT}A-1"), ("DELETE", DELETE)]
    assert tenant.headers("Idempotency-Key") == ["", "", ""]


def test_it_ends_when_the_order_is_gone_and_not_before():
    tenant = Orders(order_delete_seconds=40.0)
    deletion = tenant.delete()
    job = tenant.run(tenant.client().get_job(deletion.job_id))
    assert (job.state, job.status, job.result) == (JobState.ACTIVE, "still there", None)
    result = wait(tenant, deletion)
    assert (result.job.state, result.job.status) == (JobState.SUCCEEDED, "gone")
    assert result.job.result == {"orderNumber": "O-1", "success": True}
    assert tenant.deleted == ["O-1"]
    confirm(tenant, deletion)


def test_the_log_has_the_intent_before_and_the_end_after():
    tenant = Orders()
    tenant.delete()
    intent, end = tenant.log.lines
    assert (intent["event"], intent["outcome"], intent["unanswered"]) == ("intent", None, 1)
    assert (end["event"], end["outcome"], end["unanswered"]) == ("end", "submitted", 0)
    for line in (intent, end):
        assert (line["kind"], line["key"], line["job_id"]) == ("order deletion", None, "order-deletion:O-1")
        assert (line["order_number"], line["account_number"]) == ("O-1", "A-1")
        assert line["order_date"] == "2024-07-01"
        assert line["track_ids"] == tenant.headers("Zuora-Track-Id")[-1:]


def test_what_cannot_be_logged_is_not_sent():
    tenant = Orders()

    def fail(*_):
        raise LogUnavailable("full", transient=True)

    tenant.log._write = fail
    with pytest.raises(LogUnavailable):
        tenant.delete()
    assert tenant.count("DELETE") == 0


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("", "must have 1 to 2048 characters"),
        (" O-1", "without white space at its ends"),
        ("None", "must be the number of an order, not None"),
        (7, "must be a text, not of type int"),
        ("..", "order_number|job_id"),
    ],
)
def test_a_number_that_can_be_none_is_refused_before_anything_is_sent(number, rule):
    tenant = Orders()
    with pytest.raises(InvalidInput, match=rule):
        tenant.delete(number=number)
    assert tenant.sent == []


class TestANumberThatIsNotThere:
    def test_is_an_error_in_the_first_try(self):
        tenant = Orders()
        with pytest.raises(NotFound, match=r"There is no order O-2 at Zuora.*on_missing='succeed'") as caught:
            tenant.delete(number="O-2")
        assert not caught.value.transient
        assert tenant.count("DELETE") == 0
        assert tenant.log.lines == []

    def test_is_an_error_in_a_retry_that_remembers_that_nothing_was_sent(self):
        tenant = Orders()
        with pytest.raises(NotFound, match="this task has deleted none"):
            tenant.delete(Memory(), RETRY, number="O-2")

    @pytest.mark.parametrize("attempt", [RETRY, CLEARED])
    def test_is_a_question_if_an_earlier_try_may_have_deleted_it(self, attempt):
        tenant = Orders()
        with pytest.raises(
            OutcomeUnknown, match="an earlier try of this task has deleted it, or it was never"
        ):
            tenant.delete(None, attempt, number="O-2")

    def test_is_accepted_if_the_author_says_so(self):
        tenant = Orders()
        deletion = tenant.delete(number="O-2", on_missing="succeed")
        assert (deletion.number, deletion.account) == ("O-2", "")
        assert tenant.count("DELETE") == 0
        assert tenant.log.lines == []

    @pytest.mark.parametrize("status", [403, 404, 500, 503])
    def test_is_believed_of_zuora_alone(self, status):
        tenant = Orders(answered("GET", PAGE, status, {"message": "no"}, times=None))
        with pytest.raises(ApiError) as caught:
            tenant.delete(on_missing="succeed")
        assert not isinstance(caught.value, NotFound)
        assert tenant.count("DELETE") == 0


class TestARefusal:
    def test_has_the_words_of_zuora_and_nothing_is_deleted(self):
        tenant = Orders()
        tenant.invoice()
        with pytest.raises(Refused, match=INVOICED) as caught:
            tenant.delete()
        assert not caught.value.transient
        assert tenant.count("DELETE") == 1
        assert tenant.tell() == [("intent", None, 1), ("end", "refused", 1)]
        assert tenant.log.lines[1]["codes"] == ["53200030"]

    def test_after_a_lost_answer_is_a_question_while_the_order_is_there(self):
        tenant = Orders(
            fault("DELETE", DELETE, kind="reset"),
            answered(
                "DELETE", DELETE, 400, {"success": False, "reasons": [{"code": 53200030, "message": "x"}]}
            ),
        )
        with pytest.raises(OutcomeUnknown, match="what came of an earlier DELETE is unknown"):
            tenant.delete()
        assert tenant.tell()[-1] == ("end", "unknown", 1)

    def test_is_none_if_the_order_is_gone(self):
        tenant = Orders(fault("DELETE", DELETE, when="after", kind="reset"), order_delete_seconds=0.0)
        deletion = tenant.delete()
        assert tenant.count("DELETE") == 1
        assert wait(tenant, deletion).job.state is JobState.SUCCEEDED

    def test_of_an_account_that_cannot_be_read_comes_before_anything_is_sent(self):
        tenant = Orders(answered("GET", ACCOUNT, 403, DENIED, times=None))
        with pytest.raises(Refused, match="The account A-1 of order O-1 cannot be read with this connection"):
            tenant.delete()
        assert tenant.count("DELETE") == 0

    def test_of_a_page_without_an_account(self):
        page = {"success": True, "order": {"orderNumber": "O-1", "status": "Completed"}}
        script = Script([answer(200, page)])
        with pytest.raises(Unreadable, match=r"names no account\. Nothing was sent"):
            script.run(delete_order(script.client(), "O-1", FIRST, Orders().log.open(1, script.clock)))


class TestADeleteWithoutAnAnswer:
    @pytest.mark.parametrize("kind", ["reset", "hang"])
    def test_that_came_through_is_followed_by_a_read_and_another(self, kind):
        tenant = Orders(fault("DELETE", DELETE, when="after", kind=kind), order_delete_seconds=60.0)
        tenant.delete()
        assert tenant.count("DELETE") == 2
        assert max(tenant.clock.naps) >= 5
        assert [request.method for request in tenant.sent][-3:] == ["DELETE", "GET", "DELETE"]
        assert len(tenant.log.lines[-1]["track_ids"]) == 2

    def test_that_did_not_come_through_is_sent_again(self):
        tenant = Orders(fault("DELETE", DELETE, kind="reset"), fault("DELETE", DELETE, status=502))
        deletion = tenant.delete()
        assert tenant.count("DELETE") == 3
        assert wait(tenant, deletion).job.state is JobState.SUCCEEDED

    def test_is_left_to_the_next_try_after_six(self):
        tenant = Orders(fault("DELETE", DELETE, kind="reset", times=None))
        with pytest.raises(ApiError, match="no answer") as caught:
            tenant.delete()
        assert caught.value.transient
        assert tenant.count("DELETE") == 6
        assert tenant.tell()[-1] == ("end", "open", 1)

    def test_is_transient_if_the_account_cannot_be_read_for_now(self):
        tenant = Orders(fault("GET", ACCOUNT, kind="reset", times=None))
        with pytest.raises(ApiError) as caught:
            tenant.delete()
        assert caught.value.transient
        assert tenant.count("DELETE") == 0


class TestARetry:
    def test_that_remembers_takes_gone_for_its_own(self):
        tenant, memory = Orders(), Memory()
        tenant.delete(memory)
        tenant.clock.now += 60
        deletion = tenant.delete(memory, RETRY)
        assert (deletion.number, deletion.account) == ("O-1", "A-1")
        assert tenant.count("DELETE") == 1
        assert tenant.tell()[-1] == ("end", "found", 2)

    def test_that_finds_it_there_sends_it_again(self):
        tenant, memory = Orders(order_delete_seconds=3600.0), Memory()
        tenant.delete(memory)
        tenant.delete(memory, RETRY)
        assert tenant.count("DELETE") == 2

    @pytest.mark.parametrize("body", [DENIED, {"message": "no"}])
    def test_does_not_believe_gone_if_the_account_is_not_to_be_seen_either(self, body):
        tenant, memory = Orders(), Memory()
        tenant.delete(memory)
        tenant.clock.now += 60
        tenant.sandbox.add_fault(answered("GET", ACCOUNT, 403, body, times=None))
        with pytest.raises(OutcomeUnknown, match="cannot be read either"):
            tenant.delete(memory, RETRY)

    def test_of_another_account_knows_nothing(self):
        tenant, memory = Orders(), Memory()
        tenant.delete(memory)
        tenant.clock.now += 60
        flow = delete_order(
            tenant.client(Zuora_Org_Ids="2"),
            "O-1",
            RETRY,
            tenant.log.open(2, tenant.clock),
            is_remembered=True,
        )
        with pytest.raises(NotFound):
            tenant.run(flow, memory)

    def test_does_not_delete_another_order_that_has_got_the_number(self):
        tenant, memory = Orders(order_delete_seconds=0.0), Memory()
        tenant.delete(memory)
        tenant.make_order()
        with pytest.raises(Refused, match="is another one than the order made at"):
            tenant.delete(memory, RETRY)
        assert tenant.count("DELETE") == 1

    def test_after_a_clear_deletes_that_too(self):
        tenant, memory = Orders(order_delete_seconds=0.0), Memory()
        tenant.delete(memory)
        tenant.make_order()
        tenant.delete(memory, CLEARED)
        assert tenant.count("DELETE") == 2

    def test_that_is_refused_asks_because_the_first_one_may_go_on(self):
        tenant, memory = Orders(order_delete_seconds=3600.0), Memory()
        tenant.delete(memory)
        tenant.invoice()
        with pytest.raises(OutcomeUnknown, match=INVOICED):
            tenant.delete(memory, RETRY)
        with pytest.raises(Refused, match=INVOICED):
            tenant.delete(memory, CLEARED)

    def test_does_not_go_on_with_a_note_that_is_none(self):
        tenant, memory = Orders(), Memory()
        tenant.delete(memory)
        [name] = memory
        memory[name] = {"other": 1}
        with pytest.raises(OutcomeUnknown, match="something else than what a try has noted"):
            tenant.delete(memory, RETRY)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_try_that_is_killed_before_any_step_leaves_an_order_that_the_next_one_has_deleted(is_remembered):
    ends = []
    for step in range(40):
        tenant, memory = Orders(), Memory() if is_remembered else None
        try:
            tenant.delete(memory, wrap=kill_before(step))
        except Killed:
            tenant.clock.now += 60
        else:
            break
        was_sent = tenant.count("DELETE") == 1
        assert was_sent == bool(tenant.deleted)
        try:
            deletion = tenant.delete(memory, RETRY)
        except OutcomeUnknown:
            ends.append("asks")
            assert was_sent
            assert not is_remembered
            continue
        ends.append("found" if was_sent else "sent")
        assert wait(tenant, deletion).job.state is JobState.SUCCEEDED
        confirm(tenant, deletion)
        assert tenant.deleted == ["O-1"]
        assert tenant.tell()[-1] == ("end", "found" if was_sent else "submitted", 2)
    else:
        pytest.fail("the try does not end")
    assert set(ends) == {"sent", "found" if is_remembered else "asks"}


class TestTheConfirmation:
    def make(self, **settings):
        tenant = Orders(order_delete_seconds=0.0, **settings)
        return tenant, tenant.delete()

    def test_of_an_order_that_is_there_after_all_is_left_to_the_next_try(self):
        tenant = Orders(order_delete_seconds=3600.0)
        deletion = tenant.delete()
        with pytest.raises(Unreadable, match="was gone and is there") as caught:
            confirm(tenant, deletion)
        assert caught.value.transient

    def test_passes_if_another_order_has_got_the_number(self):
        tenant, deletion = self.make()
        tenant.make_order()
        confirm(tenant, deletion)

    def test_is_a_question_if_the_connection_leads_elsewhere(self):
        tenant, deletion = self.make()
        with pytest.raises(OutcomeUnknown, match="leads to another account, entity or org now"):
            confirm(tenant, deletion, Zuora_Entity_Ids="2")

    @pytest.mark.parametrize(
        ("status", "body"),
        [(403, DENIED), (404, {"success": False, "reasons": [{"code": 50000040, "message": "Cannot find"}]})],
    )
    def test_is_a_question_if_the_account_is_not_to_be_seen(self, status, body):
        tenant, deletion = self.make()
        tenant.sandbox.add_fault(answered("GET", ACCOUNT, status, body, times=None))
        with pytest.raises(OutcomeUnknown, match="its account A-1, which was there before, cannot be read"):
            confirm(tenant, deletion)

    @pytest.mark.parametrize("page", [{}, {"basicInfo": {"accountNumber": "A-2"}}])
    def test_is_left_to_the_next_try_if_the_page_is_that_of_another_account(self, page):
        tenant, deletion = self.make()
        tenant.sandbox.add_fault(answered("GET", ACCOUNT, 200, {"success": True, **page}, times=None))
        with pytest.raises(Unreadable, match="that of another one") as caught:
            confirm(tenant, deletion)
        assert caught.value.transient

    def test_of_an_order_that_was_never_seen_reads_the_order_alone(self):
        tenant = Orders()
        deletion = tenant.delete(number="O-2", on_missing="succeed")
        confirm(tenant, deletion)
        assert [request.path for request in tenant.sent] == ["/v1/orders/O-2"] * 2


@pytest.mark.parametrize(
    "given",
    [
        answered("GET", PAGE, 403, DENIED, times=None),
        answered("GET", PAGE, 404, {"message": "no route"}, times=None),
        answered(
            "GET", PAGE, 404, {"success": False, "reasons": [{"code": 90000040, "message": "x"}]}, times=None
        ),
        fault("GET", PAGE, status=503, times=None),
        fault("GET", PAGE, kind="reset", times=None),
    ],
    ids=["rights", "another server", "a code of the edge", "5xx", "no answer"],
)
def test_a_wait_never_takes_another_answer_for_gone(given):
    tenant = Orders(order_delete_seconds=0.0)
    deletion = tenant.delete()
    tenant.sandbox.add_fault(given)
    result = wait(tenant, deletion)
    assert result.job is None
    assert result.error is not None


def test_a_wait_for_an_order_that_stays_times_out():
    tenant = Orders(order_delete_seconds=float("inf"))
    result = wait(tenant, tenant.delete())
    assert "order-deletion:O-1 has not ended in time, it is still there" in str(result.error)
