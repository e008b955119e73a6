"""The HTTP requests that a sandbox takes and the responses that it gives, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request.

    :param path: the path as it was sent, percent-encoded, starting with ``/``.
    :param params: the query as pairs of name and value, both decoded.
    :param body: the bytes as they were sent. Headers and body may hold secrets and are not in the repr.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Return the value of a header, whatever the case of its name, or an empty text if it is missing."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")

    def __str__(self) -> str:
        """Return the method and the path."""
        return f"{self.method} {self.path}"


class Content(Protocol):
    """A body that is made as it is read, because it may be too large for the memory."""

    @property
    def size(self) -> int:
        """Return how many bytes there are."""

    def iterate(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from a place on."""


@dataclass(frozen=True, slots=True)
class Response:
    """
    One HTTP response.

    :param status: the HTTP status, or 0 if no answer is sent at all.
    :param headers: the headers by name; the names are stored in lower case.
    :param damage: what goes wrong on the way to the client (``cut``, ``short``, ``unsized``, ``reset``,
        ``hang``, ``kill`` or ``stop``), or an empty text if the response arrives as it is.
    :param content: the body of a file, instead of `body`.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    damage: str = ""
    content: Content | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Store the names of the headers in lower case."""
        object.__setattr__(self, "headers", {name.lower(): value for name, value in self.headers.items()})

    def header(self, name: str) -> str:
        """Return the value of a header, whatever the case of its name, or an empty text if it is missing."""
        return self.headers.get(name.lower(), "")

    @property
    def size(self) -> int:
        """Return how many bytes the body has."""
        return len(self.body) if self.content is None else self.content.size

    def iterate(self) -> Iterator[bytes]:
        """Yield the body."""
        return iter((self.body,)) if self.content is None else self.content.iterate()

    def read(self) -> bytes:
        """Return the body, whatever it is made from."""
        return b"".join(self.iterate())
