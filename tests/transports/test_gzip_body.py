"""What is made of an encoded body."""

from __future__ import annotations

import gzip
import random
import time
import zlib

import pytest

from airflow_provider_zuora.transports.gzip_body import MAX_BODY, unpack

JSON = b'{"a": 1}'
LONG = "x\r\n" * 900
GZIP = gzip.compress(JSON)
NOISE = random.Random(1).randbytes(200_000)


@pytest.mark.parametrize(
    ("content", "encoding", "body"),
    [
        (JSON, "", JSON),
        (JSON, "identity", JSON),
        (GZIP, "gzip", JSON),
        (GZIP, " GZIP ", JSON),
        (GZIP, "x-gzip", JSON),
        (GZIP + GZIP, "gzip", JSON + JSON),
        (GZIP * 1000, "gzip", JSON * 1000),
        (gzip.compress(b"") + GZIP, "gzip", JSON),
        (gzip.compress(NOISE) + GZIP, "gzip", NOISE + JSON),
        (b"", "gzip", b""),
        (b"", "br", b""),
    ],
)
def test_gzip_or_none_is_read(content, encoding, body):
    assert unpack(content, encoding) == (body, "")


@pytest.mark.parametrize(
    ("content", "encoding", "damage"),
    [
        (
            gzip.compress(GZIP),
            "gzip, gzip",
            "the answer came in an encoding that was not asked for: 'gzip, gzip'",
        ),
        (zlib.compress(JSON), "deflate", "the answer came in an encoding that was not asked for: 'deflate'"),
        (JSON, "br", "the answer came in an encoding that was not asked for: 'br'"),
        (JSON, "identity, gzip", "the answer came in an encoding that was not asked for: 'identity, gzip'"),
        (JSON, LONG, f"the answer came in an encoding that was not asked for: {LONG[:40]!a}"),
        (JSON, "gzip", "the answer is not the gzip that it says"),
        (GZIP[:-1], "gzip", "the answer was cut off: its gzip does not end"),
        (GZIP + JSON, "gzip", "the answer goes on after its gzip"),
        (GZIP + GZIP[:-1], "gzip", "the answer was cut off: its gzip does not end"),
        (GZIP * 1001, "gzip", "the answer is gzip of more than 1000 members"),
        (gzip.compress(bytes(MAX_BODY)) + GZIP, "gzip", f"the answer is larger than {MAX_BODY} bytes"),
        (gzip.compress(bytes(MAX_BODY + 1)), "gzip", f"the answer is larger than {MAX_BODY} bytes"),
    ],
    ids=range(12),
)
def test_anything_else_is_damage(content, encoding, damage):
    assert unpack(content, encoding)[1] == damage


@pytest.mark.parametrize("size", [0, 30_000])
def test_many_members_take_no_more_time_than_their_length(size):
    member = gzip.compress(NOISE[:size])
    content = member * (MAX_BODY // len(member))
    began = time.perf_counter()

    unpack(content, "gzip")
    assert time.perf_counter() - began < 5
