"""What belongs to a mailbox beside its mail, over a session's connection: rights, entries, quota, subscriptions."""

from collections.abc import Callable, Iterable, Sequence

from migrator.imap import acl, metadata, quota
from migrator.imap.acl import Grantable
from migrator.imap.channel import Channel
from migrator.imap.errors import CommandRefused
from migrator.imap.grammar import astring
from migrator.imap.metadata import ACCOUNT
from migrator.model.names import FolderName


class Settings:
    """Ask `Session.has` first: "ACL", "METADATA", "QUOTA". Looking changes nothing (I1)."""

    def __init__(self, channel: Channel, octets: Callable[[FolderName], bytes], capabilities: frozenset[str]) -> None:
        """`octets`: a folder's name as the server spells it."""
        self._channel, self._octets = channel, octets
        # RFC 2086 has `c` and `d`; RFC 4314 tells them too, beside the rights that they stand for (2.1.1)
        self.modern_rights = any(one.startswith("RIGHTS=") for one in capabilities)
        # whether a person's own entry replaces what groups give (Dovecot), or adds to it (Cyrus); None: who knows
        told = {one.removeprefix("RIGHTS=") for one in capabilities if one.startswith("RIGHTS=")}
        self.specific_wins = True if "TEXK" in told else False if told & {"KXTE", "KXTEN"} else None

    def rights(self, names: Iterable[FolderName]) -> dict[FolderName, dict[str, str] | CommandRefused]:
        """Rights by identifier, of each folder; or why they may not be seen."""
        return acl.get(self._channel, {name: self._octets(name) for name in names})

    def set_rights(self, wanted: Sequence[tuple[FolderName, str, str]]) -> list[CommandRefused | None]:
        """(folder, identifier, rights) each: exactly these rights; none: the entry goes. In this order, in one
        pipeline; what the server says to each that it refuses."""
        return acl.put(self._channel, [(self._octets(name), who, rights) for name, who, rights in wanted])

    def grantable(self, identifiers: Sequence[str]) -> dict[str, Grantable | CommandRefused]:
        """What can be given to each identifier in INBOX; or why the server does not take it."""
        return acl.grantable(self._channel, b"INBOX", identifiers)

    def entries(self, names: Iterable[FolderName]) -> dict[FolderName, dict[str, bytes] | CommandRefused]:
        """Entries by name, of each folder (ACCOUNT: of none); or why they may not be seen."""
        return metadata.get(self._channel, {name: self._raw(name) for name in names})

    def set_entry(self, name: FolderName, entry: str, value: bytes | None) -> None:
        """Set one entry, or remove it. CommandRefused."""
        metadata.put(self._channel, self._raw(name), entry, value)

    def bounds(self) -> tuple[str, dict[str, int]]:
        """The quota root over INBOX ("" for none) and the limit of each of its resources (STORAGE in 1,024 octets)."""
        return quota.bounds(self._channel)

    def set_bound(self, root: str, resource: str, limit: int) -> None:
        """SETQUOTA of one resource; others of that root keep theirs. CommandRefused."""
        quota.put(self._channel, root, resource, limit)

    def subscribe(self, name: FolderName, wanted: bool) -> None:
        """SUBSCRIBE, or UNSUBSCRIBE. CommandRefused."""
        self._channel.run(b"SUBSCRIBE" if wanted else b"UNSUBSCRIBE", astring(self._octets(name)))

    def _raw(self, name: FolderName) -> bytes:
        return b"" if name == ACCOUNT else self._octets(name)
