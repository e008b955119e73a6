"""What a user installs with the packages may be used in any product: its licences are permissive."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

UNKNOWN = "UNKNOWN"
# SPDX names, and those that packages without an SPDX expression use.
ALLOWED = frozenset(
    {
        "3-Clause BSD License",
        "Apache 2.0",
        "Apache Software License",
        "Apache-2.0",
        "BSD License",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "ISC License (ISCL)",
        "MIT",
        "MIT License",
        "MIT-0",
        "PSF-2.0",
        "Python Software Foundation License",
        "The Unlicense (Unlicense)",
    }
)
# Others, each for one package that Airflow itself requires: what is stated, and why it is accepted.
ACCEPTED = {
    ("certifi", "Mozilla Public License 2.0 (MPL 2.0)"): "a list of certificates, unchanged",
    ("pathspec", "Mozilla Public License 2.0 (MPL 2.0)"): "used unchanged, and MPL ends at its own files",
    ("text-unidecode", "Artistic License"): "Artistic or GPL, as the user chooses",
}
_FIELDS = ("License-Expression", "License-Classifier", "License-Metadata")


def find_stated(package: Mapping[str, str]) -> str:
    """
    Return the licence that a package states in the most exact of its fields, or "UNKNOWN".

    :param package: as `pip-licenses --from=all --format=json` lists it.
    """
    return next((package[field] for field in _FIELDS if package[field] != UNKNOWN), UNKNOWN)


def is_permissive(stated: str) -> bool:
    """Tell whether what is stated is allowed: of names with OR one; with AND, as classifiers or mixed all."""
    operators = set(re.findall(r"\s(AND|OR)\s", stated))
    if not operators:
        return all(name in ALLOWED for name in stated.split("; "))
    names = [name.strip("() ") for name in re.split(r"\s(?:AND|OR)\s", stated)]
    judge = any if operators == {"OR"} else all
    return judge(name in ALLOWED for name in names)


def find_forbidden(packages: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a sentence for each package whose licence is neither allowed nor accepted for it."""
    forbidden = []
    for package in packages:
        name, stated = package["Name"], find_stated(package)
        accepted = any(name == one and licence in stated.split("; ") for one, licence in ACCEPTED)
        if not accepted and not is_permissive(stated):
            forbidden.append(f"{name} {package['Version']}: its licence is {stated[:80]!r}")
    return forbidden
