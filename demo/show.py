"""What the demo prints: one line a step, with the time it took and what came back."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StepFailed(Exception):
    """A step whose result is not what it must be."""


def _colour(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def say(text: str) -> None:
    """A line of its own."""
    print(text, flush=True)


def live(text: str) -> None:
    """Something that arrives while a step is at work."""
    for line in text.splitlines():
        print(_colour("2", f"      │ {line}"), flush=True)


@contextmanager
def step(title: str) -> Iterator[list[str]]:
    """Time a step; what is put into the list is printed as its result."""
    result: list[str] = []
    started = time.monotonic()
    try:
        yield result
    except BaseException:
        print(f"  {_colour('31', '✗')} {title}", flush=True)
        raise
    took = time.monotonic() - started
    print(f"  {_colour('32', '✓')} {title} {_colour('2', f'({took:.2f} s)')}", flush=True)
    for line in result:
        print(f"      {line}", flush=True)


def must(true: object, otherwise: str) -> None:
    """Fail the step with words unless something holds."""
    if not true:
        raise StepFailed(otherwise)
