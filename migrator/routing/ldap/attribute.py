"""Routes in a directory: an attribute of each person's entry, changed entry by entry."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from migrator.model.ldap_filter import template
from migrator.model.names import Address, Ingress, Nexthop, has_control
from migrator.model.route import Applied, Flips, Queue
from migrator.routing.backups import keep
from migrator.routing.comparison import planned, refuse_conflicts, refuse_unlike, unlike
from migrator.routing.contract import Finding, applied
from migrator.routing.errors import ValueUnwritable
from migrator.routing.ldap import ldif
from migrator.routing.ldap.change import by_entry, make
from migrator.routing.ldap.check import findings
from migrator.routing.ldap.people import People, Site, find
from migrator.routing.ldap.wire import Directory, Record, Session
from migrator.routing.reader import Reader
from migrator.routing.retries import patiently


class Ldap:
    """The attribute `attribute` of the entries below `base` that `filter` finds; see docs/routing-ldap.md.

    `freeze` is the value that makes mail wait (None: this place cannot freeze). `known`: the addresses that may be
    moved here, for checks and copies; copies go to `backups`. `patience` (seconds; None: PATIENCE) is how long a server
    that is away is waited for. ValueError for a `filter` that is none.
    """

    carries_mail = True

    def __init__(
        self, name: Ingress, directory: Directory, base: str, filter: str, attribute: str, *, reader: Reader,
        freeze: Nexthop | None, known: Collection[Address], backups: Path, patience: float | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.freeze_value = freeze
        self._site = Site(directory, base, template(filter), attribute)
        self._reader, self._known, self._backups = reader, tuple(known), backups
        self._patience = patience
        self._place = f"{name} ({self._site})"

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the entries say; EntryInvalid where one is missing, doubled, or has several values."""
        with self._session() as session:
            return self._people(session, addresses).nexthops(self._place)

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; ValueUnwritable for an odd value."""
        for address, value in wanted.items():
            if value is not None and (has_control(value) or not value or value != value.strip()):
                raise ValueUnwritable(
                    f"{value!r} cannot be a value of {self._site.attribute} (for {address})",
                    remedy="Write it on one line, without control characters and without white space at its ends.",
                )
        return planned(self.read(tuple(wanted)), wanted)

    def apply(self, flips: Flips) -> Applied:
        """Look at all entries, change each by one MODIFY, tell the reader, read all back from the same server.

        RouteConflict also when an entry changes in the middle; the text then says which entries are flipped by now.
        """
        with self._session() as session:
            people = self._people(session, flips.addresses)
            before = people.nexthops(self._place)
            refuse_conflicts(self._place, flips, before)
            changes = by_entry(self._place, unlike(flips, before), people)
            if changes:
                keep(self._backups, self.name, "ldif", self._copy(people))
                make(session, self._site, self._place, changes, self._patience)
            # Always: an earlier run may have died between the last change and this
            self._reader.tell(self.name, str(self._site))
            after = self._people(session, flips.addresses).nexthops(self._place, "the change is made")
            refuse_unlike(self._place, flips, after)
        return applied(flips, {flip.address for flip in unlike(flips, before)})

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The entries that would change, in the manner of a unified diff; writes nothing."""
        with self._session() as session:
            people = self._people(session, flips.addresses)
        now = people.nexthops(self._place)
        refuse_conflicts(self._place, flips, now)
        name, hunks = self._site.attribute, ""
        for change in by_entry(self._place, unlike(flips, now), people):
            sides = (("-", now[change.flip.address]), ("+", change.flip.wanted))
            lines = [sign + ldif.line(name, value) for sign, value in sides if value is not None]
            hunks += f"@@ {change.dn} @@\n{''.join(lines)}"
        return f"--- {self._site}\n+++ {self._site} (planned)\n{hunks}" if hunks else ""

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise. Waits for no server that is away."""
        with self._session() as session:
            return findings(session, self._site, self._known, self.freeze_value, self._reader)

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail for `addresses`; None without a queue command."""
        return self._reader.queue(addresses)

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue tried again."""
        self._reader.flush(addresses)

    def backup(self) -> Path:
        """Keep a copy of the attribute of all known addresses, as LDIF by which `ldapmodify` puts it back."""
        with self._session() as session:
            return keep(self._backups, self.name, "ldif", self._copy(self._people(session, self._known)))

    def _session(self) -> Session:
        return Session(self._site.directory)

    def _people(self, session: Session, addresses: Collection[Address]) -> People:
        def search(filter: str, attributes: Collection[str]) -> list[Record]:
            return patiently(partial(session.search, self._site.base, filter, attributes), self._patience)

        return find(search, self._site, addresses)

    def _copy(self, people: People) -> str:
        records = {p.dn: ldif.replacing(p.dn, self._site.attribute, p.values) for p in people.entries.values()}
        left_out = "".join(f"# {address} {why}\n" for address, why in people.odd.items())
        return f"# {self._site}: put back by ldapmodify\nversion: 1\n\n{''.join(records.values())}{left_out}"
