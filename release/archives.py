"""What is in a wheel and in a source archive, and what should be."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

# Written by the build, or taken from the checkout above the sandbox.
_FROM_BUILD = {"PKG-INFO", ".gitignore"}


def hash_wheel(wheel: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a wheel, by its path."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def compare_wheels(one: Path, other: Path) -> list[str]:
    """Return a sentence for each file that is only in one of two wheels, or differs."""
    ours, theirs = hash_wheel(one), hash_wheel(other)
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return [
        f"{name}: not the same in the wheel from the source archive and in that from the checkout"
        for name in names
    ]


def list_sdist(sdist: Path) -> set[str]:
    """Return the paths of the files in a source archive, below its folder."""
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def judge_sdist(files: Iterable[str], tracked: Iterable[str], needed: Iterable[str]) -> list[str]:
    """
    Return a sentence for each file that is missing, or that nobody committed.

    :param files: paths in the source archive.
    :param tracked: paths that git knows, relative to the same folder.
    :param needed: files, and folders with ``/`` at the end, of which every tracked file must be in.
    """
    files, tracked = set(files), set(tracked)
    problems = []
    for each in needed:
        wanted = {name for name in tracked if name == each or (each.endswith("/") and name.startswith(each))}
        if not wanted:
            problems.append(f"{each}: not in the checkout")
        if missing := sorted(wanted - files):
            problems.append(f"{each}: {len(missing)} missing in the source archive, such as {missing[0]}")
    return problems + [
        f"{name}: in the source archive, not in git" for name in sorted(files - tracked - _FROM_BUILD)
    ]
