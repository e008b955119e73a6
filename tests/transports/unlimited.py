"""Both transports with a limiter of their own, which knows of no limit."""

from __future__ import annotations

import random

from airflow_provider_zuora.core.http.rate_limiter import RateLimiter
from airflow_provider_zuora.transports.asynchronous import AsyncTransport
from airflow_provider_zuora.transports.blocking import BlockingTransport
from airflow_provider_zuora.transports.config import TransportConfig
from airflow_provider_zuora.transports.timing import Timing


def open_blocking(config: TransportConfig) -> BlockingTransport:
    return BlockingTransport(config, RateLimiter(random.Random(0)), Timing())


async def open_async(config: TransportConfig) -> AsyncTransport:
    return AsyncTransport(config, RateLimiter(random.Random(0)), Timing())
