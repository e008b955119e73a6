"""The site of the docs: built strictly, its links lead somewhere inside it, and it needs no other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from airflow_provider_zuora import exceptions
from airflow_provider_zuora.core.messages import ResponseKind
from airflow_provider_zuora.core.vendors.zuora import error_codes
from tests.test_metadata import PUBLIC
from tests.test_readme import read_rows

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ERRORS = DOCS / "errors.md"


class Page(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    def __init__(self, file):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in {"img", "script", "iframe", "link"} and (found := given.get("src") or given.get("href")):
            self.loads.append(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stderr
    return {str(file.relative_to(place)): Page(file) for file in place.rglob("*.html")}, place


@pytest.mark.slow
def test_every_link_resolves_inside_the_site(site):
    pages, place = site
    broken = []
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            target = urlsplit(urljoin(f"/{name}", link))
            path = unquote(target.path).lstrip("/") or "index.html"
            if path in pages:
                is_there = not target.fragment or unquote(target.fragment) in pages[path].anchors
            else:
                is_there = (place / path).is_file()
            broken += [] if is_there or name == "404.html" else [f"{name}: {link}"]
    assert broken == []


@pytest.mark.slow
def test_the_site_loads_nothing_from_another_host(site):
    pages, place = site
    loads = {load for page in pages.values() for load in page.loads}
    assert [load for load in loads if urlsplit(load).netloc] == []
    for file in place.rglob("*.css"):
        assert not re.search(r"url\(\"?https?:", file.read_text(encoding="utf-8")), file


@pytest.mark.slow
def test_a_page_that_a_docstring_names_is_a_link_there(site):
    pages, _ = site
    assert "../exactly-once.html" in pages["api/operators.html"].links


@pytest.mark.slow
def test_every_example_dag_is_on_a_page(site):
    pages, _ = site
    assert {file.stem for file in (ROOT / "example_dags").glob("*.py")} <= pages["examples.html"].anchors


def test_each_public_class_and_each_error_is_in_the_reference():
    text = "\n".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    listed = {f"{exceptions.__name__}.{name}" for name in re.findall(r"^ +- (\w+)$", text, re.MULTILINE)}
    errors = {
        f"{exceptions.__name__}.{kind.__name__}"
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, exceptions.ZuoraProviderError)
    }
    assert set(PUBLIC) | errors <= shown | listed


def test_each_error_class_has_a_cause_and_a_remedy():
    named = {name.strip("`"): rest for name, *rest in read_rows("errors.md", "What Airflow does with them")}
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    errors = {kind for kind in kinds if issubclass(kind, exceptions.ZuoraProviderError)}
    assert set(named) == {kind.__name__ for kind in errors}
    for kind in errors - {exceptions.ZuoraProviderError}:
        is_permanent = issubclass(kind, exceptions.PermanentError)
        assert named[kind.__name__][1] == ("none are spent" if is_permanent else "spent")


def test_each_category_of_zuoras_codes_has_a_cause_and_a_remedy():
    rows = read_rows("errors.md", "What Zuora's codes mean")
    told = [int(number) for names, *_ in rows for number in names.split(", ")]
    assert sorted(told) == sorted(error_codes._CATEGORIES)


def test_the_words_of_errors_are_those_of_the_code():
    meanings, ours = (
        {words.strip("`") for words, *_ in read_rows("errors.md", heading)}
        for heading in ("What an answer means", "What we say ourselves")
    )
    assert meanings == {kind.words for kind in ResponseKind} - {ResponseKind.OK.words}
    code = "\n".join(file.read_text() for file in (ROOT / "airflow_provider_zuora").rglob("*.py"))
    assert [words for words in ours if words not in code] == []
