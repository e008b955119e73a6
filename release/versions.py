"""What the packages say they are, and run on: both, the changelog and the tag name one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

# Where each distribution states its version.
SOURCES = {
    "airflow-provider-zuora": "airflow_provider_zuora/__init__.py",
    "zuora-sandbox": "sandbox/zuora_sandbox/__init__.py",
}
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_PYTHON = re.compile(r":: (3\.\d+)$")
_HEADING = re.compile(r"^## \[([^\]]+)\]", re.MULTILINE)


def read_versions(root: Path) -> dict[str, str]:
    """
    Return the ``__version__`` of each distribution, by its name.

    :param root: the checkout.
    :raises ValueError: for a module without one.
    """
    versions = {}
    for name, source in SOURCES.items():
        stated = _VERSION.search((root / source).read_text())
        if stated is None:
            raise ValueError(f'{source} has no line __version__ = "..."')
        versions[name] = stated.group(1)
    return versions


def read_pythons(root: Path) -> list[str]:
    """Return the Pythons that the provider's classifiers promise, such as ``3.11``."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [found[1] for each in project["classifiers"] if (found := _PYTHON.search(each))]


def find_differences(versions: dict[str, str], changelog: str, tag: str | None) -> list[str]:
    """
    Return a sentence for each place that names another version; none if all agree.

    :param versions: as `read_versions` returns them.
    :param changelog: its newest heading must be the version; as long as there is no tag, or Unreleased.
    :param tag: such as ``v1.2.3``; None or empty before there is one.
    """
    differences = []
    version = versions["airflow-provider-zuora"]
    for name, other in versions.items():
        if other != version:
            differences.append(f"{name} is {other}, airflow-provider-zuora is {version}")
    headings = _HEADING.findall(changelog)
    newest = headings[0] if headings else "missing"
    if newest != version and (tag or newest != "Unreleased"):
        differences.append(f"CHANGELOG.md's newest heading is {newest}, the packages are {version}")
    if tag and tag != f"v{version}":
        differences.append(f"the tag is {tag}, the packages are {version}: their tag is v{version}")
    return differences
