"""What `mailbox show` says of a mailbox beside its copy: size, folders, shares, and what the directories say of it."""

from typing import TYPE_CHECKING

from migrator.cli.output import size
from migrator.model.inventory import FolderStock, Tie, Whose

if TYPE_CHECKING:
    from migrator.model.names import Address
    from migrator.state import Store


def stock(store: "Store", address: "Address") -> dict[str, object]:
    """Rows for `mailbox show`; what nobody has looked at yet is left out there."""
    inventory = store.inventory
    found = inventory.sizes().get(address)
    entry = inventory.entry(address)
    shares = inventory.shares(address)
    given = [
        f"{one.folder} with {one.grantee or one.identifier} ({one.rights})" for one in shares if one.owner == address
    ]
    taken = [f"{one.folder} of {one.owner or one.identifier} ({one.rights})" for one in shares if one.owner != address]
    return {
        "size": found and f"{found.messages:,} messages, {size(found.octets)} in {found.folders:,} folders",
        "largest message": (found and found.largest is not None and size(found.largest)) or None,
        "looked at": found and found.seen,
        "folders": [_folder(one) for one in inventory.folders(address)],
        "shares": list(dict.fromkeys(given)),
        "uses": list(dict.fromkeys(taken)),
        "name": entry and entry.name,
        "kind": entry and entry.kind,
        "aliases": entry and entry.tied(Tie.ALIAS),
        "forwards to": entry and entry.tied(Tie.FORWARD),
        "delegates": entry and entry.tied(Tie.DELEGATE),
        "on the lists": inventory.lists_of(address),
        "moves with": [
            f"{', '.join(sorted(bond.members - {address}))} ({bond.why})"
            for bond in inventory.bonds()
            if address in bond.members
        ],
    }


def _folder(one: FolderStock) -> str:
    what = f"{one.messages:,} messages" + (f", {size(one.octets)}" if one.octets is not None else "")
    use = f" {one.special_use}" if one.special_use else ""
    whose = f", {one.whose}" if one.whose is not Whose.OWN else ""
    return f"{one.name}{use} ({what}{whose})"
