"""What a release is judged by, and the files that GitHub reads."""

from __future__ import annotations

import io
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from release import archives, licences, versions

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
AIRFLOWS = sorted((ROOT / "constraints").glob("airflow-*.txt"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (GITHUB / "workflows").glob("*.yml")}
JOBS = [
    pytest.param(job, id=f"{name}-{job_id}")
    for name, workflow in WORKFLOWS.items()
    for job_id, job in workflow["jobs"].items()
]
ONE = {"airflow-provider-zuora": "1.2.3", "zuora-sandbox": "1.2.3"}


def read_form(name):
    """Return the fields of an issue form, by id."""
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / name).read_text())
    assert form["name"]
    assert form["description"]
    return {field["id"]: field for field in form["body"] if "id" in field}


def list_steps(job):
    return job.get("steps", [])


@pytest.mark.parametrize(
    ("stated", "changelog", "tag", "differences"),
    [
        (ONE, "## [1.2.3] - 2026-01-02\n## [1.2.2]", "v1.2.3", []),
        (ONE, "## [1.2.3]", None, []),
        (ONE, "## [Unreleased]\n## [1.2.2]", None, []),
        (ONE, "## [Unreleased]\n## [1.2.3]", "", []),
        (ONE, "## [Unreleased]\n## [1.2.3]", "v1.2.3", ["CHANGELOG.md's newest heading is Unreleased"]),
        (ONE, "## [1.2.2]", None, ["CHANGELOG.md's newest heading is 1.2.2"]),
        (ONE, "# Changelog", None, ["CHANGELOG.md's newest heading is missing"]),
        (ONE, "## [1.2.3]", "v1.2.4", ["the tag is v1.2.4"]),
        (ONE, "## [1.2.3]", "1.2.3", ["the tag is 1.2.3"]),
        (ONE | {"zuora-sandbox": "1.2.2"}, "## [1.2.3]", "v1.2.3", ["zuora-sandbox is 1.2.2"]),
    ],
)
def test_a_release_has_one_version(stated, changelog, tag, differences):
    found = versions.find_differences(stated, changelog, tag)

    assert [each.partition(",")[0] for each in found] == differences


def test_both_distributions_have_one_version_now():
    stated = versions.read_versions(ROOT)

    assert versions.find_differences(stated, (ROOT / "CHANGELOG.md").read_text(), None) == []


def test_a_package_without_a_version_is_an_error(tmp_path):
    for source in versions.SOURCES.values():
        (tmp_path / source).parent.mkdir(parents=True)
        (tmp_path / source).write_text("version = 1\n")

    with pytest.raises(ValueError, match="has no line __version__"):
        versions.read_versions(tmp_path)


@pytest.mark.parametrize(
    ("stated", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("(MIT OR Apache-2.0)", True),
        ("Apache Software License; MIT License", True),
        ("The Unlicense (Unlicense)", True),
        ("(MIT OR Apache-2.0) AND PSF-2.0", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", False),
        ("GPL-3.0-or-later", False),
        ("MIT AND LGPL-2.1-only", False),
        ("MIT License; GNU General Public License v3 (GPLv3)", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_permissive_licences_pass(stated, allowed):
    assert licences.is_permissive(stated) is allowed


def package(name, expression="UNKNOWN", classifier="UNKNOWN", metadata="UNKNOWN"):
    fields = {
        "License-Expression": expression,
        "License-Classifier": classifier,
        "License-Metadata": metadata,
    }
    return {"Name": name, "Version": "1.0", **fields}


def test_the_most_exact_statement_counts():
    assert licences.find_forbidden([package("one", "GPL-3.0-only", "MIT License", "MIT")])
    assert licences.find_forbidden([package("one", classifier="GPL", metadata="MIT")])
    assert not licences.find_forbidden([package("one", metadata="MIT")])


def test_what_is_accepted_is_accepted_of_one_package():
    mpl = "Mozilla Public License 2.0 (MPL 2.0)"

    assert licences.find_forbidden([package("certifi", classifier=mpl)]) == []
    assert licences.find_forbidden([package("other", classifier=mpl)]) == [
        f"other 1.0: its licence is {mpl!r}"
    ]


def write_wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_wheels_that_differ_are_found(tmp_path):
    one = write_wheel(tmp_path / "one.whl", {"a.py": "1", "b.py": "1", "c.py": "1"})
    other = write_wheel(tmp_path / "other.whl", {"a.py": "1", "b.py": "2", "d.py": "1"})

    assert archives.compare_wheels(one, one) == []
    assert [each.partition(":")[0] for each in archives.compare_wheels(one, other)] == [
        "b.py",
        "c.py",
        "d.py",
    ]


def test_a_source_archive_is_judged_by_what_git_knows(tmp_path):
    tracked = ["LICENSE", "docs/a.md", "docs/b.md", "other/c.md"]
    path = tmp_path / "it-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("LICENSE", "PKG-INFO", "docs/a.md", "docs/notes.txt"):
            archive.addfile(tarfile.TarInfo(f"it-1.0/{name}"), io.BytesIO())

    found = archives.judge_sdist(archives.list_sdist(path), tracked, ["LICENSE", "docs/", "tests/"])

    assert found == [
        "docs/: 1 missing in the source archive, such as docs/b.md",
        "tests/: not in the checkout",
        "docs/notes.txt: in the source archive, not in git",
    ]


def test_a_bug_report_asks_for_what_is_needed_to_find_it():
    fields = read_form("bug.yml")
    needed = {"what", "steps", "version", "airflow", "executor", "python", "database"}

    required = {name for name, field in fields.items() if field.get("validations", {}).get("required")}
    assert needed <= required
    assert {"track-id", "log"} <= set(fields)
    assert "no secrets" in fields["log"]["attributes"]["description"]
    assert "LocalExecutor" in fields["executor"]["attributes"]["options"]


def test_a_wish_says_what_it_is_for():
    assert read_form("feature.yml")["need"]["validations"] == {"required": True}


def test_nobody_reports_past_the_forms():
    assert yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text()) == {
        "blank_issues_enabled": False
    }


@pytest.mark.parametrize("update", yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"])
def test_dependabot_waits_before_it_proposes(update):
    assert update["cooldown"]["default-days"] >= 7


def test_actions_are_pinned_by_commit_with_their_version():
    lines = [
        line.strip()
        for path in (GITHUB / "workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if re.search(r"\buses: (?!\$/)", line)
    ]

    pinned = re.compile(r"(?:- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert len(lines) > 10
    assert [line for line in lines if not pinned.fullmatch(line)] == []
    # One commit for one version: no action is there twice in two versions.
    assert len({line.partition("uses: ")[2] for line in lines}) == len(
        {line.partition("uses: ")[2].partition("@")[0] for line in lines}
    )


@pytest.mark.parametrize("job", JOBS)
def test_a_job_may_do_no_more_than_it_needs(job):
    steps = list_steps(job)
    actions = {step["uses"].partition("@")[0]: step for step in steps if "uses" in step}

    assert isinstance(job["permissions"], dict)
    assert not {"contents", "packages", "actions"} & {
        name for name, kind in job["permissions"].items() if kind == "write"
    }
    if "actions/checkout" in actions:
        assert actions["actions/checkout"]["with"] == {"persist-credentials": False}
    # What may sign or publish runs no code of this repository.
    if "id-token" in job["permissions"]:
        assert "actions/checkout" not in actions
        assert not [step for step in steps if "run" in step]
    assert not [step for step in steps if "${{" in step.get("run", "")]


def test_a_release_is_checked_by_its_tag_attested_and_then_published():
    release = WORKFLOWS["release.yml"]
    jobs = release["jobs"]
    [checked] = [step for step in jobs["build"]["steps"] if "run" in step]

    assert list(release[True]["push"]) == ["tags"]  # YAML 1.1 reads the key `on` as true
    assert (checked["run"], checked["env"]) == ("make release-check", {"TAG": "${{ github.ref_name }}"})
    assert set(jobs["attest"]["needs"]) == {"ci", "build"}
    assert jobs["publish"]["needs"] == "attest"
    assert jobs["publish"]["environment"] == "release"
    assert "password" not in (GITHUB / "workflows" / "release.yml").read_text().replace("no password", "")


def test_the_matrix_has_each_airflow_that_we_have_constraints_for():
    rows = WORKFLOWS["ci.yml"]["jobs"]["matrix"]["strategy"]["matrix"]["include"]
    constraints = {path.stem.removeprefix("airflow-") for path in AIRFLOWS}
    classifiers = set(re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text()))

    assert {row["airflow"] for row in rows} == constraints
    assert {row["python"] for row in rows if row["airflow"] == "3.3"} == classifiers
    assert {row["target"] for row in rows} == {
        "test-fast",
        *(f"test-on-{name}" for name in constraints - {"3.3"}),
    }


@pytest.mark.parametrize("name", [*(path.stem for path in AIRFLOWS), "bench", "release"])
def test_constraints_are_names_and_versions_alone(name):
    lines = (ROOT / "constraints" / f"{name}.txt").read_text().splitlines()

    assert [line for line in lines if not re.fullmatch(r"[\w.\[\]-]+==[\w.+!]+", line)] == []


@pytest.mark.parametrize("folder", [ROOT, ROOT / "sandbox"])
def test_the_lowest_versions_are_those_that_we_allow(folder):
    needs = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]
    floors = dict(re.fullmatch(r"([\w.-]+)>=([\w.]+)(?:,<\d+)?", need).groups() for need in needs)
    text = (ROOT / "constraints" / "airflow-lowest.txt").read_text().lower().replace("_", "-")
    lowest = dict(line.split("==") for line in text.splitlines())

    assert floors
    assert {name: lowest[name] for name in floors} == floors


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_people_are_told_how_to_take_part(name):
    text = (ROOT / name).read_text()

    assert text
    assert "@" not in text  # nobody reads a mailbox


def test_the_promised_pythons_are_those_of_the_classifiers(tmp_path):
    classifiers = ["Programming Language :: Python :: 3", "Programming Language :: Python :: 3.12"]
    (tmp_path / "pyproject.toml").write_text(f"[project]\nclassifiers = {classifiers}\n")

    assert versions.read_pythons(tmp_path) == ["3.12"]
