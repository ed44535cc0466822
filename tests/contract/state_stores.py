"""What the state's contract tests share: names, plausible rows, somebody else."""

from __future__ import annotations

from datetime import timedelta

from migrator import state
from migrator.model.message import Outcome
from migrator.model.names import Address
from migrator.state import Actor, LedgerRow

ME = state.here(["migrator", "wave", "run", "sales"])
SAKURA = Address("sakura@example.co.jp")
TTL = timedelta(minutes=1)


def row(uid: int, outcome: Outcome = Outcome.COPIED, **more: object) -> LedgerRow:
    """A ledger row; what is not given is plausible."""
    given: dict[str, object] = {
        "target_uid": uid + 1000 if outcome in (Outcome.COPIED, Outcome.PRESENT) else None,
        "flags": frozenset({"\\Seen"}),
        "digest": uid.to_bytes(16),
        "size": 4000,
        **more,
    }
    return LedgerRow(source_uid=uid, outcome=outcome, **given)  # type: ignore[arg-type]


def other(pid: int = 1, host: str = "elsewhere") -> Actor:
    """Somebody on another host."""
    return Actor("hanako", host, pid, "migrator wave run sales")
