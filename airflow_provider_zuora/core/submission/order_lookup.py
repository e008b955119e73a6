"""Whether an order of ours exists, found by the number that we gave it; nothing here sends an order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import NotFound, Refused
from airflow_provider_zuora.core.jobs import ORDER, Reading
from airflow_provider_zuora.core.wire import Flow, Pause

log = logging.getLogger(__name__)

APART = 120.0  # seconds between two looks that must both find nothing; Zuora lets an order take so long


def find_order(client: Client, document: Mapping[str, Any]) -> Flow[str | None]:
    """
    Look an order up by its ``orderNumber`` and return its id ``order:<orderNumber>``, None for none.

    None means that the vendor has said so twice, two minutes apart. Should a job that nobody knows of be
    under way for longer, then only the vendor's own refusal of a taken number prevents a second order.

    :raises Refused: where the number is that of another order: account or order date differ.
    :raises Unreadable: where the answer holds no order.
    :raises ApiError: where the vendor could not be asked.
    """
    number = str(document["orderNumber"])
    for pause in (APART, 0.0):
        try:
            order_id, _ = yield from _ours(client, document)
        except NotFound as nothing:
            again = f"looking again in {pause:.0f} s" if pause else "for the second time"
            log.warning("No order %s, %s: %s", number, again, nothing)
            if pause:
                yield Pause(pause)
            continue
        log.warning("Found order %s at %s; it stands for the job", number, client.vendor.title)
        return order_id
    return None


def existing_order(client: Client, document: Mapping[str, Any]) -> Flow[str | None]:
    """
    Look once whether an order was made already, by whomever, and return its id; None where it is not there.

    One whose job is still under way is not there yet.

    :raises Refused: where the number is that of another order, or of one with another content.
    :raises ApiError: as `find_order` does.
    """
    try:
        order_id, reading = yield from _ours(client, document)
    except NotFound:
        return None
    if changes := client.vendor.changes(document, reading.body):
        raise _taken(client, document, reading, changes)
    log.info("Order %s is at %s already; nothing is sent", document["orderNumber"], client.vendor.title)
    return order_id


def _ours(client: Client, document: Mapping[str, Any]) -> Flow[tuple[str, Reading]]:
    """Return the id and the page of the order that has our number; it is ours if account and date agree."""
    number = str(document["orderNumber"])
    reading = yield from client.read(client.vendor.order(number))
    client.vendor.read_job(ORDER + number, reading.body, reading.answer)  # raises where it holds no order
    account = client.vendor.account(document, reading.body)
    known = (yield from client.read(account)).body if account else {}
    if found := client.vendor.difference(document, reading.body, known):
        raise _taken(client, document, reading, found)
    return ORDER + number, reading


def _taken(client: Client, document: Mapping[str, Any], reading: Reading, found: str) -> Refused:
    return Refused(
        f"Order number {document['orderNumber']} is taken at {client.vendor.title} by an order that is not "
        f"this one: {found}. Nothing more was sent; give this order another number.",
        answer=reading.answer,
    )
