"""A real Airflow and a stand-in for Zuora on this machine, for `make demo` and the end-to-end tests."""
