"""What an attack tried, and what got through."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """The account of one attack. `tried` counts by kind; `escaped` tells each success of the attacker in words."""

    tried: Counter[str] = field(default_factory=Counter)
    escaped: list[str] = field(default_factory=list)

    def hold(self, what: str, held: bool, seen: object = "") -> None:
        """Note one try, and whether the wall held."""
        self.tried[what] += 1
        if not held:
            self.escaped.append(f"{what}: {str(seen)[:400]}")

    def count(self, what: str, number: int) -> None:
        """Note tries that are only counted, as their success would be seen elsewhere."""
        self.tried[what] += number

    def __str__(self) -> str:
        kinds = ", ".join(f"{what} {number}" for what, number in sorted(self.tried.items()))
        return f"tried {self.tried.total():,}, escaped {len(self.escaped)}  ({kinds})"
