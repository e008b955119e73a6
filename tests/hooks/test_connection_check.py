"""What the button Test says: each cause in words of its own, with what to do, and no secret."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks import connection_check
from airflow_provider_zuora.hooks.elastic_path import ElasticPathHook
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from tests.conftest import ORDER
from tests.file_servers import answer, files
from zuora_sandbox import CLIENT_ID, CLIENT_SECRET

ENTITY, ORG = "11e643f4-a3ee-8bad-b061-0025904c57d6", "o1"
PASSWORD = "proxys-password"  # in no message


@pytest.fixture(autouse=True)
def environ(monkeypatch):
    """Take away what the machine says about proxies and certificates."""
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def check(monkeypatch):
    """Return what Test says of a connection."""

    def check(**fields):
        own = {"conn_type": "zuora", "login": CLIENT_ID, "password": CLIENT_SECRET} | fields
        monkeypatch.setenv("AIRFLOW_CONN_ZUORA_DEFAULT", json.dumps(own))
        works, words = ZuoraHook().test_connection()
        assert CLIENT_SECRET not in words
        assert PASSWORD not in words
        return works, words

    return check


def refused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class TestThatItWorks:
    def test_the_hook_that_has_tried_it_goes_on_with_the_token(self, zuora):
        hook = ZuoraHook()
        assert hook.test_connection()[0]
        with pytest.raises(PermanentError):
            hook.get_job("unknown")
        assert zuora.ledger()["signIns"] == 1

    def test_it_says_who_signed_in_where(self, zuora, check):
        words = f"Signed in to {zuora.url} as client {CLIENT_ID}. It may read orders."
        assert check(host=zuora.url) == (True, words)

    def test_it_signs_in_and_reads_whatever_token_there_is_and_leaves_none(self, zuora, runtime_dir, check):
        ZuoraHook().get_conn().sign_in()
        token = zuora.token_file.read(zuora.sandbox.now)
        assert check(host=zuora.url)[0]

        assert zuora.ledger()["signIns"] == 2
        assert zuora.token_file.read(zuora.sandbox.now) == token
        assert [(row["method"], row["path"]) for row in zuora.ledger()["recent"]][-2:] == [
            ("POST", "/oauth/token"),
            ("GET", VENDORS["zuora"].check_path),
        ]

    def test_a_connection_that_is_read_only_can_be_tested(self, zuora, check):
        assert check(host=zuora.url, extra={"read_only": True})[0]

    def test_a_field_that_has_no_effect_is_noted(self, zuora, check):
        works, words = check(host=zuora.url, extra={"environment": "EU Production"})

        assert works
        assert words.endswith(
            "Note: the environment in extra is not used, because there is a base URL (host)."
        )

    def test_it_disturbs_no_hook_that_waits_for_a_limit(self, zuora, check):
        """The rate limiter of the process is another one: a person waits for no cool-down of a task's."""
        zuora.fault(path="/v1/async/orders", status=429, times=None, headers={"Retry-After": "600"})
        with pytest.raises(Exception, match="limit"):
            ZuoraHook().create_order(ORDER)

        assert check(host=zuora.url)[0]


class TestSignIn:
    def test_an_unknown_client(self, zuora, check):
        works, words = check(host=zuora.url, login="0" * 36)

        assert not works
        assert words.startswith(
            "Zuora knows no such client id (login) here. It is misspelt, or of another data centre"
        )
        assert "HTTP 400: Invalid client id" in words

    def test_a_wrong_secret_or_data_centre_which_are_answered_alike(self, zuora, check):
        works, words = check(host=zuora.url, password="wrong-secret")

        assert not works
        assert words.startswith("Zuora refuses the client secret (password): enter it anew.")
        assert "If it is right, the data centre or environment is wrong" in words
        assert "HTTP 401" in words
        assert "wrong-secret" not in words

    @pytest.mark.parametrize(
        ("status", "body", "start"),
        [
            (400, {"error": "invalid_client"}, "Zuora knows no such client id (login) here."),
            (401, {"error": "invalid_client"}, "Zuora refuses the client secret (password)"),
            (
                400,
                {"code": 400, "message": "grant_type"},
                "Zuora refuses the client id (login) or its secret",
            ),
            (
                403,
                {"status": 403, "path": "/oauth/token"},
                "Zuora knows the client, but its user may not sign in",
            ),
            (
                429,
                {"message": "request exceeded limit"},
                "Zuora takes no more requests for now: wait a minute.",
            ),
            (503, {"message": "down"}, "Zuora cannot answer for now: try again later."),
            (200, {"token": "other"}, "{host} gives no answer of Zuora's, perhaps a page"),
            (
                404,
                {"message": "no such path"},
                "{host} has no sign-in of Zuora's: check that the base URL (host)",
            ),
        ],
    )
    def test_other_refusals(self, zuora, check, status, body, start):
        zuora.fault(path="/oauth/token", status=status, body=json.dumps(body).encode(), times=None)
        works, words = check(host=zuora.url)

        assert not works
        assert words.startswith(start.format(host=zuora.url.removeprefix("http://")))
        assert f"HTTP {status}" in words

    @pytest.mark.parametrize(
        "page",
        [
            answer(b"<html><title>Log in</title></html>", Content_Type="text/html"),
            answer(b"<html>no such page</html>", 404, Content_Type="text/html"),
            answer(b"", 302, Location="https://login.example.com/"),
        ],
    )
    def test_a_page_in_place_of_an_answer(self, check, page):
        with files() as server:
            server.answers["/oauth/token"] = page
            works, words = check(host=server.url(""))

        assert not works
        assert (
            "gives no answer of Zuora's, perhaps a page: check that the base URL (host) is that of the API"
            in words
        )
        assert len(server.asked) == 1, "a person waits for no repetition"

    def test_a_base_url_with_a_path_is_doubted(self, check):
        with files() as server:
            server.answers["/gate/oauth/token"] = answer(b"{}", 404, Content_Type="application/json")
            _, words = check(host=server.url("/gate"))

        assert "The base URL has a path, /gate; mostly it must have none." in words

    def test_a_published_base_url_is_named(self, check, certificate):
        """No request leaves this machine: a proxy answers each."""
        with files() as proxy:
            extra = {"proxies": {"https": proxy.url("")}}
            proxy.answers["rest.eu.zuora.com:443"] = answer(b"", 502)
            _, words = check(extra=extra | {"environment": "EU Production"})

        assert "This base URL is that of the environment EU Production." in words


class TestTheWay:
    """What goes wrong before anybody answers."""

    def test_a_host_that_does_not_resolve(self, check):
        works, words = check(host="https://rest.zuora.invalid")

        assert not works
        assert words.startswith(
            "The name rest.zuora.invalid does not resolve: check the base URL (host) for a slip"
        )

    def test_a_host_that_refuses(self, check):
        port = refused_port()
        works, words = check(host=f"https://127.0.0.1:{port}")

        assert not works
        assert words.startswith(f"127.0.0.1:{port} refuses the connection: check the port")

    def test_a_host_that_is_silent_for_as_long_as_the_connection_says(self, check):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            host = f"http://127.0.0.1:{silent.getsockname()[1]}"
            works, words = check(host=host, extra={"timeout": 0.2})

        assert not works
        assert "is silent for 0.2 s: check the base URL (host), or try again later." in words

    def test_no_answer_is_waited_for_longer_than_a_person_waits(self, zuora):
        from airflow_provider_zuora.hooks.connection import AirflowConnection, read_settings

        source = AirflowConnection(VENDORS["zuora"], "zuora_default")
        settings = read_settings(VENDORS["zuora"], source_connection(), source)
        session = connection_check._open_session(settings, source)

        assert settings.transport.timeout == 130.0
        assert session.config.transport.timeout == connection_check.LONGEST == 10.0
        assert session.config.transport.total_timeout == 30.0
        assert session.config.token_file is None

    def test_a_certificate_that_nobody_vouches_for(self, check, certificate):
        with files(certificate[1]) as server:
            works, words = check(host=server.url(""))

        assert not works
        assert (
            "is not trusted here. If a proxy or a gateway of yours has made it, name its CA bundle" in words
        )

    def test_a_certificate_of_another_host(self, check, certificate):
        with files(certificate[1]) as server:
            host = server.url("", "localhost")
            works, words = check(host=host, extra={"verify": str(certificate[0])})

        assert not works
        assert "shows is another host's: check the base URL (host), and proxies." in words

    def test_a_certificate_that_is_vouched_for(self, check, certificate):
        with files(certificate[1]) as server:
            server.answers["/oauth/token"] = answer(b'{"access_token": "t"}', Content_Type="application/json")
            path = VENDORS["zuora"].check_path
            server.answers[path] = answer(b'{"success": true}', Content_Type="application/json")

            assert check(host=server.url(""), extra={"verify": str(certificate[0])})[0]

    def test_a_port_without_tls(self, zuora, check):
        works, words = check(host=zuora.url.replace("http:", "https:"))

        assert not works
        assert "speaks no TLS that can be understood: check the port of the base URL (host)" in words

    def test_certificates_that_cannot_be_read(self, check):
        works, words = check(host="https://127.0.0.1:1", extra={"verify": __file__})

        assert not works
        assert (
            "\nverify: must be true, false or the path of a CA bundle that exists, this holds no cert"
            in words
        )

    @pytest.mark.parametrize("given", ["connection", "environment"])
    @pytest.mark.parametrize(
        ("status", "start"),
        [
            (407, "The proxy wants another user and password (407): put them into its URL"),
            (403, "The proxy does not connect to zuora.invalid: it must allow that host"),
            (502, "The proxy does not connect to zuora.invalid: it must allow that host"),
        ],
    )
    def test_a_proxy_that_does_not_connect(self, check, monkeypatch, status, start, given):
        with files() as proxy:
            proxy.answers["zuora.invalid:443"] = answer(b"", status)
            url = proxy.url("").replace("//", f"//bob:{PASSWORD}@")
            if given == "environment":
                monkeypatch.setenv("HTTPS_PROXY", url)
            extra = {"proxies": {"https": url}} if given == "connection" else {}
            works, words = check(host="https://zuora.invalid", extra=extra)

        assert not works
        assert words.startswith(start)

    def test_a_proxy_that_refuses(self, check):
        proxy = f"http://bob:{PASSWORD}@127.0.0.1:{refused_port()}"
        works, words = check(host="https://zuora.invalid", extra={"proxies": {"https": proxy}})

        assert not works
        assert words.startswith(
            "The proxy refuses the connection: check its port in proxies, or in HTTPS_PROXY."
        )

    def test_a_proxy_that_does_not_resolve(self, check):
        proxy = f"http://bob:{PASSWORD}@proxy.invalid:3128"
        works, words = check(host="https://zuora.invalid", extra={"proxies": {"https": proxy}})

        assert not works
        assert words.startswith("The name of the proxy does not resolve: check proxies, or HTTPS_PROXY.")


def source_connection():
    from airflow.providers.common.compat.sdk import BaseHook

    return BaseHook.get_connection("zuora_default")


class TestFields:
    """What the form holds, and the one read that checks what its headers say."""

    def test_a_slip_in_extra_is_an_error_and_nothing_is_sent(self, zuora, check):
        extra = {"Read-Only": True, "enviroment": "EU Production", "zzz": 1, "timeout": 5}
        works, words = check(host=zuora.url, extra=extra)

        assert not works
        assert words.splitlines() == [
            "Nothing was sent: extra holds a slip.",
            "extra holds 'Read-Only', which nobody reads; did you mean 'read_only'?",
            "extra holds 'enviroment', which nobody reads; did you mean 'environment'?",
            "extra holds 'zzz', which nobody reads",
        ]
        assert zuora.ledger()["signIns"] == 0

    def test_a_value_that_cannot_be_used_names_its_field_and_its_rule(self, zuora, check):
        works, words = check(host=zuora.url, extra={"timeout": -1, "read_only": "perhaps"})

        assert not works
        assert "\ntimeout: must be more than 0 and at most 3600 seconds" in words
        assert "\nread_only: must be true or false" in words
        assert zuora.ledger()["signIns"] == 0

    @pytest.mark.parametrize(
        ("extra", "works", "part"),
        [
            ({"entity_id": ENTITY, "org_ids": ORG}, True, "It may read orders."),
            (
                {"entity_id": "other", "org_ids": ORG},
                False,
                "Zuora refuses the entity_id: name one entity that",
            ),
            (
                {"org_ids": ORG},
                False,
                "The OAuth client may use several entities of Zuora: name one of them as",
            ),
            (
                {"entity_id": ENTITY, "org_ids": f"{ORG},o9"},
                False,
                f"Zuora refuses a read that carries entity_id ({ENTITY}) and org_ids ({ORG},o9): check each",
            ),
        ],
    )
    def test_entity_and_org_are_checked_by_a_read(self, zuora, check, extra, works, part):
        zuora.sandbox.settings = replace(
            zuora.sandbox.settings, entity_ids=(ENTITY, "e2"), org_ids=(ORG, "o2")
        )
        found, words = check(host=zuora.url, extra=extra)

        assert found is works
        assert words.startswith(f"Signed in to {zuora.url} as client {CLIENT_ID}. {part}")

    def test_a_client_that_may_not_read_orders_may_do_other_things(self, zuora, check):
        body = json.dumps({"success": False, "reasons": [{"code": 50000010, "message": "No permission"}]})
        zuora.fault(path="/v1/orders", status=403, body=body.encode(), times=None)
        works, words = check(host=zuora.url)

        assert works
        assert (
            "It may not read orders: if it is to submit some, an administrator of Zuora has to allow" in words
        )
        assert "No permission" in words

    def test_a_read_that_fails_for_now_is_told(self, zuora, check):
        zuora.fault(path="/v1/orders", status=503, times=None)
        works, words = check(host=zuora.url)

        assert not works
        assert "Zuora cannot answer for now: try again later." in words


def test_elastic_path_names_its_regions_and_keys(store):
    store.change(client_secret="another")
    works, words = ElasticPathHook().test_connection()

    assert not works
    assert words.startswith(
        "Elastic Path refuses the client id (login) or its secret (password): enter both anew."
    )
    assert "the region is wrong, or the key is not of the kind Client Credentials" in words
