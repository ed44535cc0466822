"""The text by which a proxy finds the server of a user's mail program: a line a user, in one of several grammars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from migrator.model.names import Nexthop
from migrator.routing import text_lines
from migrator.routing.errors import MapInvalid, listing


@dataclass(frozen=True, slots=True)
class Line:
    """A user's line: where it sends them (None: it does not say), and why it cannot be changed ("": it can)."""

    user: str
    route: Nexthop | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that is not understood, so that nobody knows what the whole text says."""

    reason: str


class Grammar(Protocol):
    """How one line is read and written. Lines have their endings."""

    @property
    def adds(self) -> bool:
        """Whether a user without a line can be given one, and a line without a route goes away."""

    def read(self, line: str) -> Line | Unread | None:
        """What a line says; None for a comment and the like."""

    def rewrite(self, line: str, route: Nexthop | None) -> str:
        """A user's line with another route, or none; everything else in it stays."""

    def new(self, user: str, route: Nexthop) -> str:
        """A line for a user who has none."""

    def shown(self, line: str) -> str:
        """What of a user's line people may see; "" for nothing."""

    def key(self, user: str) -> str:
        """A user as the proxy compares them."""

    def refuse_unwritable(self, user: str, route: Nexthop | None) -> None:
        """ValueUnwritable for what no line can hold."""


@dataclass(frozen=True)
class ClientText:
    """A text taken apart: a user's line and its index; `doubled` maps a user to all their lines (from 1)."""

    grammar: Grammar
    lines: tuple[str, ...]
    users: Mapping[str, tuple[int, Line]]
    doubled: Mapping[str, tuple[int, ...]]
    unread: tuple[tuple[int, str], ...]

    def route(self, user: str) -> Nexthop | None:
        """Where the text sends the user; None: it does not say."""
        found = self.users.get(self.grammar.key(user))
        return found[1].route if found else None


def parse(text: str, grammar: Grammar) -> ClientText:
    """Take a text apart. Never fails: what is not understood is in `unread`. Of doubled lines the first counts."""
    lines = text_lines.split(text)
    users: dict[str, tuple[int, Line]] = {}
    doubled: dict[str, tuple[int, ...]] = {}
    unread: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        match grammar.read(line):
            case Unread(reason):
                unread.append((index + 1, reason))
            case Line(user) if user in users:
                doubled[user] = (*doubled.get(user, (users[user][0] + 1,)), index + 1)
            case Line(user) as found:
                users[user] = (index, found)
    return ClientText(grammar, lines, users, doubled, tuple(unread))


def edit(text: ClientText, changes: Mapping[str, Nexthop | None]) -> str:
    """The text with each user's route set or taken away; everything else stays.

    MapInvalid when a user's line cannot be told, or changed; ValueUnwritable for what no line can hold.
    """
    return text_lines.join(*_edited(text, changes))


def diff(text: ClientText, changes: Mapping[str, Nexthop | None], file: str) -> str:
    """What `edit` would do, as a unified diff; empty when nothing. Errors as `edit`."""
    return text_lines.diff(text.lines, *_edited(text, changes), file, text.grammar.shown)


def refuse_unread(text: ClientText) -> None:
    """MapInvalid, with line numbers, when lines are not understood: they may be anybody's."""
    if text.unread:
        raise MapInvalid(
            f"lines are not understood:{listing(told_unread(text))}",
            remedy="Write one entry a line, as docs/routing-client-proxies.md has them, and run again.",
        )


def refuse_unchangeable(text: ClientText, changes: Mapping[str, Nexthop | None]) -> None:
    """MapInvalid, with line numbers, where a user has two lines, one that cannot be changed, or none where one must be.

    A user without a line, who shall have no route, is in order.
    """
    keys = {text.grammar.key(user): route for user, route in changes.items()}
    _refuse("have two lines, so that it is not clear which counts", told_doubled(text, keys), "Leave one for each.")
    _refuse("have a line that cannot be changed", told_faults(text, keys), "Correct these lines.")
    if not text.grammar.adds:
        absent = [user for user, route in keys.items() if route is not None and user not in text.users]
        _refuse("have no line, and only you know what else would be in it", absent, "Add a line for each of them.")


def told_unread(text: ClientText) -> list[str]:
    return [f"line {number}: {reason}" for number, reason in text.unread]


def told_doubled(text: ClientText, users: Mapping[str, object] | None = None) -> list[str]:
    """The users (of all, or of those given) who have more than one line."""
    found = {user: lines for user, lines in text.doubled.items() if users is None or user in users}
    return [f"{user}: lines {', '.join(map(str, lines))}" for user, lines in found.items()]


def told_faults(text: ClientText, users: Mapping[str, object] | None = None) -> list[str]:
    """The users (of all, or of those given) whose line cannot be changed. Their lines are not shown: passwords."""
    chosen = text.users if users is None else [user for user in users if user in text.users]
    found = [text.users[user] for user in chosen]
    return [f"{line.user}: line {index + 1}: {line.fault}" for index, line in found if line.fault]


def _refuse(what: str, told: list[str], remedy: str) -> None:
    if told:
        raise MapInvalid(f"{len(told)} users {what}:{listing(told)}", remedy=f"{remedy} Then run again.")


def _edited(text: ClientText, changes: Mapping[str, Nexthop | None]) -> tuple[list[str], list[str]]:
    """The lines as they become, index by index (a removed one is empty), and those that are added at the end."""
    refuse_unread(text)
    refuse_unchangeable(text, changes)
    lines, added = list(text.lines), []
    for user, route in changes.items():
        text.grammar.refuse_unwritable(user, route)
        found = text.users.get(text.grammar.key(user))
        if found is not None and found[1].route != route:
            lines[found[0]] = text.grammar.rewrite(lines[found[0]], route)
        elif found is None and route is not None:
            added.append(text.grammar.new(user, route))
    return lines, added
