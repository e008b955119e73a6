"""The parts list (SBOM) of a distribution: what a clean installation of it holds, as CycloneDX JSON."""

from __future__ import annotations

import importlib
import json
from pathlib import Path


def name_version(sbom: Path, version: str) -> None:
    """Write the version of the distribution into its parts list: pyproject.toml leaves it to the code."""
    parts = json.loads(sbom.read_text())
    parts["metadata"]["component"]["version"] = version
    sbom.write_text(json.dumps(parts, indent=2) + "\n")


def find_errors(sbom: Path) -> list[str]:
    """Return what CycloneDX's own schema has against a parts list; nothing if it is valid."""
    # By name: they are in the environment of `make env-release` alone.
    validation = importlib.import_module("cyclonedx.validation.json")
    schema = importlib.import_module("cyclonedx.schema")
    text = sbom.read_text()
    stated = schema.SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = validation.JsonStrictValidator(stated).validate_str(text)
    return [] if error is None else [f"{sbom.name}: {error}"]
