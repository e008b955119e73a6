"""What package indexes and Airflow's Registry are told: addresses, metadata, descriptions."""

from __future__ import annotations

import importlib
import inspect
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from airflow_provider_zuora.get_provider_info import get_provider_info
from tests.test_wheel import build, read_metadata

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT, ROOT / "sandbox"]
ROOMS = ("operators", "sensors", "hooks", "triggers")
REGISTRY = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
DURABLE = {
    "ZuoraBillRunOperator",
    "ZuoraCreateOrderOperator",
    "ZuoraCreateOrdersOperator",
    "ZuoraDataQueryOperator",
    "ZuoraDeleteOrderOperator",
    "ZuoraPaymentRunOperator",
}


def read_project(place):
    return tomllib.loads((place / "pyproject.toml").read_text())["project"]


ADDRESS = read_project(ROOT)["urls"]["Source"]


def public_classes(room):
    """Return the public classes of a room's modules, as provider info names these, by their paths."""
    modules = {name for each in get_provider_info()[room] for name in each["python-modules"]}
    return {
        f"{name}.{kind.__name__}": kind
        for name in sorted(modules)
        for kind in vars(importlib.import_module(name)).values()
        if inspect.isclass(kind)
        and kind.__module__ == name
        and kind.__name__.endswith(room.removesuffix("s").capitalize())
        and not kind.__name__.startswith(("Base", "_"))
    }


PUBLIC = {path: kind for room in ROOMS for path, kind in public_classes(room).items()}


def first_line(kind):
    return inspect.getdoc(kind).splitlines()[0]


@pytest.mark.parametrize("path", PUBLIC)
def test_the_first_line_of_a_docstring_describes_the_class_by_itself(path):
    line = first_line(PUBLIC[path])
    assert line.endswith(".")
    assert "see `" not in line.lower()
    assert PUBLIC[path].__doc__ is not None, "it would be that of a base class"


@pytest.mark.parametrize("room", ROOMS)
def test_the_registry_is_told_each_public_class_and_its_first_line(room):
    told = {each["module"]: each["description"] for each in REGISTRY[room]}
    in_code = {
        path: first_line(kind).replace("`", "").rstrip(".") for path, kind in public_classes(room).items()
    }
    assert told == in_code


def test_the_classes_that_a_retry_goes_on_with_are_marked_for_the_registry():
    marked = {
        kind.__name__
        for path, kind in PUBLIC.items()
        if vars(kind).get(f"_{kind.__name__}__supports_durable_execution") is True
    }
    assert marked == DURABLE


def test_the_address_of_the_project_is_the_same_wherever_it_stands():
    found = {ROOT / ".airflow-registry.yaml", *(place / "pyproject.toml" for place in PROJECTS)}
    for file in found:
        addresses = re.findall(r"https://github\.com/[^/]+/airflow-provider-zuora", file.read_text())
        assert set(addresses) == {ADDRESS}, file
    assert (REGISTRY["source-url"], REGISTRY["docs-url"]) == (
        ADDRESS,
        read_project(ROOT)["urls"]["Documentation"],
    )


@pytest.mark.parametrize("place", PROJECTS, ids=lambda place: place.name)
def test_each_address_below_the_repository_names_a_file_that_is_there(place):
    paths = {name: url.removeprefix(ADDRESS) for name, url in read_project(place)["urls"].items()}
    files = [re.sub(r"^/(blob|tree)/main/", "", path) for path in paths.values() if "/main/" in path]
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} == set(paths)
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("place", PROJECTS, ids=lambda place: place.name)
def test_a_package_index_shows_a_readme_whose_links_are_absolute(place, tmp_path):
    text = read_metadata(build(place, tmp_path), "METADATA")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "Description-Content-Type: text/markdown" in text
    assert any(link.startswith(f"{ADDRESS}/blob/main/") for link in links)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


@pytest.mark.slow
def test_the_source_archive_holds_docs_tests_examples_and_the_changelog(tmp_path):
    archive = build(ROOT, tmp_path, "sdist")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "docs/exactly-once.md", "mkdocs.yml"}
    wanted |= {"example_dags/zuora_order.py", "tests/test_metadata.py", "sandbox/pyproject.toml"}
    wanted |= {"constraints/airflow-3.3.txt", "demo/__main__.py", ".airflow-registry.yaml"}
    assert wanted - names == set()
    assert [name for name in names if "__pycache__" in name or name.startswith((".venv", "site/"))] == []
