"""What importing costs, in fresh interpreters: seconds of CPU, and resident memory."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.waits import read_memory

STATEMENTS = {
    "nothing": "",
    "airflow": "from airflow.sdk import DAG",
    "ours": (
        "from airflow.sdk import DAG; "
        "import airflow_provider_zuora.operators.orders, airflow_provider_zuora.sensors.zuora"
    ),
    "dbt": (
        "from airflow.sdk import DAG; "
        "import airflow.providers.dbt.cloud.operators.dbt, airflow.providers.dbt.cloud.sensors.dbt"
    ),
    "sdk": "import zuora_sdk",
}

if __name__ == "__main__":
    cpu = time.process_time()
    exec(STATEMENTS[sys.argv[1]])
    print(json.dumps({"seconds": time.process_time() - cpu, "mb": read_memory("VmRSS")}))
