"""Another user's object against one that does not exist: the answers may not tell which is which."""

import time
from collections.abc import Callable

import httpx

from gql_gateway.core.ids import global_id, new_id
from tests.attack.tally import Tally
from tests.attack.world import VICTIM, World

FEWEST, MOST = 4, 200
SLOWER = 0.004
"""Seconds by which the quickest answers to the two may differ."""


def leaked(world: World, said: str) -> bool:
    """Whether an answer holds anything of the victim's."""
    return any(word in said for word in (world.secret, VICTIM, world.victims_job["id"].removeprefix("job_")))


def words(answer: httpx.Response) -> str:
    """An answer with its headers, without what differs each time."""
    kept = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    text = f"{answer.status_code} {answer.text} {kept}"
    return text.replace(answer.headers["x-request-id"], "REQUEST")


def compare(
    world: World, tally: Tally, what: str, ask: Callable[[str], str], target: str, *, timed: bool = True
) -> None:
    """Ask for the victim's id and for one that nothing has: the same words, and about the same time.

    Asked in turn, so that the machine's load hits both, and again while the quickest answers still differ: noise goes
    away by that, a reason does not.
    """
    nobody = global_id(target.partition("_")[0], new_id())
    said = {one: ask(one).replace(one, "ID").replace(one.partition("_")[2], "ID") for one in (target, nobody)}
    held = said[target] == said[nobody] and not leaked(world, said[target])
    sound = not any(word in said[target] for word in ("INTERNAL", "LIMIT_EXCEEDED", "VALIDATION_FAILED"))
    tally.hold("same words", held and sound, f"{what}: {said}")
    if not timed:
        return
    quickest = dict.fromkeys(said, float("inf"))
    for number in range(MOST):
        for one in said:
            began = time.perf_counter()
            ask(one)
            quickest[one] = min(quickest[one], time.perf_counter() - began)
        if number >= FEWEST and abs(quickest[target] - quickest[nobody]) < SLOWER:
            break
    tally.hold("similar time", abs(quickest[target] - quickest[nobody]) < SLOWER, f"{what}: {quickest}")
