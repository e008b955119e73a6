"""The sandbox without its server is cheap to import, and knows nothing of the provider."""

import json
import subprocess
import sys

LOOK = "import json, sys, zuora_sandbox.sandbox; print(json.dumps(sorted(sys.modules)))"


def test_the_rules_import_no_airflow_no_client_and_no_server():
    shown = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    loaded = json.loads(shown.stdout)
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {
        "airflow_provider_zuora",
        "airflow",
        "requests",
        "aiohttp",
        "psutil",
        "httpx",
        "urllib3",
    }
