"""The law of the room: the rules know nothing of the client, and importing them costs nothing."""

import json
import subprocess
import sys

LOOK = "import json, sys, airflow_provider_zuora.sandbox.rules; print(json.dumps(sorted(sys.modules)))"


def test_the_rules_import_neither_airflow_nor_a_client_nor_the_vendors():
    shown = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    loaded = json.loads(shown.stdout)
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & {"airflow", "requests", "aiohttp", "jsonschema", "httpx", "urllib3"}
    assert not [name for name in loaded if name.startswith("airflow_provider_zuora.core")]
