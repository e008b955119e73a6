"""Why no answer came, told by the errors that a library has wrapped into each other, not by their words."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from socket import gaierror

from airflow_provider_zuora.core.errors import NoAnswer

_MOST = 30  # errors that are looked at: they may lead to each other in a circle
_OTHER_NAMES = (62, 64)  # OpenSSL's codes for a certificate of another host name, and of another address
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")  # http.client raises a plain OSError
_OF_PROXY = {NoAnswer.NAME: NoAnswer.PROXY_NAME, NoAnswer.REFUSED: NoAnswer.PROXY_REFUSED}


def find_no_answer(error: BaseException) -> NoAnswer:
    """Return why no answer came, by the error that requests raised."""
    errors = list(_list_errors(error))
    names = {type(each).__name__ for each in errors}
    reason = _find_reason(errors, names)
    return _OF_PROXY.get(reason, reason) if "ProxyError" in names else reason


def _find_reason(errors: list[BaseException], names: set[str]) -> NoAnswer:  # noqa: PLR0911 - a line for each
    for each in errors:
        if isinstance(each, ssl.SSLCertVerificationError):
            is_others = each.verify_code in _OTHER_NAMES
            return NoAnswer.OTHER_CERTIFICATE if is_others else NoAnswer.CERTIFICATE
        if isinstance(each, ssl.SSLError):
            return NoAnswer.NO_TLS
        if isinstance(each, gaierror):
            return NoAnswer.NAME
        if isinstance(each, ConnectionRefusedError):
            return NoAnswer.REFUSED
        if tunnel := _TUNNEL.search(str(each.args[0]) if each.args else ""):
            return NoAnswer.PROXY_SIGN_IN if tunnel[1] == "407" else NoAnswer.PROXY_DENIED
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return NoAnswer.NO_CONNECTION
    return NoAnswer.SILENT if names & {"ReadTimeout", "TimeoutError"} else NoAnswer.UNKNOWN


def _list_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it holds, the innermost of each chain last."""
    found, at = [error], 0
    while at < min(len(found), _MOST):
        each = found[at]
        yield each
        held = (*each.args, getattr(each, "reason", None), each.__cause__, each.__context__)
        found += [
            inner
            for inner in held
            if isinstance(inner, BaseException) and not any(inner is it for it in found)
        ]
        at += 1
