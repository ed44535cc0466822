"""Places that a Postfix looks into: map files and look-up tables."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from migrator.workspace.fields import Database, Reference, RootedPath, Words
from migrator.workspace.routing.entry import Entry, Where
from migrator.workspace.section import Section

FREEZE = "retry:4.7.0 mailbox is being moved, try again"
MapKind = Literal["texthash", "hash", "lmdb", "cdb"]


class QueueCommands(Section):
    """How the queue of that Postfix is listed (one JSON object a line) and flushed."""

    list: Words = "postqueue -j"
    flush: Words = "postqueue -f"


class PostfixEntry(Entry):
    """A place that a Postfix looks into.

    `reload` null: it sees a change by itself. `queue` null: there is no queue to look at. `freeze`: the value that
    makes mail wait in the queue; null: it cannot.
    """

    reload: Words | None = "postfix reload"
    queue: QueueCommands | None = QueueCommands()
    freeze: Words | None = FREEZE


class RecipientsFile(Section):
    """A relay_recipient_maps file: the addresses of which a gateway takes mail at all."""

    file: RootedPath
    type: MapKind


def _map(text: str) -> str:
    if not all(text.partition(":")[::2]):
        raise ValueError("not a map as main.cf names it; write TYPE:FILE, such as sqlite:/etc/postfix/routes.cf")
    return text


class PostfixMapEntry(PostfixEntry):
    """A transport map file with an entry for each address.

    `via`: a command that runs another one on the host where the map is, such as `ssh root@gw.example.co.jp`; all other
    commands of the entry are run there too.
    `relay_recipients`: addresses that lack there are added before their route changes, and stay.
    """

    kind: Literal["postfix-map"]
    file: RootedPath
    type: MapKind
    via: Words | None = None
    relay_recipients: RecipientsFile | None = None

    @property
    def where(self) -> Where:
        return "file", f"{self.via} {self.file}" if self.via else str(self.file)

    @model_validator(mode="after")
    def _two_files(self) -> Self:
        if self.relay_recipients is not None and self.relay_recipients.file == self.file:
            raise ValueError("`relay_recipients` names the transport map itself; it is a map of its own")
        return self


class VirtualAliasEntry(PostfixEntry):
    """A virtual_alias_maps file: the address becomes one of a sub-domain that another route leads to the server."""

    kind: Literal["virtual-alias"]
    file: RootedPath
    type: MapKind
    freeze: None = None

    @property
    def where(self) -> Where:
        return "file", str(self.file)


class PostfixSqlEntry(PostfixEntry):
    """A table of SQLite or PostgreSQL that a Postfix map of type sqlite or pgsql looks into, with a row an address.

    `map` is that map as main.cf names it, such as `pgsql:/etc/postfix/routes.cf`: what Postfix finds is asked there.
    """

    kind: Literal["postfix-sql"]
    database: Database
    table: Words
    key: Words = "address"
    value: Words = "nexthop"
    map: Annotated[str, AfterValidator(_map)] | None = None
    secret: Reference | None = None

    @property
    def where(self) -> Where:
        return "table", f"{self.database} {self.table}"
