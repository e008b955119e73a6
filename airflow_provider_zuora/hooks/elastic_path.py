"""Talk to Elastic Path Commerce Cloud."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from airflow_provider_zuora.airflow_context.lineage import report_file
from airflow_provider_zuora.core.errors import InvalidInput, Unreadable
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.retry import READ_POLICY, TRANSIENT
from airflow_provider_zuora.core.vendors.elastic_path import build_file_request, read_link
from airflow_provider_zuora.exceptions import convert_errors
from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.targets import make_target
from airflow_provider_zuora.transports.config import MAX_BYTES
from airflow_provider_zuora.transports.file_paths import hide_password
from airflow_provider_zuora.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath


class ElasticPathHook(BaseJobHook):
    """
    Sign in to Elastic Path Commerce Cloud, export orders, and fetch their files.

    The connection (type ``elastic_path``): host = base URL, or blank and ``environment`` in extra;
    login and password = client id and secret; all else in extra is optional, see the connection form.

    :param elastic_path_conn_id: the Airflow connection.
    """

    conn_name_attr = "elastic_path_conn_id"
    default_conn_name = "elastic_path_default"
    conn_type = "elastic_path"
    hook_name = "Elastic Path"

    def __init__(self, elastic_path_conn_id: str = default_conn_name):
        super().__init__(elastic_path_conn_id)

    def export_orders(self, filter: str) -> str:  # noqa: A002 - Elastic Path's own word, and the operator's
        """
        Start an export of orders to a CSV, and return the id of its job.

        Elastic Path has no idempotency keys: a request whose outcome is unknown is repeated, and at worst one
        more job is in the queue. An export changes no order.

        :param filter: in the grammar of Elastic Path's order list, for example
            ``ge(created_at,2024-07-01T00:00:00Z):lt(created_at,2024-07-02T00:00:00Z)``.
        :raises PermanentError: with Elastic Path's messages and request id.
        :raises TransientError: the same, if it could not be reached.
        """
        return self._run(lambda client: start_export(client, filter))

    def download(
        self, job_id: str, target: str | PathLike[str] | ObjectStoragePath, *, max_bytes: int = MAX_BYTES
    ) -> int:
        """
        Fetch the CSV of an export that succeeded, and return its size in bytes.

        It is downloaded to a temporary file (beside a local target), checked, and then moved or uploaded: the
        target always holds all of it, or what was there before. No secret of the connection goes to the
        file's host, which must be https and public; docs/elastic-path.md describes what else is allowed.

        :param job_id: the id of the export's job.
        :param target: a local path, or what ``ObjectStoragePath`` takes, such as ``s3://conn_id@bucket/a.csv``.
        :param max_bytes: a larger file is not fetched.
        :raises PermanentError: if the job is unknown or has no file, or the link is not safe to follow.
        :raises TransientError: if the file is incomplete: the next try asks for another link.
        """
        from airflow_provider_zuora.transports.download import check_size, download
        from airflow_provider_zuora.transports.download_stream import DownloadPolicy

        with convert_errors():
            check_size(max_bytes)
            destination = make_target(target)
        link = self._run(lambda client: read_file_link(client, job_id))
        settings = self._settings
        base_url, hosts = settings.credentials.base_url, settings.fields["download_hosts"]
        with convert_errors():
            policy = DownloadPolicy.for_vendor(base_url, hosts, mask_secret)
            size = download(link, destination, settings.transport, policy, max_bytes)
        report_file(self, target, is_written=True)
        self.log.info("Downloaded the file of job %s to %s: %d bytes", job_id, hide_password(target), size)
        return size


def start_export(client: ApiClient, filter_: object) -> Flow[str]:
    """Start an export, and return the id of its job; see `ElasticPathHook.export_orders`."""
    if not isinstance(filter_, str) or not filter_.strip() or not filter_.isprintable():
        rule = "filter: must be a text such as ge(created_at,2024-07-01), without line breaks"
        raise InvalidInput("Nothing was sent.", (rule,))
    request = client.vendor.build_submit_request("order_export", {"filter": filter_}, {})
    return (yield from client.submit(request, "order_export", TRANSIENT))


def read_file_link(client: ApiClient, job_id: str) -> Flow[str]:
    """Read the link to a job's file, a secret; repeat that while the file is not ready."""
    parsed = yield from client.send(client.job_request(job_id, build_file_request), READ_POLICY)
    link = read_link(parsed.body)
    if not link:
        raise Unreadable(f"{client.vendor.title} named no file of job {job_id}.", info=parsed.info)
    return link
