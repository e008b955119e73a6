"""What a connection says, field by field."""

from __future__ import annotations

import json
import re
import tempfile
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.hooks.connection import read_settings
from airflow_provider_zuora.hooks.connection_fields import FIELDS, read_fields
from airflow_provider_zuora.transports.config import TransportConfig
from tests.conftest import Source

ZUORA = VENDORS["zuora"]


def settings(extra=None, masked=None, vendor=ZUORA, **fields):
    own = {"conn_id": "c", "conn_type": "zuora", "host": "https://h", "port": None, "schema": None}
    own |= {
        "login": "id",
        "password": "secret",
        "extra": extra if isinstance(extra, str) else json.dumps(extra or {}),
    }
    return read_settings(
        vendor, SimpleNamespace(**own | fields), Source(masked=[] if masked is None else masked)
    )


@pytest.mark.parametrize("conn_type", ["zuora", "generic", "http", "", None])
def test_types_that_are_taken(conn_type):
    assert settings(conn_type=conn_type).credentials.client_id == "id"


@pytest.mark.parametrize("conn_type", ["elastic_path", "postgres"])
def test_types_that_are_refused(conn_type):
    with pytest.raises(
        InvalidInput, match=f"conn_type: must be zuora, generic, http or none, this is {conn_type}"
    ):
        settings(conn_type=conn_type)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "https://rest.zuora.com"}, "https://rest.zuora.com"),
        ({"host": "HTTPS://rest.zuora.com/"}, "https://rest.zuora.com"),
        ({"host": "rest.zuora.com"}, "https://rest.zuora.com"),
        ({"host": "rest.zuora.com", "schema": "https"}, "https://rest.zuora.com"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1:8080", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "https://gate/zuora/", "port": 8443}, "https://gate:8443/zuora"),
        ({"host": "https://gate/zuora", "port": 443}, "https://gate/zuora"),
        ({"host": "gate", "port": 443}, "https://gate"),
        ({"host": "https://gate:8443", "port": 443}, "https://gate:8443"),
        ({"host": "https://gate:8443/zuora/", "port": 8443}, "https://gate:8443/zuora"),
        ({"host": "http://127.0.0.1:8765", "port": 443}, "http://127.0.0.1:8765"),
        ({"host": "http://127.0.0.1:8765/", "port": 80}, "http://127.0.0.1:8765"),
        ({"host": "https://gate:8443", "port": 80}, "https://gate:8443"),
        ({"host": "https://gate:443", "port": 80}, "https://gate"),
        ({"host": "127.0.0.1:8765", "schema": "http", "port": 443}, "http://127.0.0.1:8765"),
        ({"host": "http://[::1]:8080", "port": 443}, "http://[::1]:8080"),
        ({"host": "http://[::1]", "port": 8080}, "http://[::1]:8080"),
        ({"host": "http://[::1]:1", "port": 1}, "http://[::1]:1"),
        ({"host": "127.0.0.1", "schema": "http", "port": 443}, "http://127.0.0.1:443"),
        ({"host": "http://localhost"}, "http://localhost"),
        ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
        ({"host": "::1", "schema": "http", "port": 8080}, "http://[::1]:8080"),
        ({"host": "2001:db8::1", "port": 8443}, "https://[2001:db8::1]:8443"),
    ],
)
def test_the_base_url(fields, expected):
    assert settings(**fields).credentials.base_url == expected


@pytest.mark.parametrize("host", ["http://127.0.0.1:8765", "127.0.0.1:8765", "http://[::1]:8765/zuora"])
@pytest.mark.parametrize("port", [1, 765, 8080, 18765])
def test_a_port_that_differs_from_that_of_the_base_url_is_refused_by_its_name(host, port):
    rule = f"port: must be blank, 443, 80, or that of the base URL (host), 8765; this is {port}"
    with pytest.raises(InvalidInput, match=re.escape(rule)):
        settings(host=host, schema="http", port=port)


@pytest.mark.parametrize("host", ["", None, "  "])
@pytest.mark.parametrize(("name", "url"), list(ZUORA.environments.items()))
def test_a_blank_host_means_the_environment(host, name, url):
    assert settings({"environment": name.upper()}, host=host).credentials.base_url == url


@pytest.mark.parametrize("environment", [None, "", "Mars"])
def test_neither_host_nor_environment(environment):
    with pytest.raises(InvalidInput, match="host: must be a base URL, or be blank while environment"):
        settings({"environment": environment}, host="")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"host": "http://rest.zuora.com"}, "host: http is refused except on loopback, use https"),
        ({"host": "http://127.0.0.1.evil.example"}, "host: http is refused except on loopback, use https"),
        ({"host": "ftp://rest.zuora.com"}, "host: must be a URL such as https://api.example.com"),
        ({"host": "https://u:p@rest.zuora.com"}, "host: must not hold a user or a password"),
        ({"host": "https://rest.zuora.com?x=1"}, "host: must not hold a query or a fragment"),
        ({"login": None}, "login: the OAuth client id is missing"),
        ({"password": ""}, "password: the OAuth client secret is missing"),
        ({"extra": "{"}, "extra: must be a JSON object"),
        ({"extra": "[]"}, "extra: must be a JSON object"),
        ({"extra": '{"timeout": "soon"}'}, "timeout: must be a number"),
        ({"extra": '{"max_connections": 1.5}'}, "max_connections: must be a whole number"),
        ({"extra": '{"verify": 3}'}, "verify: must be true, false or the path of a CA bundle"),
        (
            {"extra": '{"verify": "/no/such"}'},
            "verify: must be true, false or the path of a CA bundle that exists",
        ),
        ({"extra": '{"proxies": "{"}'}, "proxies: must be a JSON object"),
        ({"extra": '{"proxies": {"https": 1}}'}, "proxies: must be a JSON object"),
        ({"extra": '{"shared_sign_in": "perhaps"}'}, "shared_sign_in: must be true or false"),
        ({"extra": '{"shared_sign_in": []}'}, "shared_sign_in: must be true or false"),
        ({"extra": '{"timeout": "inf"}'}, "timeout: must be a number"),
        ({"extra": '{"timeout": "nan"}'}, "timeout: must be a number"),
        ({"extra": '{"timeout": 0}'}, "timeout: must be more than 0 and at most 3600 seconds"),
        ({"extra": '{"timeout": 3601}'}, "timeout: must be more than 0 and at most 3600 seconds"),
        ({"extra": '{"max_connections": 0}'}, "max_connections: must be from 1 to 1000"),
        ({"extra": '{"max_connections_per_host": -1}'}, "max_connections_per_host: must be from 0 to 1000"),
        ({"extra": '{"max_connections": 1001}'}, "max_connections: must be from 1 to 1000"),
        ({"extra": '{"proxies": {"all": "http://p"}}'}, "proxies: must be URLs such as"),
        ({"extra": '{"proxies": {"https": "socks5://p:1"}}'}, "proxies: must be URLs such as"),
        ({"extra": '{"proxies": {"https": "http://u:hidden@p:port"}}'}, "proxies: must be URLs such as"),
        ({"host": "https://rest.zuora.com/v1"}, "host: must be a base URL without the API's own path"),
        ({"host": "https:/rest.zuora.com"}, "host: must begin with https:// (two slashes)"),
        ({"host": "HTTP:/127.0.0.1:9"}, "host: must begin with https:// (two slashes)"),
        ({"host": "https/rest.zuora.com"}, "host: must begin with https:// (two slashes)"),
        ({"host": "https:/"}, "host: must begin with https:// (two slashes)"),
        ({"host": "https://"}, "host: must begin with https:// (two slashes)"),
        ({"host": "rest.zuora.com:0"}, "host: its port must be from 1 to 65535"),
        ({"host": '"rest.zuora.com"'}, "host: must be the name or the IP address of a host"),
        ({"login": "i\nd"}, "login: the OAuth client id must be printable ASCII; a line break"),
        ({"login": "i d"}, "login: the OAuth client id must hold no blanks"),
        ({"password": "hid den"}, "password: the OAuth client secret must hold no blanks"),
        (
            {"password": "bearer hidden"},
            "password: the OAuth client secret must hold no blanks, and not begin with Bearer",
        ),
        ({"login": "Basic id"}, "login: the OAuth client id must hold no blanks, and not begin with Basic"),
        ({"login": "'id'"}, "login: the OAuth client id must not stand in quotes"),
        ({"password": "hid\u200bden"}, "password: the OAuth client secret must be printable ASCII"),
        ({"password": "hidden\u00e9"}, "password: the OAuth client secret must be printable ASCII"),
        ({"password": "hid\u00a0den"}, "password: the OAuth client secret must be printable ASCII"),
        ({"password": '"hidden"'}, "password: the OAuth client secret must not stand in quotes"),
        ({"password": "***"}, "password: the OAuth client secret is the mask that Airflow shows"),
        ({"password": " \n"}, "password: the OAuth client secret is missing"),
        ({"extra": '{"entity_id": {"a": 1}}'}, "entity_id: must be a text"),
        ({"extra": '{"entity_id": ["a"]}'}, "entity_id: must be a text"),
        ({"extra": '{"zuora_version": true}'}, "zuora_version: must be a text"),
        ({"extra": '{"zuora_version": {}}'}, "zuora_version: must be a text"),
        ({"extra": '{"org_ids": {"a": 1}}'}, "org_ids: must be a text or a list of texts"),
        ({"extra": '{"org_ids": [["a"]]}'}, "org_ids: must be a text or a list of texts"),
        ({"extra": '{"org_ids": false}'}, "org_ids: must be a text or a list of texts"),
        ({"extra": '{"org_ids": [null]}'}, "org_ids: must be a text or a list of texts"),
        ({"extra": '{"idempotency_namespace": ["a"]}'}, "idempotency_namespace: must be a text"),
        ({"extra": '{"environment": {"a": 1}}'}, "environment: must be a text"),
        ({"extra": '{"entity_id": "é"}'}, "entity_id: must be printable ASCII"),
        (
            {"extra": '{"zuora_version": "1\\n2"}'},
            "zuora_version: must be a date such as 2025-08-12, or a number such as 341.0",
        ),
    ],
)
def test_what_cannot_be_used_names_the_field_and_the_rule(fields, line):
    with pytest.raises(InvalidInput) as caught:
        settings(**fields)

    assert caught.value.violations[0].startswith(line)
    assert "u:p" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(InvalidInput) as caught:
        settings(host="http://h", login="", password="")

    assert [line.split(":")[0] for line in caught.value.violations] == ["host", "login", "password"]


def test_the_headers_of_extra():
    extra = {"entity_id": " e ", "org_ids": ["a", "b"], "zuora_version": "2025-08-12"}

    assert settings(extra).client.headers == {
        "Zuora-Entity-Ids": "e",
        "Zuora-Org-Ids": "a,b",
        "Zuora-Version": "2025-08-12",
    }
    assert settings().client.headers == {}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, TransportConfig("https://h")),
        ({"timeout": "", "max_connections": None, "verify": "", "proxies": ""}, TransportConfig("https://h")),
        (
            {"timeout": "30", "max_connections": 5.0, "max_connections_per_host": "36"},
            TransportConfig("https://h", timeout=30.0, max_connections=5, max_connections_per_host=36),
        ),
        ({"verify": False}, TransportConfig("https://h", verify=False)),
        ({"verify": "False"}, TransportConfig("https://h", verify=False)),
        ({"verify": __file__}, TransportConfig("https://h", verify=__file__)),
        ({"proxies": {"https": "http://p"}}, TransportConfig("https://h", proxies=(("https", "http://p"),))),
        (
            {"proxies": '{"https": "http://p"}'},
            TransportConfig("https://h", proxies=(("https", "http://p"),)),
        ),
    ],
)
def test_how_to_reach_the_vendor(extra, expected):
    assert settings(extra).session.config.transport == expected


def test_hooks_of_a_process_share_a_session_whatever_processes_share():
    assert settings().session is settings().session
    assert settings({"shared_sign_in": False}).session is settings({"shared_sign_in": False}).session


def test_the_token_is_shared_by_the_host_unless_told_otherwise(runtime_dir):
    shared = settings().session.config.token_file

    assert shared.directory.path == runtime_dir
    assert settings({"shared_sign_in": False}).session.config.token_file is None
    assert not runtime_dir.exists(), "nothing is touched before a token is needed"


def test_two_entities_share_neither_an_account_nor_a_token():
    entities = [{}, {"entity_id": "e1"}, {"entity_id": "e2"}]
    accounts = [settings(extra).session for extra in entities]

    assert (
        len({id(each) for each in accounts}) == len({each.config.token_file.name for each in accounts}) == 3
    )
    assert settings({"entity_id": " e1 "}).session is accounts[1]


@pytest.mark.parametrize(
    ("extra", "host", "expected"),
    [
        ({"timeout": 5}, "https://h", []),
        ({"timout": 5}, "https://h", ["extra holds 'timout', which nobody reads; did you mean 'timeout'?"]),
        ({"zzz": 5}, "https://h", ["extra holds 'zzz', which nobody reads"]),
        ({"environment": "EU Production"}, "", []),
        (
            {"environment": "EU Production"},
            "https://h",
            ["the environment in extra is not used, because there is a base URL (host)"],
        ),
    ],
)
def test_what_a_connection_says_in_vain(extra, host, expected):
    assert list(settings(extra, host=host).warnings) == expected


@pytest.mark.parametrize(
    ("extra", "headers"),
    [
        ({"entity_id": None, "org_ids": [], "zuora_version": ""}, {}),
        ({"entity_id": " 11e6\u200b"}, {"Zuora-Entity-Ids": "11e6"}),
        ({"org_ids": ["a", 7]}, {"Zuora-Org-Ids": "a,7"}),
        ({"org_ids": "a,b"}, {"Zuora-Org-Ids": "a,b"}),
        ({"zuora_version": 341}, {"Zuora-Version": "341"}),
        ({"timeout": 5, "environment": "EU Production"}, {}),
    ],
)
def test_where_a_request_takes_effect(extra, headers):
    assert settings(extra).client.headers == headers


def test_all_rules_that_are_broken_are_named_at_once():
    with pytest.raises(InvalidInput) as caught:
        settings({"timeout": "soon", "verify": 3})

    assert caught.value.violations == (
        "timeout: must be a number",
        "verify: must be true, false or the path of a CA bundle",
    )


def test_the_namespace():
    assert settings({"idempotency_namespace": "blue"}).fields["idempotency_namespace"] == "blue"
    assert settings({"idempotency_namespace": " blue\n"}).fields["idempotency_namespace"] == "blue"
    assert settings().fields["idempotency_namespace"] == ""


@pytest.mark.parametrize("around", [" ", "\n", "\r\n", "\t", "\x00", "\u00a0", "\u200b", "\ufeff"], ids=ascii)
def test_what_was_pasted_around_a_value_is_left_out(around):
    masked = []
    around_all = {
        name: f"{around}{value}{around}" for name, value in (("login", "id"), ("password", "p" * 9))
    }
    found = settings(host=f"{around}https://h{around}", masked=masked, **around_all)

    assert found.credentials == Credentials("https://h", "id", "p" * 9)
    assert masked == ["p" * 9], "what is sent is hidden, too"


def test_a_secret_that_is_as_it_should_be_is_hidden_by_airflow_alone():
    masked = []
    settings(masked=masked)

    assert masked == []


def test_all_spellings_of_a_host_are_one_account():
    spellings = ("https://h", "HTTPS://H.", "h:443", "https://h/", "H")

    assert len({id(settings(host=host).session) for host in spellings}) == 1


@pytest.mark.parametrize("vendor", FIELDS)
def test_a_field_that_the_page_has_stored_as_its_mask_is_not_set(vendor):
    fields = dict.fromkeys(FIELDS[vendor], "***") | {"proxies": {"https": "***"}}
    found = settings(fields | {"environment": "US Production Cloud 2"}, host="")

    assert found.session is settings({"environment": "US Production Cloud 2"}, host="").session
    assert (found.transport, found.client.headers) == (TransportConfig("https://rest.zuora.com"), {})


def test_so_is_a_mask_within_a_field():
    masked = {
        "org_ids": ["***", "o1"],
        "proxies": '{"https": "***"}',
        "order_limits": '{"subscriptions": "***", "orderActions": 7}',
    }
    found = settings(masked)

    assert found.fields["org_ids"] == "o1"
    assert found.fields["proxies"] == ()
    assert found.fields["order_limits"].raised == {"orderActions": 7}
    export = settings({"download_hosts": ["***"]}, vendor=VENDORS["elastic_path"], conn_type="elastic_path")
    assert export.fields["download_hosts"] == frozenset()


def test_a_mask_in_a_text_that_is_no_json_is_for_the_rule_of_its_field():
    with pytest.raises(InvalidInput, match="proxies: must be a JSON object"):
        settings({"proxies": '{"https": "***"'})


@pytest.mark.parametrize("vendor", FIELDS)
@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_field_that_is_blank_is_not_set(vendor, blank):
    assert read_fields(vendor, dict.fromkeys(FIELDS[vendor], blank)) == read_fields(vendor, {})


@pytest.mark.parametrize("deep", ['{"a": ' + "[" * 100_000, '{"proxies": "%s"}' % ("[" * 100_000)])
def test_what_is_nested_too_deeply_is_refused_by_name(deep):
    with pytest.raises(InvalidInput, match=r"\n(extra|proxies): must be a JSON object"):
        settings(extra=deep)


def test_the_first_name_of_the_shared_sign_in_is_read_still():
    found = settings({"share_token": False})

    assert not found.fields["shared_sign_in"]
    assert settings({"share_token": False, "shared_sign_in": True}).fields["shared_sign_in"]
    assert found.warnings == ()


def test_where_no_directory_can_be_used_a_process_signs_in_for_itself(monkeypatch, caplog):
    for name in ("XDG_RUNTIME_DIR", "TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])  # a read-only root
    found = settings()

    assert found.session.config.token_file is None
    assert settings().session is found.session
    assert "each process signs in for itself. runtime_directory is not set" in caplog.text


@pytest.mark.parametrize("given", [" CDN.test , ::1,", ["cdn.test", "::1"]])
def test_the_hosts_that_a_file_may_come_from_are_a_list_or_a_text(given):
    export = settings({"download_hosts": given}, vendor=VENDORS["elastic_path"], conn_type="elastic_path")
    assert export.fields["download_hosts"] == {"cdn.test", "::1"}
