"""Airflow 3.3's task state in files: what is to be stored is durable before Airflow hears of it.

Airflow itself holds no value, only the name of its file, which is the same for every value of a key. So the
first value counts from when Airflow has stored the name, a later one from when it is in the file.

A run of the point ``write-ahead`` dies when its first submission has been noted and nothing was sent yet.
(Death just after, when Zuora has the order, comes from the sandbox: the point ``post``.) A run of ``job-id``
dies when a job id is about to be written: Zuora has answered, and nobody has taken down what.
"""

import hashlib
import json
import os
from pathlib import Path

from airflow.sdk.state import BaseStoreBackend
from crash_marks import die, point_of

ENTRIES = "zuora_submission:"
QUERY = "zuora_query"


def no_server(*args, **kwargs):
    raise NotImplementedError("this backend is for [workers] state_store_backend only")


async def no_async_server(*args, **kwargs):
    no_server()


def place_of(scope):
    return Path(os.environ["CRASH_PLACE"]) / "store" / scope.run_id / scope.task_id / str(scope.map_index)


def read_job_ids(key, value):
    """Return the ids of the jobs that an entry tells of, None of each that Zuora has not answered."""
    if key == QUERY:
        return [value["job_id"] or None]
    return [each.get("job_id") for each in value.get("submissions", [])] if key.startswith(ENTRIES) else []


class CrashStore(BaseStoreBackend):
    get = set = no_server
    aget = aset = adelete = aclear = no_async_server

    def serialize_task_state_store_to_ref(self, *, value, key, scope):
        point = point_of(scope.run_id)
        job_ids = read_job_ids(key, value)
        is_answered = any(job_ids)
        if point == "job-id" and is_answered:
            die(scope.run_id)
        file = place_of(scope) / hashlib.sha256(key.encode()).hexdigest()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(f".{os.getpid()}").open("w") as fresh:
            json.dump(value, fresh)
            fresh.flush()
            os.fsync(fresh.fileno())
        Path(fresh.name).replace(file)
        if point == "write-ahead" and job_ids and not is_answered:
            die(scope.run_id)
        return str(file)

    def deserialize_task_state_store_from_ref(self, stored):
        return json.loads(Path(stored).read_text())

    def delete(self, scope, key, *, session=None):
        (place_of(scope) / hashlib.sha256(key.encode()).hexdigest()).unlink(missing_ok=True)

    def clear(self, scope, *, all_map_indices=False, session=None):
        for file in place_of(scope).glob("*"):
            file.unlink()
