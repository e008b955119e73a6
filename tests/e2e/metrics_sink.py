"""What listens where StatsD would, on this machine, and keeps every figure."""

from __future__ import annotations

import re
import socket
import threading
from collections import defaultdict
from dataclasses import dataclass

_FIGURE = re.compile(r"airflow\.zuora\.(?P<name>\w+)(?P<tags>(?:,[^:]*)?):(?P<value>[^|]*)\|(?P<type>\w+)")


@dataclass(frozen=True)
class Figure:
    type: str
    value: float
    tags: dict[str, str]


class MetricsSink:
    """A UDP socket that takes Airflow's figures: all as they came, and ours by their names."""

    def __enter__(self):
        self.figures = defaultdict(list)
        self.datagrams = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ask_to_end()
        self._thread.join()
        self._socket.close()

    def config(self):
        """Return Airflow's settings; the tags are written as InfluxDB reads them, after the name."""
        return {
            "metrics__statsd_on": "True",
            "metrics__statsd_host": "127.0.0.1",
            "metrics__statsd_port": str(self._socket.getsockname()[1]),
            "metrics__statsd_influxdb_enabled": "True",
        }

    def text(self):
        """Return all that StatsD was told."""
        return "\n".join(self.datagrams)

    def _ask_to_end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())

    def _listen(self):
        while datagram := self._socket.recv(65535):
            self.datagrams.append(datagram.decode())
            for found in _FIGURE.finditer(self.datagrams[-1]):
                tags = dict(pair.split("=", 1) for pair in found["tags"].split(",")[1:])
                self.figures[found["name"]].append(Figure(found["type"], float(found["value"]), tags))
