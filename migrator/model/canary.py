"""A canary: one test message to one mailbox through one ingress."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from migrator.model.names import Address, Ingress, ServerName

CANARY_HEADER = "X-Migrator-Canary"  # its value is the token; whoever copies or counts mail leaves these out


class ProofPhase(StrEnum):
    """Which proof a canary belongs to: before the cutover, after it, after a rollback, or one by hand."""

    GATE = "gate"
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    PROBE = "probe"


class CanaryState(StrEnum):
    """What is known of a canary. No evidence is `pending`, then `unproven`; never `proven`."""

    INTENDED = "intended"  # journalled; may or may not have been sent
    SENT = "sent"  # the ingress accepted it
    REFUSED = "refused"  # the ingress said 5xx
    PROVEN = "proven"  # on the expected server and absent on the other
    MISROUTED = "misrouted"  # on the server where it must not be
    UNPROVEN = "unproven"  # the deadline passed without it


@dataclass(frozen=True, slots=True)
class Canary:
    """`token` is unique; the Message-ID is `<token@...>`. `expected` is the server where it must be found."""

    token: str
    address: Address
    ingress: Ingress
    expected: ServerName
    absent_on: ServerName
    state: CanaryState
    sent_at: datetime | None = None
    detail: str = ""
