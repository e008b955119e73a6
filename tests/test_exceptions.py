"""The errors that users catch: which one, what it tells as attributes, and that it keeps them."""

from __future__ import annotations

import copy
import pickle

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_zuora import exceptions
from airflow_provider_zuora.core import errors
from airflow_provider_zuora.core.errors import ApiError, ResponseInfo
from airflow_provider_zuora.exceptions import (
    LockContentionError,
    OutcomeUnknownError,
    PermanentError,
    QueryQueueFullError,
    TransientError,
    ZuoraProviderError,
    convert_error,
    convert_errors,
)
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.conftest import ORDER

ANSWER = ResponseInfo(
    "POST /v1/async/orders",
    track_id="track-1",
    status=400,
    codes=("53200020", ""),
    messages=("No such account.", "Look again."),
    request_id="request-1",
)
ATTRIBUTES = ("status_code", "codes", "messages", "request_id", "track_id", "transient")


def attributes_of(error):
    return {name: getattr(error, name) for name in ATTRIBUTES}


@pytest.mark.parametrize(
    ("core", "expected"),
    [
        (errors.InvalidInput("no"), PermanentError),
        (errors.Refused("no"), PermanentError),
        (errors.Refused("no", transient=True), TransientError),
        (errors.Unreachable("no", transient=True), TransientError),
        (errors.TimedOut("no"), TransientError),
        (errors.JobFailed("no"), PermanentError),
        (errors.StoreUnavailable("no", transient=True), TransientError),
        (errors.LogUnavailable("no", transient=True), TransientError),
        (errors.LockContention("no", transient=True), LockContentionError),
        (errors.QueryQueueFull("no", transient=True), QueryQueueFullError),
        (errors.OutcomeUnknown("no"), OutcomeUnknownError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_core_error_has_one_class_of_ours(core, expected):
    with pytest.raises(ZuoraProviderError, match=r"^no$") as caught, convert_errors():
        raise core
    assert type(caught.value) is expected
    assert caught.value.__cause__ is core


def test_which_are_retried():
    assert issubclass(ZuoraProviderError, AirflowException)
    for kind in (PermanentError, OutcomeUnknownError):
        assert issubclass(kind, AirflowFailException)
    for kind in (ZuoraProviderError, TransientError, LockContentionError):
        assert not issubclass(kind, AirflowFailException)


def test_every_error_of_ours_has_one_root_and_is_called_an_error():
    ours = {
        name
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, ZuoraProviderError)
    }
    assert ours == {
        "GuardRefusedError",
        "LockContentionError",
        "QueryQueueFullError",
        "OutcomeUnknownError",
        "PermanentError",
        "TransientError",
        "ZuoraProviderError",
    }


def test_an_error_tells_what_was_answered():
    assert attributes_of(convert_error(errors.Refused("no", info=ANSWER))) == {
        "status_code": 400,
        "codes": ("53200020", ""),
        "messages": ("No such account.", "Look again."),
        "request_id": "request-1",
        "track_id": "track-1",
        "transient": False,
    }


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (convert_error(errors.InvalidInput("no")), False),
        (convert_error(errors.TimedOut("no")), True),
        (PermanentError("no"), False),
        (TransientError("no"), True),
        (LockContentionError("no"), True),
        (OutcomeUnknownError("no"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_without_an_answer_has_nothing_to_tell(error, transient):
    assert attributes_of(error) == {
        "status_code": None,
        "codes": (),
        "messages": (),
        "request_id": None,
        "track_id": None,
        "transient": transient,
    }


def test_an_answer_without_ids_has_none():
    error = convert_error(ApiError("no", info=ResponseInfo("GET /v1/x", status=502), transient=True))
    assert (error.status_code, error.request_id, error.track_id) == (502, None, None)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("kind", [None, LockContentionError, OutcomeUnknownError])
def test_an_error_keeps_its_attributes(again, kind):
    error = convert_error(errors.Refused("no", info=ANSWER, transient=True), kind)
    same = again(error)
    assert type(same) is type(error)
    assert str(same) == str(error)
    assert attributes_of(same) == attributes_of(error)


def test_a_class_and_a_message_may_be_given():
    error = convert_error(errors.JobFailed("no", info=ANSWER, transient=True), PermanentError, "2 of 3 jobs")
    assert type(error) is PermanentError
    assert str(error) == "2 of 3 jobs"
    assert error.transient, "submitting again can help"
    assert error.codes == ANSWER.codes


def test_an_error_of_a_hook_tells_what_zuora_answered(zuora):
    with pytest.raises(PermanentError) as caught:
        ZuoraHook().request("GET", "/v1/orders/none", track_id="mine")
    error = caught.value
    assert (error.status_code, error.track_id, error.transient) == (404, "mine", False)
    assert error.request_id
    assert error.codes
    assert len(error.codes) == len(error.messages)


def test_a_wrong_order_was_not_answered(zuora):
    with pytest.raises(PermanentError) as caught:
        ZuoraHook().create_order(ORDER | {"orderDate": "yesterday"})
    assert (caught.value.status_code, caught.value.codes) == (None, ())
