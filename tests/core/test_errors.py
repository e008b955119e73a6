"""What the errors say."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from airflow_provider_zuora.core import errors
from airflow_provider_zuora.core.errors import (
    ApiError,
    GuardRefused,
    InvalidInput,
    JobFailed,
    LockContention,
    LogUnavailable,
    NotFound,
    OutcomeUnknown,
    QueryQueueFull,
    RateLimited,
    Refused,
    ResponseInfo,
    ResultLost,
    SignInRefused,
    StoreUnavailable,
    TimedOut,
    TurnedAway,
    Unreachable,
    Unreadable,
    UnsafeLink,
    WrongOrder,
)

FULL = ResponseInfo(
    "POST /v1/async/orders",
    track_id="af-1",
    status=400,
    codes=("53200020", "53200030"),
    messages=("bad value", "a rule"),
    request_id="d7479cf6",
    process_id="738CBB92",
    retry_after=30.0,
)

IDS = "requestId d7479cf6, processId 738CBB92, Zuora-Track-Id af-1"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            FULL,
            f"POST /v1/async/orders: HTTP 400: [53200020] bad value; [53200030] a rule ({IDS})",
        ),
        (ResponseInfo("GET /a"), "GET /a: no answer"),
        (
            ResponseInfo("GET /a", messages=("reset",), track_id="t"),
            "GET /a: no answer: reset (Zuora-Track-Id t)",
        ),
        (ResponseInfo("GET /a", status=503), "GET /a: HTTP 503"),
        (ResponseInfo("GET /a", status=503, messages=("busy",)), "GET /a: HTTP 503: busy"),
        (ResponseInfo("GET /a", status=500, codes=("70",)), "GET /a: HTTP 500: [70]"),
        (
            ResponseInfo("GET /a", messages=("a\r\n b\u2028c",), request_id="d\ne"),
            "GET /a: no answer: a\\r\\n b\\u2028c (requestId d\\ne)",
        ),
        (ResponseInfo("GET /a", process_id="p"), "GET /a: no answer (processId p)"),
        (ResponseInfo("GET /a", request_id="r"), "GET /a: no answer (requestId r)"),
        (ResponseInfo("GET /a", process_id="p\nq"), "GET /a: no answer (processId p\\nq)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_is_one_line_for_the_support(answer, line):
    assert str(answer) == line


@pytest.mark.parametrize(
    ("codes", "messages", "pairs"),
    [
        ((), (), []),
        (("1", "2"), ("a",), [("1", "a"), ("2", "")]),
        (("1",), ("a", "b"), [("1", "a"), ("", "b")]),
    ],
)
def test_reasons_are_pairs_whatever_is_missing(codes, messages, pairs):
    assert ResponseInfo("GET /a", codes=codes, messages=messages).reasons() == pairs


def test_an_error_says_what_happened_and_what_was_answered():
    error = Refused("Zuora: refused.", info=FULL, transient=True, attempts=3)
    assert str(error) == f"Zuora: refused. | {FULL}"
    assert (error.info, error.transient, error.attempts, error.retry_after) == (FULL, True, 3, 30.0)


def test_an_error_without_an_answer_is_its_message():
    error = ApiError("The deadline passed.")
    assert str(error) == "The deadline passed."
    assert (error.info, error.transient, error.attempts, error.retry_after) == (None, False, 1, 0.0)


def test_an_answer_that_asks_for_no_wait_asks_for_none():
    assert ApiError("no", info=ResponseInfo("GET /a")).retry_after == 0.0


def test_invalid_input_has_a_line_for_each_rule():
    error = InvalidInput("Nothing was sent.", ("$.a: is required", "$.b: must be text"))
    assert str(error) == "Nothing was sent.\n$.a: is required\n$.b: must be text"
    assert error.violations == ("$.a: is required", "$.b: must be text")
    assert (error.transient, error.info) == (False, None)
    assert str(InvalidInput("Nothing was sent.")) == "Nothing was sent."


@pytest.mark.parametrize(
    "error",
    [
        Refused("no", info=FULL, transient=True, attempts=2),
        InvalidInput("Nothing was sent.", ("$: no",)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_the_tree_is_the_one_that_is_drawn():
    parents = {
        InvalidInput: ApiError,
        RateLimited: ApiError,
        Unreachable: ApiError,
        Refused: ApiError,
        SignInRefused: Refused,
        NotFound: Refused,
        TurnedAway: Refused,
        WrongOrder: Refused,
        QueryQueueFull: Refused,
        Unreadable: ApiError,
        UnsafeLink: ApiError,
        TimedOut: ApiError,
        JobFailed: ApiError,
        ResultLost: ApiError,
        StoreUnavailable: ApiError,
        LogUnavailable: ApiError,
        LockContention: ApiError,
        OutcomeUnknown: ApiError,
        GuardRefused: ApiError,
    }
    ours = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert {kind: kind.__base__ for kind in ours if kind is not ApiError} == parents
    drawn = re.findall(r"^    ([|` -]*)(\w.*)$", errors.__doc__, re.MULTILINE)
    depths = {name: len(bars) // 4 for bars, names in drawn for name in names.split(", ")}
    assert depths == {kind.__name__: kind.__mro__.index(ApiError) for kind in ours}
