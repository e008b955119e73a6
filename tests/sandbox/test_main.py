"""``python -m zuora_sandbox``, as a process."""

import re
import signal
import subprocess
import sys

import pytest
import requests

from zuora_sandbox import CLIENT_ID, CLIENT_SECRET
from zuora_sandbox.__main__ import main
from zuora_sandbox.server import listen

COMMAND = [sys.executable, "-m", "zuora_sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_when_told_to(number):
    options = [
        "--port",
        "0",
        "--job-seconds",
        "5",
        "--create-status",
        "202",
        "--no-stores-server-errors",
        "--fail-jobs",
        "[40000020]: No.",
    ]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        assert CLIENT_ID in line
        assert CLIENT_SECRET not in line
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        token = requests.post(f"{url}/oauth/token", data=form, timeout=9).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        order = {"orderDate": "2024-07-01", "existingAccountNumber": "A1", "orderLineItems": [{}]}
        accepted = requests.post(f"{url}/v1/async/orders", json=order, headers=headers, timeout=9)
        assert accepted.status_code == 202
        requests.post(f"{url}/sandbox/clock", json={"advance": 5}, timeout=9)
        page = f"{url}/v1/async-jobs/{accepted.json()['jobId']}"
        assert requests.get(page, headers=headers, timeout=9).json()["errors"] == "[40000020]: No."
        process.send_signal(number)
        assert process.wait(9) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "loopback addresses only"),
        (["--create-status", "500"], "it can be 200 or 202"),
        (["--account", "A00000097"], "'A00000097' must have a = between the two"),
        (["--account", "A00000097=usd"], "accounts has 'A00000097': 'usd'; each must be"),
        (["--price", "*=much"], "prices has '*': 'much'; each must be an amount"),
    ],
)
def test_what_cannot_be_served_ends_it(capsys, options, message):
    with pytest.raises(SystemExit) as end:
        main([*options, "--port", "0"])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_ends_it(capsys):
    with listen("127.0.0.1", 0) as taken, pytest.raises(SystemExit):
        main(["--port", str(taken.getsockname()[1])])
    assert "in use" in capsys.readouterr().err


def test_help_tells_the_known_client(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert CLIENT_ID in capsys.readouterr().out.replace("\n", "")


def run_under_it(code, *options):
    command = [*COMMAND, *options, "--", sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_command_has_connections_to_it_and_ends_it():
    code = (
        "import json, os, sys, urllib.request\n"
        "names = ('ZUORA', 'ELASTIC_PATH')\n"
        "conns = [json.loads(os.environ[f'AIRFLOW_CONN_{name}_DEFAULT']) for name in names]\n"
        "print(conns[0]['login'], [each['conn_type'] for each in conns])\n"
        "print(urllib.request.urlopen(conns[0]['host'] + '/sandbox/ledger').status, sys.argv[1:])\n"
        "sys.exit(3)"
    )
    ended = run_under_it(code, "--job-seconds", "5")
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.splitlines()[1:] == [f"{CLIENT_ID} ['zuora', 'elastic_path']", "200 []"]


def test_it_knows_accounts_and_prices():
    code = (
        "import json, os, urllib.parse, urllib.request\n"
        "own = json.loads(os.environ['AIRFLOW_CONN_ZUORA_DEFAULT'])\n"
        "def ask(path, headers={}, **form):\n"
        "    body = urllib.parse.urlencode(form).encode() if form else None\n"
        "    request = urllib.request.Request(own['host'] + path, body, headers)\n"
        "    return json.load(urllib.request.urlopen(request))\n"
        "who = {'client_id': own['login'], 'client_secret': own['password']}\n"
        "token = ask('/oauth/token', grant_type='client_credentials', **who)['access_token']\n"
        "for number in ('A00000097', 'A00000098'):\n"
        "    page = ask(f'/v1/accounts/{number}', {'Authorization': f'Bearer {token}'})\n"
        "    print(page['billingAndPayment']['currency'])\n"
    )
    accounts = ("--account", "A00000097=USD", "--account", "A00000098=EUR")
    ended = run_under_it(code, *accounts, "--price", "*=100.10")
    assert ended.stdout.splitlines()[1:] == ["USD", "EUR"], ended.stderr


def test_the_options_of_a_command_are_its_own():
    command = [*COMMAND, "--", sys.executable, "-c", "import sys; print(sys.argv)", "--port", "9"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[1:] == ["['-c', '--port', '9']"]


def test_a_command_that_is_not_there_is_named():
    command = [*COMMAND, "--", "no-such-command"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (
        127,
        "zuora-sandbox: no-such-command cannot be run: No such file or directory\n",
    )


def test_it_takes_its_command_with_it_when_told_to_end():
    code = "import time; print('there', flush=True); time.sleep(600)"
    command = [*COMMAND, "--", sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)][1] == "there\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
