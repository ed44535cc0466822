"""Where mail goes: the values that routing backends exchange."""

from dataclasses import dataclass, field

from migrator.model.names import Address, Nexthop


@dataclass(frozen=True, slots=True)
class Flip:
    """One routing entry to change. None stands for "no entry", on either side."""

    address: Address
    expected: Nexthop | None
    wanted: Nexthop | None


@dataclass(frozen=True, slots=True)
class Flips:
    """The changes of one place, in the order of the addresses; also its dry run. Entries as wanted are absent."""

    changes: tuple[Flip, ...] = ()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Those that are to change."""
        return tuple(flip.address for flip in self.changes)

    def reversed(self) -> "Flips":
        """The same changes with sides exchanged."""
        return Flips(tuple(Flip(f.address, f.wanted, f.expected) for f in self.changes))


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply or a revert did, by what was read back afterwards; `notes`: what people should know of it."""

    changed: tuple[Address, ...] = ()
    already: tuple[Address, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at a place for some addresses: `active` is being delivered by the old route, `deferred` is not."""

    active: int = 0
    deferred: int = 0
    queue_ids: tuple[str, ...] = field(default=())
