"""The index that postmap(1) makes of a map's text, which is what Postfix looks into.

postmap's exit status is not believed (on a full disk lmdb said 0 and served the old data, hash left 991 of 2,501
entries): what counts is what is read back.
"""

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from migrator.routing import command
from migrator.routing.durable import sync
from migrator.routing.errors import CommandFailed, IndexIncomplete, listing
from migrator.routing.postfix.map_text import fold

_SEE_DISK = "See whether the disk is full (`df`, `df -i`), and what `postmap` warns about; then run again."


class MapType(StrEnum):
    """The kinds of map file that can be flipped; texthash has no index, Postfix reads the text itself."""

    TEXTHASH = "texthash"
    HASH = "hash"
    LMDB = "lmdb"
    CDB = "cdb"

    @property
    def suffix(self) -> str | None:
        """What is added to the text's file name to make the index's; None without an index."""
        return {MapType.HASH: ".db", MapType.LMDB: ".lmdb", MapType.CDB: ".cdb"}.get(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """One key on which text and index disagree; None: not there."""

    key: str
    text: str | None
    index: str | None

    def __str__(self) -> str:
        return f"{self.key}: the text says {self.text or '(nothing)'}, the index {self.index or '(nothing)'}"


@dataclass(frozen=True, slots=True)
class Postmap:
    """postmap(1) for maps of one type; `config` are the words that choose a Postfix instance (`-c DIR`), or none."""

    type: MapType
    config: tuple[str, ...] = ()

    def query(self, file: Path, keys: Iterable[str]) -> dict[str, str]:
        """What a look-up in the map of that text file answers for each key; absent keys are left out.

        CommandFailed when the map cannot be opened: Postfix could not either.
        """
        name = f"{self.type}:{file}"
        return look_up(name, keys, self.config, f"Make it readable: `postmap {name}`, as the user that owns it.")

    def contents(self, file: Path, keys: Collection[str]) -> dict[str, str]:
        """Everything in the index. `keys` are those that the text holds: cdb can list its keys, but not its values."""
        if self.type is MapType.CDB:
            known = cdb_keys((file.parent / (file.name + ".cdb")).read_bytes())
            return self.query(file, dict.fromkeys([*keys, *known]))
        return _pairs(command.run(["postmap", *self.config, "-s", f"{self.type}:{file}"]).stdout)

    def build(self, file: Path, values: Mapping[str, str]) -> Path:
        """Make the index of the text `file`, beside it, and read every key back; its path.

        `values` is what the text says by our own reading. IndexIncomplete when the index says anything else.
        """
        assert self.type.suffix is not None
        try:
            command.run(["postmap", *self.config, f"{self.type}:{file}"])
        except CommandFailed as error:
            raise IndexIncomplete(
                f"the new index could not be made; the map in use was not touched: {error}", remedy=_SEE_DISK
            ) from error
        differences = compare(values, self.contents(file, values))
        if differences:
            raise IndexIncomplete(
                f"postmap left {len(differences)} of {len(values)} entries wrong in the new index, and said nothing; "
                f"the map in use was not touched:{listing([str(difference) for difference in differences])}",
                remedy=_SEE_DISK,
            )
        index = file.with_name(file.name + self.type.suffix)
        sync(index)
        return index


def look_up(name: str, keys: Iterable[str], config: tuple[str, ...], remedy: str) -> dict[str, str]:
    """What Postfix finds in the map `name` ("TYPE:FILE", as in main.cf) for each key; absent keys are left out.

    CommandFailed, with `remedy`, when the map cannot be opened: Postfix could not either.
    """
    wanted = "".join(f"{key}\n" for key in keys)
    ended = command.run(["postmap", *config, "-q", "-", name], wanted, accepted=(0, 1))
    if ended.returncode == 1 and ("fatal:" in ended.stderr or "error:" in ended.stderr):  # 1 is "none found", too
        raise CommandFailed(f"the map {name} cannot be read: {command.printable(ended.stderr)}", remedy=remedy)
    return _pairs(ended.stdout)


def compare(text: Mapping[str, str], index: Mapping[str, str]) -> list[Difference]:
    """The keys on which the two disagree, in the order of the text, then of the index."""
    keys = dict.fromkeys([*text, *index])
    return [Difference(key, text.get(key), index.get(key)) for key in keys if text.get(key) != index.get(key)]


def cdb_keys(data: bytes) -> list[str]:
    """The keys of a constant database (cr.yp.to/cdb/cdb.txt): records lie between octet 2048 and the first hash table.

    CommandFailed when it is not one. Postfix may end a key with NUL.
    """
    try:
        tables = struct.unpack_from("<512I", data)
        keys, position, end = [], 2048, min(tables[0::2])
        while position < end:
            key_length, value_length = struct.unpack_from("<2I", data, position)
            start = position + 8
            keys.append(fold(data[start : start + key_length].rstrip(b"\0").decode("utf-8", "surrogateescape")))
            position = start + key_length + value_length
    except struct.error as error:
        raise CommandFailed("the cdb index is damaged", remedy="Rebuild it from its text with postmap.") from error
    return keys


def _pairs(output: str) -> dict[str, str]:
    split = (line.partition("\t") for line in output.split("\n") if line)
    return {fold(key): value for key, _, value in split}
