"""What `mailbox show` says of a mailbox beside its copy: size, folders, shares, and what the directories say of it."""

from typing import TYPE_CHECKING

from migrator.cli.output import size
from migrator.model.inventory import EntryKind, FolderStock, Tie, Whose
from migrator.model.sharing import LARGEST_BOND

if TYPE_CHECKING:
    from migrator.model.inventory import Entry
    from migrator.model.names import Address
    from migrator.state import Store


def owner(store: "Store", address: "Address") -> "Address":
    """Whose address it is, as far as a directory has told."""
    return store.inventory.owner(address) or address


def of_entry(entry: "Entry") -> dict[str, object]:
    """What a directory says of an address that is no mailbox of mailboxes.csv."""
    members = entry.tied(Tie.MEMBER)
    bound = 1 < len(members) <= LARGEST_BOND
    listed = {"members": members, "binds its members": bound} if entry.kind is EntryKind.LIST else {}
    return {"address": entry.address, "department": entry.department, **_told(entry), **listed}


def of_mailbox(store: "Store", address: "Address") -> dict[str, object]:
    """Rows for `mailbox show`; what nobody has looked at yet is left out there."""
    inventory = store.inventory
    found, entry, shares = inventory.sizes().get(address), inventory.entry(address), inventory.shares(address)
    given = [
        f"{one.folder} with {one.grantee or one.identifier} ({one.rights})" for one in shares if one.owner == address
    ]
    taken = [f"{one.folder} of {one.owner or one.identifier} ({one.rights})" for one in shares if one.owner != address]
    bonds = [bond for bond in inventory.bonds() if address in bond.members]
    return {
        "size": found and f"{found.messages:,} messages, {size(found.octets)} in {found.folders:,} folders",
        "largest message": size(found.largest) if found and found.largest is not None else None,
        "looked at": found and found.seen,
        "folders": [_folder(one) for one in inventory.folders(address)],
        "shares": list(dict.fromkeys(given)),
        "uses": list(dict.fromkeys(taken)),
        **(_told(entry) if entry else {}),
        "on the lists": inventory.lists_of(address),
        "moves with": [f"{', '.join(sorted(bond.members - {address}))} ({bond.why})" for bond in bonds],
    }


def _told(entry: "Entry") -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "aliases": entry.tied(Tie.ALIAS),
        "forwards to": entry.tied(Tie.FORWARD),
        "delegates": entry.tied(Tie.DELEGATE),
    }


def _folder(one: FolderStock) -> str:
    what = f"{one.messages:,} messages" + (f", {size(one.octets)}" if one.octets is not None else "")
    use = f" {one.special_use}" if one.special_use else ""
    whose = f", {one.whose}" if one.whose is not Whose.OWN else ""
    return f"{one.name}{use} ({what}{whose})"
