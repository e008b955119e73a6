"""Each wheel, installed with what it requires and nothing else, has all that a user needs."""

import os
import subprocess
import sys
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[1]
CONSTRAINTS = CHECKOUT / "constraints" / "airflow-3.3.txt"
# As for a user: no path and no setting of ours.
OURS = ("AIRFLOW", "PYTHON")


class Installed:
    """A clean environment that holds one wheel; commands run outside the checkout."""

    def __init__(self, place, wheel):
        self.place = place
        venv.create(place / "venv", with_pip=True)
        self.bin = place / "venv" / "bin"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.env = kept | {"AIRFLOW_HOME": str(place / "airflow"), "HOME": str(place)}
        quick = ("--quiet", "--no-cache-dir", "--no-compile")
        self.run("pip", "install", *quick, "--constraint", CONSTRAINTS, wheel)

    def run(self, program, *args):
        command = [self.bin / program, *args]
        done = subprocess.run(
            command, cwd=self.place, env=self.env, capture_output=True, text=True, timeout=350, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        return self.run("python", "-c", code)


def build(project, place, kind="wheel"):
    build = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", place, project]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    [built] = place.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def list_files(wheel):
    """Return the files of a wheel, without those that describe it."""
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def read_metadata(wheel, name):
    """Return the text of a file that describes a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [path] = [each for each in archive.namelist() if each.endswith(f".dist-info/{name}")]
        return archive.read(path).decode()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(CHECKOUT, tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def sandbox_wheel(tmp_path_factory):
    return build(CHECKOUT / "sandbox", tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="module")
def installed(wheel):
    return Installed(wheel.parent, wheel)


@pytest.fixture(scope="module")
def installed_sandbox(sandbox_wheel):
    return Installed(sandbox_wheel.parent, sandbox_wheel)


def test_what_the_wheel_requires_is_there_and_no_more(installed):
    installed.run("pip", "check")
    names = {line.partition("==")[0].lower() for line in installed.run("pip", "freeze").splitlines()}
    assert {"apache-airflow", "aiohttp", "requests", "jsonschema", "pendulum"} <= names
    assert not names & {"pytest", "coverage", "ruff", "mypy", "hypothesis", "zuora_sdk", "zuora-sdk"}


def test_the_wheel_holds_the_package_and_nothing_beside_it(installed):
    files = installed.run("pip", "show", "--files", "airflow-provider-zuora")
    listed = [line.strip() for line in files.partition("Files:\n")[2].splitlines()]
    assert {path.partition("/")[0] for path in listed if ".dist-info" not in path} == {
        "airflow_provider_zuora"
    }
    assert "airflow_provider_zuora/py.typed" in listed


def test_airflow_finds_the_provider(installed):
    assert "airflow-provider-zuora" in installed.run("airflow", "providers", "get", "airflow-provider-zuora")


def test_operators_and_sensors_can_be_imported(installed):
    code = (
        "import airflow_provider_zuora.operators.orders as o, airflow_provider_zuora.sensors.zuora as s;"
        "print(o.ZuoraCreateOrderOperator.__name__, s.ZuoraJobSensor.__name__, o.__file__)"
    )
    printed = installed.python(code)
    assert printed.startswith("ZuoraCreateOrderOperator ZuoraJobSensor")
    assert str(CHECKOUT) not in printed


def test_an_order_is_checked_against_the_schema_that_came_along(installed):
    code = (
        "from airflow_provider_zuora.core.vendors.zuora.order_rules import check_order; "
        "check_order({'orderDate': 'never'})"
    )
    with pytest.raises(AssertionError, match="orderDate"):
        installed.python(code)


def test_the_sandbox_is_not_among_it(installed):
    with pytest.raises(AssertionError, match="No module named 'zuora_sandbox'"):
        installed.python("import zuora_sandbox")


def test_the_sandbox_is_an_extra(wheel):
    required = message_from_string(read_metadata(wheel, "METADATA")).get_all("Requires-Dist")
    assert [each for each in required if "sandbox" in each] == ["zuora-sandbox; extra == 'sandbox'"]


def test_each_wheel_holds_its_own_package_alone(wheel, sandbox_wheel):
    for each, package in ((wheel, "airflow_provider_zuora"), (sandbox_wheel, "zuora_sandbox")):
        files = list_files(each)
        assert {name.partition("/")[0] for name in files} == {package}
        assert f"{package}/py.typed" in files
        assert not [name for name in files if name.startswith("airflow_provider_zuora/sandbox")]


def test_pytest_finds_the_plugin_of_the_sandbox(sandbox_wheel):
    assert "[pytest11]\nzuora_sandbox = zuora_sandbox.pytest_plugin\n" in read_metadata(
        sandbox_wheel, "entry_points.txt"
    )


def test_each_wheel_has_the_licence(wheel, sandbox_wheel):
    text = (CHECKOUT / "LICENSE").read_text()
    assert [read_metadata(each, "licenses/LICENSE") for each in (wheel, sandbox_wheel)] == [text, text]


def test_the_sandbox_requires_neither_airflow_nor_the_provider(installed_sandbox):
    installed_sandbox.run("pip", "check")
    frozen = installed_sandbox.run("pip", "freeze").splitlines()
    names = {line.partition("==")[0].partition(" @")[0].lower() for line in frozen}
    assert {"zuora-sandbox", "aiohttp", "psutil"} <= names
    assert not [name for name in names if "airflow" in name]


@pytest.mark.parametrize("command", [["zuora-sandbox"], ["python", "-m", "zuora_sandbox"]], ids=" ".join)
def test_the_sandbox_starts(installed_sandbox, command):
    program, *options = command
    with subprocess.Popen(
        [installed_sandbox.bin / program, *options, "--port", "0"],
        cwd=installed_sandbox.place,
        env=installed_sandbox.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert "http://127.0.0.1:" in process.stdout.readline()
        finally:
            process.terminate()
    assert process.returncode == 0
