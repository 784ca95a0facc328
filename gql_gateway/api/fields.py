"""How computed fields are declared: none without a description, and typed (Strawberry's own decorators are not)."""

from collections.abc import Callable
from typing import Any

import strawberry

Resolver = Callable[..., Any]


def resolved(description: str) -> Callable[[Resolver], Any]:
    """Declare the field that a method computes."""
    declare: Callable[[Resolver], Any] = strawberry.field(description=description)
    return declare


def followed(description: str) -> Callable[[Resolver], Any]:
    """Declare the subscription that an async generator feeds."""
    declare: Callable[[Resolver], Any] = strawberry.subscription(description=description)
    return declare
