"""Whether an order of ours exists, found by the number that we gave it; nothing here sends an order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import NotFound, Refused
from airflow_provider_zuora.core.jobs import ORDER
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
            reading = yield from client.read(client.vendor.order(number))
        except NotFound as nothing:
            again = f"looking again in {pause:.0f} s" if pause else "for the second time"
            log.warning("No order %s, %s: %s", number, again, nothing)
            if pause:
                yield Pause(pause)
            continue
        client.vendor.read_job(ORDER + number, reading.body, reading.answer)  # raises where it holds no order
        account = client.vendor.account(document, reading.body)
        known = (yield from client.read(account)).body if account else {}
        if found := client.vendor.difference(document, reading.body, known):
            raise Refused(
                f"Order number {number} is taken at {client.vendor.title} by an order that is not this one: "
                f"{found}. Nothing more was sent; give this order another number.",
                answer=reading.answer,
            )
        log.warning("Found order %s at %s; it stands for the job", number, client.vendor.title)
        return ORDER + number
    return None
