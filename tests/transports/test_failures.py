"""Why no answer came, by the errors alone; real sockets are in `tests/hooks/test_connection_check.py`."""

from __future__ import annotations

import socket
import ssl

import pytest

from airflow_provider_zuora.core.errors import NoAnswer, Unreachable
from airflow_provider_zuora.transports.failures import find_no_answer


class ProxyError(OSError):
    """What requests calls any error at a proxy."""


class ConnectTimeout(OSError):
    """What requests calls a connection that takes too long."""


def wrap(kind, inner):
    """Return an error that holds another one, as libraries do: as argument, reason, cause or context."""
    error = OSError("in between")
    error.reason = inner
    outer = kind(error)
    outer.__cause__ = outer  # a circle ends nothing
    return outer


@pytest.mark.parametrize(
    ("inner", "reason", "at_a_proxy"),
    [
        (socket.gaierror(-2, "unknown"), NoAnswer.NAME, NoAnswer.PROXY_NAME),
        (ConnectionRefusedError(111, "no"), NoAnswer.REFUSED, NoAnswer.PROXY_REFUSED),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), NoAnswer.NO_TLS, NoAnswer.NO_TLS),
        (OSError("Tunnel connection failed: 407 x"), NoAnswer.PROXY_SIGN_IN, NoAnswer.PROXY_SIGN_IN),
        (OSError("Tunnel connection failed: 403 x"), NoAnswer.PROXY_DENIED, NoAnswer.PROXY_DENIED),
        (ConnectTimeout(), NoAnswer.NO_CONNECTION, NoAnswer.NO_CONNECTION),
        (TimeoutError(), NoAnswer.SILENT, NoAnswer.SILENT),
        (ConnectionResetError(104, "reset"), NoAnswer.UNKNOWN, NoAnswer.UNKNOWN),
    ],
)
def test_the_innermost_error_decides(inner, reason, at_a_proxy):
    assert find_no_answer(wrap(OSError, inner)) is reason
    assert find_no_answer(wrap(ProxyError, inner)) is at_a_proxy


def test_without_a_transport_nobody_knows():
    assert Unreachable("no answer").no_answer is NoAnswer.UNKNOWN
