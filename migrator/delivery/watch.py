"""Watches the two servers of one mailbox for its canaries: what each look saw, as observations."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from migrator.delivery.look import Finder, remove
from migrator.delivery.verdict import Observation, Sighting
from migrator.imap import Session
from migrator.model.canary import Canary
from migrator.model.errors import MigratorError
from migrator.model.names import Address, ServerName

Connect = Callable[[Address, ServerName], AbstractContextManager[Session]]


class Watch:
    """The canaries of one mailbox that are expected on the same server. One thread at a time.

    `since` (aware) is before the first of them was sent; None: none was sent yet.
    """

    def __init__(self, canaries: Collection[Canary], connect: Connect, since: datetime | None) -> None:
        some = next(iter(canaries))
        self.address, self._expected, self._other = some.address, some.expected, some.absent_on
        self._tokens = frozenset(canary.token for canary in canaries)
        self._finders = {server: Finder(self._tokens, since) for server in (self._expected, self._other)}
        self._connect = connect

    def look(self) -> Mapping[str, Observation]:
        """Look at the server where they are expected and then at the other; one observation a token."""
        expected, trouble = self._see(self._expected)
        other, more_trouble = self._see(self._other)
        words = "; ".join(filter(None, (trouble, more_trouble)))
        return {t: Observation(expected.get(t), other.get(t), words) for t in self._tokens}

    def look_elsewhere(self) -> Mapping[str, Observation]:
        """Look only at the server where they must not be."""
        other, trouble = self._see(self._other)
        return {token: Observation(None, other.get(token), trouble) for token in self._tokens}

    def clean(self) -> tuple[int, str]:
        """Remove every canary that is found on the server where it was expected; (how many, what went wrong)."""
        finder = self._finders[self._expected]
        try:
            with self._connect(self.address, self._expected) as session:
                finder.look(session)
                return remove(session, finder.places), ""
        except MigratorError as error:
            return 0, f"{self.address}: canaries are left on {self._expected}: {error}"

    def _see(self, server: ServerName) -> tuple[Mapping[str, Sighting], str]:
        """A sighting for each token, or none and the server's words when it could not be looked at."""
        finder, at = self._finders[server], time.monotonic()
        try:
            with self._connect(self.address, server) as session:
                finder.look(session)
        except MigratorError as error:
            return {}, f"{server}: {error}"
        return {token: Sighting(at, finder.of(token)) for token in self._tokens}, ""

    def unread(self) -> tuple[str, ...]:
        """A line for each server with folders that could not be opened."""
        shut = {server: ", ".join(sorted(finder.unreadable)) for server, finder in self._finders.items()}
        return tuple(f"{self.address}: not looked into on {server}: {names}" for server, names in shut.items() if names)


def watches(canaries: Iterable[Canary], connect: Connect, new: Collection[Canary] = ()) -> tuple[Watch, ...]:
    """A watch for each mailbox, in the order of the canaries; `new` are those that were never sent."""
    groups: dict[tuple[Address, ServerName, ServerName], list[Canary]] = {}
    for canary in canaries:
        groups.setdefault((canary.address, canary.expected, canary.absent_on), []).append(canary)
    unsent = frozenset(new)
    return tuple(Watch(group, connect, _first_sent(group, unsent)) for group in groups.values())


def _first_sent(canaries: Collection[Canary], unsent: Collection[Canary]) -> datetime | None:
    """When the first was sent at the earliest; one that was journalled but not seen to be sent counts as just sent."""
    known = [canary.sent_at or datetime.now(UTC) for canary in canaries if canary not in unsent]
    return min(known, default=None)
