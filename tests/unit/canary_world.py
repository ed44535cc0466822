"""Mailboxes in memory on two servers, an IMAP session as delivery uses it, an SMTP side that delivers by a route."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from migrator.delivery import Envelope, ProofJob, plan_canaries, prove
from migrator.imap import Folder, Selected, Status
from migrator.imap.errors import CommandRefused, ConnectionLost
from migrator.model.canary import CanaryState
from migrator.model.mailbox import Endpoint, Mailbox
from migrator.model.message import MessageMeta
from migrator.model.names import Address, FolderName, Ingress, ServerName

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
BOXES = tuple(Mailbox(Address(f"u{n}@x.jp"), "sales", ServerName("old"), ServerName("new"), "", "") for n in range(3))
GATEWAY, OLD_MTA = Ingress("gateway"), Ingress("old-mta")


@dataclass
class Stored:
    """One mailbox on one server: folder to {uid: (token or None, date)}."""

    folders: dict = field(default_factory=lambda: {"INBOX": {}})
    next: dict = field(default_factory=dict)
    locked: set = field(default_factory=set)
    read: list = field(default_factory=list)
    uidplus: bool = True

    def deliver(self, token=None, folder="INBOX", date=None):
        uid = self.next[folder] = self.next.get(folder, 0) + 1
        self.folders.setdefault(folder, {})[uid] = (token, date or datetime.now(UTC))
        return uid

    def tokens(self):
        return [token for messages in self.folders.values() for token, _ in messages.values() if token]


class Session:
    """What delivery uses of an IMAP session; `writable` decides whether SELECT is a mistake of the program."""

    def __init__(self, held: Stored, writable: bool) -> None:
        self.held, self.writable, self.folder = held, writable, ""
        self.deleted: set[int] = set()

    def has(self, capability):
        return capability == "UIDPLUS" and self.held.uidplus

    def folders(self):
        return tuple(
            Folder(FolderName(name), name.encode(), "/", frozenset(), True, self.status(name))
            for name in sorted(self.held.folders)
        )

    def status(self, name):
        return Status(len(self.held.folders[name]), self.held.next.get(name, 0) + 1, 1)

    def examine(self, name, condstore=True):
        if name in self.held.locked:
            raise CommandRefused("EXAMINE", "NOPERM", "denied")
        self.folder = name
        status = self.status(name)
        return Selected(status.uidvalidity, status.uidnext, status.messages, 0, frozenset(), True, True)

    def select(self, name):
        assert self.writable
        return self.examine(name)

    def _chosen(self, uids):
        messages = self.held.folders[self.folder]
        if isinstance(uids, str):
            first = int(uids.partition(":")[0])
            return [uid for uid in messages if uid >= first] or ([max(messages)] if messages else [])
        return [uid for uid in uids if uid in messages]

    def scan(self, uids, changed_since=0):
        messages = self.held.folders[self.folder]
        return [MessageMeta(uid, 100, frozenset(), messages[uid][1]) for uid in self._chosen(uids)]

    def scan_header(self, uids, header):
        chosen = self._chosen(uids)
        self.held.read += chosen
        return {uid: token for uid in chosen if (token := self.held.folders[self.folder][uid][0])}

    def store(self, uids, flags, mode):
        assert (flags, mode) == (frozenset({"\\Deleted"}), "+")
        self.deleted |= set(uids)

    def expunge(self, uids):
        for uid in self.deleted & set(uids):
            del self.held.folders[self.folder][uid]


class World:
    """Two servers and the way of mail between; every canary goes where `route` says: (server, folder) pairs."""

    def __init__(self) -> None:
        self.mail: dict[Any, Stored] = {(box.address, server): Stored() for box in BOXES for server in ("old", "new")}
        self.route: Any = lambda canary: [("new", "INBOX")]
        self.answers: Any = lambda canary: CanaryState.SENT
        self.unreachable: set[str] = set()
        self.journal: list[Any] = []
        self.offered: list[str] = []
        self.notes: list[str] = []
        self.stopped, self.writable = False, {"new"}
        self.put: Any = self.journal.append
        self.sending: Any = self.send

    @contextmanager
    def connect(self, address, server):
        if server in self.unreachable:
            raise ConnectionLost(f"{server} is gone", during="LOGIN")
        yield Session(self.mail[address, server], server in self.writable)

    def send(self, canaries, smtp, envelope):
        for canary in canaries:
            self.offered.append(canary.token)
            state = self.answers(canary)
            if state is CanaryState.SENT:
                self.deliver(canary)
            yield replace(canary, state=state, sent_at=datetime.now(UTC) if state is CanaryState.SENT else None)

    def deliver(self, canary):
        for server, folder in self.route(canary):
            self.mail[canary.address, server].deliver(canary.token, folder)

    def prove(self, plan=None, ingresses=(GATEWAY, OLD_MTA), remove=True, deadline=5.0):
        endpoint, connect, operator = Endpoint("127.0.0.1", 1), cast(Any, self.connect), cast(Any, self)
        return prove(
            ProofJob(
                plan or plan_canaries(BOXES, ingresses, "target"),
                {GATEWAY: endpoint, OLD_MTA: endpoint},
                Envelope("", "x.jp", "here"),
                self.put,
                connect,
                timedelta(seconds=deadline),
                remove,
                operator,
                operator,
            )
        )

    def note(self, text):
        self.notes.append(text)

    def now(self):
        return self.stopped

    def left(self, server):
        return [token for box in BOXES for token in self.mail[box.address, server].tokens()]
