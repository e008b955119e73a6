"""Apache Airflow provider for Zuora's asynchronous orders; importing this module imports nothing else."""

__version__ = "0.1.0"


def get_provider_info() -> dict[str, object]:
    """
    Describe the provider to Airflow (entry point group ``apache_airflow_provider``).

    :return: a document that is valid under Airflow's ``provider_info.schema.json``.
    """
    from airflow_provider_zuora.connection_fields import form  # noqa: PLC0415 - see above

    module = "airflow_provider_zuora"
    integration = "Zuora"
    return {
        "package-name": "airflow-provider-zuora",
        "name": "Zuora",
        "description": "Provider for Zuora's asynchronous orders: submit an order, wait for its job.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://developer.zuora.com/",
                "tags": ["service"],
            },
            {
                "integration-name": "Elastic Path Commerce Cloud",
                "external-doc-url": "https://elasticpath.dev/docs/api/exporter/exporter",
                "tags": ["service"],
            },
        ],
        "hooks": [{"integration-name": integration, "python-modules": [f"{module}.hooks"]}],
        "operators": [{"integration-name": integration, "python-modules": [f"{module}.operators"]}],
        "sensors": [{"integration-name": integration, "python-modules": [f"{module}.sensors"]}],
        "triggers": [{"integration-name": integration, "python-modules": [f"{module}.triggers"]}],
        "connection-types": [
            {
                "connection-type": "zuora",
                "hook-class-name": f"{module}.hooks.ZuoraHook",
                "hook-name": "Zuora",
                **form("zuora"),
            },
            {
                "connection-type": "elastic_path",
                "hook-class-name": f"{module}.hooks.ElasticPathHook",
                "hook-name": "Elastic Path",
                **form("elastic_path"),
            },
        ],
    }
