"""Read an Airflow connection, check it, and make a session of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection
from asgiref.sync import sync_to_async

from airflow_provider_zuora.airflow_context.metrics import emit
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.http.client import ApiClient
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.metrics import Emit
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.hooks.config import read_runtime_directory
from airflow_provider_zuora.hooks.connection_fields import FIELDS, TRANSPORT_FIELDS, read_fields
from airflow_provider_zuora.hooks.field_readers import strip_blanks
from airflow_provider_zuora.session.session import REGISTRY, ApiSession, SessionConfig, SessionRegistry
from airflow_provider_zuora.session.token_file import InsecurePath, TokenFile, find_runtime_directory
from airflow_provider_zuora.session.token_provider import ConnectionSource
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.version_compat import aget_connection, amask_secret, mask_secret

log = logging.getLogger(__name__)

_GENERIC_TYPES = frozenset({"generic", "http", "", None})
_PORT = re.compile(r":([0-9]{1,5})\Z")
_USUAL_PORTS = {"https": 443, "http": 80}
_MASK = "***"  # what Airflow shows, and its web page may store, instead of a value that looks like a secret


@dataclass(frozen=True, slots=True)
class AirflowConnection:
    """A `ConnectionSource`: one connection, by its id."""

    vendor: Vendor
    conn_id: str

    emit: ClassVar[Emit] = staticmethod(emit)

    def mask(self, secret: str) -> None:
        """Mask a secret in Airflow's logs."""
        mask_secret(secret)

    async def amask(self, secret: str) -> None:
        """Do what `mask` does, on an event loop."""
        await amask_secret(secret)

    async def aread(self) -> Connection:
        """Read the connection on an event loop."""
        log.debug("Read the connection %s", self.conn_id)
        try:
            return await aget_connection(self.conn_id)
        except AirflowNotFoundException:
            # Inside of dag.test() Airflow 3.3 finds connections of its database by the blocking call only.
            return await sync_to_async(BaseHook.get_connection)(self.conn_id)

    def read_credentials(self) -> Credentials | None:
        """Return the credentials of the connection as it is now, None if it cannot be used any more."""
        try:
            return self._get_credentials(BaseHook.get_connection(self.conn_id))
        except AirflowNotFoundException:
            return None

    async def aread_credentials(self) -> Credentials | None:
        """Do what `read_credentials` does, on an event loop."""
        try:
            return await asyncio.to_thread(self._get_credentials, await self.aread())
        except AirflowNotFoundException:
            return None

    def _get_credentials(self, conn: Connection) -> Credentials | None:
        try:
            return read_credentials(self.vendor, conn, self)
        except InvalidInput as error:
            log.warning("Connection %s cannot be used any more: %s", self.conn_id, error)
            return None


@dataclass(frozen=True, slots=True)
class Settings:
    """What was made of a connection."""

    credentials: Credentials
    session: ApiSession
    client: ApiClient
    transport: TransportConfig
    fields: Mapping[str, Any] = field(repr=False)  # those of `FIELDS`, as they were read
    unknown: tuple[str, ...]  # a line for each field of extra that nobody reads
    warnings: tuple[str, ...]  # those lines, and others about fields that have no effect


def read_settings(
    vendor: Vendor, conn: Connection, source: ConnectionSource, registry: SessionRegistry = REGISTRY
) -> Settings:
    """Return the settings of a connection, which is parsed again only if it has changed."""
    where = (vendor.name, conn.conn_type, conn.host, conn.port, conn.schema)
    directory = read_runtime_directory()
    content = (*where, conn.login, conn.password, conn.extra, directory)
    settings = registry.get_settings(
        content, lambda: _make_settings(vendor, conn, source, registry, directory)
    )
    settings.session.tokens.source = source
    return settings


def _make_settings(
    vendor: Vendor, conn: Connection, source: ConnectionSource, registry: SessionRegistry, directory: str
) -> Settings:
    extra = _parse_extra(conn.extra)
    try:
        fields = read_fields(vendor.name, extra)
    except ValueError as error:
        raise _make_invalid(*str(error).splitlines()) from None
    credentials = read_credentials(vendor, conn, source)
    transport = TransportConfig(credentials.base_url, **{name: fields[name] for name in TRANSPORT_FIELDS})
    file: TokenFile | None = None
    if fields["shared_sign_in"]:
        try:
            entity, found = fields.get("entity_id", ""), find_runtime_directory(directory)
            file = TokenFile.for_credentials(credentials, entity, found)
        except InsecurePath as problem:
            log.warning("The token cannot be shared, each process signs in for itself. %s", problem)
    config = SessionConfig(vendor, credentials, transport, file, is_read_only=fields["read_only"])
    session = registry.get_session(config, source)
    client = session.client(vendor.build_headers(fields))
    unknown = tuple(_find_unknown(vendor, extra))
    warnings = unknown
    if strip_blanks(conn.host) and extra.get("environment"):
        warnings += ("the environment in extra is not used, because there is a base URL (host)",)
    return Settings(credentials, session, client, transport, fields, unknown, warnings)


def read_credentials(vendor: Vendor, conn: Connection, source: ConnectionSource) -> Credentials:
    """Return where a connection signs in, and as whom; raise `InvalidInput` with each broken rule."""
    if conn.conn_type != vendor.name and conn.conn_type not in _GENERIC_TYPES:
        raise _make_invalid(
            f"conn_type: must be {vendor.name}, generic, http or none, this is {conn.conn_type}"
        )
    login, password = strip_blanks(conn.login), strip_blanks(conn.password)
    if password and password != conn.password:
        source.mask(password)  # Airflow masks what the connection holds, and this differs from it
    return Credentials(_build_base_url(vendor, conn, _parse_extra(conn.extra)), login, password)


def _make_invalid(*violations: str) -> InvalidInput:
    return InvalidInput("The connection cannot be used; nothing was sent.", violations)


def _find_unknown(vendor: Vendor, extra: Mapping[str, Any]) -> Iterator[str]:
    known = {name.replace("_", ""): name for name in FIELDS[vendor.name]}
    for name in sorted(set(extra) - set(known.values())):
        near = get_close_matches(re.sub(r"[\s_-]", "", name.lower()), known, 1)
        meant = f"; did you mean {known[near[0]]!r}?" if near else ""
        yield f"extra holds {name!r:.80}, which nobody reads{meant}"


def _parse_extra(text: str | None) -> Mapping[str, Any]:
    """Return the fields that are set; one that Airflow's page has stored as its mask is not."""
    try:
        fields = _drop_masks(json.loads(text or "{}"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _make_invalid("extra: must be a JSON object")
    if "share_token" in fields:  # its first name, which Airflow mistakes for that of a secret
        return {"shared_sign_in": fields.pop("share_token")} | fields
    return fields


def _drop_masks(value: Any) -> Any:
    """Return a value without the masks that it holds, as JSON in a text too: a field may hold one."""
    if isinstance(value, dict):
        return {name: _drop_masks(member) for name, member in value.items() if member != _MASK}
    if isinstance(value, list):
        return [_drop_masks(item) for item in value if item != _MASK]
    if isinstance(value, str) and _MASK in value and value.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(_drop_masks(json.loads(value)))
        except (ValueError, RecursionError):  # the field's own rule tells
            return value
    return value


def _build_base_url(vendor: Vendor, conn: Connection, extra: Mapping[str, Any]) -> str:
    """Return the host as a URL, with the fields schema and port, or else the URL of the environment."""
    host = strip_blanks(conn.host).rstrip("/")
    if not host:
        by_name = {name.lower(): url for name, url in vendor.environments.items()}
        named = strip_blanks(str(extra.get("environment") or "")).lower()
        if named not in by_name:
            names = ", ".join(vendor.environments)
            raise _make_invalid(
                f"host: must be a base URL, or be blank while environment in extra is one of {names}"
            )
        return by_name[named]
    with suppress(ValueError):
        host = f"[{IPv6Address(host)}]"  # Airflow stores that of a URI without the brackets
    url = host if "://" in host else f"{strip_blanks(conn.schema) or 'https'}://{host}"
    scheme, rest = url.split("://", 1)
    authority, *path = rest.split("/", 1)
    return "/".join((f"{scheme.lower()}://{_add_port(scheme.lower(), authority, conn.port)}", *path))


def _add_port(scheme: str, authority: str, port: int | None) -> str:
    """
    Return a host with the port of the connection, unless it has one itself, or that port goes without saying.

    A usual one may be there for Airflow's page alone: see `connection_fields`.
    """
    if named := _PORT.search(authority):
        if port and port not in (*_USUAL_PORTS.values(), int(named[1])):
            rule = f"must be blank, 443, 80, or that of the base URL (host), {int(named[1])}"
            raise _make_invalid(f"port: {rule}; this is {port}")
        return authority
    return f"{authority}:{port}" if port and port != _USUAL_PORTS.get(scheme) else authority
