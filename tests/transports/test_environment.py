"""What the environment states about proxies and certificates, for every request alike."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.validation import find_url_violations
from airflow_provider_zuora.transports.config import (
    TransportConfig,
    normalize_proxy,
    read_ca_bundle,
    read_proxy,
)

PROXY = "http://proxy:3128"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environ(monkeypatch):
    """Take away what the machine's own environment says."""
    for name in (*NAMES, *map(str.upper, NAMES), "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://proxy:3128", PROXY),
        (" http://proxy:3128/ ", PROXY),
        ("HTTP://proxy:3128", PROXY),
        ("proxy:3128", PROXY),
        ("proxy", "http://proxy"),
        ("bob:s3cret@proxy:3128", "http://bob:s3cret@proxy:3128"),
        ("http://bob@proxy", "http://bob:@proxy"),
        ("//proxy:3128", PROXY),
        ("http://bob:@proxy", "http://bob:@proxy"),
        ("http://bob:%C3%A9@proxy", "http://bob:%C3%A9@proxy"),
        ("https://proxy", "https://proxy"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_that_both_transports_can_use(given, url):
    assert normalize_proxy(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "socks5://proxy:1080",
        "socks5h://proxy:1080",
        "ftp://proxy",
        "http://",
        "http://:3128",
        "http://proxy:port",
        "http://proxy:0",
        "http://proxy:99999",
        "http://bob:pa/ss@proxy:3128",
        "http://bob:12/34@proxy:3128",
        "http://bob:pa#ss@proxy:3128",
        "http://bob:pa ss@proxy:3128",
        "http://bob:p\u00e4ss@proxy:3128",
        "http://:pass@proxy:3128",
        "http://@proxy:3128",
        "http://bob:%E2%82%ACpass@proxy:3128",
        "http://%E2%82%AC:pass@proxy:3128",
        "http://proxy:3128/path",
        "http://[::1",
    ],
)
def test_a_proxy_that_not_both_can_use_is_refused_by_the_name_of_its_variable(given, environ):
    environ.setenv("HTTPS_PROXY", given)
    with pytest.raises(InvalidInput) as caught:
        TransportConfig("https://rest.zuora.com")

    assert "proxies: HTTPS_PROXY in the environment must be a URL" in str(caught.value)
    assert "ss@" not in str(caught.value)
    assert TransportConfig("http://127.0.0.1:1").proxy == "", "it is not asked for there"


@pytest.mark.parametrize("proxy", ["http://:pass@proxy:3128", "http://bob:%E2%82%AC@proxy:3128"])
def test_a_connections_proxy_that_not_both_can_use_is_refused_by_the_name_of_its_option(proxy):
    with pytest.raises(InvalidInput, match="proxies: must be URLs"):
        TransportConfig("https://rest.zuora.com", proxies=(("https", proxy),))


OWN = [
    "http://127.0.0.1",
    "http://127.1.2.3",
    "http://[::1]",
    "http://localhost",
    "https://localhost.",
    "https://[::ffff:127.0.0.1]",
    "https://sub.localhost",
    "https://a.b.LOCALHOST.",
    "https://localhost.localdomain",
    "https://127.1",
    "https://127.0.1",
    "https://2130706433",
    "https://0x7f.0.0.1",
    "https://0177.1",
    "https://127.000.000.001",
    "https://0.0.0.0",
    "https://[::]",
]
OTHERS = [
    "https://localhost.zuora.com",
    "https://notlocalhost",
    "https://128.1",
    "https://127.0.0.0.1",
    "https://127.16777216",
    "https://256.1",
    "https://08.1",
    "https://127.1x",
    "https://4294967296",
    "https://[::2]",
]


@pytest.mark.parametrize("url", OWN)
def test_a_request_to_this_machine_goes_through_no_proxy(url, environ):
    environ.setenv("ALL_PROXY", PROXY)

    assert TransportConfig(url).proxy == ""
    assert TransportConfig(url, proxies=(("http", PROXY), ("https", PROXY))).proxy == ""


@pytest.mark.parametrize("url", OTHERS)
def test_a_request_to_another_machine_goes_through_the_proxy(url, environ):
    environ.setenv("ALL_PROXY", PROXY)

    assert TransportConfig(url).proxy == PROXY
    assert TransportConfig(url, proxies=(("https", PROXY),)).proxy == PROXY


@pytest.mark.parametrize("host", ["sub.localhost", "127.1", "0x7f.0.0.1", "0.0.0.0", "localhost.localdomain"])
def test_http_will_not_do_where_only_a_resolver_can_tell_that_it_is_this_machine(host):
    assert any("http is refused" in rule for rule in find_url_violations(f"http://{host}"))


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "https://h", ("", "")),
        ({"HTTPS_PROXY": "a"}, "https://h", ("a", "HTTPS_PROXY")),
        ({"https_proxy": "b", "HTTPS_PROXY": "a"}, "https://h", ("b", "https_proxy")),
        ({"https_proxy": "", "HTTPS_PROXY": "a"}, "https://h", ("", "")),
        ({"HTTP_PROXY": "a"}, "https://h", ("", "")),
        ({"ALL_PROXY": "a"}, "https://h", ("a", "ALL_PROXY")),
        ({"ALL_PROXY": "a", "HTTPS_PROXY": "b"}, "https://h", ("b", "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "a", "NO_PROXY": "h"}, "https://h", ("", "")),
        ({"HTTPS_PROXY": "a", "no_proxy": "", "NO_PROXY": "h"}, "https://h", ("a", "HTTPS_PROXY")),
    ],
)
def test_the_variable_that_counts(variables, url, expected):
    assert read_proxy(url, variables) == expected


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ("*", "https://rest.zuora.com"),
        ("a, rest.zuora.com ,b", "https://rest.zuora.com"),
        ("a rest.zuora.com", "https://rest.zuora.com"),
        ("zuora.com", "https://rest.zuora.com"),
        (".zuora.com", "https://rest.zuora.com"),
        (".zuora.com", "https://zuora.com"),
        ("*.zuora.com", "https://rest.zuora.com"),
        ("*.ZUORA.com.", "https://rest.zuora.com."),
        ("rest*.zuora.com", "https://rest2.zuora.com"),
        ("rest.zuora.com:443", "https://rest.zuora.com"),
        (".zuora.com:8443", "https://rest.zuora.com:8443"),
        ("https://rest.zuora.com", "https://rest.zuora.com"),
        ("10.0.0.0/8", "https://10.1.2.3"),
        ("10.9.9.9/8", "https://10.1.2.3"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.1.2.3:443", "https://10.1.2.3"),
        ("10.1.*", "https://10.1.2.3"),
        ("fd00::/8", "https://[fd00::1]:8443"),
        ("[fd00::]/8", "https://[fd00::1]"),
        ("b\u00fccher.example", "https://b\u00fccher.example"),
        (".b\u00fccher.example", "https://www.xn--bcher-kva.example"),
        ("*.B\u00dcCHER.example:443", "https://www.xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "https://b\u00fccher.example"),
        ("fd00:0::1", "https://[fd00::1]"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
        ("", "http://localhost:8080"),
        ("", "http://localhost."),
        ("https://rest.zuora.com/", "https://rest.zuora.com"),
        ("", "http://127.9.9.9"),
        ("", "http://[::1]:8080"),
        ("", "http://[::ffff:127.0.0.1]"),
    ],
)
def test_a_host_that_is_asked_without_a_proxy(entries, url, environ):
    variables = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": entries}
    for name, value in variables.items():
        environ.setenv(name, value)

    assert read_proxy(url, variables) == ("", "")
    assert TransportConfig(url).proxy == ""


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ("", "https://rest.zuora.com"),
        (",", "https://rest.zuora.com"),
        ("rest.zuora.com", "https://arest.zuora.com"),
        ("rest.zuora.com:8443", "https://rest.zuora.com"),
        ("zuora.com.evil.example", "https://rest.zuora.com"),
        ("10.0.0.0/8", "https://11.1.2.3"),
        ("10.0.0.0/99", "https://10.1.2.3"),
        ("10.0.0.0/8", "https://ten.example"),
        ("10.1.2", "https://10.1.2.3"),
        ("1.2.3", "https://10.1.2.3"),
        (".2.3", "https://10.1.2.3"),
        ("*.2.3", "https://10.1.2.3"),
        ("\u00fc" * 99, "https://rest.zuora.com"),
        ("10.1.2.3:8443", "https://10.1.2.3"),
        ("[fd00::1]:80", "https://[fd00::1]"),
        ("localhost", "https://localhost.example"),
    ],
)
def test_a_host_that_is_asked_through_the_proxy(entries, url):
    assert read_proxy(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": entries}) == (PROXY, "HTTPS_PROXY")


def test_loopback_is_asked_without_the_proxy_of_a_connection_too():
    assert TransportConfig("http://localhost:1", proxies=(("http", PROXY),)).proxy == ""
    assert TransportConfig("https://10.0.0.1", proxies=(("https", "proxy:3128"),)).proxy == PROXY


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_bundle_by_any_variable(name, environ, tmp_path):
    environ.setenv("HOME", str(tmp_path.parent))
    environ.setenv(name, f"~/{tmp_path.name}")

    assert read_ca_bundle() == (str(tmp_path), name)
    assert TransportConfig("https://h").ca_bundle == str(tmp_path)
    assert TransportConfig("https://h", verify=f"~/{tmp_path.name}").ca_bundle == str(tmp_path)
    assert TransportConfig("https://h", verify=False).ca_bundle == ""
    environ.setenv(name, "~/no/such")
    with pytest.raises(InvalidInput, match=f"verify: {name} in the environment is not a path that exists"):
        TransportConfig("https://h")
    assert TransportConfig("https://h", verify=False).ca_bundle == ""


def test_the_first_variable_that_is_set_counts():
    environ = {"SSL_CERT_DIR": "/d", "SSL_CERT_FILE": "/c", "CURL_CA_BUNDLE": "/b", "REQUESTS_CA_BUNDLE": " "}

    assert read_ca_bundle(environ) == ("/b", "CURL_CA_BUNDLE")
    assert read_ca_bundle({}) == ("", "")


def test_what_the_environment_says_later_changes_nothing(environ):
    config = TransportConfig("https://h")
    environ.setenv("HTTPS_PROXY", PROXY)

    assert config.proxy == ""
    assert config == TransportConfig("https://h"), "a session is the same one"
