"""What the hooks of a process share: sessions, limiters, and what was made of a connection."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.session.session import SessionConfig, SessionRegistry
from airflow_provider_zuora.transports.config import TransportConfig
from tests.conftest import Source


@pytest.fixture
def registry():
    return SessionRegistry()


def config(url="https://h", secret="s", **transport):
    return SessionConfig(VENDORS["zuora"], Credentials(url, "c", secret), TransportConfig(url, **transport))


class TestSessions:
    def test_equal_credentials_have_one_session(self, registry):
        session = registry.get_session(config(), Source())
        assert registry.get_session(config(), Source()) is session

    @pytest.mark.parametrize(
        "other",
        [config(secret="other"), config("https://i"), config(timeout=1)],
        ids=["secret", "url", "timeout"],
    )
    def test_what_differs_has_another(self, registry, other):
        assert registry.get_session(config(), Source()) is not registry.get_session(other, Source())

    def test_a_session_that_is_added_is_that_of_its_configuration(self, registry):
        registry.get_session(config(), Source())
        session = registry.make_session(config(), Source())
        registry.add(session)

        assert registry.get_session(config(), Source()) is session

    def test_a_session_of_its_own_is_nobody_elses(self, registry):
        session = registry.make_session(config(), Source())
        assert registry.get_session(config(), Source()) is not session

    def test_a_registry_that_is_reset_knows_nothing(self, registry):
        session = registry.get_session(config(), Source())
        registry.reset()
        assert registry.get_session(config(), Source()) is not session


def limiter_of(registry, config):
    """Return the limiter that a session gives its transport."""
    given = []

    def open_transport(_, limiter, timing):
        given.append(limiter)
        return SimpleNamespace(send=None)

    session = registry.make_session(config, Source(), open_transport=open_transport)
    return session, given[0]


def test_one_client_id_has_one_limiter_whatever_its_secret_and_transport(registry):
    _session, here = limiter_of(registry, config())

    assert limiter_of(registry, config(secret="other"))[1] is here
    assert limiter_of(registry, config(timeout=1))[1] is here
    assert limiter_of(registry, config("https://i"))[1] is not here


class TestSettings:
    def settings(self, registry, secret, *, made=None):
        """Return what is made of a connection with this secret, as hooks make it."""

        def make():
            session = registry.get_session(config(secret=secret), Source())
            if made is not None:
                made.append(secret)
            return SimpleNamespace(session=session)

        return registry.get_settings(secret, make)

    def test_a_connection_is_not_parsed_twice(self, registry):
        made = []
        first = self.settings(registry, "s", made=made)

        assert self.settings(registry, "s", made=made) is first
        assert self.settings(registry, "t", made=made) is not first
        assert made == ["s", "t"]

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("https_proxy", "http://p"),
            ("NO_PROXY", "h"),
            ("REQUESTS_CA_BUNDLE", __file__),
            ("XDG_RUNTIME_DIR", "/x"),
        ],
    )
    def test_it_is_if_the_environment_says_something_else(self, registry, variable, value, monkeypatch):
        first = self.settings(registry, "s")
        with monkeypatch.context() as other:
            other.setenv(variable, value)
            assert self.settings(registry, "s") is not first
        assert self.settings(registry, "s") is first

    def test_an_error_is_not_kept(self, registry):
        def fail():
            raise ZeroDivisionError

        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                registry.get_settings("s", fail)
        assert self.settings(registry, "s").session

    def test_a_session_outlives_its_hooks_for_a_while_and_as_long_as_it_is_used(self, registry):
        unused = weakref.ref(self.settings(registry, "unused").session)
        used = self.settings(registry, "used").session
        gc.collect()
        assert unused() is self.settings(registry, "unused").session
        for number in range(100):
            self.settings(registry, f"changed-{number}")
        gc.collect()

        assert unused() is None
        assert self.settings(registry, "used").session is used

    def test_those_that_nobody_uses_do_not_pile_up(self, registry):
        sessions = [weakref.ref(self.settings(registry, f"changed-{n}").session) for n in range(1000)]
        gc.collect()

        assert sum(session() is not None for session in sessions) < 50

    def test_the_connection_that_was_used_last_stays(self, registry):
        first = self.settings(registry, "first")
        for number in range(100):
            self.settings(registry, f"changed-{number}")
            assert self.settings(registry, "first") is first
