"""What guards allow, at the edge of each limit, and how their fields are read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_zuora.core.environments import find_environment
from airflow_provider_zuora.core.errors import GuardRefused
from airflow_provider_zuora.core.guards import (
    NO_GUARDS,
    Guards,
    Limits,
    find_violations,
    read_amount,
    read_ceiling,
)
from airflow_provider_zuora.core.vendors.zuora.vendor import Zuora
from airflow_provider_zuora.guards import OrderGuard, check_guard

KNOWN = Zuora.environments
CEILING = Limits.of({"max_orders": 5, "max_amount": "100", "currency": "USD"}, KNOWN, "the ceiling")


def usd(*amounts):
    return [(Decimal(amount), "USD") for amount in amounts]


def guards(*given):
    return Guards(tuple(Limits.of(each, KNOWN) for each in given), KNOWN)


def refused(check, *arguments):
    with pytest.raises(GuardRefused) as caught:
        check(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("expected", "url", "words"),
    [
        ("production", "https://rest.eu.zuora.com", ""),
        ("production", "https://rest.zuora.com:443/", ""),
        ("Production", "https://REST.NA.zuora.com", ""),
        ("sandbox", "https://rest.test.ap.zuora.com", ""),
        ("sandbox", "https://rest.apisandbox.zuora.com", ""),
        ("EU Production", "https://rest.eu.zuora.com", ""),
        ("eu production", "https://rest.eu.zuora.com", ""),
        ("https://rest.pt1.zuora.com/", "https://rest.pt1.zuora.com", ""),
        ("http://[::1]:8765", "http://[::1]:8765", ""),
        (
            "production",
            "https://rest.test.eu.zuora.com",
            "EU Developer & Central Sandbox (https://rest.test.eu.zuora.com)",
        ),
        ("sandbox", "https://rest.eu.zuora.com", "is to EU Production (https://rest.eu.zuora.com)"),
        ("EU Production", "https://rest.na.zuora.com", "is to US Production Cloud 1"),
        ("https://rest.zuora.com", "https://rest.na.zuora.com", "is to US Production Cloud 1"),
        ("production", "https://rest.zuora.com.example.com", "which is no known environment"),
        ("production", "https://rest.zuora.com:8443", "which is no known environment"),
        ("production", "http://rest.zuora.com", "which is no known environment"),
        ("sandbox", "http://127.0.0.1:8765", "which is no known environment"),
        ("production", "https://[", "which is no known environment"),
    ],
)
def test_an_environment_is_that_of_the_host_and_an_unknown_one_is_refused(expected, url, words):
    check = guards({"expect_environment": expected}).check_environment
    if words:
        assert words in refused(check, url)
    else:
        check(url)


def test_every_environment_is_either_production_or_a_sandbox():
    for name, url in KNOWN.items():
        assert find_environment(url, KNOWN) == name
        kinds = ["production", "sandbox"] if "Production" in name else ["sandbox", "production"]
        guards({"expect_environment": kinds[0]}).check_environment(url)
        refused(guards({"expect_environment": kinds[1]}).check_environment, url)


def test_no_environment_is_expected_if_none_is_named():
    guards({"max_orders": 1}).check_environment("http://127.0.0.1")
    NO_GUARDS.check_environment("http://127.0.0.1")


def test_as_many_orders_as_allowed_pass_and_one_more_is_refused():
    check = guards({"max_orders": 3}).check_count
    check(3, "the list has")
    assert refused(check, 4, "the list has") == (
        "guard: max_orders: the list has 4 orders, and 3 are allowed."
    )
    for limit, count, words in (
        ("0", 1, "1 order, and 0 are allowed."),
        (1, 2, "2 orders, and 1 is allowed."),
    ):
        assert refused(guards({"max_orders": limit}).check_count, count, "it has").endswith(f"it has {words}")


def test_the_amount_that_is_allowed_passes_and_a_cent_more_is_refused():
    check = guards({"max_amount": "100.10", "currency": "USD"}).check_amounts
    check(usd("50.05", "50.05"), "the list comes to")
    assert refused(check, usd("50.05", "50.06"), "the list comes to") == (
        "guard: max_amount: the list comes to 100.11 USD, and 100.10 USD is allowed."
    )


def test_amounts_that_doubles_round_are_added_exactly():
    tenth = [(read_amount(0.1), "USD")] * 10
    guards({"max_amount": 1, "currency": "USD"}).check_amounts(tenth, "it comes to")
    huge, cent = Decimal(10) ** 29, Decimal("0." + "0" * 29 + "1")
    words = refused(
        guards({"max_amount": huge, "currency": "USD"}).check_amounts, usd(huge, cent), "it comes to"
    )
    assert f"{huge:f}.{'0' * 29}1 USD" in words


def test_credits_count_as_charges_do():
    check = guards({"max_amount": 100, "currency": "USD"}).check_amounts
    check(usd("-40", "60"), "it comes to")
    assert "comes to 100.01 USD" in refused(check, usd("-40.01", "60"), "it comes to")


def test_an_amount_that_cannot_be_told_is_refused_where_it_is_limited_and_only_there():
    Guards((Limits(max_orders=3),)).refuse_unread_amount("the change bills")
    with pytest.raises(GuardRefused, match="guard: max_amount: what the change bills cannot be told"):
        Guards((Limits(max_orders=3), Limits(max_amount=Decimal(5), currency="USD"))).refuse_unread_amount(
            "the change bills"
        )


def test_another_currency_is_refused_whatever_the_amount():
    check = guards({"max_amount": 100, "currency": "USD"}).check_amounts
    words = refused(check, [(Decimal(0), "EUR"), *usd(1)], "it has")
    assert words == "guard: currency: it has amounts in EUR, and only USD is allowed."


def test_of_two_guards_the_lower_limit_counts_and_none_can_raise_the_other():
    higher = Limits.of({"max_orders": 500, "max_amount": "9999", "currency": "USD"}, KNOWN)
    lower = Limits.of({"max_orders": 2, "max_amount": "10", "currency": "USD"}, KNOWN)
    for own in (higher, Limits()):
        both = Guards((CEILING, own), KNOWN)
        both.check_count(5, "it has")
        both.check_amounts(usd(100), "it has")
        assert refused(both.check_count, 6, "it has").startswith("the ceiling: max_orders: ")
        assert refused(both.check_amounts, usd("100.01"), "it has").startswith("the ceiling: max_amount: ")
    both = Guards((CEILING, lower), KNOWN)
    assert refused(both.check_count, 3, "it has").startswith("guard: max_orders: ")
    assert refused(both.check_amounts, usd("10.01"), "it has").startswith("guard: max_amount: ")
    other = Limits.of({"max_amount": "9999", "currency": "EUR"}, KNOWN)
    for currency in ("EUR", "USD"):
        refused(Guards((CEILING, other), KNOWN).check_amounts, [(Decimal(1), currency)], "it has")


def test_what_a_guard_needs_to_know():
    assert (NO_GUARDS.counts_orders, NO_GUARDS.reads_amounts) == (False, False)
    assert guards({}, {"max_orders": 0}).counts_orders
    assert guards({"max_amount": 0, "currency": "USD"}).reads_amounts


@pytest.mark.parametrize(
    "given",
    [
        OrderGuard("production", 10, Decimal("1000.50"), "USD"),
        OrderGuard("production", "10", "1000.50", "USD"),
        {"expect_environment": "production", "max_orders": 10, "max_amount": 1000.5, "currency": " USD "},
        '{"expect_environment": "production", "max_orders": "10", "max_amount": "1000.5", "currency": "USD"}',
    ],
)
def test_a_guard_is_a_value_a_mapping_or_its_json_text(given):
    expected = Limits("guard", "production", 10, Decimal("1000.5"), "USD")
    assert Limits.of(given, KNOWN) == expected
    assert find_violations(given, KNOWN) == []


@pytest.mark.parametrize("given", [None, {}, OrderGuard(), "null", "{}"])
def test_what_is_left_out_limits_nothing(given):
    assert Limits.of(given, KNOWN) == Limits()


@pytest.mark.parametrize("nothing", ["", " ", "None"])
@pytest.mark.parametrize("field", [None, *OrderGuard._fields])
def test_what_a_template_makes_of_nothing_is_refused(field, nothing):
    name = f"{field}: " if field else ""
    with pytest.raises(ValueError, match=rf"^{name}is blank: what its template stands for is not there"):
        Limits.of({field: nothing} if field else nothing, KNOWN)


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_connection_without_a_guard_limits_nothing(value):
    assert read_ceiling(KNOWN, value) == Limits("the connection's guard")


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"max_orders": True}, "max_orders: must be a whole number of 0 or more"),
        ({"max_orders": -1}, "max_orders: must be a whole number of 0 or more"),
        ({"max_orders": 1.0}, "max_orders: must be a whole number of 0 or more"),
        ({"max_orders": "1e3"}, "max_orders: must be a whole number of 0 or more"),
        ({"max_orders": "٣"}, "max_orders: must be a whole number of 0 or more"),
        ({"max_amount": True, "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": "-1", "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": "1e3", "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": "1_000", "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": "1,000.00", "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": float("nan"), "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": Decimal("Infinity"), "currency": "USD"}, "max_amount: must be an amount of 0"),
        ({"max_amount": 0.1 + 0.2, "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": ["1"], "currency": "USD"}, "max_amount: must be an amount of 0 or more"),
        ({"max_amount": "1"}, "max_amount: needs a currency, and a currency needs a max_amount"),
        ({"currency": "USD"}, "max_amount: needs a currency, and a currency needs a max_amount"),
        ({"max_amount": 1, "currency": "usd"}, "currency: must be three capital letters"),
        ({"max_amount": 1, "currency": "US"}, "currency: must be three capital letters"),
        ({"max_amount": 1, "currency": 840}, "currency: must be a text"),
        ({"expect_environment": "prodution"}, "expect_environment: must be a base URL such as"),
        ({"expect_environment": True}, "expect_environment: must be a text"),
        ({"max_order": 1}, "must hold expect_environment, max_orders, max_amount, currency, not 'max_order'"),
        ("{", "must be an OrderGuard, or an object of expect_environment, max_orders"),
        (("production", 1), "must be an OrderGuard, or an object of"),
        ([], "must be an OrderGuard, or an object of"),
        (True, "must be an OrderGuard, or an object of"),
    ],
)
def test_a_guard_that_breaks_a_rule_is_refused_also_when_its_dag_is_parsed(given, rule):
    with pytest.raises(ValueError, match="m") as caught:
        Limits.of(given, KNOWN)
    assert rule in str(caught.value)
    with pytest.raises(ValueError, match="guard: ") as caught:
        check_guard(given)
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        ("{{ var.value.guard }}", 0),
        (OrderGuard("{{ params.where }}", "{{ params.most }}", "{% if x %}1{% endif %}", "USD"), 0),
        (OrderGuard(max_amount="{{ params.most }}"), 0),
        (OrderGuard(max_orders=-1, max_amount="{{ params.most }}"), 1),
        ({"max_orders": "{{ x }}", "max_order": 1}, 1),
        (object(), 0),
        (OrderGuard(max_orders=object()), 0),
    ],
)
def test_of_templates_and_xcoms_only_what_is_known_is_checked_when_a_dag_is_parsed(given, broken):
    assert len(find_violations(given, KNOWN)) == broken


def test_the_guard_of_a_connection_names_its_rules_in_one_line():
    assert read_ceiling(KNOWN, None) == Limits("the connection's guard")
    assert read_ceiling(KNOWN, '{"max_orders": 3}').max_orders == 3
    with pytest.raises(ValueError, match=r"max_orders: must be a whole .*; max_amount: must be an amount"):
        read_ceiling(KNOWN, {"max_orders": -1, "max_amount": "x", "currency": "USD"})


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (100, "100"),
        (100.1, "100.1"),
        (-0.01, "-0.01"),
        ("1000.50", "1000.50"),
        ("+5", "5"),
        (Decimal("1E+3"), "1000"),
        (999999999999.99, "999999999999.99"),
        (12345678901234.56, None),  # sixteen digits: 12345678901234.561 has the same double
        (1e22, None),
        (1e-7, None),
        (None, None),
        (True, None),
        ("", None),
        ("12 USD", None),
        ("NaN", None),
        ({}, None),
        (10**40, None),
    ],
)
def test_an_amount_is_read_exactly_or_not_at_all(value, amount):
    assert read_amount(value) == (None if amount is None else Decimal(amount))
