"""Silence counts between answers, and only forward."""

from datetime import timedelta

from gql_gateway.watcher.silence import Silences


class Clock:
    """A steady clock that a test moves."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_counts_from_the_first_answer_without_a_word() -> None:
    clock = Clock()
    silences = Silences(clock)
    assert silences.heard_nothing("a") == timedelta()
    clock.seconds += 7
    assert silences.heard_nothing("a") == timedelta(seconds=7)
    assert silences.heard_nothing("b") == timedelta()


def test_a_word_or_an_outage_begins_it_anew() -> None:
    clock = Clock()
    silences = Silences(clock)
    silences.heard_nothing("a")
    clock.seconds += 7
    silences.begin_anew("a")
    assert silences.heard_nothing("a") == timedelta()


def test_who_is_no_longer_asked_for_is_forgotten() -> None:
    clock = Clock()
    silences = Silences(clock)
    for job in "ab":
        silences.heard_nothing(job)
    clock.seconds += 7
    silences.keep_only({"b"})
    assert [silences.heard_nothing(job) for job in "ab"] == [timedelta(), timedelta(seconds=7)]
