"""
Change an order that exists, by a PUT that has no key: sent once, and only after a read says that it is legal.

An answer that is lost decides nothing: the order is read, and if it does not show the change, a person is
asked. What is done already is a success, whoever has done it.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, InvalidInput, OutcomeUnknown, Refused
from airflow_provider_zuora.core.flow import Flow, Sleep
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import make_error
from airflow_provider_zuora.core.http.retry import NOT_PROCESSED, WRITE, delay_before_retry
from airflow_provider_zuora.core.job import ORDER
from airflow_provider_zuora.core.messages import ParsedResponse, ResponseKind
from airflow_provider_zuora.core.submission.idempotency_keys import sha256
from airflow_provider_zuora.core.submission.order_deletion import find_number_violation
from airflow_provider_zuora.core.submission.order_lookup import read_order
from airflow_provider_zuora.core.submission.outcomes import UNDECIDED, Outcome
from airflow_provider_zuora.core.submission.submission_log import SubmissionLog, log_end
from airflow_provider_zuora.core.vendors.zuora.order_changes import OrderChange

log = logging.getLogger(__name__)

_LOOKS = (15.0, 45.0)  # seconds before each read after a PUT without an answer


def change_order(
    client: ApiClient, number: str, change: OrderChange, submission_log: SubmissionLog
) -> Flow[dict[str, Any]]:
    """
    Change an order, and return Zuora's answer; of one that is changed already, the same from its page.

    :raises NotFound: if there is no such order.
    :raises Refused: if its status forbids the change, or Zuora refuses it.
    :raises OutcomeUnknown: if no answer came, and the order does not show the change.
    :raises LogUnavailable: if the change could not be logged: it was not sent.
    :raises ApiError: transient, if nothing was changed, and it may be later.
    """
    if wrong := find_number_violation(number):
        raise InvalidInput("Nothing was sent.", (f"order_number: {wrong}",))
    client.check_allowed(change.build_request(number))
    page, job = yield from read_order(client, number)
    order = page.body["order"]
    if change.is_done(order):
        log.info("Order %s is %s, and %s: nothing is sent", number, job.status, change.done)
        return dict(job.result)
    if not change.is_legal(order):
        can_be = " or ".join(change.legal)
        words = f"Order {number} is {job.status}: only one that is {can_be} can be {change.done}."
        raise Refused(f"{words} Nothing was sent.", info=page.info)
    answer: dict[str, Any] = {}
    track_ids: list[str] = []
    numbers = {"order_number": number, "account_number": order.get("existingAccountNumber")}
    facts = {"kind": change.kind, "job_id": ORDER + number, **numbers}
    facts["digest"] = sha256([change.step, change.body])

    def describe_end(_: str) -> dict[str, Any]:
        return facts | {"track_ids": track_ids, "outcome": Outcome.SUBMITTED}

    def send() -> Flow[str]:
        track_ids.append(client.make_track_id())
        yield from submission_log.note_intents([facts | {"track_ids": track_ids, "unanswered": 1}])
        answer.update((yield from _send(client, number, change, track_ids[0])))
        return ORDER + number

    yield from log_end(submission_log, describe_end, send())
    return answer


def _send(client: ApiClient, number: str, change: OrderChange, track_id: str) -> Flow[dict[str, Any]]:
    """Send the PUT, again only if Zuora says that it has not processed it; return what it answers."""
    attempt, started = 0, client.ticks()
    while True:
        attempt += 1
        parsed = yield from client.send_once(change.build_request(number), track_id)
        if parsed.kind is ResponseKind.OK and isinstance(parsed.body, dict):
            log.info("Order %s is %s: %s", number, change.done, parsed.info)
            return parsed.body
        if parsed.kind in UNDECIDED:
            return (yield from _look(client, number, change, parsed))
        error = make_error(client.vendor, parsed, attempt)
        pause = delay_before_retry(parsed, attempt, client.rng)
        is_late = client.ticks() - started + pause > WRITE.seconds
        if parsed.kind not in NOT_PROCESSED or attempt == WRITE.attempts or is_late:
            raise error
        log.warning("Order %s is not %s, next in %.1f s: %s", number, change.done, pause, error)
        yield from client.pause(parsed, pause)


def _look(
    client: ApiClient, number: str, change: OrderChange, parsed: ParsedResponse
) -> Flow[dict[str, Any]]:
    """Return what the page of an order shows after a PUT without an answer, if that is the change."""
    lost, found = make_error(client.vendor, parsed, 1), ""
    for pause in _LOOKS:
        log.warning("Order %s may be %s or not, reading it in %.0f s: %s", number, change.done, pause, lost)
        yield Sleep(pause)
        failure: ApiError | None = None
        try:
            page, job = yield from read_order(client, number)
        except ApiError as error:
            failure = error
        if failure is not None:
            found = f"it cannot be read: {failure}"
            continue
        if change.is_done(page.body["order"]):
            log.info("Order %s is %s: the answer was lost", number, change.done)
            return dict(job.result)
        found = f"it was {job.status} afterwards"
    legal = " or ".join(change.legal)
    raise OutcomeUnknown(
        f"Whether order {number} is {change.done} is unknown: the request has no answer, and {found}. It may "
        "still be carried out. Look at the order in some minutes. The same call reads it first, and sends "
        f"nothing unless it is {legal} then. {lost}",
        info=parsed.info,
    )
