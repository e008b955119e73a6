"""What a connection says, field by field."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from airflow_provider_zuora.accounts import Masks
from airflow_provider_zuora.connections import settings_of
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.transports import Line

ZUORA = VENDORS["zuora"]


def settings(extra=None, **fields):
    own = {"conn_id": "c", "conn_type": "zuora", "host": "https://h", "port": None, "schema": None}
    own |= {
        "login": "id",
        "password": "secret",
        "extra": extra if isinstance(extra, str) else json.dumps(extra or {}),
    }
    return settings_of(ZUORA, SimpleNamespace(**own | fields), Masks(print, asyncio.sleep))


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
        ({"host": "http://localhost"}, "http://localhost"),
        ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
    ],
)
def test_the_base_url(fields, expected):
    assert settings(**fields).credentials.base_url == expected


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
        ({"extra": '{"share_token": "perhaps"}'}, "share_token: must be true or false"),
        ({"extra": '{"share_token": []}'}, "share_token: must be true or false"),
        ({"extra": '{"timeout": "inf"}'}, "timeout: must be a number"),
        ({"extra": '{"proxies": {"all": "http://p"}}'}, "proxies: must be URLs such as"),
        ({"extra": '{"proxies": {"https": "p:3128"}}'}, "proxies: must be URLs such as"),
        ({"extra": '{"proxies": {"https": "http://u:hidden@p:port"}}'}, "proxies: must be URLs such as"),
        ({"extra": '{"entity_id": "é"}'}, "Zuora-Entity-Ids: must be printable ASCII"),
        ({"extra": '{"zuora_version": "1\\n2"}'}, "Zuora-Version: must be printable ASCII"),
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
        ({}, Line("https://h")),
        ({"timeout": "", "max_connections": None, "verify": "", "proxies": ""}, Line("https://h")),
        ({"timeout": "30", "max_connections": 5.0}, Line("https://h", timeout=30.0, max_connections=5)),
        ({"verify": False}, Line("https://h", verify=False)),
        ({"verify": "False"}, Line("https://h", verify=False)),
        ({"verify": __file__}, Line("https://h", verify=__file__)),
        ({"proxies": {"https": "http://p"}}, Line("https://h", proxies=(("https", "http://p"),))),
        ({"proxies": '{"https": "http://p"}'}, Line("https://h", proxies=(("https", "http://p"),))),
    ],
)
def test_how_to_reach_the_vendor(extra, expected):
    assert settings(extra).account._line == expected


def test_hooks_share_an_account_unless_told_otherwise():
    assert settings().account is settings().account
    assert settings({"share_token": False}).account is not settings({"share_token": "false"}).account


def test_the_token_is_shared_by_the_host_unless_told_otherwise(runtime_dir):
    shared = settings().account._token_file

    assert shared.directory.path == runtime_dir
    assert settings({"share_token": False}).account._token_file is None
    assert not runtime_dir.exists(), "nothing is touched before a token is needed"


def test_two_entities_share_neither_an_account_nor_a_token():
    entities = [{}, {"entity_id": "e1"}, {"entity_id": "e2"}]
    accounts = [settings(extra).account for extra in entities]

    assert len({id(each) for each in accounts}) == len({each._token_file.name for each in accounts}) == 3
    assert settings({"entity_id": " e1 "}).account is accounts[1]


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
    assert list(settings(extra, host=host).ignored(["timeout", "environment"])) == expected


def test_the_namespace():
    assert settings({"idempotency_namespace": "blue"}).idempotency_namespace == "blue"
    assert settings().idempotency_namespace == ""
