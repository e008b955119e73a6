"""A vendor is known by its connection type, and listed here alone."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.core.vendors.elastic_path import ElasticPath
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora

VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (Zuora(), ElasticPath())}
