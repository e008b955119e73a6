"""A timeline: the status words of a run, each from some moment on. It is a value, so nothing has to tick."""

from __future__ import annotations

import math
from dataclasses import dataclass

Steps = tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    Words in the order of time.

    :param steps: when each word begins, in seconds of the sandbox's clock, and the word.
    """

    steps: Steps

    def _list_past(self, now: float) -> Steps:
        return tuple(step for step in self.steps if step[0] <= now)

    def get_word(self, now: float) -> str:
        """Return the word of this time."""
        return self._list_past(now)[-1][1]

    def get_change(self, now: float) -> float:
        """Return when the word of this time began."""
        return self._list_past(now)[-1][0]

    def find_moment(self, word: str, now: float) -> float | None:
        """Return when a word began for the last time up to now, or None if it has not been."""
        return next((moment for moment, each in reversed(self._list_past(now)) if each == word), None)

    def get_end(self) -> float:
        """Return when the last word begins."""
        return max((moment for moment, _ in self.steps), default=math.inf)

    def turn(self, now: float, *words: tuple[float, str]) -> Timeline:
        """
        Return the timeline that goes another way from now on.

        :param words: each word, and for how many seconds the word before it lasts.
        """
        moment, steps = now, list(self._list_past(now))
        for seconds, word in words:
            moment += seconds
            steps.append((moment, word))
        return Timeline(tuple(steps))
