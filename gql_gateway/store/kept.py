"""Answers that are kept for as long as nothing in the store changes, so that nothing stale is ever told."""

from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """At most `most` answers by key, each with the stamp that the store had before it was asked."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._stamp: object | None = None
        self._answers: dict[str, Answer] = {}

    def get(self, key: str, stamp: object | None) -> Answer | None:
        """What was answered while the store was as it is now."""
        return self._answers.get(key) if stamp is not None and stamp == self._stamp else None

    def put(self, key: str, stamp: object | None, answer: Answer) -> None:
        """Keep an answer that was asked for after `stamp` was taken."""
        if stamp is None:
            return
        if stamp != self._stamp or len(self._answers) >= self._most:
            self._stamp = stamp
            self._answers.clear()
        self._answers[key] = answer
