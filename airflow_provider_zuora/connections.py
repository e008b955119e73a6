"""What a connection says, read and checked in one place; knows a connection's fields, but no Airflow."""

from __future__ import annotations

import json
import logging
import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

from airflow_provider_zuora.accounts import Account, Masks, Renewal, account_of
from airflow_provider_zuora.core.client import Client
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.jobs import Credentials, Vendor
from airflow_provider_zuora.core.order_limits import OrderLimits
from airflow_provider_zuora.lines import Line
from airflow_provider_zuora.private_files import Unusable
from airflow_provider_zuora.token_file import TokenFile

log = logging.getLogger(__name__)

_HOST = re.compile(r"[^\s/:@*]+|[0-9a-f:.]+")
_WORDS = ("environment", "entity_id", "org_ids", "zuora_version", "idempotency_namespace")
_TAKEN_AS_OWN = frozenset({"generic", "http", "", None})
_MASK = "***"  # what Airflow shows, and its web page may store, instead of a value that it takes for a secret
_FLAGS = {True: True, False: False, "true": True, "false": False, "": True, None: True}


class ConnectionFields(Protocol):
    """The fields of an Airflow connection that are read here."""

    conn_id: str
    conn_type: str | None
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a connection says.

    :param account: signed in when the first flow asks for a token.
    :param client: the account's flows, with the connection's own headers.
    :param line: how to reach the vendor.
    :param idempotency_namespace: tells two Airflows apart that submit to one tenant.
    :param order_limits: how much one order may hold.
    :param download_hosts: where a file may come from, whatever the host's address; in lower case.
    :param host: the connection's, perhaps blank; ``extra`` likewise.
    :param shared: True where the account is that of the process.
    """

    credentials: Credentials
    account: Account
    client: Client
    line: Line
    idempotency_namespace: str
    order_limits: OrderLimits
    download_hosts: frozenset[str]
    host: str
    extra: Mapping[str, Any] = field(repr=False)
    shared: bool

    def ignored(self, known: Collection[str]) -> Iterator[str]:
        """Yield what the connection says in vain, in words; ``known`` are the names that extra may hold."""
        for name in sorted(set(self.extra) - set(known)):
            near = get_close_matches(name, known, 1)
            yield f"extra holds {name!r}, which nobody reads" + (
                f"; did you mean {near[0]!r}?" if near else ""
            )
        if self.host and self.extra.get("environment"):
            yield "the environment in extra is not used, because there is a base URL (host)"


def settings_of(
    vendor: Vendor, conn: ConnectionFields, masks: Masks, renewal: Renewal | None = None
) -> Settings:
    """
    Return what a connection says.

    :param renewal: reads the connection again, for its account.
    :raises InvalidInput: where it cannot be used; each line names a field and its rule.
    """
    extra = _extra(conn.extra)
    _check_words(extra)
    credentials = credentials_of(vendor, conn, masks)
    line = Line(
        credentials.base_url,
        verify=_verify(extra.get("verify")),
        proxies=_proxies(extra.get("proxies")),
        **_numbers(extra),
    )
    if shared := _flag(extra, "shared_sign_in"):
        file = _token_file(credentials, str(extra.get("entity_id") or "").strip())
        account = account_of(vendor.name, credentials, line, masks, file)
    else:
        account = Account(vendor.name, credentials, line, masks)
    account.renewal = renewal
    return Settings(
        credentials,
        account,
        client=account.client(vendor.headers(extra)),
        line=line,
        idempotency_namespace=_pasted(str(extra.get("idempotency_namespace") or "")),
        order_limits=_order_limits(extra.get("order_limits")),
        download_hosts=_hosts(extra.get("download_hosts")),
        host=_pasted(conn.host),
        extra=extra,
        shared=shared,
    )


def credentials_of(vendor: Vendor, conn: ConnectionFields, masks: Masks) -> Credentials:
    """Return where a connection signs in and as whom; errors as `settings_of`."""
    if conn.conn_type != vendor.name and conn.conn_type not in _TAKEN_AS_OWN:
        raise _invalid(f"conn_type: must be {vendor.name}, generic, http or none, this is {conn.conn_type}")
    login, password = _pasted(conn.login), _pasted(conn.password)
    if password and password != conn.password:
        masks.mask(password)  # Airflow hides what the connection holds, which this is not
    return Credentials(_base_url(vendor, conn, _extra(conn.extra)), login, password)


def _invalid(violation: str) -> InvalidInput:
    return InvalidInput("The connection cannot be used; nothing was sent.", (violation,))


def _token_file(credentials: Credentials, entity: str) -> TokenFile | None:
    """Return where the token is shared, None where this machine has no place for it."""
    try:
        return TokenFile.of(credentials, entity)
    except Unusable as problem:
        log.warning("The token cannot be shared, each process signs in for itself. %s", problem)
        return None


def _pasted(text: str | None) -> str:
    """Return a text without the blanks, line breaks and invisible characters that it was pasted with."""
    text = text or ""
    seen = [at for at, c in enumerate(text) if not (c.isspace() or unicodedata.category(c)[0] == "C")]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def _extra(text: str | None) -> Mapping[str, Any]:
    """Return the fields that are set; one that Airflow's page has stored as its mask is not."""
    try:
        extra = json.loads(text or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise _invalid("extra: must be a JSON object")
    fields = _unmasked(extra)
    if "share_token" in fields:  # its first name, which Airflow takes for that of a secret
        return {"shared_sign_in": fields.pop("share_token")} | fields
    return fields


def _unmasked(value: dict[str, Any]) -> dict[str, Any]:
    known = {name: _unmasked(each) if isinstance(each, dict) else each for name, each in value.items()}
    return {name: each for name, each in known.items() if each != _MASK}


def _base_url(vendor: Vendor, conn: ConnectionFields, extra: Mapping[str, Any]) -> str:
    """Return the base URL: the host, with scheme and port where they stand apart, else the environment's."""
    host = _pasted(conn.host).rstrip("/")
    if not host:
        by_name = {name.lower(): url for name, url in vendor.environments.items()}
        named = str(extra.get("environment") or "").strip().lower()
        if named not in by_name:
            raise _invalid(
                "host: must be a base URL, or be blank while environment in extra is one of "
                + ", ".join(vendor.environments)
            )
        return by_name[named]
    url = host if "://" in host else f"{_pasted(conn.schema) or 'https'}://{host}"
    scheme, rest = url.split("://", 1)
    authority, *path = rest.split("/", 1)
    if conn.port and not authority.endswith(f":{conn.port}"):
        authority = f"{authority}:{conn.port}"
    return "/".join((f"{scheme.lower()}://{authority}", *path))


def _check_words(extra: Mapping[str, Any]) -> None:
    """Refuse what is no text, nor a whole number that may be meant as one."""
    for name in _WORDS:
        value = extra.get(name)
        words = value if name == "org_ids" and isinstance(value, list) else ["" if value is None else value]
        if any(isinstance(word, bool) or not isinstance(word, (str, int)) for word in words):
            raise _invalid(f"{name}: must be a text{' or a list of texts' if name == 'org_ids' else ''}")


def _numbers(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that are set; a connection given as a URI holds texts only."""
    found: dict[str, Any] = {}
    for name, kind in (("timeout", float), ("max_connections", int)):
        value = extra.get(name)
        if value not in (None, ""):
            try:
                number = float(str(value))
            except ValueError:
                number = math.nan
            if not math.isfinite(number) or (kind is int and not number.is_integer()):
                raise _invalid(f"{name}: must be a {'whole ' if kind is int else ''}number")
            found[name] = kind(number)
    return found


def _flag(extra: Mapping[str, Any], name: str) -> bool:
    value = extra.get(name)
    value = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(value, (str, bool, type(None))) or value not in _FLAGS:
        raise _invalid(f"{name}: must be true or false")
    return _FLAGS[value]


def _hosts(value: object) -> frozenset[str]:
    """Return the names of hosts in a list, or in a text between commas."""
    names = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _invalid("download_hosts: must be names of hosts, comma-separated or a list")
    hosts = {name.strip().lower() for name in names} - {""}
    if wrong := sorted(host for host in hosts if not _HOST.fullmatch(host)):
        raise _invalid(f"download_hosts: must be names of hosts without scheme or port, not {wrong[0]}")
    return frozenset(hosts)


def _order_limits(value: object) -> OrderLimits:
    try:
        return OrderLimits.of(value)
    except ValueError as error:
        raise _invalid(f"order_limits: {error}") from None


def _verify(value: object) -> bool | str:
    """Return True, False or a path; a connection given as a URI holds texts only."""
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower(), value.strip())
    if value is not None and not isinstance(value, bool):
        raise _invalid("verify: must be true, false or the path of a CA bundle")
    return value is not False


def _proxies(value: object) -> tuple[tuple[str, str], ...]:
    try:
        proxies = json.loads(value) if isinstance(value, str) and value.strip() else value or {}
    except ValueError:
        proxies = None
    if not isinstance(proxies, dict) or not all(isinstance(url, str) for url in proxies.values()):
        raise _invalid('proxies: must be a JSON object such as {"https": "http://proxy:3128"}')
    return tuple(sorted(proxies.items()))
