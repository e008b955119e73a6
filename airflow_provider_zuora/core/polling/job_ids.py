"""The job ids of one wait: which lists are taken, and how many ids travel in little room."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from io import BytesIO

from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_lines import raise_first
from airflow_provider_zuora.core.validation import id_violation

# An id of Zuora's is mostly 32 digits of chance, which no compression makes smaller than 16 bytes.
_DIGITS = re.compile(r"(?:[0-9a-f]{2}){2,64}")
_MARK = 0xE000  # this and so many bytes stand for a run of digits; of Private Use, which no id holds
_MARKS = re.compile(f"[{chr(_MARK)}-{chr(_MARK + 64)}]")


def checked_ids(job_id: object) -> tuple[str, ...]:
    """
    Return the ids that a task waits for, in their order; one id is a list of one.

    :raises InvalidInput: where it is neither a text nor a list of texts that can be sent; the list that is
        the text of one is not read.
    """
    if isinstance(job_id, str):
        given: Sequence[object] = (job_id,)
    elif isinstance(job_id, Sequence) and not isinstance(job_id, (bytes, bytearray)):
        given = list(job_id)
    else:
        rule = f"job_id: must be an id or a list of ids, not of type {type(job_id).__name__}"
        raise InvalidInput("Nothing was sent.", (rule,))
    names = ["job_id"] if isinstance(job_id, str) else [f"job_id[{index}]" for index in range(len(given))]
    broken = [
        f"{name}: {wrong}" for name, each in zip(names, given, strict=True) if (wrong := id_violation(each))
    ]
    raise_first("Nothing was sent.", broken)
    return tuple(str(each) for each in given)


def named(job_ids: Sequence[str]) -> str:
    """Return how a message calls these jobs."""
    if len(job_ids) == 1:
        return f"job {job_ids[0]}"
    return f"{len(job_ids)} jobs" + (f" ({job_ids[0]} and so on)" if job_ids else "")


def packed(job_ids: Sequence[str]) -> str:
    """Return ids as one text, in the room of 20 characters for 32 digits of chance; `unpacked` reads it."""
    text = "\n".join(job_ids)
    runs = _DIGITS.findall(text)
    marked = _DIGITS.sub(lambda run: chr(_MARK + len(run[0]) // 2), text)
    body = b"\0".join((marked.encode(), bytes.fromhex("".join(runs))))
    return base64.b85encode(zlib.compress(body, 9)).decode()


def unpacked(text: str) -> tuple[str, ...]:
    """
    Return the ids that `packed` wrote.

    :raises ValueError: where it did not.
    """
    try:
        marked, _, digits = zlib.decompress(base64.b85decode(text)).partition(b"\0")
    except zlib.error as error:
        raise ValueError(f"these are no packed ids: {error}") from error
    left = BytesIO(digits)
    return tuple(_MARKS.sub(lambda mark: left.read(ord(mark[0]) - _MARK).hex(), marked.decode()).split("\n"))
