"""Requests for workers, with requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_zuora.core.errors import Unreachable
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.transports.adapters import Pace, session
from airflow_provider_zuora.transports.body import MAX_BODY, TOO_LARGE, unpacked
from airflow_provider_zuora.transports.config import TransportConfig

if TYPE_CHECKING:
    import requests


_CHUNK = 64 * 1024


class BlockingTransport:
    """Sends requests with one requests session; safe to use from several threads."""

    def __init__(self, line: TransportConfig):
        self.line = line
        self._session = self._open()

    def _open(self) -> requests.Session:
        most = self.line.max_connections
        pace = Pace(self.line.longest, most=2 * MAX_BODY)
        return session(self.line, pace, pool_connections=2, pool_maxsize=most, pool_block=True)

    def send(self, request: Request) -> Response:
        """
        Send one request and return its answer, whole or not.

        :raises Unreachable: where no answer came.
        """
        try:
            with self._session.request(
                request.method,
                self.line.url(request),
                headers=dict(request.headers),
                data=request.body or None,
                timeout=(self.line.connect_timeout, self.line.timeout),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body, damage = _read(self.line, answer)
                headers = dict(answer.headers)
                return Response(answer.status_code, headers, body, damage, damage == TOO_LARGE)
        except (OSError, ValueError) as error:  # every error of requests is an OSError, a lost CA bundle too
            failure = self.line.words(error)
        raise Unreachable(failure)  # with no cause, which may name a proxy's password

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(line: TransportConfig, answer: requests.Response) -> tuple[bytes, str]:
    """Return the body and why it is not whole; a failure here still has a status and headers."""
    from urllib3.exceptions import HTTPError

    content = bytearray()
    try:
        while chunk := answer.raw.read(_CHUNK, decode_content=False):
            content += chunk
            if len(content) > MAX_BODY:
                return b"", TOO_LARGE
    except (HTTPError, OSError) as error:
        return bytes(content), f"the answer was cut off: {line.words(error)}"
    return unpacked(bytes(content), answer.headers.get("Content-Encoding", ""))
