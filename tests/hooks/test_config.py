"""The section [zuora] of Airflow's configuration: that Airflow shows it, and what it changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_zuora import __version__
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.hooks import config
from airflow_provider_zuora.hooks.limits import choose_interval, read_limits
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

INTERVAL, DIRECTORY = "AIRFLOW__ZUORA__POLL_INTERVAL", "AIRFLOW__ZUORA__RUNTIME_DIRECTORY"
ROOT = Path(__file__).parents[2]


def ask_airflow(*words, **environ):
    """Return what a command of Airflow prints, in a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__ZUORA")}
    command = [sys.executable, "-m", "airflow", *words]
    done = subprocess.run(command, env=env | environ, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_airflow_lists_the_section_with_words_types_and_variables():
    said = ask_airflow("config", "list", "--section", "zuora", "--include-descriptions", "--include-env-vars")

    assert "[zuora]" in said
    for name, option in config.DESCRIPTION["options"].items():
        assert f"{name} = " in said
        assert f"AIRFLOW__ZUORA__{name.upper()}" in said
        assert option["description"].split(". ")[0][:40] in said


def test_airflow_tells_what_was_chosen():
    said = ask_airflow("config", "get-value", "zuora", "poll_interval", **{INTERVAL: "30"})

    assert said.splitlines()[-1] == "30"  # below what Airflow 3.0 logs there


def test_every_option_says_since_when_and_what_it_holds():
    for option in config.DESCRIPTION["options"].values():
        assert option["version_added"] == __version__
        assert {"description", "type", "example", "default"} <= set(option)


class TestPollInterval:
    @pytest.mark.parametrize(("text", "seconds"), [("", None), (" ", None), ("30", 30.0), ("0.5", 0.5)])
    def test_it_is_that_of_tasks_without_one_of_their_own(self, monkeypatch, text, seconds):
        monkeypatch.setenv(INTERVAL, text)

        assert choose_interval(None) == seconds
        assert choose_interval(7.0) == 7.0
        assert read_limits(None, 60) == (60, seconds)
        assert read_limits(7.0, 60) == (60, 7.0)

    def test_it_is_blank_if_nobody_has_set_it(self, monkeypatch):
        monkeypatch.delenv(INTERVAL, raising=False)

        assert choose_interval(None) is None

    @pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "30 s"])
    def test_what_is_no_interval_names_section_option_and_rule(self, monkeypatch, text):
        monkeypatch.setenv(INTERVAL, text)
        rule = r"\[zuora\] poll_interval: must be a number of seconds above 0, or blank, not "
        with pytest.raises(InvalidInput, match=rule):
            config.read_poll_interval()
        with pytest.raises(PermanentError, match=rule):
            choose_interval(None)

    def test_a_sensor_polls_by_it(self, monkeypatch):
        monkeypatch.setenv(INTERVAL, "30")

        assert ZuoraJobSensor(task_id="t", job_id="j")._make_schedule(10.0).interval == 30.0
        assert ZuoraJobSensor(task_id="t", job_id="j", poke_interval=7)._make_schedule(10.0).interval == 7


class TestRuntimeDirectory:
    def test_it_is_where_processes_share_their_token(self, zuora, monkeypatch, tmp_path):
        monkeypatch.setenv(DIRECTORY, f" {tmp_path / 'own'} ")
        hook = ZuoraHook()
        hook.get_conn().sign_in()

        assert hook.get_conn().config.token_file.directory.path == tmp_path / "own"
        assert [each.suffix for each in (tmp_path / "own").iterdir()] == [".token"]

    def test_a_change_is_seen_by_the_next_hook(self, zuora, monkeypatch, tmp_path, runtime_dir):
        before = ZuoraHook().get_conn().config.token_file.directory.path
        monkeypatch.setenv(DIRECTORY, str(tmp_path / "own"))

        assert before == runtime_dir
        assert ZuoraHook().get_conn().config.token_file.directory.path == tmp_path / "own"
