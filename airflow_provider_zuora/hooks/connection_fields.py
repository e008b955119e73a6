"""The fields of extra: ONE table for the form, the parser and the transport; no Airflow here."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora.order_limits import OrderLimits
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from airflow_provider_zuora.transports.config import MAX_CONNECTIONS, TIMEOUT

_HOST = re.compile(r"[^\s/:@*]+|[0-9a-f:.]+")
MAX_TIMEOUT = 3600  # seconds
MOST_CONNECTIONS = 1000
_FLAGS = {True: True, False: False, "true": True, "false": False, "": True, None: True}


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of extra.

    :param read: returns the meaning of a value, None and a blank text included, or raises `ValueError` with
        the rule that the value breaks. A connection that is given as a URI holds texts only.
    """

    label: str
    help: str
    read: Callable[[Any], Any]
    kind: str = "string"  # in JSON
    schema: Mapping[str, object] = field(default_factory=dict)  # the rest of its JSON schema
    placeholder: str = ""


def strip_blanks(text: str | None) -> str:
    """Return a text without the white space and invisible characters around it."""
    text = text or ""
    visible = [at for at, c in enumerate(text) if not (c.isspace() or unicodedata.category(c)[0] == "C")]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def _read_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise ValueError("must be a text")  # noqa: TRY004 - one kind for all rules
    return "" if value is None else strip_blanks(str(value))


def _read_texts(value: object) -> str:
    texts = value if isinstance(value, list) else ["" if value is None else value]
    if any(isinstance(text, bool) or not isinstance(text, (str, int)) for text in texts):
        raise ValueError("must be a text or a list of texts")
    return ",".join(strip_blanks(str(text)) for text in texts)


def _read_number(value: object, default: float, *, whole: bool = False) -> float:
    if value is None or (isinstance(value, str) and not strip_blanks(value)):
        return default
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise ValueError(f"must be a {'whole ' if whole else ''}number")
    return number


def _read_timeout(value: object) -> float:
    seconds = _read_number(value, TIMEOUT)
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ValueError(f"must be more than 0 and at most {MAX_TIMEOUT} seconds")
    return seconds


def _read_max_connections(value: object) -> int:
    count = int(_read_number(value, MAX_CONNECTIONS, whole=True))
    if not 1 <= count <= MOST_CONNECTIONS:
        raise ValueError(f"must be from 1 to {MOST_CONNECTIONS}")
    return count


def _read_flag(value: object) -> bool:
    value = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(value, (str, bool, type(None))) or value not in _FLAGS:
        raise ValueError("must be true or false")
    return _FLAGS[value]


def _read_verify(value: object) -> bool | str:
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower(), value.strip())
    if value is not None and not isinstance(value, bool):
        raise ValueError("must be true, false or the path of a CA bundle")
    return value is not False


def _read_proxies(value: object) -> tuple[tuple[str, str], ...]:
    value = strip_blanks(value) if isinstance(value, str) else value
    try:
        proxies = json.loads(value) if isinstance(value, str) and value else value or {}
    except (ValueError, RecursionError):
        proxies = None
    if not isinstance(proxies, dict) or not all(isinstance(url, str) for url in proxies.values()):
        raise ValueError('must be a JSON object such as {"https": "http://proxy:3128"}')
    return tuple(sorted(proxies.items()))


def _read_hosts(value: object) -> frozenset[str]:
    names = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be names of hosts, comma-separated or a list")
    hosts = {name.strip().lower() for name in names} - {""}
    if wrong := sorted(host for host in hosts if not _HOST.fullmatch(host)):
        raise ValueError(f"must be names of hosts without scheme or port, not {wrong[0]}")
    return frozenset(hosts)


TRANSPORT_FIELDS: Mapping[str, Field] = {  # of every vendor: arguments of `TransportConfig`
    "timeout": Field(
        "Timeout (s)",
        f"Seconds without a byte of an answer, after which the request fails; {TIMEOUT:g}.",
        _read_timeout,
        "number",
        placeholder=f"{TIMEOUT:g}",
    ),
    "max_connections": Field(
        "Connections",
        f"HTTP connections at once, for each process; {MAX_CONNECTIONS}.",
        _read_max_connections,
        "integer",
        {"minimum": 1, "maximum": MOST_CONNECTIONS},
        f"{MAX_CONNECTIONS}",
    ),
    "verify": Field(
        "Verify TLS",
        "true, false, or the path of a CA bundle on workers and triggerers; true.",
        _read_verify,
        placeholder="true",
    ),
    "proxies": Field(
        "Proxies", 'JSON, for example {"https": "http://proxy:3128"}; blank: the environment.', _read_proxies
    ),
}

# Its name holds no word that Airflow takes for a secret's: the form would store "***" instead of the default.
_SHARED_SIGN_IN = Field(
    "Shared sign-in",
    "Let all processes of a user on a host use one token; true.",
    _read_flag,
    "boolean",
    {"default": True},
)
_DOWNLOAD_HOSTS = Field(
    "Download hosts",
    "Comma-separated: hosts that a file may come from though they are not public, or are reached through a "
    "proxy.",
    _read_hosts,
)

FIELDS: Mapping[str, Mapping[str, Field]] = {  # by vendor, in the order of the form
    "zuora": {
        "environment": Field(
            "Environment",
            "Which Zuora to talk to; used if the base URL is blank.",
            _read_text,
            schema={"enum": list(Zuora.environments)},
        ),
        "entity_id": Field("Entity ID", "Only with Multi-entity: sent as Zuora-Entity-Ids.", _read_text),
        "org_ids": Field(
            "Org IDs", "Only with Multi-Org: comma-separated, sent as Zuora-Org-Ids.", _read_texts
        ),
        "zuora_version": Field(
            "Zuora-Version",
            "Minor API version, for example 2025-08-12; blank: the tenant's default.",
            _read_text,
            placeholder="2025-08-12",
        ),
        **TRANSPORT_FIELDS,
        "idempotency_namespace": Field(
            "Idempotency namespace",
            "Set a different one in each Airflow that submits orders to one tenant.",
            _read_text,
        ),
        "order_limits": Field(
            "Order limits",
            'Where Zuora has raised your tenant\'s: 500, or {"subscriptions": 500, "orderLineItems": 200}.',
            OrderLimits.of,
        ),
        "download_hosts": _DOWNLOAD_HOSTS,
        "shared_sign_in": _SHARED_SIGN_IN,
    },
    "elastic_path": {
        "environment": Field(
            "Region",
            "Where the store is; used if the base URL is blank.",
            _read_text,
            schema={"enum": list(ElasticPath.environments)},
        ),
        **TRANSPORT_FIELDS,
        "download_hosts": _DOWNLOAD_HOSTS,
        "shared_sign_in": _SHARED_SIGN_IN,
    },
}

_PLACEHOLDERS = {
    "zuora": {
        "host": "blank: the environment below, else for example https://rest.zuora.com",
        "login": "36 characters",
    },
    "elastic_path": {"host": "blank: the region below, else for example https://euwest.api.elasticpath.com"},
}


def read_fields(vendor: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the meaning of extra by field, or raise a `ValueError` with a line for each broken rule."""
    values, violations = {}, []
    for name, definition in FIELDS[vendor].items():
        try:
            values[name] = definition.read(extra.get(name))
        except ValueError as error:
            violations.append(f"{name}: {error}")
    if violations:
        raise ValueError("\n".join(violations))
    return values


def build_form(vendor: str) -> dict[str, Any]:
    """Return the form as Airflow reads it from the provider info, from 3.2 on."""
    fields = FIELDS[vendor]
    placeholders = {name: each.placeholder for name, each in fields.items() if each.placeholder}
    return {
        "conn-fields": {
            name: {
                "label": each.label,
                "description": each.help,
                "schema": {"type": [each.kind, "null"], **each.schema},
            }
            for name, each in fields.items()
        },
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port"],
            "relabeling": {"host": "Base URL", "login": "OAuth client ID", "password": "OAuth client secret"},
            "placeholders": placeholders | _PLACEHOLDERS[vendor],
        },
    }


def build_widgets(vendor: str) -> dict[str, Any]:
    """Return the form's extra fields as Airflow before 3.2 reads them from a hook."""
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional

    kinds = {"boolean": BooleanField, "integer": IntegerField}
    return {
        name: kinds.get(each.kind, StringField)(
            each.label, description=each.help, validators=[Optional()], default=each.schema.get("default")
        )
        for name, each in FIELDS[vendor].items()
    }
