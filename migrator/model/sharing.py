"""Who shares with whom: what a server's names stand for, and which mailboxes must move together. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from migrator.model.inventory import Bond, Entry, EntryKind, FolderStock, Share, Tie, Whose
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, FolderName, ServerName

LARGEST_BOND = 20  # people; what more of them share (a list of everybody, a folder of the whole house) binds nobody
READ = "r"  # the right without which a folder is not used together (RFC 4314, 2.1)
_NOBODY = frozenset({"owner", "anyone", "anonymous", "authenticated", "administrators"})  # whole classes of people


@dataclass(frozen=True, slots=True)
class Identities:
    """Whose login is which on one server, in lower case; a local part counts where only one mailbox has it."""

    logins: Mapping[str, Address] = field(default_factory=dict)

    @classmethod
    def of(cls, mailboxes: Iterable[Mailbox], server: ServerName) -> "Identities":
        """Of those mailboxes whose source is `server`."""
        there = [mailbox for mailbox in mailboxes if mailbox.source == server]
        locals_: dict[str, set[Address]] = {}
        for mailbox in there:
            for name in (mailbox.address, mailbox.source_login):
                locals_.setdefault(name.partition("@")[0].lower(), set()).add(mailbox.address)
        known = {local: next(iter(owners)) for local, owners in locals_.items() if len(owners) == 1}
        known |= {mailbox.address: mailbox.address for mailbox in there}
        return cls(known | {mailbox.source_login.lower(): mailbox.address for mailbox in there})

    def who(self, identifier: str) -> Address | None:
        """The mailbox that an identifier of RFC 4314 stands for; None for groups, classes and strangers."""
        name = identifier.lower()
        return None if name in _NOBODY else self.logins.get(name.removeprefix("user:"))

    def owner(self, path: str, separator: str | None) -> tuple[str, Address | None, str]:
        """Of a folder's name behind the prefix of other people's: the owner's name there, whose it is, the rest.

        A login may have the separator in it, so the longest known one counts.
        """
        pieces = path.split(separator) if separator else [path]
        for count in range(len(pieces), 0, -1):
            name = (separator or "").join(pieces[:count])
            if (found := self.who(name)) is not None:
                return name, found, (separator or "").join(pieces[count:]) or "INBOX"
        return pieces[0], None, (separator or "").join(pieces[1:]) or "INBOX"


def shares(
    mailbox: Address, folders: Iterable[FolderStock], own: str, others: Iterable[tuple[str, str | None]],
    known: Identities,
) -> Iterator[Share]:  # fmt: skip
    """What a mailbox's folders tell: whom it lets in, and who lets it in; not whom it keeps out (`-name`).

    `own`: the prefix of its own folders; `others`: prefix and separator of each namespace of other people's.
    """
    spaces = list(others)
    for folder in folders:
        if folder.whose is Whose.OWN:
            for identifier, rights in folder.rights.items():
                who = known.who(identifier)
                if who != mailbox and identifier.lower() != "owner" and not identifier.startswith("-") and rights:
                    shown = FolderName(folder.name.removeprefix(own))
                    yield Share(mailbox, mailbox, who, shown, identifier, rights)
        elif folder.whose is Whose.OTHERS:
            for prefix, separator in spaces:
                if folder.name.startswith(prefix) and folder.name != prefix:
                    name, owner, rest = known.owner(folder.name.removeprefix(prefix), separator)
                    if owner != mailbox:
                        yield Share(mailbox, owner, mailbox, FolderName(rest), name, folder.mine)
                    break


def bonds(shared: Iterable[Share], entries: Iterable[Entry]) -> tuple[Bond, ...]:
    """Who must move with whom: who reads the same folder, delegates, and the members of a list, up to LARGEST_BOND.

    Who reads a folder because everybody or a group may is not bound by it. By reason.
    """
    groups: dict[str, set[Address]] = {}
    read = [share for share in shared if READ in share.rights]
    wide = {(share.owner, share.folder) for share in read if share.grantee is None}
    for share in read:
        named = share.told_by == share.owner or (share.owner, share.folder) not in wide
        if named and share.owner is not None and share.grantee is not None:
            why = f"share the folder {share.folder} of {share.owner}"
            groups.setdefault(why, {share.owner}).add(share.grantee)
    for entry in entries:
        if delegates := entry.tied(Tie.DELEGATE):
            groups[f"delegates of {entry.address}"] = {entry.address, *delegates}
        if entry.kind is EntryKind.LIST:
            groups[f"members of the list {entry.address}"] = set(entry.tied(Tie.MEMBER))
    return tuple(Bond(frozenset(groups[why]), why) for why in sorted(groups) if 1 < len(groups[why]) <= LARGEST_BOND)
