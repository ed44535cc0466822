"""Routes in a console that only a person can work: the backend `manual`, see docs/routing-manual.md.

Nobody else can look there. So what was confirmed last is believed to be there; before anything was confirmed, what the
workspace says of the mailbox's source (`assumed`). An entry that somebody was asked to change, and of which nobody said
how it went, may say either: it is asked for again in every change, also back to what it was.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from migrator.model.errors import ExitCode, Refused, Stopped
from migrator.model.names import Address, Ingress, Nexthop, neutral
from migrator.model.progress import StopSignal
from migrator.model.route import Applied, Flip, Flips, Queue
from migrator.routing import comparison
from migrator.routing.backups import keep_routes
from migrator.routing.comparison import Routes
from migrator.routing.contract import Conflict, Finding, RouteConflict, Severity, applied, shown
from migrator.routing.operator.change_sets import Book, ChangeSet, ChangeSets

LOOK = 0.2  # seconds between two looks at whether somebody confirmed, or wishes to stop


class Unconfirmed(Refused):
    """A change set was printed, and nobody confirmed it in time: what the console says now is not known."""

    exit_code = ExitCode.GATE_REFUSED


class Manual:
    """`say` prints for the operator; `stop` and `patience` end the waiting for a confirmation."""

    carries_mail = True
    freeze_value = None

    def __init__(
        self, name: Ingress, instructions: str, *, assumed: Routes, directory: Path, patience: timedelta,
        say: Callable[[str], None], stop: StopSignal,
    ) -> None:  # fmt: skip
        self.name = name
        self._instructions = instructions
        self._assumed = assumed
        self._directory = directory
        self._sets = ChangeSets(directory, name)
        self._patience = patience
        self._say = say
        self._stop = stop

    def heeding(self, stop: StopSignal) -> "Manual":
        """The same place, whose waiting ends by another signal."""
        return self._but(stop, self._patience)

    def unattended(self) -> "Manual":
        """The same place, which waits for nobody."""
        return self._but(self._stop, timedelta(0))

    def _but(self, stop: StopSignal, patience: timedelta) -> "Manual":
        return Manual(
            self.name, self._instructions, assumed=self._assumed, directory=self._directory, patience=patience,
            say=self._say, stop=stop,
        )  # fmt: skip

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What is believed to be there: confirmed last, else assumed."""
        return self._believed(self._sets.book(), addresses)

    def evidence(self, addresses: Collection[Address]) -> Mapping[Address, str]:
        """Why that is believed, for each address."""
        book = self._sets.book()
        return {address: self._why(book, address) for address in addresses}

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes; an entry that somebody may have changed already is among them, whatever is believed."""
        book = self._sets.book()
        flips = ((address, self._states(book, address), value) for address, value in wanted.items())
        return Flips(
            tuple(
                Flip(address, next(state for state in states if state != value), value)
                for address, states, value in flips
                if states != (value,)
            )
        )

    def apply(self, flips: Flips) -> Applied:
        """Ask for the changes and wait until somebody confirms them; after a crash, the same change set is waited for.

        Stopped when the operator wishes, Unconfirmed when nobody answers; RouteConflict when the person says that the
        console holds something else.
        """
        todo = self._todo(flips)
        if todo.changes:
            self._await(self._sets.ask(todo))
        return applied(flips, set(todo.addresses))

    def revert(self, flips: Flips) -> Applied:
        """The same, sides exchanged."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The changes as a unified diff, a line an entry."""
        self._todo(flips)
        return comparison.diff(self.name, flips, {flip.address: flip.expected for flip in flips.changes})

    def check(self) -> list[Finding]:
        """The change sets of which nobody said how they went."""
        return [
            Finding(
                Severity.WARNING,
                f"the change set {each.token} of {len(each.flips.changes)} entries waits for its confirmation since "
                f"{each.asked_at:%Y-%m-%d %H:%M} UTC",
                f"Make it and `migrator route confirm {each.token}`; or run again what printed it, or roll back.",
            )
            for each in self._sets.book().open
        ]

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """Nobody can be asked."""
        return None

    def flush(self, addresses: Collection[Address]) -> None:
        """There is nothing that this program could do."""

    def backup(self) -> Path:
        """Keep what is believed of all addresses."""
        book = self._sets.book()
        return keep_routes(
            self._directory / "backup", self.name, self._believed(book, {**self._assumed, **book.confirmed})
        )

    def _believed(self, book: Book, addresses: Iterable[Address]) -> dict[Address, Nexthop | None]:
        return {a: book.confirmed[a].value if a in book.confirmed else self._assumed.get(a) for a in addresses}

    def _states(self, book: Book, address: Address) -> tuple[Nexthop | None, ...]:
        """What the console may say of an address; the first is what is believed."""
        return tuple(dict.fromkeys((self._believed(book, (address,))[address], *book.possible.get(address, ()))))

    def _todo(self, flips: Flips) -> Flips:
        """The flips that are not known to be made. RouteConflict where what may be there is not what is expected."""
        book = self._sets.book()
        states = {flip.address: self._states(book, flip.address) for flip in flips.changes}
        conflicts = tuple(
            Conflict(flip.address, flip.expected, states[flip.address][0], flip.wanted)
            for flip in flips.changes
            if not {flip.expected, flip.wanted} & set(states[flip.address])
        )
        if conflicts:
            raise RouteConflict(self.name, conflicts)
        return Flips(tuple(flip for flip in flips.changes if states[flip.address] != (flip.wanted,)))

    def _await(self, change: ChangeSet) -> None:
        until = datetime.now(UTC) + self._patience
        self._say(self._request(change, until))
        while (book := self._sets.book()).waiting(change.token):
            if self._stop.now():
                raise Stopped(
                    f"{self.name}: stopped while the change set {change.token} waited for its confirmation",
                    remedy=_resume(change),
                )
            if datetime.now(UTC) > until:
                raise Unconfirmed(
                    f"{self.name}: nobody confirmed the change set {change.token} within {self._patience}",
                    remedy=_resume(change),
                )
            time.sleep(LOOK)
        end = book.end(change.token)
        if end is None or not end.done:
            self._todo(change.flips)  # RouteConflict, with what the person has found there
            why = end.why if end else "is no longer known"
            raise Unconfirmed(f"{self.name}: the change set {change.token} {why}", remedy="Run the same command again.")
        self._say(f"{self.name}: change set {change.token} {end.why}")

    def _request(self, change: ChangeSet, until: datetime) -> str:
        book = self._sets.book()
        lines = (f"  {flip.address}: {self._seen(book, flip)} -> {shown(flip.wanted)}" for flip in change.flips.changes)
        count = len(change.flips.changes)
        return "\n".join(
            [
                f"{self.name}: a person is needed for {count} entries. {neutral(self._instructions)}",
                *lines,
                f"When all of them are so: migrator route confirm {change.token}",
                f"If one says something else now, change none: migrator route confirm {change.token} "
                f"--found ADDRESS=VALUE",
                f"Waiting until {until:%H:%M:%S} UTC.",
            ]
        )

    def _seen(self, book: Book, flip: Flip) -> str:
        """What the person should find there; more than one thing where an earlier request may have been followed."""
        return " or ".join(shown(value) for value in self._states(book, flip.address) if value != flip.wanted)

    def _why(self, book: Book, address: Address) -> str:
        one = book.confirmed.get(address)
        known = f"confirmed by {one.by} at {one.at:%Y-%m-%d %H:%M:%S} UTC" if one else "assumed, never confirmed"
        others = [shown(value) for value in self._states(book, address)[1:]]
        return f"{known}; may be {' or '.join(others)}: was asked for and not confirmed" if others else known


def _resume(change: ChangeSet) -> str:
    return (
        f"Run the same command again: what nobody confirmed is asked for again, under the same token. Or make the "
        f"changes and `migrator route confirm {change.token}` first."
    )
