"""What a gate sees, and what is made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrator.waves.operation import Operation


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate sees: whether it is open, why, and what to do when it is not."""

    open: bool
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The same with the gate's name; `skipped`: why the operator lets a closed one pass ("": nobody does)."""

    gate: str
    open: bool
    text: str
    remedy: str = ""
    skipped: str = ""

    @property
    def passes(self) -> bool:
        return self.open or bool(self.skipped)

    @property
    def word(self) -> str:
        return "open" if self.open else "SKIPPED" if self.skipped else "CLOSED"


Gate = Callable[[Operation], Seen]


def listed(what: str, items: Sequence[str], most: int = 10) -> str:
    """How many there are, and the first of them: "2 failures: a; b"."""
    if not items:
        return f"0 {what}"
    rest = f", and {len(items) - most} more" if len(items) > most else ""
    return f"{len(items)} {what}: " + "; ".join(items[:most]) + rest
