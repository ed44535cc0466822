"""Routes of people's mail programs, in a file that a proxy reads: which server each user's session is led to."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flips
from migrator.routing import command, text_lines
from migrator.routing.clients import proxy_text
from migrator.routing.clients.proxy_text import ClientText, Grammar
from migrator.routing.comparison import planned, refuse_conflicts, refuse_unlike, unlike
from migrator.routing.contract import Finding, Severity, applied
from migrator.routing.errors import CommandFailed, ProxyRefuses, listing
from migrator.routing.findings import Question, asked, unrunnable, unwritable
from migrator.routing.logins import LoginsOnly, logins
from migrator.routing.map_files import MapFiles
from migrator.routing.reader import Reader
from migrator.routing.sessions import Sessions

_INTO_THE_SECOND = 0.05


@dataclass(frozen=True, slots=True)
class Notice:
    """How a proxy takes notice of a change.

    `test`: a command that fails when the proxy could not read its configuration. `by_the_second`: it looks at the file
    when a second begins in which it is asked. `after`: the seconds from `reload` until it answers anew.
    """

    reload: str | None = None
    test: str | None = None
    by_the_second: bool = False
    after: float = 0.0


class ClientProxy(LoginsOnly):
    """One file, changed by building it aside and renaming; see docs/routing-client-proxies.md for what it needs.

    `user`: the name by which an address logs in. `kick`: ends the sessions of the users named after it. `peculiar`:
    what check() finds of this proxy alone. No mail is routed here, so there is none to hold back.
    """

    def __init__(
        self, name: Ingress, file: Path, grammar: Grammar, *, user: Callable[[Address], str], notice: Notice,
        kick: str | None, peculiar: Question,
    ) -> None:  # fmt: skip
        self.name = name
        self._place = f"{name} ({file})"
        self._files = MapFiles(file, seen_by_time=notice.by_the_second)
        self._grammar, self._user, self._notice, self._peculiar = grammar, user, notice, peculiar
        self._reader = Reader(notice.reload)
        self._sessions = Sessions(kick, self._files.directory)

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the file says; None for a user without a line too. MapInvalid when it is not understood."""
        text = self._text()
        proxy_text.refuse_unread(text)
        return self._routes(text, addresses)

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; MapInvalid when a user's line is doubled, faulty or (Dovecot) not there.

        ValueUnwritable for an odd value, and for two addresses of one user.
        """
        text = self._text()
        proxy_text.edit(text, self._by_user(wanted))
        return planned(self._routes(text, wanted), wanted)

    def apply(self, flips: Flips) -> Applied:
        """Change the file, have the proxy take notice, end the sessions of those who moved, read back.

        All but the change is always done: an earlier run may have died before it. ProxyRefuses when the proxy could
        not read the new file: then the old one is in its place. A session that cannot be ended is told in the notes.
        """
        with self._files.exclusive():
            self._files.recover()
            text = self._text()
            if self._must_write(text, flips):
                self._write(text, flips)
            if self._notice.by_the_second:
                time.sleep(1.0 - time.time() % 1.0 + _INTO_THE_SECOND)
            self._reader.tell(self.name, str(self._files.text))
            time.sleep(self._notice.after)
            notes = self._sessions.end()
            refuse_unlike(self._place, flips, self.read(flips.addresses))
        return replace(applied(flips, set(self._differing(text, flips))), notes=notes)

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The change as a unified diff, without passwords; empty when there is none. Takes no lock, writes nothing."""
        text = self._text()
        self._must_write(text, flips)
        return proxy_text.diff(text, self._changes(flips), str(self._files.text))

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        test = [self._notice.test] if self._notice.test else []
        questions: list[Question] = [
            lambda: unwritable(self._files),
            self._entries,
            lambda: unrunnable([*test, *self._reader.commands, *self._sessions.commands]),
            self._tested,
            self._peculiar,
        ]
        return asked(questions)

    def backup(self) -> Path:
        """Keep a copy of the file in the directory beside it, with its owner and mode."""
        with self._files.exclusive():
            self._files.recover()
            return self._files.backup()

    def _text(self) -> ClientText:
        return proxy_text.parse(text_lines.decode(self._files.read()), self._grammar)

    def _changes(self, flips: Flips) -> dict[str, Nexthop | None]:
        return self._by_user({flip.address: flip.wanted for flip in flips.changes})

    def _by_user(self, routes: Mapping[Address, Nexthop | None]) -> dict[str, Nexthop | None]:
        users = logins(self.name, routes, self._user, self._grammar.key)
        return {users[address]: route for address, route in routes.items()}

    def _must_write(self, text: ClientText, flips: Flips) -> bool:
        """Whether anything differs from what is wanted; refuses conflicts, and lines that cannot be told or changed."""
        proxy_text.refuse_unread(text)
        refuse_conflicts(self._place, flips, self._routes(text, flips.addresses))
        proxy_text.refuse_unchangeable(text, self._changes(flips))
        return bool(self._differing(text, flips))

    def _routes(self, text: ClientText, addresses: Iterable[Address]) -> dict[Address, Nexthop | None]:
        return {address: text.route(self._user(address)) for address in addresses}

    def _differing(self, text: ClientText, flips: Flips) -> tuple[Address, ...]:
        return tuple(flip.address for flip in unlike(flips, self._routes(text, flips.addresses)))

    def _write(self, text: ClientText, flips: Flips) -> None:
        new = proxy_text.edit(text, self._changes(flips))
        self._sessions.remember(self._user(address) for address in self._differing(text, flips))
        self._put(new)
        try:
            self._run_test()
        except CommandFailed as error:
            self._put("".join(text.lines))
            raise ProxyRefuses(
                f"{self.name}: with the change in {self._files.text}, the proxy could not read its configuration; the "
                f"file is as it was, and the proxy was not told: {error}",
                remedy=f"Make `{self._notice.test}` pass; for a long name that may take a larger map_hash_bucket_size. "
                f"Then run again.",
            ) from error

    def _put(self, text: str) -> None:
        with self._files.build(text_lines.encode(text)) as place:
            self._files.backup()
            self._files.commit(place)

    def _run_test(self) -> None:
        if self._notice.test is not None:
            command.run(command.words(self._notice.test))

    def _entries(self) -> Iterator[Finding]:
        text = self._text()
        for severity, what, told, remedy in (
            (Severity.ERROR, "lines that are not understood", proxy_text.told_unread(text), "Correct them."),
            (Severity.WARNING, "users with two lines", proxy_text.told_doubled(text), "Leave one for each."),
            (Severity.WARNING, "lines that cannot be changed", proxy_text.told_faults(text), "Correct them."),
        ):
            if told:
                yield Finding(severity, f"{self._files.text} has {what}:{listing(told)}", f"{remedy} They are refused.")

    def _tested(self) -> Iterator[Finding]:
        self._run_test()
        yield from ()
