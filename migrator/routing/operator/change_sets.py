"""What a place is believed to say that only people can look into, and the change sets that they are asked to make.

One JSON file a place, state/manual/NAME.json, and a lock beside it:
    confirmed   address: the value that was confirmed last, by whom, when
    possible    address: values that were asked for and neither confirmed nor denied: somebody may have put them there
    open        the change sets that wait for a person
    closed      the tokens that are no longer good, and why (the newest CLOSED)
    asked       how many change sets there ever were: the same changes, asked for again later, have another token
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrator.model.errors import ExitCode, Refused
from migrator.model.names import Address, Ingress, Nexthop, neutral
from migrator.model.route import Flip, Flips
from migrator.routing.durable import exclusive, read, write_whole
from migrator.routing.errors import StateUnwritable

CLOSED = 500
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another when it is read aloud
_SIZE = 8


class TokenRefused(Refused):
    """A token that stands for no change set that waits; the text says what became of it."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A value with the person who said that it is there."""

    value: Nexthop | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that a person is asked to make, all of them or none."""

    token: str
    flips: Flips
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of a change set; `why` reads after "it"."""

    token: str
    why: str
    done: bool


@dataclass(frozen=True)
class Book:
    """The file as a value."""

    confirmed: Mapping[Address, Confirmed] = field(default_factory=dict)
    possible: Mapping[Address, tuple[Nexthop | None, ...]] = field(default_factory=dict)
    open: tuple[ChangeSet, ...] = ()
    closed: tuple[Closed, ...] = ()
    asked: int = 0

    def waiting(self, token: str) -> ChangeSet | None:
        """The change set of that token, while it waits."""
        return next((each for each in self.open if each.token == token), None)

    def end(self, token: str) -> Closed | None:
        """What became of it, when it is over."""
        return next((each for each in reversed(self.closed) if each.token == token), None)

    def asking(self, name: Ingress, flips: Flips, now: datetime) -> tuple["Book", ChangeSet]:
        """With a change set of these flips; the one that waits already, or a new one in place of those it overlaps."""
        if same := next((each for each in self.open if each.flips == flips), None):
            return self, same
        new = ChangeSet(_token(name, self.asked, flips), flips, now)
        ours = set(flips.addresses)
        over = [each for each in self.open if ours.intersection(each.flips.addresses)]
        possible = dict(self.possible)
        for flip in flips.changes:
            possible[flip.address] = tuple(dict.fromkeys((*possible.get(flip.address, ()), flip.wanted)))
        ended = [Closed(each.token, f"was replaced by the change set {new.token}", done=False) for each in over]
        left = tuple(each for each in self.open if each not in over)
        asked = replace(self, possible=possible, open=(*left, new), asked=self.asked + 1)
        return asked._closing(*ended), new

    def confirming(self, change: ChangeSet, by: str, now: datetime) -> "Book":
        """With all values of `change` there."""
        confirmed = {flip.address: Confirmed(flip.wanted, by, now) for flip in change.flips.changes}
        why = f"was confirmed by {by} at {now:%Y-%m-%d %H:%M:%S} UTC"
        return self._knowing(confirmed)._closing(Closed(change.token, why, done=True))

    def denying(self, change: ChangeSet, found: Mapping[Address, Nexthop | None], by: str, now: datetime) -> "Book":
        """With nothing of `change` done, since these entries say something else; what an earlier one did stays."""
        confirmed = {address: Confirmed(value, by, now) for address, value in found.items()}
        why = f"was refused by {by} at {now:%Y-%m-%d %H:%M:%S} UTC: the entries said something else"
        wanted = {(flip.address, flip.wanted) for flip in change.flips.changes}
        left = {a: tuple(v for v in values if (a, v) not in wanted) for a, values in self.possible.items()}
        without = replace(self, possible={address: values for address, values in left.items() if values})
        return without._knowing(confirmed)._closing(Closed(change.token, why, done=False))

    def _knowing(self, confirmed: Mapping[Address, Confirmed]) -> "Book":
        possible = {address: values for address, values in self.possible.items() if address not in confirmed}
        return replace(self, confirmed={**self.confirmed, **confirmed}, possible=possible)

    def _closing(self, *ended: Closed) -> "Book":
        tokens = {each.token for each in ended}
        left = tuple(each for each in self.open if each.token not in tokens)
        return replace(self, open=left, closed=(*self.closed, *ended)[-CLOSED:])


class ChangeSets:
    """The file of the place `name` in `directory`. Every change is whole, and made by one writer at a time."""

    def __init__(self, directory: Path, name: Ingress) -> None:
        self.name = name
        self._file = directory / f"{name}.json"
        self._lock = directory / f"{name}.lock"

    def book(self) -> Book:
        """What it says now; StateUnwritable when that cannot be understood."""
        text = read(self._file)
        try:
            return Book() if text is None else _book(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StateUnwritable(
                f"{self._file} does not say what was asked and confirmed, as it should: {error!r}",
                remedy="Put back a copy of it. Without one, move it away, and see that the console says of each "
                "mailbox what the workspace says of its source: that is what is believed then.",
            ) from error

    def ask(self, flips: Flips) -> ChangeSet:
        """The change set of these flips, which waits from now on; asked for again, it keeps its token."""
        with self._alone():
            book, change = self.book().asking(self.name, flips, datetime.now(UTC))
            self._write(book)
            return change

    def confirm(self, token: str, by: str, found: Mapping[Address, Nexthop | None] | None = None) -> ChangeSet:
        """Take `by`'s word that the change set is made; with `found`, that nothing is, since those entries say that.

        TokenRefused, with the reason, for a token that is not waited for, or `found` that is no reason.
        """
        with self._alone():
            book = self.book()
            change = book.waiting(plain(token))
            if change is None:
                raise TokenRefused(
                    _why_not(self.name, book, plain(token)),
                    remedy="`migrator route show` says what is confirmed; the waiting command printed its token.",
                )
            now = datetime.now(UTC)
            if found:
                _refuse_no_reason(change, found)
                self._write(book.denying(change, found, by, now))
            else:
                self._write(book.confirming(change, by, now))
            return change

    def _write(self, book: Book) -> None:
        write_whole(self._file, json.dumps(_form(book), indent=1, ensure_ascii=False))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with exclusive(self._lock, f"what is known of {self.name}"):
            yield


def confirm(
    places: Iterable[ChangeSets], token: str, by: str, found: Mapping[Address, Nexthop | None] | None = None
) -> tuple[Ingress, ChangeSet]:
    """`ChangeSets.confirm` at the place that has asked for that token, and its name. TokenRefused when none has."""
    everywhere = list(places)
    for each in everywhere:
        book = each.book()
        if book.waiting(plain(token)) or book.end(plain(token)):
            return each.name, each.confirm(token, by, found)
    waiting = [f"{change.token} of {each.name}" for each in everywhere for change in each.book().open]
    raise TokenRefused(
        f"no place has asked for a change set {neutral(plain(token))}; "
        + (f"these wait: {', '.join(waiting)}" if waiting else "nothing waits"),
        remedy="Copy the token from the last lines that the waiting command printed.",
    )


def plain(token: str) -> str:
    """A token as it was printed, however it was typed."""
    kept = "".join(letter for letter in token.upper() if letter.isalnum())
    return f"{kept[: _SIZE // 2]}-{kept[_SIZE // 2 :]}"


def _token(name: Ingress, number: int, flips: Flips) -> str:
    changes = [[flip.address, flip.expected, flip.wanted] for flip in flips.changes]
    digest = int.from_bytes(hashlib.sha256(json.dumps([name, number, changes]).encode()).digest())
    letters = (_LETTERS[digest // len(_LETTERS) ** place % len(_LETTERS)] for place in range(_SIZE))
    return plain("".join(letters))


def _why_not(name: Ingress, book: Book, token: str) -> str:
    end = book.end(token)
    what = f"change set {token} of {name} {end.why}" if end else f"{name} has asked for no change set {token}"
    waiting = ", ".join(each.token for each in book.open)
    return f"{what}; {f'waiting: {waiting}' if waiting else 'nothing waits there'}"


def _refuse_no_reason(change: ChangeSet, found: Mapping[Address, Nexthop | None]) -> None:
    flips = {flip.address: flip for flip in change.flips.changes}
    for address, value in found.items():
        flip = flips.get(address)
        if flip is None:
            raise TokenRefused(
                f"{address} is not in the change set {change.token}",
                remedy="Name with --found an address that stands in what the waiting command printed.",
            )
        if value in (flip.expected, flip.wanted):
            raise TokenRefused(
                f"{address} says what the change set {change.token} expects or wants there: that is no reason",
                remedy="Make the rest of the changes and confirm the change set without --found.",
            )


def _form(book: Book) -> dict[str, object]:
    return {
        "version": 1,
        "asked": book.asked,
        "confirmed": {
            address: {"value": one.value, "by": one.by, "at": one.at.isoformat()}
            for address, one in book.confirmed.items()
        },
        "possible": {address: list(values) for address, values in book.possible.items()},
        "open": [
            {
                "token": each.token,
                "asked_at": each.asked_at.isoformat(),
                "flips": [
                    {"address": flip.address, "expected": flip.expected, "new": flip.wanted}
                    for flip in each.flips.changes
                ],
            }
            for each in book.open
        ],
        "closed": [{"token": each.token, "why": each.why, "done": each.done} for each in book.closed],
    }


def _book(form: dict[str, Any]) -> Book:
    """The inverse of `_form`."""
    at = datetime.fromisoformat
    return Book(
        {Address(a): Confirmed(one["value"], one["by"], at(one["at"])) for a, one in form["confirmed"].items()},
        {Address(a): tuple(values) for a, values in form["possible"].items()},
        tuple(ChangeSet(each["token"], _flips(each["flips"]), at(each["asked_at"])) for each in form["open"]),
        tuple(Closed(each["token"], each["why"], each["done"]) for each in form["closed"]),
        form["asked"],
    )


def _flips(form: list[dict[str, Any]]) -> Flips:
    return Flips(tuple(Flip(Address(each["address"]), each["expected"], each["new"]) for each in form))
