"""What is known of mailboxes before they are copied: sizes, folders, shares, and what the directories say of people."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from migrator.model.inventory import Bond, Entry, EntryKind, FolderStock, Share, Size, Stock, Tie, Whose
from migrator.model.names import Address, FolderName, ServerName
from migrator.model.sharing import bonds
from migrator.state.engine import Database
from migrator.state.text import read_time, run, run_many, upsert, written

_SIZE = ("server", "messages", "octets", "folders", "largest", "seen", "due")
_PUT_SIZE = upsert("mailbox_size", ("mailbox",), _SIZE)
_SIZES = "SELECT mailbox, messages, octets, folders, largest, seen FROM mailbox_size"
_LOOKED = "SELECT mailbox, server FROM mailbox_size WHERE NOT due"
_DUE = "UPDATE mailbox_size SET due = ? WHERE mailbox = ?"
_FOLDER = ("mailbox", "name", "whose", "messages", "octets", "largest", "special_use", "mine")
_SHARE = ("mailbox", "folder", "identifier", "owner", "grantee", "rights")
_ENTRY = ("directory", "address", "position", "kind", "name", "department")
_TIE = ("directory", "address", "kind", "other", "position")
_FOLDERS = f"SELECT {', '.join(_FOLDER[1:])} FROM mailbox_folder WHERE mailbox = ? ORDER BY name"
_SHARES = "SELECT mailbox, owner, grantee, folder, identifier, rights FROM mailbox_share"
_ENTRIES = "SELECT directory, address, kind, name, department FROM directory_entry"
_TIES = "SELECT directory, address, kind, other FROM directory_tie"


class Inventory:
    """A look at a mailbox replaces what the one before found, and a look at a directory all that it said before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, stock: Stock) -> None:
        """Keep what a look at one mailbox found: all of it, or nothing."""
        size, owner = stock.size, stock.address
        folders = [
            (owner, one.name, one.whose.value, one.messages, one.octets, one.largest, one.special_use, one.mine)
            for one in stock.folders
        ]
        shares = [(owner, one.folder, one.identifier, one.owner, one.grantee, one.rights) for one in stock.shares]
        with self._database.write_text() as connection:
            for table in ("mailbox_folder", "mailbox_share"):
                run(connection, f"DELETE FROM {table} WHERE mailbox = ?", owner)
            run_many(connection, _insert("mailbox_folder", _FOLDER), folders)
            run_many(connection, _insert("mailbox_share", _SHARE), shares)
            numbers = (size.messages, size.octets, size.folders, size.largest)
            run(connection, _PUT_SIZE, owner, stock.server, *numbers, written(connection, size.seen), False)

    def sizes(self) -> dict[Address, Size]:
        """Every mailbox that was ever looked at, as it was then."""
        with self._database.read_text() as connection:
            rows = run(connection, _SIZES)
            return {Address(row[0]): Size(row[1], row[2], row[3], row[4], read_time(row[5])) for row in rows}

    def looked_at(self) -> dict[Address, ServerName]:
        """The mailboxes that need no look, and on which server they were looked at."""
        with self._database.read_text() as connection:
            return {Address(mailbox): ServerName(server) for mailbox, server in run(connection, _LOOKED)}

    def look_again(self, addresses: Iterable[Address]) -> None:
        """These need a look from now on; what is known of them stays until then."""
        with self._database.write_text() as connection:
            run_many(connection, _DUE, [(True, address) for address in addresses])

    def folders(self, owner: Address) -> tuple[FolderStock, ...]:
        """What the last look found in one mailbox, by name; `rights` are empty here (see `shares`)."""
        with self._database.read_text() as connection:
            return tuple(_folder(*row) for row in run(connection, _FOLDERS, owner))

    def shares(self, owner: Address | None = None) -> tuple[Share, ...]:
        """All shares, or those of which `owner` is one side, by folder."""
        where = " WHERE owner = ? OR grantee = ? OR mailbox = ?" if owner else ""
        with self._database.read_text() as connection:
            return _shares(connection, where + " ORDER BY folder, identifier, mailbox", *([owner] * 3 if owner else []))

    def bonds(self) -> tuple[Bond, ...]:
        """Who must move with whom; may name addresses that mailboxes.csv does not (or no longer) have."""
        with self._database.read_text() as connection:
            return bonds(_shares(connection, ""), _entries(connection, "").values())

    def put_directory(self, directory: str, entries: Iterable[Entry]) -> None:
        """Keep what a directory says now, instead of what it said before: all of it, or nothing."""
        listed = list(entries)
        people = [
            (directory, one.address, position, one.kind.value, one.name, one.department)
            for position, one in enumerate(listed)
        ]
        ties = [
            (directory, one.address, tie.value, other, position)
            for one in listed
            for position, (tie, other) in enumerate(dict.fromkeys(one.ties))
        ]
        with self._database.write_text() as connection:
            for table in ("directory_tie", "directory_entry"):
                run(connection, f"DELETE FROM {table} WHERE directory = ?", directory)
            run_many(connection, _insert("directory_entry", _ENTRY), people)
            run_many(connection, _insert("directory_tie", _TIE), ties)

    def entries(self) -> tuple[Entry, ...]:
        """All that directories say, each in the directory's order."""
        with self._database.read_text() as connection:
            return tuple(_entries(connection, "").values())

    def entry(self, address: Address) -> Entry | None:
        """What a directory says of one address; None where none knows it as the address of an entry."""
        with self._database.read_text() as connection:
            return next(iter(_entries(connection, " WHERE address = ?", address).values()), None)

    def owner(self, alias: Address) -> Address | None:
        """Whose address `alias` is: that of an entry itself, or one of which an entry says so; None: unknown."""
        other = "SELECT address FROM directory_tie WHERE kind = ? AND other = ? ORDER BY address"
        with self._database.read_text() as connection:
            for statement, values in (
                ("SELECT address FROM directory_entry WHERE address = ?", (alias,)),
                (other, (Tie.ALIAS.value, alias)),
            ):
                if (found := run(connection, statement, *values).scalar()) is not None:
                    return Address(found)
        return None

    def lists_of(self, member: Address) -> tuple[Address, ...]:
        """The distribution lists that name `member`, by address."""
        statement = "SELECT DISTINCT address FROM directory_tie WHERE kind = ? AND other = ? ORDER BY address"
        with self._database.read_text() as connection:
            return tuple(Address(row[0]) for row in run(connection, statement, Tie.MEMBER.value, member))


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _folder(
    name: str, whose: str, messages: int, octets: int | None, largest: int | None, use: str | None, mine: str
) -> FolderStock:
    return FolderStock(FolderName(name), Whose(whose), messages, octets, largest, use, mine=mine)


def _shares(connection: Connection, where: str, *values: object) -> tuple[Share, ...]:
    return tuple(
        Share(
            Address(told_by),
            owner and Address(owner),
            grantee and Address(grantee),
            FolderName(folder),
            identifier,
            rights,
        )
        for told_by, owner, grantee, folder, identifier, rights in run(connection, _SHARES + where, *values)
    )


def _entries(connection: Connection, where: str, *values: object) -> Mapping[tuple[str, str], Entry]:
    ties: dict[tuple[str, str], list[tuple[Tie, Address]]] = {}
    for directory, address, kind, other in run(connection, f"{_TIES}{where} ORDER BY position", *values):
        ties.setdefault((directory, address), []).append((Tie(kind), Address(other)))
    rows = run(connection, f"{_ENTRIES}{where} ORDER BY directory, position", *values)
    return {
        (directory, address): Entry(
            Address(address), EntryKind(kind), name, department, tuple(ties.get((directory, address), ()))
        )
        for directory, address, kind, name, department in rows
    }
