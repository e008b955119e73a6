"""From an Airflow connection to a session; nothing above sees one."""
