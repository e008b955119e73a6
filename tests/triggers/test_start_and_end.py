"""What a wait with fewer workers refuses where a DAG file is parsed, and what it hands to a triggerer."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.trigger import Trigger
from airflow.sdk import DAG, XComArg
from airflow.sdk.bases.operator import BaseOperator
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor
from airflow_provider_zuora.triggers.jobs import ZuoraJobTrigger

PREAMBLE = """
from airflow.sdk import DAG, Asset, AssetAlias, Param, XComArg, task, task_group
from airflow_provider_zuora.operators.orders import ZuoraCreateOrderOperator
from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor

END, START = {"end_from_trigger": True}, {"start_from_trigger": True}

class Templated(ZuoraJobSensor):
    template_fields = ("templated", *ZuoraJobSensor.template_fields)

    def __init__(self, *, templated, **options):
        super().__init__(**options)
        self.templated = templated

def wait(cls=ZuoraJobSensor, **options):
    return cls(**{"task_id": "wait", "job_id": "j"} | options)

def submit(order=None):
    return ZuoraCreateOrderOperator(task_id="submit", order=order or {})

def submitted_each(orders):
    return ZuoraCreateOrderOperator.partial(task_id="many").expand(order=orders)

def one_wait(job_id):
    wait(job_id=job_id, **END)

def one_of(order):
    return submit(order).output

with DAG("d", schedule=None) as dag:
"""

REFUSED = {
    "outlets": ("wait(outlets=[Asset('a')], **END)", "end_from_trigger=True .*outlets: .*asset events"),
    "outlets, later": ("wait(**END).add_outlets([Asset('a')])", "end_from_trigger=True .*outlets"),
    "outlets, as a chain": ("wait(**END) > Asset('a')", "end_from_trigger=True .*outlets"),
    "on_success_callback": ("wait(on_success_callback=print, **END)", "on_success_callback: it would not"),
    "on_success_callback, later": ("wait(**END).on_success_callback = [print]", "on_success_callback"),
    "on_success_callback of default_args": (
        "wait(default_args={'on_success_callback': print}, **END)",
        "on_success_callback",
    ),
    "post_execute": ("wait(post_execute=print, **END)", "post_execute: it would not be called"),
    "multiple_outputs": ("wait(multiple_outputs=True, **END)", "multiple_outputs"),
    "mapped over": (
        "one = wait(**END)\n    task(lambda x: x, task_id='each').expand(x=one.output)",
        "a task that is mapped over its result",
    ),
    "on_execute_callback": ("wait(on_execute_callback=print, **END, **START)", "on_execute_callback"),
    "pre_execute": ("wait(pre_execute=print, **END, **START)", "pre_execute"),
    "no boolean": ("wait(end_from_trigger='False')", "end_from_trigger: must be True or False, not 'False'"),
    "not deferrable, end": ("wait(deferrable=False, **END)", "end_from_trigger=True .*deferrable=False"),
    "not deferrable, start": (
        "wait(deferrable=False, **START)",
        "start_from_trigger=True .*deferrable=False",
    ),
    "mapped, end": (
        "ZuoraJobSensor.partial(task_id='wait', **END).expand(job_id=['a'])",
        r"ZuoraJobSensor.partial\(\): end_from_trigger=True .*mapping",
    ),
    "mapped, start": (
        "ZuoraJobSensor.partial(task_id='wait', **START).expand(job_id=['a'])",
        r"ZuoraJobSensor.partial\(\): start_from_trigger=True .*mapping",
    ),
    "mapped by the option": (
        "ZuoraJobSensor.partial(task_id='wait', job_id='a').expand(end_from_trigger=[True])",
        "unmappable or already specified argument: end_from_trigger",
    ),
    "mapped with default_args": (
        "dag.default_args |= END; ZuoraJobSensor.partial(task_id='wait').expand(job_id=['a'])",
        "end_from_trigger=True .*mapping",
    ),
    "in a mapped group": (
        "task_group(group_id='each')(one_wait).expand(job_id=['a'])",
        "each.wait: end_from_trigger=True .*mapping",
    ),
    "job_id of a mapped task": (
        "many = submitted_each([{}]); wait(job_id=many.output, **START)",
        "job_id from many, a mapped task",
    ),
    "job_id of a task in a mapped group": (
        "wait(job_id=task_group(group_id='each')(one_of).expand(order=[{}]), **START)",
        "job_id from each.submit, a mapped task",
    ),
    "job_id of Jinja": ("wait(job_id='{{ params.id }}', **START)", "a template in job_id: only a worker"),
    "job_id of a statement": ("wait(job_id='{% set a = 1 %}j', **START)", "a template in job_id"),
    "job_id from text": ("wait(job_id=f'{submit().output}', **START)", "a template in job_id"),
    "job_id of a changed XCom": (
        "wait(job_id=submit().output.map(lambda x: x), **START)",
        "a template in job_id",
    ),
    "conn_id of Jinja": (
        "wait(zuora_conn_id='{{ var.value.conn }}', **START)",
        "a template in zuora_conn_id",
    ),
    "other templates": (
        "wait(templated={'a': ['{{ ds }}']}, cls=Templated, **START)",
        "a template in templated",
    ),
    "conn_id of a task": ("wait(zuora_conn_id=submit().output, **START)", "a template in zuora_conn_id"),
    "inlets": ("wait(inlets=[AssetAlias('a')], **START)", "inlets: the triggerer"),
    "params": ("wait(params={'x': Param(type='integer')}, **START)", "params of the task"),
}

ALLOWED = {
    "what a worker does at the end": "wait(outlets=[Asset('a')], on_success_callback=print, **START)",
    "what a worker does at the start": (
        "wait(on_execute_callback=print, pre_execute=print, inlets=[Asset('a')], params={'x': 1}, **END)"
    ),
    "templates that a worker renders": "wait(job_id='{{ run_id }}', zuora_conn_id='{{ run_id }}', **END)",
    "a job_id from text": "wait(job_id=f'{submit().output}', **END)",
    "the output of a task": "wait(job_id=submit().output, **START, **END)",
    "another XCom of a task": "wait(job_id=submit().output['job_id'], **START, **END)",
    "an id": "wait(**START, **END)",
    "other callbacks": (
        "wait(on_failure_callback=print, on_retry_callback=print, on_skipped_callback=print, **START, **END)"
    ),
    "params of the DAG": "dag.params.update({'x': 1})\n    wait(**START)",
    "the DAG's callbacks": "dag.on_success_callback = print\n    wait(**START, **END)",
    "mapping without the options": (
        "ZuoraJobSensor.partial(task_id='wait', end_from_trigger=False).expand(job_id=['a'])"
    ),
}


def parse(body: str, folder: Path) -> DagBag:
    file = folder / "dag.py"
    file.write_text(f"{PREAMBLE}    {body}\n")
    return DagBag(file, bundle_path=folder, bundle_name="b")


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_would_be_lost_is_refused_when_the_dag_is_parsed(case, tmp_path):
    body, words = REFUSED[case]
    bag = parse(body, tmp_path)

    assert not bag.dags
    [error] = bag.import_errors.values()
    last = error.strip().splitlines()[-1]
    assert re.search(words, last), last


@pytest.mark.parametrize("case", list(ALLOWED))
def test_what_is_not_lost_is_not_refused(case, tmp_path):
    bag = parse(ALLOWED[case], tmp_path)

    assert not bag.import_errors
    assert DagSerialization.to_dict(bag.dags["d"])


def hand_over(task: BaseOperator, dag: DAG) -> dict:
    """Return the arguments of a task's first trigger, as they come from a DAG file to a triggerer."""
    serialized = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    args = serialized.get_task(task.task_id).start_trigger_args
    assert args.trigger_cls == "airflow_provider_zuora.triggers.jobs.ZuoraJobTrigger"
    assert args.next_method == "execute_complete"
    row = Trigger(classpath=args.trigger_cls, kwargs=args.trigger_kwargs)
    kwargs = Trigger._decrypt_kwargs(row.encrypted_kwargs)
    return {name: smart_decode_trigger_kwargs(value) for name, value in kwargs.items()}


def start(**options):
    with DAG("d", schedule=None) as dag:
        task = ZuoraJobSensor(**{"task_id": "wait", "job_id": "j", "start_from_trigger": True} | options)
    dag.resolve_template_files()
    return task, dag


def test_the_arguments_of_a_task_that_starts_in_the_triggerer_survive_the_way_there():
    task, dag = start(
        end_from_trigger=True,
        require_order_completed=True,
        do_xcom_push=False,
        poke_interval=30,
        timeout=100,
        zuora_conn_id="c",
        silent_fail=True,
    )
    kwargs = hand_over(task, dag)
    trigger = ZuoraJobTrigger(**kwargs)

    assert trigger.serialize()[1] == kwargs | {"started": trigger.started}
    assert (trigger.job_id, trigger.conn_id, trigger.poll_interval) == ("j", "c", 30)
    assert (trigger.not_before, trigger.deadline, trigger.max_errors) == (0.0, None, None)
    assert trigger.end_options == {
        "options": {"require_order_completed": True},
        "is_list": False,
        "push": False,
        "is_dag_result": False,
    }
    assert trigger.start_options == {"limit": 100.0, "lasts": 520.5, "task_id": None, "key": None}
    assert task.start_trigger_args.timeout == timedelta(seconds=520.5)


def test_an_output_is_handed_over_as_its_task_and_key():
    with DAG("d", schedule=None) as dag:
        submit = BaseOperator(task_id="submit")
        waits = [
            ZuoraJobSensor(task_id=f"wait{number}", job_id=job_id, start_from_trigger=True)
            for number, job_id in enumerate([submit.output, XComArg(submit, key="job_id")])
        ]
    dag.resolve_template_files()

    found = [hand_over(task, dag)["start_options"] for task in waits]
    assert [(each["task_id"], each["key"]) for each in found] == [
        ("submit", "return_value"),
        ("submit", "job_id"),
    ]
    assert [task.upstream_task_ids for task in waits] == [{"submit"}, {"submit"}]


def test_the_trigger_is_told_whose_result_it_leaves():
    with DAG("d", schedule=None) as dag:
        task = ZuoraJobSensor(task_id="wait", job_id="j", start_from_trigger=True, end_from_trigger=True)
        dag.add_result(task.output)
    dag.resolve_template_files()

    assert hand_over(task, dag)["end_options"]["is_dag_result"] is True


def test_a_list_of_ids_is_handed_over_packed():
    task, dag = start(job_id=["a", "b"], end_from_trigger=True)
    trigger = ZuoraJobTrigger(**hand_over(task, dag))

    assert trigger.list_job_ids() == ("a", "b")
    assert trigger.end_options["is_list"]


def test_an_id_that_is_named_twice_leaves_the_end_to_a_worker():
    """The trigger knows each id once, and the result would lack one."""
    task, dag = start(job_id=["a", "b", "a"], end_from_trigger=True)

    assert hand_over(task, dag)["end_options"] is None


def test_a_wait_for_nothing_needs_no_trigger():
    assert start(job_id=[])[0].start_trigger_args is None


def test_an_id_that_cannot_be_sent_is_refused_when_the_dag_is_parsed(tmp_path):
    bag = parse("wait(job_id=['a', 7], **START)", tmp_path)

    assert "job_id[1]: must be" in str(bag.import_errors)


def test_a_dag_stays_the_same_from_parse_to_parse():
    """A time of day among the arguments would make a new version of the DAG every half a minute."""
    (task, one), (_, other) = (start(timeout=1234.5678) for _ in range(2))

    assert DagSerialization.to_dict(one) == DagSerialization.to_dict(other)
    assert hand_over(task, one)["start_options"]["limit"] == 1234.5678


def test_an_execution_timeout_is_when_airflow_ends_the_deferral():
    task, dag = start(execution_timeout=timedelta(seconds=50), timeout=100)

    starts = hand_over(task, dag)["start_options"]
    assert (starts["limit"], starts["lasts"]) == (50.0, 50.0)


def test_a_dag_that_nobody_has_completed_starts_on_a_worker():
    task = ZuoraJobSensor(task_id="wait", job_id="j", start_from_trigger=True)

    assert task.start_trigger_args is None


def test_the_trigger_renders_no_template():
    """Airflow 3.3 has it render what the sensor calls a template; an XCom asked for in one gets no answer."""
    trigger = ZuoraJobTrigger(job_id="{{ hang }}")
    trigger.template_fields = ("job_id",)
    trigger.render_template_fields(context={})

    assert trigger.job_id == "{{ hang }}"


OLD_PYTHON = Path(__file__).parents[2] / ".venv-2.11" / "bin" / "python"


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason="make env-2.11 makes that Airflow, as make test does")
def test_airflow_before_3_3_is_refused(tmp_path):
    script = (
        "from airflow_provider_zuora.sensors.zuora import ZuoraJobSensor\n"
        "for option in ('end_from_trigger', 'start_from_trigger'):\n"
        "    try:\n"
        "        ZuoraJobSensor(task_id='wait', job_id='j', **{option: True})\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
        "mapped = ZuoraJobSensor.partial(task_id='each').expand(job_id=['a'])\n"
        "print(mapped.task_id, ZuoraJobSensor(task_id='w', job_id='j').end_from_trigger)\n"
    )
    env = os.environ | {"AIRFLOW_HOME": str(tmp_path)}  # a file of settings of Airflow 3 is none for 2.11
    done = subprocess.run([OLD_PYTHON, "-c", script], env=env, capture_output=True, text=True, check=True)
    *refusals, last = done.stdout.strip().splitlines()[-3:]

    assert [line.partition(" does not go with ")[0] for line in refusals] == [
        "wait: end_from_trigger=True",
        "wait: start_from_trigger=True",
    ]
    assert all("Airflow 2.11" in line and "it needs 3.3 or later" in line for line in refusals)
    assert last == "each False"
