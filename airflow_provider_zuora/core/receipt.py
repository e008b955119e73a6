"""A receipt: what one task came to, in the vendor's own numbers and ids, as a line and as plain JSON.

It holds no amounts and no names. Its values come from others, so each is a short printable text without
secrets, a whole number, or left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from airflow_provider_zuora.core.redaction import WORD_LENGTH, redact_words
from airflow_provider_zuora.core.secret_search import Secrets

Fact: TypeAlias = str | int | tuple[str, ...]
"""A number or an id of the vendor's, a count, or a list of numbers or ids."""

MOST = 100  # items of a list in a receipt; its line has the first ten
_SHOWN = 10
_TOTAL = "_total"  # ends the name of the count of a list of which a part was left out
PATH_LENGTH = 1000  # characters; a path of ours, no word of the vendor's
_DIGITS = 18  # of a number of 64 bits
_OWN = "number"  # ends the name of the number that the thing itself has: ``order_number`` of an order


@dataclass(frozen=True, slots=True)
class JobFacts:
    """
    What a vendor says that a job has made.

    :param kind: what the job is, in words, for example ``bill run``.
    :param values: of any type; the receipt keeps those that are facts.
    """

    kind: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    What one task came to.

    :param kind: what was submitted or waited for, in words, for example ``order``.
    :param state: in one word, for example ``submitted``, ``completed``, ``failed`` or ``timed_out``.
    :param facts: what is known of it, see `read_facts`.
    :param counts: of a list: how many have come to what.
    :param seconds: that the submission, or the wait, took, to a tenth; None: unknown, like ``polls``.
    """

    kind: str
    state: str
    job_id: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    codes: Sequence[str] = ()
    seconds: float | None = None
    polls: int | None = None
    track_id: str = ""

    @property
    def number(self) -> str:
        """Return the number of the thing itself, empty if it is unknown or a list."""
        own = self.facts.get(f"{self.kind}_{_OWN}".replace(" ", "_"))
        return own if isinstance(own, str) else ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON; the names stand in XComs and in the events of assets."""
        facts = {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in self.facts.items()}
        return {
            "kind": self.kind,
            "state": self.state,
            "job_id": self.job_id or None,
            **facts,
            **({"counts": dict(self.counts)} if self.counts else {}),
            **({"codes": list(self.codes)} if self.codes else {}),
            "seconds": self.seconds,
            "polls": self.polls,
            "track_id": self.track_id or None,
        }

    def __str__(self) -> str:
        """Return one line: what it is, its state, what it made, and what it took."""
        own = f"{self.kind}_{_OWN}".replace(" ", "_")
        made = [f"{count:,} {state.replace('_', ' ')}" for state, count in self.counts.items()]
        made += [
            self._describe(name, fact)
            for name, fact in self.facts.items()
            if name != own and not name.endswith(_TOTAL) and not self._is_said(name, fact)
        ]
        made += [f"codes {', '.join(self.codes)}"] if self.codes else []
        head = " ".join(word for word in (self.kind, self.number, self.state.replace("_", " ")) if word)
        took = [] if self.seconds is None else [f"{max(0.0, self.seconds):.0f} s"]
        took += [] if self.polls is None else [f"{self.polls:,} poll{'s' * (self.polls != 1)}"]
        parts = (
            f"{head[:1].upper()}{head[1:]}{': ' * bool(made)}{', '.join(made)}",
            f"job {self.job_id}" if self.job_id else "",
            ", ".join(took),
            f"Track-Id {self.track_id}" if self.track_id else "",
        )
        return "; ".join(part for part in parts if part)

    def _is_said(self, name: str, fact: Fact) -> bool:
        """Return whether a fact says what the state, or the counts, have said already."""
        return (name == "status" and str(fact).lower() == self.state) or (
            name == "jobs" and bool(self.counts)
        )

    def _describe(self, name: str, fact: Fact) -> str:
        """Return ``subscriptions S-1, S-2``, ``account A-1`` or ``rows 12``."""
        label = name.replace("_numbers", "s").removesuffix("_number").replace("_", " ")
        if not isinstance(fact, tuple):
            return f"{label} {fact:,}" if isinstance(fact, int) else f"{label} {fact}"
        total = self.facts.get(name + _TOTAL, len(fact))
        more = total - _SHOWN if isinstance(total, int) else 0
        return f"{label} {', '.join(fact[:_SHOWN])}" + (f" and {more:,} more" if more > 0 else "")


def read_facts(values: Mapping[str, object], secrets: Secrets) -> dict[str, Fact]:
    """
    Return the values that are facts: a whole number, a short text, or a list of short texts.

    They are redacted. Of a long list the first hundred stay, and ``<name>_total`` counts all of them.
    """
    facts: dict[str, Fact] = {}
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            words = [word for each in value[:MOST] if (word := read_word(each, secrets))]
            if words:
                facts[name] = tuple(words)
            if len(value) > MOST:
                facts[name + _TOTAL] = len(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            if abs(value) < 10**_DIGITS:
                facts[name] = value
        elif word := read_word(value, secrets, PATH_LENGTH if name == "path" else WORD_LENGTH):
            facts[name] = word
    return facts


def read_word(value: object, secrets: Secrets | None = None, most: int = WORD_LENGTH) -> str:
    """Return a short text as anybody may read it, empty for anything else."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= most:
        return ""
    return str(redact_words(value.strip(), most, secrets))


def list_words(rows: object, name: str) -> list[object]:
    """Return what a list of objects has under a name, nothing for anything else."""
    found: Iterable[object] = rows if isinstance(rows, list) else ()
    return [row[name] for row in found if isinstance(row, dict) and name in row]


def count_rows(rows: object) -> int | None:
    """Return the length of a list, None for anything else."""
    return len(rows) if isinstance(rows, list) else None
