"""What Airflow is told about this provider."""

from __future__ import annotations

from airflow_provider_zuora import __version__
from airflow_provider_zuora.hooks import config
from airflow_provider_zuora.hooks.connection_fields import build_form

_PACKAGE = "airflow_provider_zuora"
_ZUORA, _ELASTIC_PATH = "Zuora", "Elastic Path Commerce Cloud"
_PAGES = {
    _ZUORA: "https://developer.zuora.com/",
    _ELASTIC_PATH: "https://elasticpath.dev/docs/api/exporter/exporter",
}
_MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "hooks": {_ZUORA: ("zuora",), _ELASTIC_PATH: ("elastic_path",)},
    "operators": {
        _ZUORA: ("orders", "order_deletion", "data_query", "billing", "reconcile"),
        _ELASTIC_PATH: ("elastic_path",),
    },
    "sensors": {_ZUORA: ("zuora",), _ELASTIC_PATH: ("elastic_path",)},
    "triggers": {_ZUORA: ("jobs",), _ELASTIC_PATH: ("jobs",)},
}
_HOOKS = {
    "zuora": ("Zuora", "hooks.zuora.ZuoraHook"),
    "elastic_path": ("Elastic Path", "hooks.elastic_path.ElasticPathHook"),
}


def get_provider_info() -> dict[str, object]:
    """Describe the provider by ``provider_info.schema.json`` (entry point ``apache_airflow_provider``)."""
    info: dict[str, object] = {
        "package-name": "airflow-provider-zuora",
        "name": "Zuora",
        "description": "Provider for the jobs that Zuora runs in the background: orders, data queries, runs.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": name, "external-doc-url": page, "tags": ["service"]}
            for name, page in _PAGES.items()
        ],
        "connection-types": [
            {
                "connection-type": conn_type,
                "hook-class-name": f"{_PACKAGE}.{path}",
                "hook-name": name,
                **build_form(conn_type),
            }
            for conn_type, (name, path) in _HOOKS.items()
        ],
        "config": {config.SECTION: config.DESCRIPTION},
    }
    for room, modules in _MODULES.items():
        info[room] = [
            {"integration-name": name, "python-modules": [f"{_PACKAGE}.{room}.{each}" for each in named]}
            for name, named in modules.items()
        ]
    info["extra-links"] = [f"{_PACKAGE}.links.{name}" for name in ("ZuoraLink", "ElasticPathLink")]
    return info
