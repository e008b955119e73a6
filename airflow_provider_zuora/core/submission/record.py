"""What a task notes of its submission, so that the next try knows what it may do; values, no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from airflow_provider_zuora.core.errors import ApiError, JobFailed, LockContention, OutcomeUnknown, Refused
from airflow_provider_zuora.core.jobs import Job

NAME = "zuora_submission"
"""Under what the open intent stands in the task's state store; a finished one is under ``NAME:<digest>``."""

_MOST_TRACK_IDS = 8
_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("submitter", "account", "key", "digest", "said", "answered"), (str,)),
    **dict.fromkeys(("generation", "max_tries"), (int,)),
    **dict.fromkeys(("contents", "params", "track_ids"), (list,)),
    **dict.fromkeys(("first_post", "seen"), (int, float)),
    "job_id": (str, type(None)),
    "paths": (dict,),
}


class Fate(Enum):
    """What is known of the POSTs under one key."""

    OPEN = "open"  # sent, or about to be; whether there is a job is unknown
    STARTED = "started"  # there is a job; how it ends is the vendor's to say
    REFUSED = "refused"  # the vendor said no
    FAILED = "failed"  # there was a job, and it failed
    GONE = "gone"  # there is no order, and a POST under this key cannot make one


@dataclass(frozen=True, slots=True)
class Intent:
    """
    One submission, under one key; all times are seconds since 1970.

    :param submitter: fingerprint of who submits which order; ``account``: of URL, client id, entity and orgs.
    :param digest: of the content that the first generation was made for.
    :param contents: digests of the contents that went out under this key: one, unless the order changed
        between two tries of which the first had an unknown outcome.
    :param params: the query of the POST; a key belongs to it.
    :param paths: hashes of the values of the first of these contents, see `keys.path_hashes`.
    :param first_post: when a POST was first sent under this key.
    :param max_tries: Airflow's, when the intent was last written by a try; clearing the task raises it.
    :param lasting: True where a refusal or failure is not a passing one; ``locked``: where it met a lock.
    :param blind: True where earlier tries may have sent this key and have left no note; ``first_post`` is a
        time before which they cannot have.
    :param doubt: True where the key before was left because there was no order then: one may have come since.
    :param seen: when the job, the refusal or the failure was seen.
    :param said: what was seen, without the vendor's words: these may quote the order.
    :param answered: the vendor's id of the last answer; where it comes again, that answer is a stored one.
    :param track_ids: of the last POSTs.
    """

    submitter: str
    order_number: str | None
    account: str
    key: str
    generation: int
    digest: str
    contents: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    paths: Mapping[str, str]
    first_post: float
    max_tries: int
    fate: Fate = Fate.OPEN
    job_id: str | None = None
    lasting: bool = False
    locked: bool = False
    blind: bool = False
    doubt: bool = False
    seen: float = 0.0
    said: str = ""
    answered: str = ""
    track_ids: tuple[str, ...] = ()

    def posting(self, track_id: str, digest: str, max_tries: int) -> Intent:
        """Return the intent as it is written before a POST of this content."""
        track_ids = (*self.track_ids, track_id)[-_MOST_TRACK_IDS:]
        return replace(self.covering(digest), track_ids=track_ids, max_tries=max_tries)

    def covering(self, digest: str) -> Intent:
        """Return the intent as one that this content may have gone out under, too."""
        contents = self.contents if digest in self.contents else (*self.contents, digest)
        return replace(self, contents=contents)

    def started(self, job_id: str, max_tries: int, now: float = 0.0) -> Intent:
        """Return the intent with the job that it led to."""
        return replace(self, fate=Fate.STARTED, job_id=job_id, max_tries=max_tries, seen=now)

    def refused(self, said: str, now: float, *, locked: bool) -> Intent:
        """Return the intent as the vendor's no leaves it."""
        return replace(self, fate=Fate.REFUSED, lasting=not locked, locked=locked, seen=now, said=said)

    def failed(self, job: Job, now: float) -> Intent:
        """Return the intent as its failed job leaves it."""
        seen = self.seen if self.fate is Fate.FAILED else now
        lasting, said = not job.transient, f"Job {job.job_id} ended as {job.status}"
        said += f": {job.answer.bare}" if job.answer else ""
        return replace(self, fate=Fate.FAILED, lasting=lasting, locked=job.locked, seen=seen, said=said)

    def gone(self, said: str) -> Intent:
        """Return the intent as one that cannot make an order any more."""
        return replace(self, fate=Fate.GONE, said=said)

    def error(self) -> ApiError:
        """Return the error that the end of this intent amounts to."""
        if self.locked:
            return LockContention(self.said, transient=True)
        kind = {Fate.FAILED: JobFailed, Fate.REFUSED: Refused}.get(self.fate, ApiError)
        return kind(self.said, transient=not self.lasting)

    def as_dict(self) -> dict[str, Any]:
        """Return the intent in plain JSON types."""
        lists = {
            "contents": list(self.contents),
            "params": [list(pair) for pair in self.params],
            "track_ids": list(self.track_ids),
        }
        members = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**members, **lists, "paths": dict(self.paths), "fate": self.fate.value}

    @classmethod
    def from_dict(cls, values: Any) -> Intent:
        """
        Return the intent that `as_dict` described; fields that only another release knows are left out.

        :raises OutcomeUnknown: where it is none, because then nobody knows what was sent.
        """
        try:
            known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
            _check(known)
            own: dict[str, Any] = {
                "fate": Fate(known["fate"]),
                "contents": tuple(known["contents"]),
                "params": tuple((str(name), str(value)) for name, value in known["params"]),
                "track_ids": tuple(known["track_ids"]),
            }
            return cls(**{**known, **own})
        except (KeyError, TypeError, ValueError) as error:
            raise OutcomeUnknown(
                f"The task's state store holds something under {NAME!r} that is no submission of this "
                f"package ({error!r}), so what was sent before is unknown. Look for the order at the vendor; "
                "then pass its job as adopt_job_id, or delete the entry, and clear the task."
            ) from error


def _check(noted: Mapping[str, Any]) -> None:
    for name, kinds in _KINDS.items():
        if name in noted and not isinstance(noted[name], kinds):
            raise TypeError(f"{name} is of type {type(noted[name]).__name__}")
    if noted["fate"] == Fate.STARTED.value and not noted.get("job_id"):
        raise ValueError("a job without an id")
