"""
The exactly-once protocol as a table: a submission's standing and an event -> its next standing and action.

A key stays in use as long as a POST under it may still make an order. "Refused" and "there is no order"
follow only from an answer that decides for the key, or from a look-up that found nothing twice. The next key
follows only if every POST under this one, of whichever try, comes to nothing: an answer that is proven to be
stored, a job that failed, a key that is too old. So a try that remembers nothing goes through the same keys
to the same end. What cannot be known is a question to a person, never a guess.

``docs/exactly-once.md`` explains the table, which answer is which event, and where these rules come from.
``*_STORED``: the answer is proven to be the one that the vendor stores under the key and repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, Flag, auto


class Standing(Enum):
    """What a try knows of its submission."""

    CLEAR = "no POST under the key can have made an order"
    UNDECIDED = "a POST under the key may have made an order"
    CONTRADICTED = "refused, but an earlier POST may have made an order"
    STUCK = "the key is too old to be sent, or only repeats an answer that decides nothing"
    MISUSED = "the vendor knows the key from another request"
    STARTED = "there is a job"
    LOST = "the vendor does not know the job any more"
    REFUSED = "the vendor refused it, for all POSTs under the key"
    REPROVED = "refused in an earlier try, and sent once more"
    FAILED = "the job failed"
    ABSENT = "there is no order, and the key is not sent again"


class Event(Flag):
    """What happens to a submission; the first nine are answers to a POST."""

    ACCEPTED = auto()  # it names a job, for all POSTs under the key
    REFUSED = auto()  # refused with a code of eight digits
    LOCKED = auto()  # a lock, category 50
    LIMITED = auto()  # a limit is reached: this POST is not processed
    TURNED_AWAY = auto()  # this POST is refused without such a code, by whoever stands before the vendor
    SIGN_IN_REFUSED = auto()  # the token is refused
    IN_PROGRESS = auto()  # the first POST under the key is under way
    KEY_IN_USE = auto()  # the key was used for another request
    NO_ANSWER = auto()  # none, or one that decides nothing
    REFUSED_STORED = auto()
    LOCKED_STORED = auto()
    LIMITED_STORED = auto()
    NO_ANSWER_STORED = auto()
    REFUSED_AFTER_ABSENCE = auto()  # refused or locked; the key before was left because no order was found
    REFUSED_AFTER_ABSENCE_STORED = auto()
    START = auto()  # the try begins
    ACCEPTED_BEFORE = auto()  # a job's id, under a key that an earlier try may have sent
    ENOUGH = auto()  # it has been sent as often as a try may
    OLD = auto()  # the vendor may have forgotten the key
    RUNS = auto()  # the job is under way, or has made the order
    JOB_FAILED = auto()  # the job has failed
    JOB_UNKNOWN = auto()  # there is no such job
    FOUND = auto()  # the order is there
    NOT_FOUND_YET = auto()  # the order is not there, or has no number to be looked up by
    NOT_FOUND = auto()  # the order is not there, twice
    NOT_FOUND_STORED = auto()  # the same, and the refusal is stored under the key
    NOT_FOUND_TURNED_AWAY = auto()  # the same, and the POST was refused without a code
    NO_NUMBER = auto()  # it has no number to be looked up by
    AGAIN = auto()  # the end is an earlier try's, and this one is to try again
    AGAIN_ASKED = auto()  # the same, and this try has sent the key itself
    OVER = auto()  # the end is final
    BEGUN = auto()  # the next key, which cannot have been sent
    BEGUN_BEFORE = auto()  # the next key, which an earlier try may have sent


class Action(Enum):
    """What a submission does next."""

    SEND = "send"
    READ_JOB = "read the job"
    LOOK_ONCE = "look once"
    LOOK_UP = "look up"
    NEXT_KEY = "next key"
    CONSIDER = "consider"
    RETURN = "return"
    FAIL = "fail"
    STOP = "stop"
    ASK = "ask"


S, E, A = Standing, Event, Action

ROWS: tuple[tuple[Standing | None, Event, Standing, Action], ...] = (
    (S.CLEAR, E.START, S.CLEAR, A.SEND),
    (S.CLEAR, E.ACCEPTED, S.STARTED, A.RETURN),
    (S.CLEAR, E.REFUSED | E.LOCKED | E.REFUSED_STORED | E.LOCKED_STORED, S.REFUSED, A.FAIL),
    (S.CLEAR, E.REFUSED_AFTER_ABSENCE, S.CONTRADICTED, A.LOOK_UP),
    (S.CLEAR, E.LIMITED, S.CLEAR, A.SEND),
    (S.CLEAR, E.TURNED_AWAY | E.SIGN_IN_REFUSED | E.ENOUGH, S.CLEAR, A.STOP),
    (S.CLEAR, E.NO_ANSWER | E.IN_PROGRESS, S.UNDECIDED, A.SEND),
    (S.CLEAR, E.LIMITED_STORED | E.OLD, S.ABSENT, A.NEXT_KEY),
    (S.CLEAR, E.NO_ANSWER_STORED, S.STUCK, A.LOOK_UP),
    (S.UNDECIDED, E.START | E.LOCKED | E.LIMITED | E.NO_ANSWER | E.IN_PROGRESS, S.UNDECIDED, A.SEND),
    (S.UNDECIDED, E.ACCEPTED, S.STARTED, A.RETURN),
    (S.UNDECIDED, E.REFUSED | E.TURNED_AWAY | E.REFUSED_AFTER_ABSENCE, S.CONTRADICTED, A.SEND),
    (S.UNDECIDED, E.REFUSED_STORED | E.LOCKED_STORED, S.REFUSED, A.CONSIDER),
    (S.UNDECIDED, E.LIMITED_STORED, S.ABSENT, A.NEXT_KEY),
    (S.UNDECIDED, E.NO_ANSWER_STORED | E.OLD, S.STUCK, A.LOOK_UP),
    (S.UNDECIDED, E.ENOUGH, S.UNDECIDED, A.LOOK_ONCE),
    (S.UNDECIDED, E.SIGN_IN_REFUSED | E.NOT_FOUND_YET, S.UNDECIDED, A.STOP),
    (S.CONTRADICTED, E.REFUSED | E.TURNED_AWAY | E.REFUSED_AFTER_ABSENCE, S.CONTRADICTED, A.SEND),
    (S.CONTRADICTED, E.LOCKED | E.LIMITED | E.NO_ANSWER | E.IN_PROGRESS, S.UNDECIDED, A.SEND),
    (S.CONTRADICTED, E.ACCEPTED, S.STARTED, A.RETURN),
    (S.CONTRADICTED, E.REFUSED_STORED | E.LOCKED_STORED, S.REFUSED, A.CONSIDER),
    (S.CONTRADICTED, E.LIMITED_STORED, S.ABSENT, A.NEXT_KEY),
    (S.CONTRADICTED, E.NO_ANSWER_STORED | E.OLD, S.STUCK, A.LOOK_UP),
    (S.CONTRADICTED, E.SIGN_IN_REFUSED, S.UNDECIDED, A.STOP),
    (S.CONTRADICTED, E.ENOUGH, S.CONTRADICTED, A.LOOK_UP),
    (S.CONTRADICTED, E.NOT_FOUND, S.REFUSED, A.FAIL),
    (S.CONTRADICTED, E.NOT_FOUND_STORED, S.REFUSED, A.CONSIDER),
    (S.CONTRADICTED, E.NOT_FOUND_TURNED_AWAY, S.CLEAR, A.STOP),
    (S.CONTRADICTED, E.NO_NUMBER, S.UNDECIDED, A.ASK),
    (S.STUCK, E.NOT_FOUND, S.ABSENT, A.NEXT_KEY),
    (S.STUCK, E.NO_NUMBER, S.UNDECIDED, A.ASK),
    (S.MISUSED, E.NOT_FOUND | E.NO_NUMBER, S.UNDECIDED, A.ASK),
    (S.STARTED, E.START, S.STARTED, A.READ_JOB),
    (S.STARTED, E.RUNS, S.STARTED, A.RETURN),
    (S.STARTED, E.JOB_FAILED, S.FAILED, A.CONSIDER),
    (S.STARTED, E.JOB_UNKNOWN, S.LOST, A.LOOK_UP),
    (S.LOST, E.NOT_FOUND | E.NO_NUMBER, S.STARTED, A.ASK),
    (S.REFUSED, E.START, S.REFUSED, A.CONSIDER),
    (S.REFUSED, E.OVER, S.REFUSED, A.FAIL),
    (S.REFUSED, E.AGAIN, S.REPROVED, A.SEND),
    (S.REFUSED, E.AGAIN_ASKED, S.REFUSED, A.NEXT_KEY),
    (S.REPROVED, E.ACCEPTED, S.STARTED, A.RETURN),
    (S.REPROVED, E.REFUSED | E.LOCKED | E.REFUSED_AFTER_ABSENCE, S.REPROVED, A.SEND),
    (S.REPROVED, E.REFUSED_STORED | E.LOCKED_STORED | E.OLD, S.REFUSED, A.NEXT_KEY),
    (S.REPROVED, E.LIMITED, S.REPROVED, A.SEND),
    (S.REPROVED, E.LIMITED_STORED, S.ABSENT, A.NEXT_KEY),
    (S.REPROVED, E.NO_ANSWER | E.IN_PROGRESS, S.UNDECIDED, A.SEND),
    (S.REPROVED, E.NO_ANSWER_STORED, S.STUCK, A.LOOK_UP),
    (S.REPROVED, E.ENOUGH, S.REFUSED, A.FAIL),
    (S.REPROVED, E.TURNED_AWAY | E.SIGN_IN_REFUSED, S.CLEAR, A.STOP),
    (S.FAILED, E.START, S.FAILED, A.CONSIDER),
    (S.FAILED, E.OVER, S.FAILED, A.FAIL),
    (S.FAILED, E.AGAIN | E.AGAIN_ASKED, S.FAILED, A.NEXT_KEY),
    (S.ABSENT, E.START, S.ABSENT, A.NEXT_KEY),
    # In every standing; the next key is preceded by a look-up if the one before was left without an order.
    (None, E.REFUSED_AFTER_ABSENCE_STORED, S.CONTRADICTED, A.LOOK_UP),
    (None, E.ACCEPTED_BEFORE, S.STARTED, A.READ_JOB),
    (None, E.KEY_IN_USE, S.MISUSED, A.LOOK_UP),
    (None, E.FOUND, S.STARTED, A.RETURN),
    (None, E.BEGUN, S.CLEAR, A.SEND),
    (None, E.BEGUN_BEFORE, S.UNDECIDED, A.SEND),
)

TABLE: Mapping[tuple[Standing, Event], tuple[Standing, Action]] = {
    (standing, event): (then, action)
    for row, events, then, action in reversed(ROWS)
    for standing in (Standing if row is None else (row,))
    for event in events
}
