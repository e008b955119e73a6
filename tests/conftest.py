"""What all tests share: an Airflow home of their own, a served sandbox, and a connection to it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Airflow reads this when it is first imported, which a test module may do.
_HOME = tempfile.mkdtemp(prefix="airflow-provider-zuora-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__LOGGING__COLORED_CONSOLE_LOG"] = "False"

import sys  # noqa: E402

# structlog falls back to threading.local. With greenlets, the end of a thread now and then makes CPython 3.11
# loop for ever if coverage is measured: a traced callback of a pending call never gets past its RESUME.
sys.modules["structlog._greenlets"] = None  # type: ignore[assignment]

import json  # noqa: E402
import ssl  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator, Mapping  # noqa: E402
from dataclasses import dataclass, field, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import psutil  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck  # noqa: E402
from hypothesis import settings as chance  # noqa: E402

from airflow_provider_zuora.core.messages import Credentials  # noqa: E402
from airflow_provider_zuora.core.metrics import Metric  # noqa: E402
from airflow_provider_zuora.core.vendors import VENDORS  # noqa: E402
from airflow_provider_zuora.session.session import (  # noqa: E402
    REGISTRY,
    ApiSession,
    SessionConfig,
    SessionRegistry,
)
from airflow_provider_zuora.session.token_file import TokenFile  # noqa: E402
from airflow_provider_zuora.transports.config import TransportConfig  # noqa: E402
from airflow_provider_zuora.transports.timing import Timing  # noqa: E402
from tests.airflow_versions import IS_AIRFLOW_2, LEFT_OUT, forget_masks  # noqa: E402
from tests.checked_lines import pytest_runtest_call, written_logs  # noqa: E402, F401 - for each test
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET, Fault, Sandbox, Settings, serve  # noqa: E402

collect_ignore = [file.removeprefix("tests/") for file in LEFT_OUT]

# `make test` gives the same result each time; `make explore` draws other cases each time, and more of them.
# How long the drawing takes says nothing on a machine that others use too.
chance.register_profile(
    "same", suppress_health_check=[HealthCheck.too_slow], deadline=None, derandomize=True, database=None
)
chance.register_profile("explore", chance.get_profile("same"), derandomize=False, max_examples=1000)
chance.load_profile("explore" if os.environ.get("EXPLORE") else "same")

ORDER = {
    "orderNumber": "O-1",
    "existingAccountNumber": "A00000097",
    "orderDate": "2024-07-01",
    "subscriptions": [
        {
            "orderActions": [
                {
                    "type": "CreateSubscription",
                    "createSubscription": {
                        "subscribeToRatePlans": [{"productRatePlanId": "8ad081dd9096ef9501909b40bb4e74a4"}]
                    },
                }
            ]
        }
    ],
}

WAITING = {
    "dag_id": "d",
    "run_id": "r",
    "task_id": "wait",
    "map_index": -1,
    "max_tries": 0,
    "get_first_reschedule_date": lambda context: None,
}
"""What a sensor that reschedules asks of its task instance, in any Airflow."""


class StateStore:
    """Airflow's accessor of a task's state store."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        from airflow_provider_zuora.version_compat import (
            NEVER_EXPIRE,  # None before Airflow 3.3, which has no store
        )

        assert retention is not None or NEVER_EXPIRE is None, "it would expire"
        self.kept[key] = json.dumps(value)


@dataclass
class Source:
    """A connection that remembers what was masked, and how often it was read again."""

    found: Credentials | None = None
    masked: list[str] = field(default_factory=list)
    reads: int = 0

    figures: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)

    def emit(self, metric: Metric, value: float, tags: Mapping[str, str]) -> None:
        self.figures.append((metric.name, value, dict(tags)))

    def mask(self, secret: str) -> None:
        self.masked.append(secret)

    async def amask(self, secret: str) -> None:
        self.masked.append(secret)

    def read_credentials(self) -> Credentials | None:
        self.reads += 1
        return self.found

    async def aread_credentials(self) -> Credentials | None:
        return self.read_credentials()


def make_timing(
    clock: Callable[[], float] | None = None, ticks: Callable[[], float] | None = None, **waits: Any
) -> Timing:
    """Return one clock for both, if one is given, and how to wait."""
    return Timing(clock or time.time, ticks or clock or time.monotonic, **waits)


@dataclass
class Zuora:
    """A sandbox that is really served, and sessions of this process that talk to it without waiting."""

    sandbox: Sandbox
    url: str
    naps: list[float] = field(default_factory=list)
    source: Source = field(default_factory=Source)

    @property
    def masked(self) -> list[str]:
        return self.source.masked

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.url, CLIENT_ID, CLIENT_SECRET)

    @property
    def token_file(self) -> TokenFile:
        return TokenFile.for_credentials(self.credentials)

    def connection(self, **fields: Any) -> str:
        """Return a connection to the sandbox as Airflow takes it from the environment."""
        own = {"conn_type": "zuora", "host": self.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
        return json.dumps(own | fields)

    def make_session(
        self, *, token_file: TokenFile | None = None, source: Source | None = None, **options: Any
    ) -> ApiSession:
        """Return a session of its own, which does not wait; clocks and waits are options of `make_timing`."""

        async def nap(seconds: float) -> None:
            self.naps.append(seconds)

        times = {"sleep": self.naps.append, "asleep": nap}
        times |= {
            name: options.pop(name) for name in ("clock", "ticks", "sleep", "asleep") if name in options
        }
        config = SessionConfig(VENDORS["zuora"], self.credentials, TransportConfig(self.url), token_file)
        return REGISTRY.make_session(config, source or self.source, timing=make_timing(**times), **options)

    def use_session(self, **options: Any) -> ApiSession:
        """Make a session, and let it be that of `zuora_default`."""
        session = self.make_session(token_file=self.token_file, **options)
        REGISTRY.add(session)
        return session

    def connections(self) -> list[int]:
        """Return the ports of this process that a connection to the sandbox is open from."""
        port = urlsplit(self.url).port
        process = psutil.Process()
        list_connections = (
            getattr(process, "net_connections", None) or process.connections
        )  # psutil before 6.0
        held = list_connections("tcp")
        return sorted(each.laddr.port for each in held if each.raddr and each.raddr.port == port)

    def fault(self, **fields: Any) -> None:
        self.sandbox.add_fault(Fault(**fields))

    def ledger(self) -> dict[str, Any]:
        return self.sandbox.ledger()

    def posts(self) -> list[dict[str, Any]]:
        """Return the create calls that reached the sandbox."""
        return [each for each in self.ledger()["recent"] if each["path"] == "/v1/async/orders"]


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Make the tables of Airflow's database, in a process of its own: it sets up logging anew."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def reschedule_dates(request: pytest.FixtureRequest) -> None:
    """Let a sensor be executed that reschedules: Airflow 2 looks into its database when it was first."""
    if IS_AIRFLOW_2:
        request.getfixturevalue("airflow_database")


@pytest.fixture(scope="session")
def runtime_dirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of each `runtime_dir`, which pytest would number, and count all others for it."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(autouse=True)
def runtime_dir(runtime_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the place of this test's own where processes share a token; it is made when it is used."""
    place = tempfile.mkdtemp(dir=runtime_dirs)
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    return Path(place) / "airflow-provider-zuora"


@pytest.fixture(autouse=True)
def registry() -> Iterator[SessionRegistry]:
    """Let no test meet a session, a limit, a connection or a secret of another one."""
    yield REGISTRY
    REGISTRY.reset()
    forget_masks()


@pytest.fixture
def zuora(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, runtime_dir: Path
) -> Iterator[Zuora]:
    """Serve a sandbox and make `zuora_default` a connection to it; parametrise with its Settings."""
    settings = getattr(request, "param", None) or Settings(job_seconds=0)
    with serve(Sandbox(settings)) as server:
        served = Zuora(server.sandbox, server.url)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", served.connection())
        session = served.use_session()
        yield served
        session.close()


@pytest.fixture
def billing(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> Iterator[Zuora]:
    """Serve a sandbox whose clock goes on when a session of this process would wait; see `zuora`."""
    naps: list[float] = []
    with serve(Sandbox(Settings(), lambda: time.time() + sum(naps))) as server:
        served = Zuora(server.sandbox, server.url, naps)
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", served.connection())
        session = served.use_session(
            clock=lambda: time.time() + sum(naps), ticks=lambda: time.monotonic() + sum(naps)
        )
        yield served
        session.close()


@dataclass
class Store:
    """A sandbox that is really served, as Elastic Path, and what its session slept."""

    sandbox: Sandbox
    url: str
    session: ApiSession
    naps: list[float]

    def change(self, **settings: Any) -> None:
        self.sandbox.settings = replace(self.sandbox.settings, **settings)

    def fault(self, status: int, body: Any = b"", **fields: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.sandbox.add_fault(Fault(status=status, body=content, **fields))

    def asked(self, path: str = "/") -> list[tuple[str, str, int]]:
        """Return method, path and status of the requests that reached the sandbox."""
        rows = [(row["method"], row["path"], row["status"]) for row in self.sandbox.ledger()["recent"]]
        return [row for row in rows if row[1].startswith(path)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> Iterator[Store]:
    """Serve a sandbox whose exports take no time, and make `elastic_path_default` a connection to it."""
    with serve(Sandbox(Settings(export_seconds=0))) as server:
        naps: list[float] = []
        credentials = Credentials(server.url, CLIENT_ID, CLIENT_SECRET)

        async def nap(seconds: float) -> None:
            naps.append(seconds)

        config = SessionConfig(
            VENDORS["elastic_path"],
            credentials,
            TransportConfig(server.url),
            TokenFile.for_credentials(credentials),
        )
        timing = make_timing(sleep=naps.append, asleep=nap)
        session = REGISTRY.make_session(config, Source(), timing=timing)
        REGISTRY.add(session)
        own = {"conn_type": "elastic_path", "host": server.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
        monkeypatch.setenv("AIRFLOW_CONN_ELASTIC_PATH_DEFAULT", json.dumps(own))
        yield Store(server.sandbox, server.url, session, naps)
        session.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Return the path of a certificate for 127.0.0.1, and a server's context with it."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "cert.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, folder / "key.pem")
    return pem, context
