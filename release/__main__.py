"""`python -m release`: build into dist/, check all of it, say what is wrong; about a quarter of an hour."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from release import archives, licences, sbom, versions
from tests.matrix.results import list_untried
from tests.matrix.results import read as read_rows

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints"
NEWEST = CONSTRAINTS / "airflow-3.3.txt"
# As for a user: no path and no setting of ours.
OURS = ("AIRFLOW", "PYTHON")


@dataclass(frozen=True)
class Distribution:
    """
    One of the two: its folder, what its source archive must hold, and what must run once it is installed.

    :param constraints: one clean installation is made under each.
    """

    name: str
    folder: Path
    needed: Sequence[str]
    constraints: Sequence[Path]

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return self.name.replace("-", "_")


_FILES = ("LICENSE", "README.md", "pyproject.toml")
PROVIDER = Distribution(
    "airflow-provider-zuora",
    ROOT,
    (*_FILES, "CHANGELOG.md", "airflow_provider_zuora/", "docs/", "example_dags/", "tests/"),
    sorted(CONSTRAINTS.glob("airflow-[0-9]*.txt")),
)
SANDBOX = Distribution("zuora-sandbox", ROOT / "sandbox", (*_FILES, "zuora_sandbox/"), [NEWEST])


@dataclass
class Report:
    """Prints each step, how long it took, and what was wrong; `problems` has all of the latter."""

    problems: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[Sequence[str]], None]]:
        """Give the step a function that takes its problems; a command that fails is one, and ends it."""
        found: list[str] = []
        began = time.monotonic()
        try:
            yield found.extend
        except subprocess.CalledProcessError as error:
            found.append(f"{' '.join(map(str, error.cmd))}\n{error.stdout}{error.stderr}")
        print(f"{'FAILED' if found else 'ok':7}{time.monotonic() - began:6.1f} s  {title}", flush=True)
        for problem in found:
            print(f"       {problem}", flush=True)
        self.problems += found


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Return what a command prints; CalledProcessError, with its output, if it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True, timeout=1200)
    return done.stdout


def find_built(distribution: Distribution, place: Path, ending: str) -> Path:
    """Return the one file of a distribution in a folder that ends so."""
    [built] = place.glob(f"{distribution.stem}-*{ending}")
    return built


def build(distribution: Distribution) -> None:
    """Put the source archive, and the wheel that is built from it, into dist/."""
    # The build's own requirements come in the versions that everything is tested with.
    env = {**os.environ, "PIP_CONSTRAINT": str(NEWEST)}
    run(sys.executable, "-m", "build", "--outdir", DIST, distribution.folder, env=env)


def judge_archives(distribution: Distribution, place: Path) -> list[str]:
    """Return what is wrong with the source archive, and with the wheel beside one made without it."""
    tracked = run("git", "ls-files", "-z", cwd=distribution.folder).split("\0")
    files = archives.list_sdist(find_built(distribution, DIST, ".tar.gz"))
    env = {**os.environ, "PIP_CONSTRAINT": str(NEWEST)}
    run(sys.executable, "-m", "build", "--wheel", "--outdir", place, distribution.folder, env=env)
    wheels = (find_built(distribution, DIST, ".whl"), find_built(distribution, place, ".whl"))
    return archives.judge_sdist(files, tracked, distribution.needed) + archives.compare_wheels(*wheels)


class Installation:
    """One wheel and what it requires, in an environment without pip; commands run outside the checkout."""

    def __init__(self, wheel: Path, constraints: Path, place: Path) -> None:
        self.place = place
        self.python = place / "venv" / "bin" / "python"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.env = kept | {"AIRFLOW_HOME": str(place / "airflow"), "HOME": str(place)}
        run(sys.executable, "-m", "venv", "--without-pip", place / "venv")
        self.pip("install", "--quiet", "--no-cache-dir", "--no-compile", "--constraint", constraints, wheel)

    def pip(self, *args: str | Path) -> str:
        """Run the pip of this environment on that one."""
        return run(sys.executable, "-m", "pip", "--python", self.python, *args, env=self.env)

    def program(self, name: str, *args: str) -> str:
        """Run a program that the wheel, or what it requires, has installed."""
        return run(self.python.parent / name, *args, cwd=self.place, env=self.env)


def judge_provider(installed: Installation, version: str) -> list[str]:
    """Return what is wrong with what Airflow says of the provider."""
    listed = installed.program("airflow", "providers", "list", "--output", "json")
    found = {each["package_name"]: each["version"] for each in json.loads(listed[listed.index("[") :])}
    stated = installed.program("airflow", "providers", "get", PROVIDER.name, "--full", "--output", "json")
    problems = [
        f"airflow providers get: no {key}" for key in ("hooks", "operators") if f'"{key}"' not in stated
    ]
    if found.get(PROVIDER.name) != version:
        problems.append(f"airflow providers list: {found.get(PROVIDER.name)}, not {version}")
    return problems


def judge_sandbox(installed: Installation, version: str) -> list[str]:
    """Return what is wrong with the command of the sandbox."""
    told = installed.program("zuora-sandbox", "--help")
    shown = installed.program("python", "-c", "import zuora_sandbox; print(zuora_sandbox.__version__)")
    problems = [] if "--port" in told else ["zuora-sandbox --help: no --port"]
    return problems + (
        [] if shown.strip() == version else [f"zuora_sandbox is {shown.strip()}, not {version}"]
    )


def judge_licences(distribution: Distribution, installed: Installation) -> list[str]:
    """Return the packages beside ours whose licence is not permissive."""
    tool = Path(sys.executable).parent / "pip-licenses"
    listed = run(tool, "--python", installed.python, "--from=all", "--format=json")
    packages = json.loads(listed)
    names = {re.sub("[-_.]+", "-", each["Name"]).lower() for each in packages}
    problems = [] if distribution.name in names else [f"pip-licenses does not list {distribution.name}"]
    return problems + licences.find_forbidden(packages)


def write_sbom(distribution: Distribution, installed: Installation, version: str) -> list[str]:
    """Put the parts list into dist/, and return what is wrong with it."""
    path = DIST / f"{distribution.stem}-{version}.cdx.json"
    pyproject = distribution.folder / "pyproject.toml"
    # It is validated below, with its version.
    options = ("--no-validate", "--mc-type", "library", "--output-reproducible", "--output-format", "JSON")
    tool = Path(sys.executable).parent / "cyclonedx-py"
    run(tool, "environment", "--pyproject", pyproject, *options, "--output-file", path, installed.python)
    sbom.name_version(path, version)
    parts = {part["name"].lower() for part in json.loads(path.read_text())["components"]}
    required = tomllib.loads(pyproject.read_text())["project"]["dependencies"]
    wanted = {re.split(r"[^\w.-]", each)[0] for each in required}
    missing = [
        f"{path.name}: no {name}" for name in sorted(wanted) if not {name, name.replace("-", "_")} & parts
    ]
    return sbom.find_errors(path) + missing


def judge_installed(report: Report, distribution: Distribution, version: str, place: Path) -> None:
    """Install the wheel under each of its constraints; the parts list is that of the newest."""
    wheel = find_built(distribution, DIST, ".whl")
    for constraints in distribution.constraints:
        title = f"{distribution.name} under {constraints.name}"
        with report.step(f"{title}: installed, pip check, runs") as note:
            installed = Installation(wheel, constraints, place / distribution.stem / constraints.stem)
            installed.pip("check")
            note((judge_provider if distribution is PROVIDER else judge_sandbox)(installed, version))
        with report.step(f"{title}: licences") as note:
            note(judge_licences(distribution, installed))
        if constraints == NEWEST:
            with report.step(f"{distribution.name}: CycloneDX SBOM") as note:
                note(write_sbom(distribution, installed, version))


def judge_all(report: Report, stated: dict[str, str]) -> None:
    """Look at what is in dist/, and at clean installations of it."""
    with report.step("twine check --strict"):
        run(sys.executable, "-m", "twine", "check", "--strict", *sorted(DIST.iterdir()))
    with tempfile.TemporaryDirectory() as name:
        for distribution in (PROVIDER, SANDBOX):
            with report.step(f"{distribution.name}: source archive, its wheel beside the checkout's") as note:
                note(judge_archives(distribution, Path(name)))
            judge_installed(report, distribution, stated[distribution.name], Path(name))


def main() -> int:
    """Run the steps; return 1 if something is wrong. The environment's TAG is the tag of the release."""
    report = Report()
    began = time.monotonic()
    stated = versions.read_versions(ROOT)
    with report.step(f"versions: {stated}") as note:
        note(versions.find_differences(stated, (ROOT / "CHANGELOG.md").read_text(), os.environ.get("TAG")))
    with report.step("every Airflow and Python that is promised was run") as note:
        note(list_untried(read_rows(), versions.read_pythons(ROOT)))
    shutil.rmtree(DIST, ignore_errors=True)
    if not report.problems:
        with report.step("both are built"):
            build(PROVIDER)
            build(SANDBOX)
    if not report.problems:
        judge_all(report, stated)
    verdict = f"{len(report.problems)} problems" if report.problems else "dist/ holds what may be released"
    print(f"{verdict}; {time.monotonic() - began:.0f} s")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
