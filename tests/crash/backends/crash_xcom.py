"""XComs as ever, but a run of the point ``xcom`` dies when its task has returned, before they are stored."""

from crash_marks import die, point_of

try:
    from airflow.sdk.bases.xcom import BaseXCom
except ImportError:  # Airflow 2
    from airflow.models.xcom import BaseXCom


class CrashXCom(BaseXCom):
    @staticmethod
    def serialize_value(value, *, key=None, run_id=None, **names):
        if key == "return_value" and point_of(run_id) == "xcom":
            die(run_id)
        return BaseXCom.serialize_value(value, key=key, run_id=run_id, **names)
