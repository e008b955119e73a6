"""The export of orders to a file, as flows: start one, and ask where its file is."""

from __future__ import annotations

from airflow_provider_zuora.core.errors import InvalidInput, Unreadable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.exchange import TRANSIENT


def export_orders(client: ApiClient, filter_: object) -> Flow[str]:
    """
    Start an export and return the id of its job.

    An export changes no order, and there are no idempotency keys; so a POST whose outcome is unknown is
    repeated: at worst the job stands in the queue twice, and nobody asks for one of the two.

    :param filter_: which orders, in the vendor's own words.
    :raises InvalidInput: where it cannot be a filter; nothing was sent then.
    """
    if not isinstance(filter_, str) or not filter_.strip() or not filter_.isprintable():
        rule = "filter: must be a text such as ge(created_at,2024-07-01), without line breaks"
        raise InvalidInput("Nothing was sent.", (rule,))
    request = client.vendor.submission("order_export", {"filter": filter_}, {})
    return (yield from client.submit(request, again=TRANSIENT))


def file_link(client: ApiClient, job_id: str) -> Flow[str]:
    """
    Ask for the link to a job's file, again while it is not ready; whoever holds the link can read the file.

    :raises Refused: where there is no such job, or it has no file.
    :raises Unreadable: where the answer holds no link.
    """
    parsed = yield from client.read(client.asking(job_id, client.vendor.file))
    link = client.vendor.read_link(parsed.body)
    if not link:
        raise Unreadable(f"{client.vendor.title} named no file of job {job_id}.", info=parsed.info)
    return link
