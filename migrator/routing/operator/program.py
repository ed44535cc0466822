"""Routes that a program of the operator's reads and writes: the backend `command`, see docs/routing-command.md."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from migrator.model.errors import MigratorError, Transient
from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flips, Queue
from migrator.routing import comparison
from migrator.routing.backups import keep_routes
from migrator.routing.comparison import Routes
from migrator.routing.contract import Finding, applied, shown
from migrator.routing.durable import exclusive
from migrator.routing.errors import CommandFailed, listing
from migrator.routing.findings import asked, unrunnable
from migrator.routing.operator.program_call import CONFLICT, DONE, TRY_AGAIN, Ended, Program, answered
from migrator.routing.postfix.check import unqueueable
from migrator.routing.reader import Reader
from migrator.routing.retries import patiently

_AGAIN = "Run the same command again: it looks first, and changes only what is still to be changed."


class ProgramPlace:
    """One place behind `program`. `directory` takes its lock and its backups, which hold what it says of `known`."""

    carries_mail = True

    def __init__(
        self, name: Ingress, program: Program, *, reader: Reader, freeze: Nexthop | None, directory: Path,
        known: Collection[Address],
    ) -> None:  # fmt: skip
        self.name = name
        self.freeze_value = freeze
        self._program = program
        self._reader = reader
        self._directory = directory
        self._known = known
        self._place = f"{name} (`{program.line}`)"

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the program says now. CommandFailed unless it answers for each address: silence is no "no entry"."""
        ended = self._call({"verb": "read", "addresses": list(addresses)})
        if ended.status != DONE:
            raise CommandFailed(f"{self._place}, asked to read, {ended}", remedy="Make it answer, then run again.")
        found = self._routes(ended)
        if missing := [address for address in addresses if address not in found]:
            raise CommandFailed(
                f"{self._place} did not say what it has for {len(missing)} addresses:{listing(missing)}",
                remedy="It must answer for each address that it is asked for; null stands for no entry.",
            )
        return {address: found[address] for address in addresses}

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes from what it says now."""
        return comparison.planned(self.read(tuple(wanted)), wanted)

    def apply(self, flips: Flips) -> Applied:
        """Have the program make the changes, and read them back.

        It is called also when all is as wanted: what it may have left half done, such as telling somebody, is its own.
        """
        with exclusive(self._directory / f"{self.name}.lock", self._place) as lock:
            before = self.read(flips.addresses)
            comparison.refuse_conflicts(self._place, flips, before)
            self._change(flips, before, lock)
            self._reader.tell(self.name, "its program's place")
            comparison.refuse_unlike(self._place, flips, self.read(flips.addresses))
        return applied(flips, {flip.address for flip in comparison.unlike(flips, before)})

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The changes as a unified diff, a line an entry."""
        return comparison.diff(self.name, flips, self.read(flips.addresses))

    def check(self) -> list[Finding]:
        """Whether the program answers, and whether the commands of its reader are there."""
        return asked(
            [
                self._silent,
                lambda: unrunnable(self._reader.commands),
                lambda: unqueueable(self.freeze_value, self._reader.reload),
            ]
        )

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail for `addresses`; None without a queue command."""
        return self._reader.queue(addresses)

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue tried again."""
        self._reader.flush(addresses)

    def backup(self) -> Path:
        """Keep what the program says of all addresses that are known."""
        return keep_routes(self._directory / "backup", self.name, self.read(self._known))

    def _silent(self) -> Iterator[Finding]:
        self.read(())
        yield from ()

    def _call(self, request: Mapping[str, object], lock: int | None = None) -> Ended:
        """One answer; while it says "try again" it is asked again for a while, then Transient."""

        def once() -> Ended:
            ended = self._program.call({"place": self.name, **request}, lock)
            if ended.status == TRY_AGAIN:
                raise Transient(f"{self._place}, asked to {request['verb']}, says that it cannot now: {ended}")
            return ended

        return patiently(once)

    def _change(self, flips: Flips, before: Routes, lock: int) -> None:
        """Returns when the program says that it is done; after any other end, what is there is read and told."""
        wanted = [{"address": f.address, "expected": f.expected, "new": f.wanted} for f in flips.changes]
        ended = self._call({"verb": "apply", "flips": wanted}, lock)
        if ended.status == DONE:
            return
        found = self._routes(ended) if ended.status == CONFLICT else {}
        changed, came = self._how_far(flips, before)
        if not changed:
            comparison.refuse_conflicts(self._place, flips, {**before, **found})
        raise CommandFailed(f"{self._place}, asked to apply, {ended}. {came}", remedy=_AGAIN)

    def _how_far(self, flips: Flips, before: Routes) -> tuple[bool, str]:
        """Whether anything was changed by a call that did not end well (or may have been), and what, in words."""
        try:
            now = self.read(flips.addresses)
        except MigratorError as error:
            return True, f"What it changed is not known: {error}"
        changed = [f for f in flips.changes if before[f.address] != now[f.address] == f.wanted]
        if not changed:
            return False, "Read again, nothing is changed so far."
        lines = [f"{flip.address}: {shown(flip.wanted)}" for flip in changed]
        left = len(comparison.unlike(flips, now))
        return True, f"Read again, {len(changed)} are changed, and {left} are not as wanted; changed:{listing(lines)}"

    def _routes(self, ended: Ended) -> dict[Address, Nexthop | None]:
        routes = answered(self._program.line, ended.output).get("routes")
        if not isinstance(routes, dict) or not all(v is None or isinstance(v, str) for v in routes.values()):
            raise CommandFailed(
                f"{self._place} answered without `routes`, an object of addresses with strings or null",
                remedy="docs/routing-command.md says what it must print on its standard output.",
            )
        return {Address(a): None if v is None else Nexthop(v) for a, v in routes.items()}
