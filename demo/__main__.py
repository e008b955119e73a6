"""The show: an order, a day of them, a query, a month; exit status 0 if all is as it must be."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from demo import month_end, pipeline, query
from demo.processes import StackError, end_marked
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.story import Story

CHECKOUT = Path(__file__).resolve().parent.parent
DAG_ID = "zuora_order"
MARK = "ZUORA_DEMO"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def empty(place: Path) -> Iterator[None]:
    """Empty the demo's directory, and keep other demos from using it at the same time."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"a demo is running in {place} already") from None
        shutil.rmtree(place / "airflow", ignore_errors=True)
        (place / "sandbox.log").unlink(missing_ok=True)
        yield


def show_order(stack: AirflowStack, sandbox: ServedSandbox) -> bool:
    """Run the example DAG with one order, tell what happens, and say whether the run succeeded."""
    run_id = stack.trigger(DAG_ID)
    print(f"DAG         example_dags/{DAG_ID}.py, run {run_id}\n", flush=True)
    story = Story(stack, DAG_ID, run_id)
    state = story.follow(timeout=300)
    print("", *story.table(), "", *story.numbers("create"), sep="\n")
    errors = list(story.errors())
    if errors:
        print("What the task logs say:", *errors, sep="\n")
    print(f"\nThe run ended as: {state}\n", flush=True)
    return state == "success"


SHOWS: Mapping[str, tuple[str, Callable[[AirflowStack, ServedSandbox], bool]]] = {
    "order": (DAG_ID, show_order),
    "pipeline": (pipeline.DAG_ID, pipeline.show),
    "query": (query.DAG_ID, query.show),
    "month-end": (month_end.DAG_ID, month_end.show),
}


def stay(stack: AirflowStack, dag_id: str) -> None:
    """Keep the web page until Ctrl-C."""
    print(f"See it at   {stack.url}/dags/{dag_id}\nCtrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        signal.pause()


def show(options: argparse.Namespace) -> bool:
    """Start everything, show what was asked for, and return whether it succeeded."""
    home = options.place / "airflow"
    sandbox_options = ["--job-seconds", str(options.job_seconds)]
    sandbox_options += [f"--fail-jobs={options.fail}"] if options.fail else []
    with ServedSandbox(options.place / "sandbox.log", *sandbox_options) as sandbox:
        print(f"Zuora       {sandbox.url}, a stand-in; its jobs take {options.job_seconds:.0f} s", flush=True)
        print(f"Airflow     {version('apache-airflow')}, starting: half a minute", flush=True)
        with AirflowStack(home, CHECKOUT / "example_dags") as stack:
            print(f"            {stack.url}, files in {os.path.relpath(home)}")
            connections = [sandbox.connection()]
            if options.what == "pipeline":
                connections.append(sandbox.connection("elastic_path_default", "elastic_path"))
            for connection in connections:
                stack.cli(*connection)
                print(f"Connection  airflow {' '.join(connection[:-1])} ...")
            dag_id, show_it = SHOWS[options.what]
            succeeded = show_it(stack, sandbox)
            if options.stay:
                stay(stack, dag_id)
            elif options.what == "order":
                print("The same with Airflow's web page: make demo-ui", flush=True)
    return succeeded


def end_once(number: int, frame: FrameType | None) -> None:
    """End at the first signal, and let no other one disturb the cleaning up."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Read the command line and show."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep the web page until Ctrl-C")
    what = parser.add_mutually_exclusive_group()
    choose = partial(what.add_argument, dest="what", action="store_const")
    choose("--pipeline", const="pipeline", help="a day's orders, from Elastic Path to Zuora")
    choose("--query", const="query", help="a day's invoices, from Zuora to a file")
    choose("--month-end", const="month-end", help="a month is billed and collected, and another one not")
    parser.add_argument("--job-seconds", type=float, default=20, help="how long a job of Zuora takes")
    parser.add_argument("--fail", default=os.environ.get("FAIL", ""), help="the error that fails the job")
    parser.add_argument("--place", type=Path, default=CHECKOUT / ".demo", help="where its files go")
    parser.set_defaults(what="order")
    options = parser.parse_args()
    for each in SIGNALS:
        signal.signal(each, end_once)
    os.environ[MARK] = mark = secrets.token_hex(8)
    try:
        with empty(options.place):
            return 0 if show(options) else 1
    except StackError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        # A signal can come between the start of a process and the moment when we know of it.
        end_marked(MARK, mark)


if __name__ == "__main__":
    sys.exit(main())
