"""The border: whatever a stranger says, what is let in is short, printable, and holds no secret."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote, quote_plus

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zuora.core.errors import ApiError, Refused, ResponseInfo
from airflow_provider_zuora.core.http.response_parsing import parse_answer, parse_job, redact_info
from airflow_provider_zuora.core.http.retry import READ_POLICY
from airflow_provider_zuora.core.job import Job, JobResult, JobState
from airflow_provider_zuora.core.messages import Request, Response
from airflow_provider_zuora.core.polling.events import read_job, write_job, write_result
from airflow_provider_zuora.core.redaction import (
    MESSAGE_LENGTH,
    NO_SECRETS,
    REASONS,
    WORD_LENGTH,
    make_printable,
    read_page_title,
    redact_messages,
    redact_words,
)
from airflow_provider_zuora.core.secret_search import Secrets, spell_secret
from airflow_provider_zuora.core.vendors import VENDORS
from airflow_provider_zuora.core.vendors.base import read_status
from tests.core.runners import redacting

# Cards of a server's message; zero-width, no-break and full-width signs are among them.
SPELT = [
    "4111.1111.1111.1111",
    "4111/1111/1111/1111",
    "4111_1111_1111_1111",
    "4111 - 1111 - 1111 - 1111",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    "4111\u200b1111\xa01111\u20131111",
    "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11",
]
WIDE = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
CARD, IBAN = "4111111111111111", "DE89370400440532013000"


def dotnet(text):
    return "".join(f"\\u{ord(char):04X}" if char in "&<>'\"+`" else json.dumps(char)[1:-1] for char in text)


def in_page(text, form):
    return "".join(char if char.isalnum() else form.format(ord(char)) for char in text)


SECRET = "s3cr+t/Very&long=S\"ec'V \\u0041lue-%41-\U0001f600"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Invalid value, £5, 有効, 🙂", "Invalid value, £5, 有効, 🙂"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("\x1b[2J\x9b2J", r"\x1b[2J\x9b2J"),
        ("a\u2028b\u2029\x85", r"a\u2028b\u2029\x85"),
        ("\u202egpj.exe\u2066\ufeff", r"\u202egpj.exe\u2066\ufeff"),
        ("a\0b\ud800\udfff", "a\ufffdb\ufffd\ufffd"),
        ("a\xa0b\u3000c", "a b c"),
        ("\U000e0041\ue000", r"\U000e0041\ue000"),
        (None, ""),
        (53200020, "53200020"),
        ({"a": ["\x1b"]}, r"{'a': ['\x1b']}"),
    ],
    ids=ascii,
)
def test_words_come_in_as_one_printable_line(words, shown):
    assert redact_words(words) == shown


def test_a_text_of_several_lines_keeps_them_if_asked_to():
    text = f"SELECT 1\n\tFROM a\r -- {CARD}\x1b"
    assert redact_words(text, 100, kept="\n\t") == "SELECT 1\n\tFROM a\\r -- ***\\x1b"
    assert redact_words(text, 100) == "SELECT 1\\n\\tFROM a\\r -- ***\\x1b"
    assert redact_words(text, 11, kept="\n") == "SELECT 1..."


@pytest.mark.parametrize("length", [MESSAGE_LENGTH - 1, MESSAGE_LENGTH])
def test_words_that_are_short_enough_stay(length):
    assert redact_words("x" * length) == "x" * length


@pytest.mark.parametrize("words", ["x" * (MESSAGE_LENGTH + 1), "x" * 10**6, "\n" * (MESSAGE_LENGTH // 2 + 1)])
def test_words_that_are_too_long_are_cut(words):
    result = redact_words(words)
    assert len(result) == MESSAGE_LENGTH
    assert result.endswith("...")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (f"Card number {CARD} is not valid", "Card number *** is not valid"),
        ("4111 1111 1111 1111, or 4111-1111-1111-1111", "***, or ***"),
        ("3782 822463 10005; 378282246310005", "***; ***"),
        ("3056 930902 5904; 30569309025904; 1354-81000-000000; 8171 9999 2766 0000", "***; ***; ***; ***"),
        ("4111.1111.1111.1111/4111/1111/1111/1111; 4111_1111_1111_1111", "***/***; ***"),
        ("4111  1111  1111  1111, 4111\xa01111\xa01111\xa01111", "***, ***"),
        (f"\u00e9{CARD.translate(WIDE)}, \u0664\u0661\u0661\u0661-1111-1111-1111", "\u00e9***, ***"),
        ("é 4111111111111112, 2024-07-01 10:00:00.123", "é 4111111111111112, 2024-07-01 10:00:00.123"),
        ("DE89.3704.0044.0532.0130.00", "***"),
        (f"'{CARD}'", "'***'"),
        (f"IBAN {IBAN} IS WRONG", "IBAN *** IS WRONG"),
        ("DE89 3704 0044 0532 0130 00", "***"),
        ("4111111111111112", "4111111111111112"),
        ("DE89370400440532013001", "DE89370400440532013001"),
        ("1732800000000", "1732800000000"),
        ("53200020", "53200020"),
        ("A4111111111111111B", "A4111111111111111B"),
        ("d7479cf6-b410-4630-b841-268ccd48f0d2", "d7479cf6-b410-4630-b841-268ccd48f0d2"),
    ],
)
def test_numbers_of_cards_and_accounts_are_hidden_although_nobody_names_them(words, shown):
    assert redact_words(words) == shown


def add_check_digit(number):
    """Return a number with the digit that makes Luhn's sum a multiple of ten."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in number[::-2]]
    return f"{number}{-(sum(map(int, number[-2::-2])) + sum(doubled)) % 10}"


CARDS = {  # how an issuer's cards begin, and the lengths that they have
    **dict.fromkeys(["4"], (13, 16, 19)),
    **dict.fromkeys(["51", "55", "2221", "2229", "2230", "2300", "2699", "2700", "2719", "2720"], (16,)),
    **dict.fromkeys(["2200", "2204"], range(16, 20)),
    **dict.fromkeys(["34", "37"], (15,)),
    **dict.fromkeys(["30", "36", "38", "39"], range(14, 20)),
    **dict.fromkeys(["3528", "3530", "3589"], range(16, 20)),
    **dict.fromkeys(["81", "82"], range(16, 20)),
    **dict.fromkeys(["50", "56", "59", "60", "62", "64", "65", "69"], range(13, 20)),
    **dict.fromkeys(["1"], (15,)),
}
NO_CARDS = ("0", "2026", "2199", "2205", "2220", "2721", "2800", "31", "3527", "3590", "70", "80", "9")
YEARS = pendulum.naive(2000, 1, 1), pendulum.naive(2199, 12, 31)


@pytest.mark.parametrize("begin", [*CARDS, *NO_CARDS])
@given(st.integers(13, 19), st.data())
@settings(derandomize=True, max_examples=40)
def test_a_number_is_hidden_if_an_issuer_has_such_cards_and_its_check_digit_is_right(begin, length, data):
    rest = length - len(begin) - 1
    number = add_check_digit(begin + data.draw(st.text("0123456789", min_size=rest, max_size=rest)))
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert redact_words(f"ORD-{number}") == ("ORD-***" if length in CARDS.get(begin, ()) else f"ORD-{number}")
    assert redact_words(f"ORD-{wrong}") == f"ORD-{wrong}"


@given(st.datetimes(*YEARS), st.integers(0, 9), st.sampled_from("-_/ "))
@settings(derandomize=True, max_examples=1000)
def test_an_order_number_that_is_made_of_the_time_stays_whatever_its_check_digit(moment, count, sign):
    forms = ("%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f", f"%Y%m%d%H%M{count:02}", f"%Y{sign}%m%d{sign}%H%M{sign}%S")
    for form in forms:
        words = moment.strftime(f"ORD-{form}")
        for each in (words, words[:-3], f"{words}{count}"):
            assert redact_words(each) == each


def test_order_numbers_of_a_second_each_all_stay():
    words = [f"ORD-{20261130100000 + each}" for each in range(60)]
    assert [redact_words(each) for each in words] == words


@pytest.mark.parametrize(
    ("value", "words", "shown"),
    [
        ("4000 0000-01", "4000000001; 4000-0000-01; 4000 0000 01", "***; ***; ***"),
        ("4000000001", "4000 0000 01", "***"),
        ("de02 1234 abc", "DE021234ABC", "***"),
        ("tok/en+blob==", "it is tok/en+blob==.", "it is ***."),
        ("123", "code 123, not 1234 or 53200123", "code ***, not 1234 or 53200123"),
        ("12", "12", "12"),
        (
            "987",
            "CVV987, cvv_987x, 9-8-7; 1987, 9870 and 53200987",
            "CVV***, cvv_***x, ***; 1987, 9870 and 53200987",
        ),
        ("987", "\uff19\uff18\uff17 (é)", "*** (é)"),
        ("abc", "xabc abc a.b.c", "xabc *** ***"),
        *(("4111111111111111", f"is{each}x", "is***x") for each in SPELT),
        ("4111111111111111", "is4111    1111 1111 1111", "is4111    1111 1111 1111"),
        ("--1", "--1, 1", "***, 1"),
        ("x" * 65 + "rest", "a " + "x" * 65 + "REST of it", "a ***"),
    ],
)
def test_hidden_values_of_an_order_are_found_however_they_are_spelt(value, words, shown):
    assert redact_words(words, secrets=Secrets((), (value,))) == shown


def test_a_secret_of_the_connection_is_hidden_to_the_letter_wherever_it_stands():
    secrets = Secrets(("s3", "", "a+b"))
    assert redact_words("xs3x a+b A+B", secrets=secrets) == "x***x *** A+B"


@pytest.mark.parametrize(
    "piece",
    ["\\u0041", "\\", "\\\\", "\\U00110000", "&#x41;", "&#", "&", "&amp", "%41", "%", "%25", "&#0", "9"],
)
def test_escapes_are_read_in_a_time_that_grows_as_the_text_does(piece):
    words = piece * (2**18 // len(piece))
    begun = time.process_time()
    assert Secrets(spell_secret(SECRET), ("987654321098",)).redact("&#" + words) == "&#" + words
    assert time.process_time() - begun < 10


SIGNS = [
    "\n",
    "\t",
    "\r\n",
    "\x1b",
    "\0",
    "\u200b",
    "\xad",
    "\u2028",
    "\u2060",
    "\xa0",
    "-",
    "\U000e0041",
    "\ud800",
]


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
@pytest.mark.parametrize("value", ["987654321098", "pm_ZQ8812345x"])
def test_hidden_values_are_found_in_an_answer_whatever_signs_stand_in_them(value, sign):
    """Although an answer escapes these signs when it is made; the values may be known only then."""
    answer = ResponseInfo("GET /x").with_words([f"Value {value[:5]}{sign}{value[5:]} is not valid"])
    assert redact_words(answer.messages[0], secrets=Secrets((), (value,))) == "Value *** is not valid"


def come_in(messages, codes, request_id, process_id, secrets=NO_SECRETS):
    """Return what an answer says as the client lets it in."""
    info = ResponseInfo("GET /x", "t", 400, request_id=request_id, process_id=process_id)
    return redact_info(info.with_words(messages, codes), secrets)


PADS = [*range(150, 204, 3), *range(990, 1003, 3), *range(1990, 2003, 3)]


@pytest.mark.parametrize("spell", [str, lambda text: in_page(text, "&#x{:x};")], ids=["plain", "escaped"])
@pytest.mark.parametrize("pad", PADS)
def test_no_half_of_a_secret_is_left_where_an_answer_or_a_job_is_cut(pad, spell):
    secret = "s3cr+t/Very&long=Secret'Value" * 3
    for secrets, known in ((Secrets(spell_secret(secret)), secret), (Secrets((), (secret,)), secret)):
        words = "x" * pad + " " + spell(known) + "y" * 9000
        with redacting(secrets):
            answer = come_in([words], [words], words, words, secrets)
            page = read_page_title(b"<title>" + words.encode())
            _, status = read_status(words, {})
        said = (*answer.codes, *answer.messages, answer.request_id, answer.process_id, page, status)
        assert not any("s3" in each or "&#" in each for each in said)


def test_what_is_hidden_is_hidden_only_meanwhile():
    with redacting(Secrets(("hunter22",))):
        assert redact_words("is hunter22") == "is ***"
    assert redact_words("is hunter22") == "is hunter22"


@pytest.mark.parametrize("hidden", ["4" * 64, "4111111111111111", "987", "abc"])
@pytest.mark.parametrize(
    "words", ["4" * 10**5, "4   " * 10**5, "9_8_" * 10**5, "\uff14-" * 10**5, "a.b." * 10**5]
)
def test_hidden_values_are_looked_for_in_a_time_that_grows_as_the_text_does(hidden, words):
    begun = time.process_time()
    Secrets((), (hidden,)).redact(words)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("secret", ["pa55&word<of>ours-0123456789", "it's=a/\"b\\c+d e", "ü€ß-0123"])
def test_a_secret_of_the_connection_is_hidden_however_urls_pages_and_json_spell_it(secret):
    encoded = quote(secret, safe="")
    spelt = {
        secret,
        encoded,
        *([encoded.lower()] if secret.islower() else []),
        quote_plus(secret),
        html.escape(secret),
        html.escape(secret).replace("&#x27;", "&#39;"),
        html.escape(secret, quote=False),
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].translate({ord(c): f"\\u{ord(c):04x}" for c in "&<>'"}),
        json.dumps(secret)[1:-1].translate({ord(c): f"\\u{ord(c):04x}" for c in "&<>'="}),
    }
    hidden = Secrets(spell_secret(secret))

    assert {hidden.redact(f"is {each}.") for each in spelt} == {"is ***."}


OTHERWISE = {
    ".NET": dotnet(SECRET),
    "all escaped": "".join(f"\\u{ord(char):04x}" for char in SECRET[:-1]) + "\\ud83d\\uDE00",
    "JSON in JSON": json.dumps({"s": '{"a":"' + dotnet(SECRET) + '"}'}),
    "Handlebars": html.escape(SECRET).replace("=", "&#x3D;"),
    "entities, hexadecimal": in_page(SECRET, "&#x{:x};"),
    "entities in capitals": in_page(SECRET, "&#X{:X};"),
    "entities, decimal": in_page(SECRET, "&#{};"),
    "entities with zeros": in_page(SECRET, "&#{:010};"),
    "a URL in a URL": quote(quote_plus(SECRET)),
    "another URL in a URL": quote(quote(SECRET, safe=""), safe=""),
    "a URL in a page": html.escape("?a=1&secret=" + quote(SECRET)),
    "JSON in a page": html.escape(json.dumps(SECRET)),
    "a page in JSON": json.dumps(html.escape(SECRET)),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_secret_of_the_connection_is_hidden_however_often_it_was_escaped(name):
    result = Secrets(spell_secret(SECRET)).redact(f"is {OTHERWISE[name]}.")
    assert "***" in result
    assert "s3cr" not in result


def test_secrets_that_are_escaped_in_several_ways_are_all_hidden():
    secret = "s3cr+t/Very&long=Sec'Value"
    ways = (dotnet(secret), in_page(secret, "&#{};"), quote(quote_plus(secret)), json.dumps(dotnet(secret)))
    result = Secrets(spell_secret(secret), ("98765432",)).redact("; ".join([*ways, secret, "9876&#53;432"]))
    assert result == '***; ***; ***; "***"; ***; ***'


def test_nothing_is_told_of_a_text_that_hides_secrets_in_too_many_ways():
    words = "a+b"
    for each in range(12):
        words = "a%2Bb " + (html.escape(words) if each % 2 else json.dumps(words)).replace("%", "%25")
    assert Secrets(("a+b",)).redact(words) == "***"


def test_a_secret_that_is_no_word_is_hidden_in_any_case():
    secrets = Secrets(("Tok-0123", "Short"))

    assert secrets.redact("tok-0123, TOK-0123, Tok-0123") == "***, ***, ***"
    assert secrets.redact("\u0130 tOk-0123 \u00dc, short, Short") == "\u0130 *** \u00dc, short, ***"


def test_the_longest_of_two_hidden_values_goes_first():
    assert Secrets((), ("123456", "123456789")).redact("123456789") == "***"


@given(
    st.integers(0, 400),
    st.sampled_from([CARD, "4111 1111 1111 1111", "hunter22", "987654-32"]),
    st.sampled_from(["", f"{CARD} " * 9, "hunter22 " * 20]),
)
@settings(derandomize=True)
def test_no_half_of_a_secret_is_left_before_a_cut(shift, secret, before):
    words = before + "x" * shift + " " + secret + " y" * 400
    result = redact_words(words, 200, Secrets(("hunter22",), ("98765432",)))
    assert len(result) <= 200
    assert not any(part in result for part in ("4111", "hunt", "9876"))


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<html><title>Bad gateway</title>", "Bad gateway"),
        (b"<TITLE lang=en>\n Bad\ngateway </TITLE>", r"Bad\ngateway"),
        (b"<h1>Busy", "Busy"),
        (b"<title> </title><h1>Busy</h1>", "Busy"),
        (b"<h1>Second</h1><title>First</title>", "First"),
        (b'<?xml version="1.0"?><Error><Code>SlowDown</Code>', "SlowDown"),
        (b"<title>" + b" " * 2000, ""),
        (b"<title", ""),
        (b"<title>\xff\xfe\x1b</title>", r"��\x1b"),
        (b"<title>" + b"x" * 10**6, "x" * 197 + "..."),
        (b" " * 70_000 + b"<title>Too far down</title>", ""),
        (b"no page", ""),
        (b"", ""),
    ],
    ids=lambda value: ascii(value[:20]),
)
def test_the_title_of_a_page(page, title):
    assert read_page_title(page) == title


LONG = "y" * 5000
RESULT = {
    "orderNumber": "9876 5432",
    "refunds": [{"id": "98765432", "errorMessage": "no 9876-5432"}, {"id": "r", "errorMessage": "no"}],
    "paymentErrorMessage": LONG,
    "Messages": ["a\x1b", {"text": ["98765432", 98765432, None]}],
    "messages_sent": ["98765432\x1b"],
    "message": {"code": "98765432", "inner": {"words": "98765432"}},
    "subscriptions": [{"note": LONG}],
}


def test_words_in_a_result_are_redacted_however_deep_they_stand_and_data_stays():
    given = json.loads(json.dumps(RESULT))
    result = redact_messages(given, Secrets((), ("98765432",)))

    assert given == RESULT
    assert result == RESULT | {
        "refunds": [{"id": "98765432", "errorMessage": "no ***"}, {"id": "r", "errorMessage": "no"}],
        "paymentErrorMessage": "y" * 1997 + "...",
        "Messages": ["a\\x1b", {"text": ["***", 98765432, None]}],
        "message": {"code": "***", "inner": {"words": "***"}},
    }
    assert result["subscriptions"] is given["subscriptions"]
    assert result["refunds"][1] is given["refunds"][1]


@pytest.mark.parametrize(
    "result",
    [{"a": {"errorMessage": "no", "b": [1]}, "messages": ["x", []]}, ["message"], "message", None, 5],
)
def test_a_result_whose_words_may_be_told_is_not_copied(result):
    assert redact_messages(result, Secrets((), ("98765432",))) is result


def test_of_very_many_words_in_a_result_the_first_are_told():
    result = redact_messages({"messages": ["a"] * 100_000, "message": "a"}, Secrets((), ("98765432",)))
    assert result == {"messages": ["a"] * 1000 + ["..."] * 99_000, "message": "..."}


@pytest.mark.parametrize(
    "result",
    [{"a": [[]] * 10**6}, {f"m{each}": {} for each in range(10**6)}, {"message": ["\\u0041&" * 9] * 10**6}],
    ids=["lists", "members", "words"],
)
def test_words_in_a_result_are_looked_for_in_a_time_that_grows_as_the_result_does(result):
    begun = time.process_time()
    redact_messages(result, Secrets(("hunter22",), ("98765432",)))
    assert time.process_time() - begun < 10


def test_the_title_of_a_page_loses_the_secrets_that_are_given():
    title = read_page_title(b"<title>is hunter22" + b"x" * 10**4, Secrets(("hunter22",)))
    assert title.startswith("is ***xxx")


EVIL = [
    b" ",
    b"<title>",
    b"<title",
    b"<h1 ",
    b"<title> ",
    b"4111 ",
    b"AA11 ",
    b"[40000020]: ",
    b"no file ",
    b"[",
]


@pytest.mark.parametrize("piece", EVIL)
def test_reading_costs_no_more_than_the_length_of_what_is_read(piece):
    """The processor's time, not the clock's; a pattern that goes back takes hours for this."""
    body = piece * (2**20 // len(piece))
    began = time.process_time()
    read_page_title(body)
    for vendor in VENDORS.values():
        for status in (200, 403, 422, 502):
            vendor.read_response(
                vendor.build_status_request("j"), Response(status, {}, body), ResponseInfo("GET /x")
            )
            quoted = json.dumps({"errors": [body.decode()], "message": body.decode()}).encode()
            vendor.read_response(
                vendor.build_status_request("j"), Response(status, {}, quoted), ResponseInfo("GET /x")
            )
        failed = {"status": "Failed", "errors": body.decode(), "error": body.decode()}
        vendor.find_kind("j").read_job("j", {**failed, "data": failed}, ResponseInfo("GET /x"))
    assert time.process_time() - began < 20


def test_words_are_cut_and_escaped_when_they_come_in():
    words = ResponseInfo("GET /x").with_words(("\0" * 5000,) * 99, ("\x1b" * 99,) * 99)
    assert words.codes == ("\\x1b" * 49 + "\\...",) * REASONS
    assert words.messages == ("\ufffd" * 1997 + "...",) * REASONS
    answer = come_in(("\0" * 5000,) * 99, ("\x1b" * 99,) * 99, "r\n" * 999, "p\u2028")
    assert len(answer.request_id) == WORD_LENGTH
    assert answer.process_id == "p\\u2028"
    assert len(str(Refused("Zuora: refused.", info=answer))) < 2200


def is_clean(text: str) -> bool:
    return make_printable(text) == text and text.encode("utf-8") == text.encode("utf-8", "replace")


ANY = st.text(st.characters(codec=None, categories=None)) | st.sampled_from(
    [
        "\0",
        "\ud800",
        "\x1b[2J",
        "a\nb",
        CARD,
        "[40000050]: x\n[40000020]: y",
        "x" * 5000,
        "\u202e",
        "Completed",
    ]
)
NAMES = st.sampled_from(
    [
        "success",
        "status",
        "jobId",
        "errors",
        "result",
        "reasons",
        "Errors",
        "error",
        "code",
        "message",
        "data",
        "requestId",
        "processId",
        "orderNumber",
        "title",
        "detail",
        "request_id",
        "order",
        "existingAccountNumber",
    ]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | ANY | st.sampled_from(["Failed", 53200050])
BODIES = st.recursive(
    VALUES, lambda inner: st.lists(inner) | st.dictionaries(NAMES | ANY, inner), max_leaves=20
)


def keep(value: object) -> bool:
    """Return whether every database and every reader of JSON takes a value as it is."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")
    return "\\u0000" not in text.replace("\\\\", "")


@given(st.sampled_from(sorted(VENDORS)), st.sampled_from([200, 400, 404, 409, 422, 500]), BODIES, st.binary())
@settings(derandomize=True, max_examples=300)
def test_whatever_a_vendor_says_can_be_logged_and_kept(name, status, body, raw):
    vendor = VENDORS[name]
    for content in (
        json.dumps(body).encode(),
        json.dumps(
            {"status": "Failed", "errors": body, "data": {"status": "Failed", "error": body}}
        ).encode(),
        raw,
    ):
        request = Request("GET", "/v1/async-jobs/j")
        response = Response(status, {"zuora-request-id": str(body)}, content)
        parsed = parse_answer(vendor, request, response, ResponseInfo("GET /x"), NO_SECRETS, READ_POLICY)
        words = [str(parsed.info), *parsed.info.codes, *parsed.info.messages]
        assert all(is_clean(text) and len(text) <= MESSAGE_LENGTH for text in words)
        assert keep(parsed.body)
        if isinstance(parsed.body, dict):
            job = parse_job(vendor.find_kind("j"), "j", parsed, NO_SECRETS)
            results = [JobResult("j", job), JobResult("j", error=ApiError("No.", info=job.info))]
            for result in results:
                assert keep(write_result(result))
                if result.job and not job.has_ended:
                    continue
                read = vendor.read_result(job, {}) if result.job else result
                words = str(read.error or read.warning)
                assert is_clean(words)
                assert len(words) <= MESSAGE_LENGTH
                assert keep(read.as_dict())
            assert is_clean(vendor.find_kind("").read_id(parsed.body))


@given(ANY, ANY, ANY)
@settings(derandomize=True)
def test_an_answer_and_a_job_are_the_same_after_a_second_time(code, message, status):
    answer = come_in([message], [code], message, code)
    job = Job("j", JobState.FAILED, status, info=answer)
    assert read_job(json.loads(json.dumps(write_job(job)))) == job
