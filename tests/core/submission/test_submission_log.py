"""What a submission writes to the log: an intent before its first POST, an end when it has ended, no more."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from jsonschema import ValidationError

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    LogUnavailable,
    OutcomeUnknown,
    Refused,
    ResponseInfo,
)
from airflow_provider_zuora.core.submission.adoption import adopt_job
from airflow_provider_zuora.core.submission.bill_run_post import post_bill_run
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.log_lines import make_line, read_lines, write_lines
from airflow_provider_zuora.core.submission.outcomes import Outcome
from airflow_provider_zuora.core.submission.query import submit_query
from airflow_provider_zuora.core.submission.submission_log import NO_LOG, SubmissionLog
from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order
from airflow_provider_zuora.core.vendors.zuora.query_rules import check_query
from tests.core import run_tries
from tests.core.runners import Memory, Tenant
from tests.core.submission.test_query import REFUSED, Script, listed, query, row
from tests.core.tries import BY, NUMBERED, ORDER, Zuora, submit, submit_list
from tests.submission_logs import LogInMemory, check_content, check_line
from zuora_sandbox import Fault

FIRST, RETRY = TaskAttempt(1, 3), TaskAttempt(2, 3)
CLEARED = TaskAttempt(3, 6, is_cleared=True)
BROKEN = LogUnavailable("The store says no.", transient=True)


def tell(lines):
    """Return event, try and outcome of each line."""
    return [(line["event"], line["try_number"], line["outcome"]) for line in lines]


def run(*script, attempt=FIRST, order=NUMBERED, **settings):
    zuora = Zuora(*script, **settings)
    return zuora, submit(zuora, None, attempt, order).run().end


def own_keys(zuora):
    """Return the keys that were sent, without those of empty orders."""
    return list(dict.fromkeys(key for _, key in zuora.keys if not key.startswith("control-")))


class BrokenLog(LogInMemory):
    """A store that takes some parts, and then no more."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes

    def _write(self, part, content):
        if len(self.parts) >= self.takes:
            raise BROKEN
        super()._write(part, content)


class TestAnOrder:
    def test_is_there_before_its_post_and_again_when_it_has_a_job(self):
        zuora, job_id = run()
        intent, end = zuora.log.lines
        assert len(zuora.log.parts) == 2
        assert (intent["event"], intent["outcome"], intent["job_id"]) == ("intent", None, None)
        assert (end["event"], end["outcome"], end["job_id"]) == ("end", "submitted", job_id)
        [(_, key)] = zuora.keys
        assert intent["key"] == end["key"] == key
        sent = [each["trackId"] for each in zuora.ledger["recent"] if each["method"] == "POST"][-1:]
        assert intent["track_ids"] == end["track_ids"] == sent
        assert (intent["unanswered"], end["unanswered"]) == (1, 0)
        same = ("kind", "digest", "order_number", "order_date", "account_number", "dag_id", "run_id")
        assert {name: intent[name] for name in same} == {name: end[name] for name in same}
        assert (intent["kind"], intent["order_number"], intent["account_number"]) == (
            "order",
            "O-1",
            "A00000097",
        )
        assert intent["order_date"] == "2024-07-01"

    def test_is_named_by_its_accounts_id_and_its_subscriptions_numbers(self):
        create = {"type": "CreateSubscription", "createSubscription": {"subscriptionNumber": "S-2"}}
        create["createSubscription"]["subscribeToRatePlans"] = [{"productRatePlanId": "a" * 32}]
        cancel = {
            "type": "CancelSubscription",
            "cancelSubscription": {"cancellationPolicy": "EndOfCurrentTerm"},
        }
        order = {
            "orderDate": "2024-07-01",
            "existingAccountId": "b" * 32,
            "subscriptions": [
                {"subscriptionNumber": "S-1", "orderActions": [cancel]},
                {"orderActions": [create]},
            ],
        }
        zuora, _ = run(order=order)
        [intent, _] = zuora.log.lines
        assert intent["subscription_numbers"] == ["S-1", "S-2"]
        assert (intent["account_id"], intent["account_number"], intent["order_number"]) == (
            "b" * 32,
            None,
            None,
        )

    def test_has_no_name_no_amount_and_no_card_in_any_line(self):
        contact = {"firstName": "Jane", "lastName": "Doe", "country": "US", "state": "CA"}
        new = {
            "name": "Acme Jane Doe",
            "accountNumber": "A-7",
            "currency": "USD",
            "billCycleDay": 1,
            "billToContact": contact,
        }
        order = {name: value for name, value in ORDER.items() if name != "existingAccountNumber"}
        order |= {"newAccount": new, "orderNumber": "4111111111111111", "description": "for jane@doe.example"}
        zuora, end = run("category 20", order=order)
        assert isinstance(end, Refused)
        lines = zuora.log.lines
        for line in lines:
            check_line(line)  # nothing of that is there
        assert [line["order_number"] for line in lines] == ["***", "***"]
        assert [line["account_number"] for line in lines] == ["A-7", "A-7"]

    @pytest.mark.parametrize(
        ("script", "outcome", "codes", "unanswered"),
        [
            (("category 20",), "refused", ["53200020"], 0),
            (("403",), "open", ["403"], 0),
            (("no answer, not made",) * 6, "open", [], 6),
            (("category 50",), "open", ["53200050"], 0),
        ],
        ids=["refused", "turned away", "no answer", "a lock"],
    )
    def test_that_has_no_job_ends_with_one_word_and_the_codes(self, script, outcome, codes, unanswered):
        zuora, end = run(*script)
        assert isinstance(end, ApiError)
        assert tell(zuora.log.lines) == [("intent", 1, None), ("end", 1, outcome)]
        assert (zuora.log.lines[1]["codes"], zuora.log.lines[1]["unanswered"]) == (codes, unanswered)
        assert len(zuora.log.lines[1]["track_ids"]) == len(zuora.keys)

    def test_of_which_a_person_must_tell_ends_unknown(self):
        zuora, end = run("category 61, made", order=ORDER)
        assert isinstance(end, OutcomeUnknown)
        assert tell(zuora.log.lines)[-1] == ("end", 1, "unknown")

    def test_has_an_intent_and_an_end_for_each_key(self):
        zuora = Zuora("category 50")
        memory = Memory()
        submit(zuora, memory, FIRST).run()
        zuora.clock.sleep(600)
        assert isinstance(submit(zuora, memory, RETRY).run().end, str)
        first, second = own_keys(zuora)
        said = [(line["event"], line["key"], line["outcome"]) for line in zuora.log.lines]
        assert said[:2] == [("intent", first, None), ("end", first, "open")]
        ends = [("end", first, "refused"), ("intent", second, None), ("end", second, "submitted")]
        assert said[2:] == [("intent", first, None), *ends]

    def test_that_an_earlier_try_has_submitted_ends_found_though_nothing_is_sent(self):
        zuora, memory = Zuora(), Memory()
        job_id = submit(zuora, memory, FIRST).run().end
        assert submit(zuora, memory, RETRY).run().end == job_id
        assert tell(zuora.log.lines) == [
            ("intent", 1, None),
            ("end", 1, "submitted"),
            ("end", 2, "found"),
        ]
        assert len({line["key"] for line in zuora.log.lines}) == 1

    def test_that_is_killed_leaves_an_open_intent_that_the_next_try_closes(self):
        zuora, memory = Zuora(), Memory()
        actor = submit(zuora, memory, FIRST)
        while not zuora.keys:
            actor.act()
        actor.kill()
        assert tell(zuora.log.lines) == [("intent", 1, None)]
        job_id = submit(zuora, memory, RETRY).run().end
        [first, *_, last] = zuora.log.lines
        assert (last["key"], last["outcome"], last["job_id"]) == (first["key"], "submitted", job_id)

    def test_that_goes_on_in_another_process_after_a_pause_has_an_intent_of_each(self):
        zuora = Zuora("429")
        actor = submit(zuora, None, FIRST, defers=lambda: True).run()
        assert actor.pauses == 1
        assert tell(zuora.log.lines) == [("intent", 1, None), ("intent", 1, None), ("end", 1, "submitted")]
        assert len(zuora.log.lines[-1]["track_ids"]) == 2

    def test_that_is_adopted_ends_so(self):
        zuora, job_id = run()
        log = LogInMemory()
        order = check_order(NUMBERED)
        flow = adopt_job(zuora.client(), job_id, order, BY, submission_log=log.open(1, zuora.clock))
        assert zuora.run(flow) == job_id
        assert [(line["event"], line["outcome"], line["job_id"]) for line in log.lines] == [
            ("end", "adopted", job_id)
        ]
        assert log.lines[0]["key"] == zuora.log.lines[0]["key"]

    def test_that_the_same_try_has_submitted_before_and_is_refused_is_not_logged_again(self):
        zuora, memory = Zuora(), Memory()
        submit(zuora, memory, FIRST, ORDER).run()
        assert isinstance(submit(zuora, memory, FIRST, ORDER).run().end, InvalidInput)
        assert len(zuora.log.lines) == 2


class TestALogThatFails:
    def test_before_the_post_stops_the_post(self):
        zuora = Zuora()
        zuora.log = BrokenLog(0)
        end = submit(zuora, Memory(), FIRST).run().end
        assert isinstance(end, LogUnavailable)
        assert end.transient
        assert zuora.keys == []

    def test_before_the_next_key_stops_that_one(self):
        zuora, memory = Zuora("category 50"), Memory()
        submit(zuora, memory, FIRST).run()
        zuora.clock.sleep(600)
        zuora.log = BrokenLog(1)  # the first key is sent again, and its answer is proven to be stored
        assert isinstance(submit(zuora, memory, RETRY).run().end, LogUnavailable)
        assert len(own_keys(zuora)) == 1

    def test_leaves_the_record_so_that_a_retry_sends_the_same_key(self):
        zuora, memory = Zuora(), Memory()
        zuora.log = BrokenLog(0)
        submit(zuora, memory, FIRST).run()
        zuora.log = LogInMemory()
        assert submit(zuora, memory, RETRY).run().end in zuora.made
        assert len(zuora.keys) == 1

    def test_at_the_end_does_not_lose_the_job(self, caplog):
        zuora = Zuora()
        zuora.log = BrokenLog(1)
        assert submit(zuora, None, FIRST).run().end in zuora.made
        assert tell(zuora.log.lines) == [("intent", 1, None)]
        assert "intents stay open: The store says no." in caplog.text

    def test_at_the_end_does_not_hide_the_error(self):
        zuora = Zuora("category 20")
        zuora.log = BrokenLog(1)
        end = submit(zuora, None, FIRST).run().end
        assert isinstance(end, Refused)
        assert "store" not in str(end)
        assert end.__context__ is None


class TestAList:
    def orders(self, count):
        return [NUMBERED | {"orderNumber": f"O-{number}"} for number in range(count)]

    def test_has_all_intents_of_a_batch_in_one_part_and_all_ends_in_another(self):
        zuora = Zuora("category 20")
        submit_list(zuora, None, FIRST, self.orders(5)).run()
        assert [len(read_lines(part)) for part in zuora.log.parts] == [5, 5]
        assert [line["outcome"] for line in zuora.log.lines[5:]] == ["refused", *["submitted"] * 4]
        assert [line["unanswered"] for line in zuora.log.lines[:5]] == [1] * 5

    def test_that_is_retried_ends_found(self):
        zuora, memory = Zuora(), Memory()
        submit_list(zuora, memory, FIRST, self.orders(3)).run()
        submit_list(zuora, memory, RETRY, self.orders(3)).run()
        assert tell(zuora.log.lines[6:]) == [("end", 2, "found")] * 3


class TestARun:
    @pytest.mark.parametrize("kind", run_tries.PATHS)
    def test_is_there_before_its_post_and_when_it_has_a_job(self, kind):
        tenant = run_tries.Billing()
        job_id = run_tries.submit(tenant, None, kind=kind).run().end
        assert tell(tenant.log.lines) == [("intent", 1, None), ("end", 1, "submitted")]
        assert {line["kind"] for line in tenant.log.lines} == {kind}
        assert tenant.log.lines[1]["job_id"] == job_id

    def post(self, tenant, job_id, log):
        return tenant.run(post_bill_run(tenant.client(), job_id, None, log.open(1, tenant.clock)))

    def test_is_posted_after_an_intent_that_names_the_posting(self):
        tenant, log = run_tries.Billing(), LogInMemory()
        job_id = run_tries.submit(tenant, None).run().end
        tenant.sandbox.add_fault(Fault("PUT", "/v1/bill-runs", when="before", kind="reset"))
        posting = self.post(tenant, job_id, log)
        assert tell(log.lines) == [("intent", 1, None), ("end", 1, "submitted")]
        assert {(line["kind"], line["job_id"], line["key"]) for line in log.lines} == {
            ("bill run post", posting, None)
        }
        assert [len(line["track_ids"]) for line in log.lines] == [1, 2]

    def test_that_is_posted_already_is_found(self):
        tenant, log = run_tries.Billing(), LogInMemory()
        job_id = run_tries.submit(tenant, None).run().end
        self.post(tenant, job_id, LogInMemory())
        self.post(tenant, job_id, log)
        assert tell(log.lines) == [("end", 1, "found")]

    def test_is_not_posted_unlogged(self):
        tenant = run_tries.Billing()
        job_id = run_tries.submit(tenant, None).run().end
        with pytest.raises(LogUnavailable):
            self.post(tenant, job_id, BrokenLog(0))
        assert tenant.posts == []


class TestAQuery:
    def submit(self, script, log, attempt=FIRST, memory=None):
        own = log.open(attempt.number, script.clock)
        flow = submit_query(script.client(), check_query("SELECT 1"), BY, attempt, submission_log=own)
        return script.run(flow, memory)

    def test_is_there_before_its_post_and_when_it_has_a_job_without_its_text(self):
        script, log = Script(query()), LogInMemory()
        self.submit(script, log)
        assert tell(log.lines) == [("intent", 1, None), ("end", 1, "submitted")]
        assert log.lines[0]["key"] == script.headers("Idempotency-Key")[0]
        assert log.lines[1]["job_id"] == "data-query:q-1"
        assert "SELECT" not in str(log.lines)

    def test_that_an_earlier_try_has_left_is_found(self):
        script, log, memory = Script(query(), query()), LogInMemory(), Memory()
        self.submit(script, log, memory=memory)
        self.submit(script, log, RETRY, memory)
        assert tell(log.lines)[2:] == [("end", 2, "found")]
        assert len({line["key"] for line in log.lines}) == 1

    def test_that_is_refused_says_so(self):
        script, log = Script(REFUSED, listed(row())), LogInMemory()
        with pytest.raises(Refused):
            self.submit(script, log)
        assert tell(log.lines) == [("intent", 1, None), ("end", 1, "refused")]
        assert "Column" not in str(log.lines)

    def test_is_not_sent_unlogged(self):
        script = Script(query())
        with pytest.raises(LogUnavailable):
            self.submit(script, BrokenLog(0))
        assert script.sent == []


class TestALine:
    def test_is_whole_json_with_all_members(self):
        line = make_line(
            "end", 1_700_000_000.5, {"kind": "order", "outcome": Outcome.OPEN, "try_number": 1, "key": "k"}
        )
        assert line["time"] == "2023-11-14T22:13:20.500Z"
        assert (line["subscription_numbers"], line["account_id"], line["unanswered"]) == ([], None, 0)
        check_line(json.loads(write_lines([line])))

    def test_holds_codes_alone_of_what_an_error_says(self):
        facts = {"codes": ["53200020", "INVALID_VALUE", "Card of Jane", "x" * 41, "a@b", ""]}
        assert make_line("end", 0.0, facts)["codes"] == ["53200020", "INVALID_VALUE"]

    def test_that_is_cut_off_is_none(self):
        lines = [make_line("intent", 0.0, {"kind": "order"}) for _ in range(2)]
        content = write_lines(lines)
        assert read_lines(content) == lines
        assert read_lines(content[:-1]) == lines[:1]
        assert read_lines(content[:10]) == []

    @pytest.mark.parametrize("content", [b"{\n", b"[]\n", b"7\n"])
    def test_that_is_something_else_is_an_error(self, content):
        with pytest.raises(ValueError, match=r"Expecting|no JSON object"):
            read_lines(content)

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 7},
            {"name": "Acme"},
            {"outcome": "fine"},
            {"outcome": None},
            {"codes": ["Rate plan is not effective"]},
            {"time": "2024-07-01"},
            {"kind": "invoice"},
            {"key": None, "job_id": None},
            {"schema_version": 2},
        ],
        ids=str,
    )
    def test_with_anything_more_breaks_the_schema(self, change):
        zuora, _ = run()
        with pytest.raises(ValidationError):
            check_line(zuora.log.lines[1] | change)

    @pytest.mark.parametrize(
        "number",
        [
            "Jane",
            "jane@doe.example",
            "Month-end",
            "4111111111111111",
            "4111-1111-1111-1111",
            "DE89370400440532013000",
            "100.25",
            "1,000.5",
            "USD-7",
            "no sentence",
            "8ad081dd9096ef9501909b40bb4e74a4",
        ],
    )
    @pytest.mark.parametrize("place", ["order_number", "account_number", "job_id", "subscription_numbers"])
    def test_with_a_name_an_amount_or_a_word_of_the_vendor_is_found(self, number, place):
        zuora, _ = run()
        line = zuora.log.lines[1] | {place: [number] if place.endswith("numbers") else number}
        with pytest.raises(AssertionError):
            check_line(line)
        with pytest.raises(AssertionError):
            check_content(write_lines([line]))

    def test_is_checked_again_if_more_differs_than_what_differs_by_chance(self):
        zuora, _ = run()
        line = zuora.log.lines[1]
        assert check_content(write_lines([line, line | {"digest": "0" * 64}])) == 2
        for change in ({"digest": "0" * 63}, {"track_ids": ["af-" + "0" * 33]}, {"try_number": 0}):
            with pytest.raises(ValidationError):
                check_content(write_lines([line | change]))


class TestAnOldIntent:
    """A reconciliation calls an order settled a quarter of an hour after its last line, and closes it."""

    @pytest.mark.parametrize(("seconds", "count"), [(299, 1), (300, 2), (-1, 2)])
    def test_is_written_anew_before_what_is_sent_later(self, seconds, count):
        now, parts = [1000.0], []
        log = SubmissionLog(lambda _, content: parts.append(content), {"try_number": 1}, lambda: now[0])
        for _ in range(2):
            Tenant().run(log.note_intents([{"kind": "order", "key": "k"}]))
            now[0] += seconds
        assert len(parts) == count


class TestThreads:
    def test_that_write_at_the_same_time_share_parts_and_lose_no_line(self):
        parts, has_begun, go_on = [], threading.Event(), threading.Event()

        def write(number, content):
            has_begun.set()
            go_on.wait(30)
            check_content(content)
            parts.append((number, content))

        log = SubmissionLog(write, {"try_number": 1}, lambda: 0.0)
        tenant = Tenant()

        def note(number):
            tenant_flow = log.note_intents([{"kind": "order", "key": f"af-{number}"}])
            Tenant().run(tenant_flow)

        with ThreadPoolExecutor(8) as pool:
            first = pool.submit(note, 0)
            assert has_begun.wait(30)
            others = [pool.submit(note, number) for number in range(1, 8)]
            while len(log._waiting) < 8:
                assert not first.done()
            go_on.set()
            for each in [first, *others]:
                each.result(30)
        assert tenant.sent == []
        assert [number for number, _ in parts] == [0, 1]
        keys = [line["key"] for _, content in parts for line in read_lines(content)]
        assert sorted(keys) == [f"af-{number}" for number in range(8)]

    def test_no_log_is_one_that_writes_nothing(self):
        assert not NO_LOG.is_kept
        assert list(NO_LOG.note_intents([{"kind": "order", "key": "k"}])) == []
        NO_LOG.add_end({"kind": "order", "key": "k", "outcome": Outcome.FOUND})
        NO_LOG.add_result({})
        assert list(NO_LOG.write_ends()) == []


def test_an_end_of_what_was_never_sent_and_is_open_is_no_line():
    log = LogInMemory().open(1, lambda: 0.0)
    facts = {"kind": "order", "key": "k", "outcome": Outcome.FOUND}
    log.add_end(facts, ApiError("later", transient=True))
    assert log._waiting == []
    log.add_end(facts, Refused("no", info=ResponseInfo("POST /x", codes=("53200020",))))
    assert len(log._waiting) == 1
