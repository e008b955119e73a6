"""Guards in the tries of a submission: stepped, killed, deferred; a guard that passes changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_zuora.core.errors import ApiError, GuardRefused, InvalidInput, OutcomeUnknown
from airflow_provider_zuora.core.guarding.amounts import READERS
from airflow_provider_zuora.core.guards import Guards, Limits
from airflow_provider_zuora.core.submission.guarding import SubmissionGuard
from airflow_provider_zuora.core.submission.idempotency_keys import TaskAttempt
from airflow_provider_zuora.core.submission.log_lines import find_order_keys
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora as Vendor
from tests.core.runners import Memory
from tests.core.submission.stories import kill_after_post
from tests.core.tries import ANSWERS, NUMBERED, ORDER, Zuora, submit

FIRST, RETRY = TaskAttempt(1, 3), TaskAttempt(2, 3)
CLEARED = TaskAttempt(3, 6, is_cleared=True)
ORDERS = {"numbered": NUMBERED, "not numbered": ORDER}
ACCOUNTS = {"A00000097": "USD"}
PREVIEW = "POST /v1/async/orders/preview"
COST = 250  # of the order


def guard(most=COST, **more):
    limits = {"max_amount": most, "currency": "USD"} if most is not None else {}
    return SubmissionGuard(
        Guards((Limits.of(limits | more, Vendor.environments),), Vendor.environments), READERS
    )


def tell(end):
    return (type(end), end.transient) if isinstance(end, ApiError) else bool(end)


def count_made(zuora):
    """Return how many orders were made, or would have been, had one of their number not been there."""
    jobs = [job for job in zuora.ledger["jobs"] if job["kind"] == "create"]
    return sum(job["made"] or "is taken by another" in (job["errors"] or "") for job in jobs)


def live(script, order, memory, **options):
    """Let a first try, a retry and one after a clear follow each other; return all that came of it."""
    zuora = Zuora(*script, duplicate_order_numbers="accept", accounts=ACCOUNTS)
    kept, began, ends = Memory() if memory else None, zuora.clock(), []
    for attempt in (FIRST, RETRY, CLEARED):
        ends.append(tell(submit(zuora, kept, replace(attempt, since=began), order, **options).run().end))
        zuora.clock.now += 3600.0
    keys = list(dict.fromkeys(key for _, key in zuora.keys if "control" not in key))
    return zuora, (ends, keys, count_made(zuora))


def count_previews(zuora):
    return zuora.ledger["requests"].get(PREVIEW, 0)


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("first", sorted(ANSWERS))
def test_what_a_guard_lets_pass_comes_to_what_it_comes_to_without_one(first, order, memory):
    for script in ((first, "429"), ("429", first, "no answer, made")):
        _, plain = live(script, order, memory, defers=lambda: True)
        _, guarded = live(script, order, memory, defers=lambda: True, guard=guard())
        assert guarded == plain


@pytest.mark.parametrize("memory", [True, False], ids=["state store", "no state store"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("refusing", [guard(COST - 1), guard(None, expect_environment="production")])
def test_what_it_refuses_is_never_sent_by_whichever_try(refusing, order, memory):
    _, (ends, keys, made) = live((), order, memory, guard=refusing)
    assert (keys, made) == ([], 0)
    assert ends[0] == (GuardRefused, False)
    # Without a store a later try cannot know that the first one has sent nothing.
    assert set(ends[1:]) == {(GuardRefused, False) if memory else (OutcomeUnknown, False)}


def test_in_the_wrong_environment_not_even_a_token_is_asked_for():
    zuora, _ = live((), NUMBERED, memory=True, guard=guard(None, expect_environment="EU Production"))
    assert zuora.ledger["requests"] == {}
    zuora, (ends, _, made) = live((), NUMBERED, memory=True, guard=guard(None, expect_environment="sandbox"))
    assert (ends[0], made) == (True, 1)


@pytest.mark.parametrize("defers", [True, False], ids=["deferred", "on the worker"])
def test_a_try_that_has_sent_something_is_not_asked_again_after_a_pause(defers):
    zuora = Zuora("429", accounts=ACCOUNTS)
    prices = []

    def wait():
        zuora.sandbox.change_settings(accounts={"A00000097": "EUR"})
        prices.append(1)
        return defers

    actor = submit(zuora, Memory(), FIRST, NUMBERED, wait, guard=guard()).run()
    assert isinstance(actor.end, str)
    assert (actor.pauses > 0, count_previews(zuora), count_made(zuora), bool(prices)) == (defers, 1, 1, True)


def test_a_try_that_has_sent_something_asks_if_it_finds_itself_elsewhere_after_a_pause():
    environments = dict(Vendor.environments)
    limits = Limits.of({"expect_environment": "sandbox"}, environments)
    zuora, memory = Zuora("no answer, made", "429"), Memory()

    def leave():
        environments.clear()
        return True

    own = SubmissionGuard(Guards((limits,), environments), READERS)
    actor = submit(zuora, memory, FIRST, ORDER, leave, guard=own).run()
    assert isinstance(actor.end, OutcomeUnknown)
    assert "It cannot go on: guard: expect_environment: must be sandbox" in str(actor.end)
    assert len(zuora.keys) == 2


def test_what_a_killed_try_has_sent_goes_on_although_it_is_dearer_now():
    zuora, memory = Zuora("no answer, made", accounts=ACCOUNTS), Memory()
    kill_after_post(zuora, memory, FIRST, ORDER)
    refusing = guard(COST - 1)
    actor = submit(zuora, memory, RETRY, ORDER, guard=refusing).run()
    assert isinstance(actor.end, str)
    assert (count_previews(zuora), count_made(zuora)) == (0, 1)


def test_a_refused_order_that_is_sent_again_after_a_clear_is_asked_about():
    zuora, memory = Zuora("category 20", accounts=ACCOUNTS), Memory()
    submit(zuora, memory, FIRST, NUMBERED, guard=guard()).run()
    actor = submit(zuora, memory, CLEARED, NUMBERED, guard=guard(COST - 1)).run()
    assert isinstance(actor.end, GuardRefused)
    assert len(zuora.keys) == 1


def test_a_broken_rule_of_the_connection_is_no_refusal_of_a_guard():
    zuora = Zuora(accounts=ACCOUNTS)
    zuora.client().is_read_only = True
    own, options = zuora.client, {"guard": guard()}

    def read_only():
        client = own()
        client.is_read_only = True
        return client

    zuora.client = read_only
    actor = submit(zuora, Memory(), RETRY, NUMBERED, **options).run()
    assert isinstance(actor.end, InvalidInput)


def line(event, key="k", second=0, **more):
    own = {"dag_id": "d", "run_id": "r", "kind": "order", "unanswered": 0, "outcome": None}
    return own | {"event": event, "key": key, "time": f"2026-11-30T00:00:{second:02}.000Z"} | more


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        ([], set()),
        ([line("intent", unanswered=1)], {"k"}),
        ([line("intent"), line("end", second=1, outcome="submitted")], {"k"}),
        ([line("end", second=1, outcome="unknown", unanswered=1), line("intent")], {"k"}),
        ([line("intent"), line("end", second=1, outcome="open", unanswered=1)], {"k"}),
        ([line("intent"), line("end", second=1, outcome="open")], set()),
        ([line("intent"), line("end", second=1, outcome="refused")], set()),
        ([line("intent"), line("end", second=1, outcome="refused"), line("intent", second=2)], {"k"}),
        (
            # The clock of the first try was ahead.
            [
                line("intent", second=8, try_number=1),
                line("end", second=9, outcome="open", try_number=1),
                line("intent", second=5, try_number=2),
            ],
            {"k"},
        ),
        ([line("end", outcome="adopted")], set()),
        ([line("intent"), line("intent", second=1), line("intent", "k2")], {"k", "k2"}),
        ([line("intent", kind="bill run"), line("intent", kind="data query")], set()),
        ([line("intent", dag_id="e"), line("intent", run_id="s"), line("intent", key=None)], set()),
        ([{}], set()),
    ],
)
def test_what_a_run_has_sent_is_each_key_once_of_which_something_may_have_come(lines, keys):
    assert find_order_keys(lines, "d", "r") == keys
