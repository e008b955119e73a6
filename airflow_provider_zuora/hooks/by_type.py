"""The hooks by connection type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airflow_provider_zuora.hooks.base import BaseJobHook
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook

HOOKS: Mapping[str, Callable[[str], BaseJobHook]] = {
    ZuoraHook.conn_type: ZuoraHook,
    ElasticPathHook.conn_type: ElasticPathHook,
}
