"""Airflow's side of a connection: read it, now and again, and hide what is secret in it, on either side."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import (
    AirflowNotFoundException,
    BaseHook,
    Connection,
    mask_secret,
)
from asgiref.sync import sync_to_async

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors.base import Vendor
from airflow_provider_zuora.hooks.connection import credentials_of
from airflow_provider_zuora.version_compat import amask_secret

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AirflowConnection:
    """A `ConnectionSource`: one connection, by its id."""

    vendor: Vendor
    conn_id: str

    def mask(self, secret: str) -> None:
        """Hide a secret in Airflow's logs."""
        mask_secret(secret)

    async def amask(self, secret: str) -> None:
        """Do what `mask` does, on an event loop."""
        await amask_secret(secret)

    async def aread(self) -> Connection:
        """Read the connection on an event loop."""
        try:
            return await get_async_connection(self.conn_id)
        except AirflowNotFoundException:
            # Inside of dag.test() Airflow 3.3 finds connections of its database by the blocking call only.
            return await sync_to_async(BaseHook.get_connection)(self.conn_id)

    def read_credentials(self) -> Credentials | None:
        """Return the credentials that the connection holds by now, None if it cannot be used any more."""
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
            return credentials_of(self.vendor, conn, self)
        except InvalidInput as error:
            log.warning("Connection %s cannot be used any more: %s", self.conn_id, error)
            return None
