"""Apache Airflow provider for the jobs that Zuora runs in the background; importing this imports nothing."""

__version__ = "0.1.0"
