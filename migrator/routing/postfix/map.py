"""Routes in a Postfix map file: transport(5) as texthash, hash, lmdb or cdb."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flip, Flips, Queue
from migrator.routing import text_lines
from migrator.routing.comparison import planned, refuse_unlike
from migrator.routing.contract import Conflict, Finding, RouteConflict, applied
from migrator.routing.errors import MapOutOfStep, listing
from migrator.routing.map_files import MapFiles
from migrator.routing.postfix import map_text
from migrator.routing.postfix.check import findings
from migrator.routing.postfix.index import Difference, MapType, Postmap, compare
from migrator.routing.postfix.map_text import MapText, fold
from migrator.routing.postfix.postconf import instance_words
from migrator.routing.reader import Reader


class PostfixMap:
    """One map file, changed by rebuilding it aside and renaming; see docs/routing-postfix.md for what it needs.

    `freeze` is the value that makes mail wait (None: this place cannot freeze). ValueError for an unknown `type`.
    `agree` is called under the lock, when all is made and read back aside and nothing in use is changed yet; an error
    that it raises calls the change off.
    """

    carries_mail = True
    parameter = "transport_maps"  # of main.cf: where the map is named

    def __init__(
        self, name: Ingress, file: Path, type: str, *, reader: Reader, freeze: Nexthop | None,
        agree: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.name = name
        self.freeze_value = freeze
        self._type = MapType(type)
        self._reader = reader
        self._agree = agree
        self._place = f"{name} ({file})"
        self._files = MapFiles(file, self._type.suffix)
        self._postmap = Postmap(self._type, instance_words(reader.reload))

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What a look-up answers now, of the index where there is one (that is what Postfix uses)."""
        found = self._effective(addresses)
        return {address: _nexthop(found.get(fold(address))) for address in addresses}

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; MapInvalid when an address has two entries, ValueUnwritable for an odd value."""
        map_text.edit(self._text(), wanted)
        return planned(self.read(tuple(wanted)), wanted)

    def apply(self, flips: Flips) -> Applied:
        """Change the map, tell Postfix, read back. Always reloads: an earlier run may have died just before it."""
        with self._files.exclusive():
            self._files.recover()
            text = self._text()
            before = self._index(text)
            if self._must_write(text, before, flips):
                self._write(text, flips)
            self._reader.tell(self.name, str(self._files.text))
            refuse_unlike(self._place, flips, self.read(flips.addresses))
        changed = {flip.address for flip in flips.changes if _value(before, flip.address) != flip.wanted}
        return applied(flips, changed)

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The change of the text as a unified diff; empty when there is none. Takes no lock, writes nothing."""
        text = self._text()
        self._must_write(text, self._index(text), flips)
        return map_text.diff(text, _wanted(flips), str(self._files.text))

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        return findings(self._files, self._postmap, self.freeze_value, self._reader, self.parameter)

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail for `addresses`; None without a queue command."""
        return self._reader.queue(addresses)

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue tried again."""
        self._reader.flush(addresses)

    def backup(self) -> Path:
        """Keep a copy of the text in the directory beside the map."""
        with self._files.exclusive():
            self._files.recover()
            return self._files.backup()

    def _text(self) -> MapText:
        """The text, or what it becomes when a change that died between index and text is finished."""
        text = map_text.parse(text_lines.decode(self._files.half_done() or self._files.read()))
        map_text.refuse_undecodable(text)
        return text

    def _index(self, text: MapText) -> Mapping[str, str]:
        """What the index holds; the text itself where there is none."""
        if self._files.index is None:
            return text.values()
        return self._postmap.contents(self._files.text, text.values())

    def _effective(self, addresses: Collection[Address]) -> Mapping[str, str]:
        """Answers by folded key. A texthash whose reader is not a Postfix that we can tell is read by us alone."""
        if self._files.index is None and self._reader.reload is None:
            return self._text().values()
        return self._postmap.query(self._files.text, [fold(address) for address in addresses])

    def _must_write(self, text: MapText, index: Mapping[str, str], flips: Flips) -> bool:
        """Whether anything differs from what is wanted; refuses conflicts, doubled entries and foreign differences."""
        found = text.values()
        conflicts = tuple(conflict for flip in flips.changes if (conflict := _conflict(flip, found, index)))
        if conflicts:
            raise RouteConflict(self._place, conflicts)
        map_text.refuse_doubled(text, tuple(_wanted(flips)))
        ours = {fold(flip.address) for flip in flips.changes}
        differences = compare(found, index)
        self._refuse_foreign([difference for difference in differences if difference.key not in ours])
        return bool(differences) or any(_value(found, flip.address) != flip.wanted for flip in flips.changes)

    def _refuse_foreign(self, foreign: list[Difference]) -> None:
        if foreign:
            raise MapOutOfStep(
                f"{self.name}: {self._files.text} and its index disagree on {len(foreign)} other entries, which a "
                f"rebuild would change; nothing was written:{listing([str(difference) for difference in foreign])}",
                remedy=f"Decide which is right, correct the text, then `postmap {self._type}:{self._files.text}`.",
            )

    def _write(self, text: MapText, flips: Flips) -> None:
        new = map_text.edit(text, _wanted(flips))
        values = map_text.parse(new).values()
        with self._files.build(text_lines.encode(new)) as place:
            if self._files.index is not None:
                self._postmap.build(place / "map", values)
            self._agree()
            self._files.backup()
            self._files.commit(place)


def _conflict(flip: Flip, *states: Mapping[str, str]) -> Conflict | None:
    """The flip's entry where text or index say neither what is expected nor what is wanted."""
    for found in (_value(state, flip.address) for state in states):
        if found not in (flip.expected, flip.wanted):
            return Conflict(flip.address, flip.expected, found, flip.wanted)
    return None


def _value(state: Mapping[str, str], address: Address) -> Nexthop | None:
    return _nexthop(state.get(fold(address)))


def _nexthop(value: str | None) -> Nexthop | None:
    return None if value is None else Nexthop(value)


def _wanted(flips: Flips) -> dict[Address, Nexthop | None]:
    return {flip.address: flip.wanted for flip in flips.changes}
