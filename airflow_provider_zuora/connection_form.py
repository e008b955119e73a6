"""The connection forms, as data: Airflow from 3.2 on reads the provider info, older ones ask the hook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora import Zuora


def _field(label: str, description: str, kind: str = "string", **schema: object) -> dict[str, object]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


_LINE = {
    "timeout": _field(
        "Timeout (s)", "Seconds without a byte of an answer after which it is given up; 130.", "number"
    ),
    "max_connections": _field(
        "Connections",
        "HTTP connections at once, for each process; 20.",
        "integer",
        minimum=1,
        maximum=1000,
    ),
    "verify": _field(
        "Verify TLS", "true, false, or the path of a CA bundle on workers and triggerers; true."
    ),
    "proxies": _field(
        "Proxies", 'JSON, for example {"https": "http://proxy:3128"}; blank: HTTPS_PROXY and NO_PROXY.'
    ),
}
_TOKEN = {
    "share_token": _field(
        "Share token",
        "Let all processes of a user on a host use one token; true.",
        "boolean",
        default=True,
    ),
}
_LABELS = {"host": "Base URL", "login": "OAuth client ID", "password": "OAuth client secret"}
_PLACEHOLDERS = {"timeout": "130", "max_connections": "20", "verify": "true"}

ZUORA: Mapping[str, Any] = {
    "conn-fields": {
        "environment": _field(
            "Environment",
            "Which Zuora to talk to; used where the base URL is blank.",
            enum=list(Zuora.environments),
        ),
        "entity_id": _field("Entity ID", "Only with Multi-entity: sent as Zuora-Entity-Ids."),
        "org_ids": _field("Org IDs", "Only with Multi-Org: comma-separated, sent as Zuora-Org-Ids."),
        "zuora_version": _field(
            "Zuora-Version", "Minor API version, for example 2025-08-12; blank: the tenant's default."
        ),
        **_LINE,
        "idempotency_namespace": _field(
            "Idempotency namespace", "Set a different one in each Airflow that submits orders to one tenant."
        ),
        "order_limits": _field(
            "Order limits",
            'Where Zuora has raised your tenant\'s: 500, or {"subscriptions": 500, "orderLineItems": 200}.',
        ),
        **_TOKEN,
    },
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port"],
        "relabeling": _LABELS,
        "placeholders": {
            **_PLACEHOLDERS,
            "host": "blank: the environment below, else for example https://rest.zuora.com",
            "login": "36 characters",
            "zuora_version": "2025-08-12",
        },
    },
}

ELASTIC_PATH: Mapping[str, Any] = {
    "conn-fields": {
        "environment": _field(
            "Region",
            "Where the store is; used where the base URL is blank.",
            enum=list(ElasticPath.environments),
        ),
        **_LINE,
        "download_hosts": _field(
            "Download hosts",
            "Comma-separated: hosts that an export's file may come from though they are not public, or are "
            "reached through a proxy.",
        ),
        **_TOKEN,
    },
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port"],
        "relabeling": _LABELS,
        "placeholders": {
            **_PLACEHOLDERS,
            "host": "blank: the region below, else for example https://euwest.api.elasticpath.com",
        },
    },
}


def ui_field_behaviour(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``get_ui_field_behaviour`` must answer before Airflow 3.2."""
    return {name.replace("-", "_"): value for name, value in form["ui-field-behaviour"].items()}


def widgets(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``get_connection_form_widgets`` must answer before Airflow 3.2."""
    from wtforms import BooleanField, IntegerField, StringField  # noqa: PLC0415 - Airflow 3 has none
    from wtforms.validators import Optional  # noqa: PLC0415

    kinds = {"boolean": BooleanField, "integer": IntegerField}
    return {
        name: kinds.get(field["schema"]["type"][0], StringField)(
            field["label"],
            description=field["description"],
            validators=[Optional()],
            default=field["schema"].get("default"),
        )
        for name, field in form["conn-fields"].items()
    }
