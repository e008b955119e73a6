"""What the button Test of a connection says: each cause in a sentence of its own, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_zuora.core.errors import (
    ApiError,
    InvalidInput,
    NoAnswer,
    NotFound,
    ResponseInfo,
    Unreadable,
)
from airflow_provider_zuora.core.flow import Flow
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.http.response_parsing import REDIRECTS
from airflow_provider_zuora.core.http.retry import ONCE, RetryPolicy
from airflow_provider_zuora.core.messages import Request
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.hooks.connection import Settings, read_settings
from airflow_provider_zuora.session.session import ApiSession, SessionRegistry
from airflow_provider_zuora.session.token_provider import ConnectionSource

LONGEST = 10.0  # seconds without a byte of an answer: a person waits for it
_LIMITED, _FAILED, _ABSENT = 429, 500, (404, 405)  # HTTP statuses
_SHOWN = 80  # characters of a path
_NO_ANSWER: Mapping[NoAnswer, str] = {
    NoAnswer.UNKNOWN: "No answer came from {host}: check the base URL (host), and the way to it.",
    NoAnswer.NAME: "The name {host} does not resolve: check the base URL (host) for a slip, and DNS here.",
    NoAnswer.REFUSED: "{host} refuses the connection: check the port of the base URL (host), and firewalls.",
    NoAnswer.NO_CONNECTION: "{host} cannot be reached within {seconds:g} s: a firewall may be in the way, or "
    "a proxy be needed (proxies).",
    NoAnswer.SILENT: "{host} is silent for {seconds:g} s: check the base URL (host), or try again later.",
    NoAnswer.CERTIFICATE: "The TLS certificate of {host} is not trusted here. If a proxy or a gateway of "
    "yours has made it, name its CA bundle (verify).",
    NoAnswer.OTHER_CERTIFICATE: "The TLS certificate that {host} shows is another host's: check the base URL "
    "(host), and proxies.",
    NoAnswer.NO_TLS: "{host} speaks no TLS that can be understood: check the port of the base URL (host), "
    "and whether a proxy or a firewall cuts TLS off.",
    NoAnswer.PROXY_NAME: "The name of the proxy does not resolve: check proxies, or HTTPS_PROXY.",
    NoAnswer.PROXY_REFUSED: "The proxy refuses the connection: check its port in proxies, or in HTTPS_PROXY.",
    NoAnswer.PROXY_SIGN_IN: "The proxy wants another user and password (407): put them into its URL, as in "
    "http://user:password@proxy:3128.",
    NoAnswer.PROXY_DENIED: "The proxy does not connect to {host}: it must allow that host, and reach it.",
}
_PAGE = (
    "{host} gives no answer of {title}'s, perhaps a page: check that the base URL (host) is that of the API, "
    "and that no proxy or firewall answers in its place."
)
_NO_SIGN_IN = "{host} has no sign-in of {title}'s: check that the base URL (host) is that of the API."
_PATH = "The base URL has a path, {path}; mostly it must have none."
_TOO_MANY = "{title} takes no more requests for now: wait a minute."
_OUTAGE = "{title} cannot answer for now: try again later."
_PUBLISHED = "This base URL is that of the environment {name}."
_NO_ORDERS = (
    "It may not read orders: if it is to submit some, an administrator of {title} has to allow its user that."
)


def check_connection(
    vendor: Vendor,
    conn: Connection,
    source: ConnectionSource,
    on_success: Callable[[ApiSession], object],
) -> tuple[bool, str]:
    """
    Sign in, and send the GET that checks headers; return whether the connection works, and sentences.

    :param on_success: called with the session that signed in, if the connection works.
    """
    try:
        settings = read_settings(vendor, conn, source, SessionRegistry())
    except ApiError as error:
        return False, str(error)
    if settings.unknown:
        return False, "\n".join(("Nothing was sent: extra holds a slip.", *settings.unknown))
    session = _open_session(settings, source)
    try:
        works, words = _try_session(vendor, settings, session)
        if works:
            on_success(session)
    finally:
        session.close()
    return works, " ".join((words, *(f"Note: {each}." for each in settings.warnings)))


def _open_session(settings: Settings, source: ConnectionSource) -> ApiSession:
    """Return a session of its own, whose waits a person can wait for; it leaves no token to others."""
    config = settings.session.config
    transport = replace(config.transport, timeout=min(config.transport.timeout, LONGEST))
    own = replace(config, transport=transport, token_file=None)
    return SessionRegistry().make_session(own, source)


def _try_session(vendor: Vendor, settings: Settings, session: ApiSession) -> tuple[bool, str]:
    used = settings.credentials
    try:
        session.sign_in()
    except InvalidInput as error:  # the certificates cannot be read
        return False, str(error)
    except ApiError as error:
        why = _explain(vendor, session, error) or vendor.explain_refused_sign_in(_read_info(error))
        return False, f"{why} {_describe_url(vendor, used.base_url)}({_read_info(error)})"
    words = f"Signed in to {used.base_url} as client {used.client_id}."
    if not vendor.check_path:
        return True, words
    try:
        session.run(_send_check(session.client(settings.client.headers), vendor.check_path))
    except ApiError as error:
        why, info = _explain(vendor, session, error), _read_info(error)
        why = why or vendor.explain_refused_check(info, settings.fields)
        works = not why
        return works, f"{words} {why or _NO_ORDERS.format(title=vendor.title)} ({info})"
    return True, f"{words} It may read orders."


def _send_check(client: ApiClient, path: str) -> Flow[None]:
    with suppress(NotFound):  # of whoever may ask
        yield from client.send(Request("GET", path), RetryPolicy(ONCE, frozenset()))


def _read_info(error: ApiError) -> ResponseInfo:
    return error.info or ResponseInfo(str(error))


def _explain(vendor: Vendor, session: ApiSession, error: ApiError) -> str:
    """Return in a sentence what is wrong on the way, empty if it is the vendor that says no."""
    info, transport = _read_info(error), session.config.transport
    status = info.status or 0
    if info.no_answer is not None:
        words = _NO_ANSWER[info.no_answer]
    elif status == _LIMITED:
        words = _TOO_MANY
    elif status >= _FAILED:
        words = _OUTAGE
    elif isinstance(error, Unreadable) or status in REDIRECTS:
        words = _PAGE
    elif status in _ABSENT:
        words = _NO_SIGN_IN
    else:
        return ""
    host = urlsplit(transport.base_url).netloc
    return words.format(host=host, title=vendor.title, seconds=transport.timeout)


def _describe_url(vendor: Vendor, url: str) -> str:
    """Return what is to be known of a base URL, and a blank, or an empty text."""
    if name := next((name for name, known in vendor.environments.items() if known == url), ""):
        return f"{_PUBLISHED.format(name=name)} "
    path = urlsplit(url).path
    return f"{_PATH.format(path=path[:_SHOWN])} " if path else ""
