"""
XComs as ever, but some runs die around one.

A run of the point ``recorded`` dies before its job's id is stored, which Zuora has answered and the state
store holds; one of ``waiting`` when it is, before the wait begins; and one of ``xcom`` when its task has
returned, before the result is stored.
"""

from crash_marks import die, point_of

try:
    from airflow.sdk.bases.xcom import BaseXCom
except ImportError:  # Airflow 2
    from airflow.models.xcom import BaseXCom

BEFORE = {("recorded", "job_id"), ("xcom", "return_value")}
AFTER = {("waiting", "job_id")}


class CrashXCom(BaseXCom):
    @staticmethod
    def serialize_value(value, *, key=None, run_id=None, **names):
        if (point_of(run_id), key) in BEFORE:
            die(run_id)
        return BaseXCom.serialize_value(value, key=key, run_id=run_id, **names)

    @classmethod
    def set(cls, key, value, *, run_id, **names):
        super().set(key, value, run_id=run_id, **names)
        if (point_of(run_id), key) in AFTER:
            die(run_id)
