"""Law of this package: no Airflow and no sockets; time, sleeping and randomness are passed in."""
