"""What a run does with a mailbox at a moment, and what holds it back."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from migrator.model.names import Address, WaveName
from migrator.model.wave import PassKind


class HeldBy(StrEnum):
    """What a mailbox waits for."""

    NOTHING = "nothing"  # it is being worked on
    CONNECTIONS = "connections"  # other mailboxes have all that the servers bear
    BUDGET = "budget"  # a limit of octets or messages, a second or a day
    WINDOW = "window"  # an hour at which nothing is copied
    SERVER = "server"  # it asked for patience
    RETRY = "retry"  # an attempt failed, the next follows
    LEASE = "another run"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why work waits, in words; `seconds` from now, about; `until` where a moment is known."""

    by: HeldBy
    detail: str
    seconds: float = 0.0
    until: datetime | None = None


WORKING = Hold(HeldBy.NOTHING, "")


@dataclass(frozen=True, slots=True)
class Doing:
    """One mailbox of a run: its pass (`started` None: not begun), how far it is, and what it waits for since when.

    `planned_*` is what the pass has found to copy so far: it grows as folders are looked at.
    """

    address: Address
    wave: WaveName
    kind: PassKind
    hold: Hold
    since: datetime
    started: datetime | None = None
    planned_messages: int = 0
    planned_octets: int = 0
    messages: int = 0
    octets: int = 0
