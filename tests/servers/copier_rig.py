"""What tests of the copier share: one mailbox on two servers, its state, and passes over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import migrator.state as state
from migrator.copier import CopyJob, FolderPolicy, copy_mailbox
from migrator.imap import Session, connect
from migrator.model.estimate import Estimate
from migrator.model.mailbox import Endpoint, Login, Mailbox, Secret, Tls
from migrator.model.names import Address, ServerName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state.process import here
from tests.lab.checker import Verdict, compare, snapshot
from tests.lab.corpus import Item, fill
from tests.lab.dovecot import Dovecot

DATE = "02-Jan-2020 03:04:05 +0900"


@dataclass
class Quiet:
    """A Progress that remembers its notes and counts."""

    notes: list[str] = field(default_factory=list)
    planned_messages: int = 0
    copied_messages: int = 0

    def started(self, mailbox: Mailbox, kind: PassKind) -> None: ...
    def finished(self, mailbox: Mailbox, report: PassReport) -> None: ...
    def failed(self, mailbox: Mailbox, error: Exception) -> None: ...
    def estimated(self, left: Estimate | None) -> None: ...

    def planned(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        self.planned_messages += messages

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        self.copied_messages += messages

    def note(self, text: str) -> None:
        self.notes.append(text)


class Never:
    """A StopSignal that never stops."""

    def draining(self) -> bool:
        return False

    def now(self) -> bool:
        return False


@dataclass
class Rig:
    """`user` on two servers; `ports` go to the servers, or to a proxy before one."""

    old: Dovecot
    new: Dovecot
    user: str
    directory: Path
    options: dict[str, Any] = field(default_factory=dict)
    where: dict[str, tuple[str, int]] = field(default_factory=dict)
    target_user: str = ""

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.url = f"sqlite:///{self.directory}/state.db"
        self.where = {"source": (self.old.host, self.old.imap_port), "target": (self.new.host, self.new.imap_port)}
        self.progress = Quiet()
        self.mailbox = Mailbox(Address(self.user), "sales", ServerName("old"), ServerName("new"), self.user, self.user)

    def request(self, op: str = "pass", kind: PassKind = PassKind.INITIAL, **more: Any) -> dict[str, Any]:
        """A pass over this mailbox as plain data, for `job_of`, here or in another process."""
        sides = {
            side: (*self.where[side], server.passwords[self.login_of(side)])
            for side, server in (("source", self.old), ("target", self.new))
        }
        logins = {side: self.login_of(side) for side in sides}
        return {
            "op": op,
            "kind": str(kind),
            "url": self.url,
            "mailbox": self.user,
            "sides": sides,
            "logins": logins,
        } | more

    def login_of(self, side: str) -> str:
        """The user on that side."""
        return self.user if side == "source" else self.target_user or self.user

    def session(self, side: str) -> Any:
        return session_of(self.request(), side)

    @contextmanager
    def job(self, kind: PassKind, **options: Any):
        """A CopyJob under a lease, with the state open."""
        with job_of(self.request(kind=kind)) as job:
            yield replace(job, progress=self.progress, **(self.options | options))

    def run(self, kind: PassKind = PassKind.INITIAL, **options: Any) -> PassReport:
        """One pass."""
        with self.job(kind, **options) as job:
            return copy_mailbox(job)

    def fill_old(self, contents: Mapping[str, Iterable[Item]]) -> None:
        self._fill(self.old, self.user, contents)

    def fill_new(self, contents: Mapping[str, Iterable[Item]]) -> None:
        self._fill(self.new, self.login_of("target"), contents)

    def _fill(self, server: Dovecot, user: str, contents: Mapping[str, Iterable[Item]]) -> None:
        with server.connect(user) as connection:
            fill(connection, {folder: list(items) for folder, items in contents.items()})

    def compare(self, **options: Any) -> Verdict:
        """The independent judge's word: what became of the source's mail on the target."""
        return compare(snapshot(self.old, self.user), snapshot(self.new, self.login_of("target")), **options)

    def counts(self) -> Any:
        """The ledger's counts of the mailbox."""
        store = state.open(self.url)
        try:
            return store.ledger.counts(Address(self.user))
        finally:
            store.close()


def session_of(request: Mapping[str, Any], side: str) -> Session:
    """A connection to one side of a request."""
    host, port, password = request["sides"][side]
    login = Login(request["logins"][side], Secret(password))
    return connect(Endpoint(host, port, Tls.NONE), login, allow_plaintext=True)


@contextmanager
def job_of(request: Mapping[str, Any]) -> Iterator[CopyJob]:
    """The job that a request describes, its state open and its lease held."""
    user = request["mailbox"]
    store = state.open(request["url"])
    lease = store.leases.acquire(f"mailbox:{user}", here(["migrator", "wave", "run"]), timedelta(seconds=60))
    try:
        yield CopyJob(
            mailbox=Mailbox(Address(user), "sales", ServerName("old"), ServerName("new"), user, user),
            kind=PassKind(request["kind"]), connect=lambda side: session_of(request, side),
            lanes=request.get("lanes", 2), ledger=store.ledger, lease=lease, workspace_id=store.workspace_id,
            folder_policy=FolderPolicy(), canary_tokens=frozenset(), progress=Quiet(), stop=Never(),
            grace=timedelta(seconds=0.2),
        )  # fmt: skip
    finally:
        store.leases.release(lease)
        store.close()


def item(subject: str, *flags: str, body: str = "text", date: str = DATE) -> Item:
    """One small message."""
    return Item(f"Subject: {subject}\r\nFrom: a@b.test\r\n\r\n{body}\r\n".encode(), flags, date)


def subjects(server: Dovecot, user: str, folder: str) -> list[str]:
    """The subjects in one folder, sorted."""
    found = []
    with server.connect(user) as connection:
        connection.examine(folder)
        for one in connection.fetch("1:*", "UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            text = next(value for key, value in one.items() if key.startswith("BODY["))
            assert isinstance(text, bytes)
            found.append(text.decode().strip().removeprefix("Subject: "))
    return sorted(found)
