"""What happens to the cluster itself while the load runs: each event waits for its moment, not for a time."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Thread

from tests.cluster.cluster import Cluster
from tests.cluster.load import RUN_ID, Load

AWAY = 15.0  # seconds until what was killed is back
CUT = 20.0
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True)
class Moment:
    """
    When something happens: as soon as all of this is so.

    :param share: of the load's tasks have ended.
    """

    share: float = 0.0
    running: int = 0
    deferred: int = 0


@dataclass(frozen=True)
class Event:
    """Something that happens once; `act` returns what is to be told of it."""

    name: str
    moment: Moment
    act: Callable[[Cluster], str]


@dataclass
class History:
    """What has happened, in order; and what never came to its moment."""

    told: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)


def start_dag(dag_id: str, moment: Moment) -> Event:
    """Return the start of a part of the load."""

    def act(cluster: Cluster) -> str:
        cluster.api.trigger(dag_id, {}, RUN_ID)
        return ""

    return Event(f"start of {dag_id}", moment, act)


def kill(name: str, moment: Moment) -> Event:
    """Return the SIGKILL of a component and of all that it started; it is back some seconds later."""

    def act(cluster: Cluster) -> str:
        found = count_states(cluster)
        killed = cluster.components[name].kill()
        cluster.is_over.wait(AWAY)
        cluster.components[name].start()
        return f"{killed} processes, while {found['running']} tasks ran and {found['deferred']} were deferred"

    return Event(f"SIGKILL of {name}", moment, act)


def crash_database(moment: Moment) -> Event:
    """Return a crash of the database, which recovers some seconds later."""

    def act(cluster: Cluster) -> str:
        database = cluster.components["postgres"]
        database.send_signal(signal.SIGQUIT)
        database.end(10.0)
        cluster.is_over.wait(2.0)
        database.start()
        return "away for some seconds"

    return Event("crash of PostgreSQL", moment, act)


def cut_network(moment: Moment) -> Event:
    """Return a cut of the network between Airflow and the sandbox."""

    def act(cluster: Cluster) -> str:
        broken = cluster.network.cut(lambda: cluster.is_over.wait(CUT))
        return f"for {CUT:.0f} s, which broke {broken} connections"

    return Event("cut of the network", moment, act)


def revoke(moment: Moment) -> Event:
    """Return the end of all tokens."""

    def act(cluster: Cluster) -> str:
        cluster.ask_sandbox("POST", "revoke", {})
        return ""

    return Event("revocation of all tokens", moment, act)


EVENTS = (
    start_dag("mapped", Moment()),
    start_dag("lists", Moment()),
    revoke(Moment(share=0.03, running=1)),
    kill("worker1", Moment(share=0.05, running=3)),
    start_dag("queries", Moment(share=0.05)),
    start_dag("bill_runs", Moment(share=0.05)),
    kill("triggerer1", Moment(share=0.1, deferred=3)),
    start_dag("pairs", Moment(share=0.15)),
    cut_network(Moment(share=0.2, deferred=2, running=1)),
    start_dag("refused", Moment(share=0.25)),
    kill("scheduler1", Moment(share=0.3, running=2)),
    crash_database(Moment(share=0.4, running=2)),
    revoke(Moment(share=0.5, deferred=1)),
)


def count_states(cluster: Cluster) -> Counter[str]:
    """Return how many task instances are in each state."""
    found = "SELECT coalesce(state, 'none'), count(*) FROM task_instance WHERE run_id = %s GROUP BY 1"
    return Counter(dict(cluster.select(found, RUN_ID)))


def run_events(
    cluster: Cluster, load: Load, events: Iterable[Event], patience: float, say: Callable[[str], None]
) -> History:
    """
    Let everything happen, and wait until the load has ended.

    Each event begins at its moment, after those before it have begun; what takes time goes on beside.

    :param patience: seconds after which nothing is waited for any longer.
    """
    history = History()
    left = list(events)
    try:
        _let_happen(cluster, load, left, history, patience, say)
    except BaseException:
        cluster.is_over.set()
        raise
    finally:
        for thread in history.threads:
            thread.join()
    history.missed = [event.name for event in left]
    return history


def _let_happen(
    cluster: Cluster,
    load: Load,
    left: list[Event],
    history: History,
    patience: float,
    say: Callable[[str], None],
) -> None:
    began, reported = time.monotonic(), 0.0
    while (passed := time.monotonic() - began) < patience:
        states = count_states(cluster)
        ended = sum(states[state] for state in ENDED)
        if not left and ended >= load.tasks:
            break
        if passed - reported >= 15:
            reported = passed
            say(f"{passed:4.0f} s  {ended} of {load.tasks} tasks have ended  {dict(states)}")
        if left and _is_due(left[0].moment, states, ended / load.tasks):
            _begin(cluster, left.pop(0), history, began, say)
            continue
        time.sleep(1.0)


def _is_due(moment: Moment, states: Counter[str], share: float) -> bool:
    return (
        share >= moment.share
        and states["running"] >= moment.running
        and states["deferred"] >= moment.deferred
    )


def _begin(
    cluster: Cluster, event: Event, history: History, began: float, say: Callable[[str], None]
) -> None:
    at = time.monotonic() - began

    def act() -> None:
        words = event.act(cluster)
        line = f"{event.name} at {at:.0f} s" + (f": {words}" if words else "")
        if not event.name.startswith("start of"):
            history.told.append(line)
        say(f"{time.monotonic() - began:4.0f} s  {line}")

    thread = Thread(target=act, name=event.name)
    thread.start()
    history.threads.append(thread)
    if event.name.startswith(("start of", "revocation")):
        thread.join()
