"""The wheel, installed beside Airflow and nothing else, has all that a user needs."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CHECKOUT = Path(__file__).parents[1]
CONSTRAINTS = CHECKOUT / "constraints" / "airflow-3.3.txt"
# As for a user: no path and no setting of ours.
OURS = ("AIRFLOW", "PYTHON")


class Installed:
    """A clean environment that holds the wheel; commands run outside the checkout."""

    def __init__(self, place):
        self.place = place
        self.bin = place / "venv" / "bin"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.env = kept | {"AIRFLOW_HOME": str(place / "airflow"), "HOME": str(place)}

    def run(self, program, *args):
        command = [self.bin / program, *args]
        done = subprocess.run(
            command, cwd=self.place, env=self.env, capture_output=True, text=True, timeout=350, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        return self.run("python", "-c", code)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, CHECKOUT]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    [wheel] = place.glob("*.whl")
    venv.create(place / "venv", with_pip=True)
    user = Installed(place)
    quick = ("--quiet", "--no-cache-dir", "--no-compile")
    user.run("pip", "install", *quick, "--constraint", CONSTRAINTS, wheel)
    return user


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
        "import airflow_provider_zuora.operators.orders as o, airflow_provider_zuora.sensors.base as s;"
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


def test_the_sandbox_starts(installed):
    command = [installed.bin / "python", "-m", "airflow_provider_zuora.sandbox", "--port", "0"]
    with subprocess.Popen(
        command, cwd=installed.place, env=installed.env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert "http://127.0.0.1:" in process.stdout.readline()
        finally:
            process.terminate()
    assert process.returncode == 0
