"""The button from a task to the vendor's page of what it made; the task itself has left the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_zuora.version_compat import PAGE_URL

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator


class PageLink(BaseOperatorLink):
    """
    A link to the vendor's page, by the address that the task has stored, in whichever state it is.

    Airflow 3 calls this on the worker, after each process of the task, and stores what it returns; its pages
    read that. Airflow 2 calls it in the webserver, with an operator that has never run.
    """

    xcom_key = PAGE_URL

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address; empty, and there is no button, if the task has left none."""
        known = getattr(operator, "page_url", None)
        if known is not None:
            return str(known)
        from airflow.providers.common.compat.sdk import XCom  # noqa: PLC0415 - no DAG file needs it

        return str(XCom.get_value(ti_key=ti_key, key=PAGE_URL) or "")


class ZuoraLink(PageLink):
    """See `PageLink`."""

    name = "Open Zuora"


class ElasticPathLink(PageLink):
    """See `PageLink`."""

    name = "Open Commerce Manager"
