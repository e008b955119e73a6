"""What is made of an encoded body."""

from __future__ import annotations

import gzip
import zlib

import pytest

from airflow_provider_zuora.bodies import MAX_BODY, unpacked

JSON = b'{"a": 1}'
LONG = "x\r\n" * 900
GZIP = gzip.compress(JSON)


@pytest.mark.parametrize(
    ("content", "encoding", "body"),
    [
        (JSON, "", JSON),
        (JSON, "identity", JSON),
        (GZIP, "gzip", JSON),
        (GZIP, " GZIP ", JSON),
        (GZIP, "x-gzip", JSON),
        (b"", "gzip", b""),
        (b"", "br", b""),
    ],
)
def test_one_gzip_or_none_is_read(content, encoding, body):
    assert unpacked(content, encoding) == (body, "")


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
        (GZIP + GZIP, "gzip", "the answer goes on after its gzip"),
        (gzip.compress(bytes(MAX_BODY + 1)), "gzip", f"the answer is larger than {MAX_BODY} bytes"),
    ],
    ids=range(9),
)
def test_anything_else_is_damage(content, encoding, damage):
    assert unpacked(content, encoding)[1] == damage
