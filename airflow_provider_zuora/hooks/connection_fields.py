"""The fields of extra: ONE table for the form, the parser and the transport; no Airflow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_zuora.core.guards import read_ceiling
from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora.order_limits import OrderLimits
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from airflow_provider_zuora.hooks.field_readers import (
    MAX_TIMEOUT,
    MOST_CONNECTIONS,
    VERSION,
    read_flag,
    read_header,
    read_header_list,
    read_host_connections,
    read_hosts,
    read_max_connections,
    read_page_url,
    read_proxies,
    read_text,
    read_timeout,
    read_verify,
    read_version,
)
from airflow_provider_zuora.transports.config import MAX_CONNECTIONS, TIMEOUT

# Patterns for the form alone: the readers decide.
_URL = r"^\s*(https?://\S+)?\s*$"
_PRINTABLE = r"^[ -~]*$"
_OBJECT = r"^\s*(\{[\s\S]*\}\s*)?$"


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


TRANSPORT_FIELDS: Mapping[str, Field] = {  # of every vendor: arguments of `TransportConfig`
    "timeout": Field(
        "Timeout (s)",
        f"Seconds without a byte of an answer, after which the request fails; {TIMEOUT:g}.",
        read_timeout,
        "number",
        {"minimum": 0, "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT},  # the page reads only the plain ones
        placeholder=f"{TIMEOUT:g}",
    ),
    "max_connections": Field(
        "Connections",
        f"HTTP connections at once, for each process; {MAX_CONNECTIONS}.",
        read_max_connections,
        "integer",
        {"minimum": 1, "maximum": MOST_CONNECTIONS},
        f"{MAX_CONNECTIONS}",
    ),
    "max_connections_per_host": Field(
        "Connections per host",
        "HTTP connections at once, for all processes of a host together; 0: only those of each are bounded.",
        read_host_connections,
        "integer",
        {"minimum": 0, "maximum": MOST_CONNECTIONS},
        "0",
    ),
    "verify": Field(
        "Verify TLS",
        "true, false, or the path of a CA bundle on workers and triggerers; true.",
        read_verify,
        placeholder="true",
    ),
    "proxies": Field(
        "Proxies",
        'JSON, for example {"https": "http://proxy:3128"}; blank: the environment.',
        read_proxies,
        schema={"pattern": _OBJECT},
    ),
}

# Its name holds no word that Airflow takes for a secret's: the form would store "***" instead of the default.
_SHARED_SIGN_IN = Field(
    "Shared sign-in",
    "Let all processes of a user on a host use one token; true.",
    partial(read_flag, default=True),
    "boolean",
    {"default": True},
)
_READ_ONLY = Field(
    "Read only",
    "Refuse, unsent, every request but sign-ins, reads, previews, queries and exports; false.",
    partial(read_flag, default=False),
    "boolean",
    {"default": False},
)
_DOWNLOAD_HOSTS = Field(
    "Download hosts",
    "Comma-separated: hosts that a file may come from though they are not public, or are reached through a "
    "proxy.",
    read_hosts,
    schema={"pattern": r"^[^/@*]*$"},
)

FIELDS: Mapping[str, Mapping[str, Field]] = {  # by vendor, in the order of the form
    "zuora": {
        "environment": Field(
            "Environment",
            "Which Zuora to talk to; used if the base URL is blank.",
            read_text,
            schema={"enum": list(Zuora.environments)},
        ),
        "entity_id": Field(
            "Entity ID",
            "Only with Multi-entity: sent as Zuora-Entity-Ids.",
            read_header,
            schema={"pattern": _PRINTABLE},
        ),
        "org_ids": Field(
            "Org IDs",
            "Only with Multi-Org: comma-separated, sent as Zuora-Org-Ids.",
            read_header_list,
            schema={"pattern": _PRINTABLE},
        ),
        "zuora_version": Field(
            "Zuora-Version",
            "Minor API version, for example 2025-08-12; blank: the tenant's default.",
            read_version,
            schema={"pattern": rf"^\s*({VERSION.pattern})?\s*$"},
            placeholder="2025-08-12",
        ),
        **TRANSPORT_FIELDS,
        "read_only": _READ_ONLY,
        "idempotency_namespace": Field(
            "Idempotency namespace",
            "Set a different one in each Airflow that submits orders to one tenant.",
            read_text,
        ),
        "submission_log": Field(
            "Submission log",
            "Where each order, run and query is noted before it is sent: a path, or a store's URL.",
            read_text,
            placeholder="s3://conn_id@bucket/zuora-log",
        ),
        "order_limits": Field(
            "Order limits",
            'Where Zuora has raised your tenant\'s: 500, or {"subscriptions": 500, "orderLineItems": 200}.',
            OrderLimits.of,
            schema={"pattern": r"^\s*([1-9]\d*|\{[\s\S]*\})?\s*$"},
        ),
        "guard": Field(
            "Guard",
            'What any DAG may send at most: {"expect_environment": "production", "max_orders": 500, '
            '"max_amount": "10000", "currency": "USD"}.',
            partial(read_ceiling, Zuora.environments),
            schema={"pattern": _OBJECT},
        ),
        "download_hosts": _DOWNLOAD_HOSTS,
        "ui_url": Field(
            "Web page",
            "Where you open Zuora in a browser; {order_number}, {account_number} and so on may stand in it.",
            read_page_url,
            schema={"pattern": _URL},
            placeholder="https://apisandbox.zuora.com/",
        ),
        "shared_sign_in": _SHARED_SIGN_IN,
    },
    "elastic_path": {
        "environment": Field(
            "Region",
            "Where the store is; used if the base URL is blank.",
            read_text,
            schema={"enum": list(ElasticPath.environments)},
        ),
        **TRANSPORT_FIELDS,
        "read_only": _READ_ONLY,
        "download_hosts": _DOWNLOAD_HOSTS,
        "ui_url": Field(
            "Web page",
            "Where you open Commerce Manager in a browser; blank: that of the region.",
            read_page_url,
            schema={"pattern": _URL},
        ),
        "shared_sign_in": _SHARED_SIGN_IN,
    },
}

# Their page tests a connection without a port as one with port 0, and refuses that.
_PORT = "443, only for the button Test of Airflow 3.3.1 and 3.3.2"
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
            "hidden-fields": ["schema"],
            "relabeling": {"host": "Base URL", "login": "OAuth client ID", "password": "OAuth client secret"},
            "placeholders": {"port": _PORT} | placeholders | _PLACEHOLDERS[vendor],
        },
    }


def build_widgets(vendor: str) -> dict[str, Any]:
    """Return the form's extra fields as Airflow before 3.2 reads them from a hook."""
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional, ValidationError, any_of

    def make_rules(each: Field) -> list[Any]:
        if "enum" in each.schema:  # of this rule Airflow 3.0 and 3.1 make a list to choose from
            return [Optional(), any_of(each.schema["enum"])]
        return [Optional(), lambda _, filled: check(each, filled.data)]

    def check(each: Field, value: object) -> None:
        try:
            each.read(value)
        except ValueError as error:
            raise ValidationError(f"It {error}.") from error

    kinds = {"boolean": BooleanField, "integer": IntegerField}
    return {
        name: kinds.get(each.kind, StringField)(
            each.label,
            description=each.help,
            validators=make_rules(each),
            default=each.schema.get("default"),
        )
        for name, each in FIELDS[vendor].items()
    }
