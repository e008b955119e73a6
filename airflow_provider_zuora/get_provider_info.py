"""What Airflow is told about this provider."""

from __future__ import annotations

from airflow_provider_zuora import __version__
from airflow_provider_zuora.hooks.connection_fields import build_form

_ZUORA, _ELASTIC_PATH = "Zuora", "Elastic Path Commerce Cloud"


def get_provider_info() -> dict[str, object]:
    """
    Describe the provider to Airflow (entry point group ``apache_airflow_provider``).

    :return: a document that is valid under Airflow's ``provider_info.schema.json``.
    """
    package = "airflow_provider_zuora"
    rooms = {
        "hooks": {_ZUORA: ["zuora"], _ELASTIC_PATH: ["elastic_path"]},
        "operators": {_ZUORA: ["orders"], _ELASTIC_PATH: ["elastic_path"]},
        "sensors": {_ZUORA: ["zuora"], _ELASTIC_PATH: ["elastic_path"]},
        "triggers": {_ZUORA: ["jobs"], _ELASTIC_PATH: ["jobs"]},
    }
    return {
        "package-name": "airflow-provider-zuora",
        "name": "Zuora",
        "description": "Provider for Zuora's asynchronous orders: submit an order, wait for its job.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _ZUORA,
                "external-doc-url": "https://developer.zuora.com/",
                "tags": ["service"],
            },
            {
                "integration-name": _ELASTIC_PATH,
                "external-doc-url": "https://elasticpath.dev/docs/api/exporter/exporter",
                "tags": ["service"],
            },
        ],
        **{
            room: [
                {
                    "integration-name": name,
                    "python-modules": [f"{package}.{room}.{module}" for module in modules],
                }
                for name, modules in each.items()
            ]
            for room, each in rooms.items()
        },
        "connection-types": [
            {
                "connection-type": "zuora",
                "hook-class-name": f"{package}.hooks.zuora.ZuoraHook",
                "hook-name": "Zuora",
                **build_form("zuora"),
            },
            {
                "connection-type": "elastic_path",
                "hook-class-name": f"{package}.hooks.elastic_path.ElasticPathHook",
                "hook-name": "Elastic Path",
                **build_form("elastic_path"),
            },
        ],
    }
