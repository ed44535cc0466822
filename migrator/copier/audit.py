"""An audit of one mailbox: both servers are read again, side by side, and compared. Nothing is changed anywhere.

A folder at a time (with all that goes into the same target folder): look, read, compare, judge. What seems wrong is
looked at once more at the end, so that mail which arrives or changes meanwhile gives no false alarm.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from migrator.copier.audit_again import look_again
from migrator.copier.audit_look import NOWHERE_YET, FolderLook, keep_all, kept_by, keys, look_at, read, seen
from migrator.copier.audit_result import finding, folder_audits, with_faults
from migrator.copier.compare import compare
from migrator.copier.content import Content
from migrator.copier.folders import map_folders
from migrator.copier.gmail import without_views
from migrator.copier.job import CopyJob
from migrator.copier.judge import Judge, Known, Rules, Suspect, across_folders
from migrator.copier.left_out import NOWHERE, known_places
from migrator.copier.sample import Keys, in_sample, stand_in, to_read
from migrator.copier.snapshot import SideView, view
from migrator.imap import Folder, Session
from migrator.imap.errors import CommandRefused
from migrator.model.audit import Aside, Dispute, Disputed, Finding, FolderAudit, Kind, MailboxAudit, Mode
from migrator.model.message import ON_TARGET, Meant
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord

Contents = Mapping[FolderName, Mapping[int, Content]]


def audit_mailbox(job: CopyJob, mode: Mode, accepted: bool = False) -> MailboxAudit:
    """Compare the mailbox on its two servers. `job.kind` says whose the target is (see CopyJob.after_cutover);
    `accepted`: the operator takes what could not be copied as it is.

    Raises Transient errors, after which it may be tried again, and Stopped.
    """
    with _sessions(job) as (source, target), ThreadPoolExecutor(1, thread_name_prefix="audit") as beside:
        return _Audit(job, mode, Rules(job.after_cutover, accepted), source, target, beside).run()


@contextmanager
def _sessions(job: CopyJob) -> Iterator[tuple[Session, Session]]:
    """Both sides; when one fails the other is dropped too, so that nobody waits for it."""
    with job.connect("source") as source, job.connect("target") as target:
        try:
            yield source, target
        except BaseException:
            source.abort()
            target.abort()
            raise


@dataclass
class _Books:
    """What is known so far of the whole mailbox."""

    folders: list[FolderAudit] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    disputes: list[Disputed] = field(default_factory=list)
    unread: list[Finding] = field(default_factory=list)
    asides: Counter[tuple[Aside, str]] = field(default_factory=Counter)
    seen: dict[tuple[str, FolderName], FolderLook] = field(default_factory=dict)
    read: int = 0
    sampled: int = 0


@dataclass(frozen=True)
class _Group:
    """Source folders that go into one target folder: looks by source folder, and the target's."""

    sources: Mapping[FolderName, FolderLook]
    target: FolderLook
    known: Mapping[FolderName, Known]


class _Audit:
    def __init__(
        self, job: CopyJob, mode: Mode, rules: Rules, source: Session, target: Session, beside: ThreadPoolExecutor
    ) -> None:
        self._job, self._mode, self._rules = job, mode, rules
        self._source, self._target, self._beside = source, target, beside
        self._records = {record.source_name: record for record in job.ledger.folders(job.mailbox.address)}
        self._books = _Books()

    def run(self) -> MailboxAudit:
        views = view(self._source), view(self._target, self._job.folder_policy.rehearsal)
        for target, names in self._groups(*views).items():
            self._job.checkpoint()
            self._folder(self._look(target, names, *views))
        books = self._books
        suspects = across_folders(books.suspects, self._rules)
        sure = look_again(self._job, self._source, self._target, suspects, books.seen)
        return MailboxAudit(
            self._job.mailbox.address,
            datetime.now(UTC),
            self._mode,
            folders=tuple(with_faults(books.folders, sure, books.unread)),
            findings=(*books.unread, *map(finding, (one for one in sure if isinstance(one.verdict, Kind)))),
            disputes=tuple(_settled(books.disputes, sure)),
            asides=books.asides + Counter((s.verdict, s.what) for s in sure if isinstance(s.verdict, Aside)),
            read=books.read,
            sampled=books.read if self._mode.full else books.sampled,
        )

    def _groups(self, source: SideView, target: SideView) -> dict[FolderName, list[FolderName]]:
        """Target folder to its source folders, which may be none; left out what goes nowhere."""
        places = map_folders(
            source.listed,
            target.listed,
            without_views(self._job.folder_policy, source.views),
            (source.namespace, target.namespace),
            known_places(tuple(self._records.values())),
        )
        for left in places.skipped:
            status = source.folders[left.source].status
            self._books.asides[Aside.MEANT, Meant.FOLDER] += status.messages if status else 0
        groups: dict[FolderName, list[FolderName]] = defaultdict(list)
        for pair in places.pairs:
            groups[pair.target].append(pair.source)
        groups[NOWHERE] = [left.source for left in places.refused]
        for folder in target.listed:
            if folder.selectable and folder.name not in target.views.names:
                groups[folder.name]  # also those that are nobody's counterpart
        return {name: sources for name, sources in groups.items() if name != NOWHERE or sources}

    def _look(self, target: FolderName, names: Sequence[FolderName], mine: SideView, theirs: SideView) -> _Group:
        """What both sides hold, without contents."""
        there = FolderLook(target, NOWHERE_YET, {})
        if folder := theirs.folders.get(target):
            there = self._try(self._target, folder, None) or there
        looks = {name: look for name in names if (look := self._try(self._source, mine.folders[name], target))}
        gone = [r.source_name for r in self._records.values() if r.target_name == target and r.source_name not in names]
        known = {name: self._known(name, looks.get(name), there) for name in (*looks, *gone)}
        canaries = sum(look.canaries for look in (there, *looks.values()))
        self._books.asides[Aside.MEANT, "our test messages"] += canaries
        return _Group(looks, there, known)

    def _try(self, session: Session, folder: Folder, target: FolderName | None) -> FolderLook | None:
        """A look at one folder; one that cannot be opened is a finding by itself."""
        side, name = "source" if session is self._source else "target", folder.name
        writable = side == "target" and not self._rules.after_cutover
        try:
            found = look_at(self._job, session, name, folder.status, writable)
        except CommandRefused as error:
            places = (name, target) if side == "source" else (None, name)
            self._books.unread.append(Finding(Kind.UNREAD, places[0], None, places[1], None, f"{side}: {error}"))
            return None
        self._books.seen[side, name] = found
        return found

    def _known(self, name: FolderName, look: FolderLook | None, there: FolderLook) -> Known:
        """What the ledger knows of a source folder, as far as it still holds."""
        record = self._records.get(name)
        if record is None or (look and record.source_uidvalidity != look.selected.uidvalidity):
            return Known()
        rows = {row.source_uid: row for row in self._job.ledger.rows(record.id)}
        if look:
            self._count(record, sum(not row.gone and uid < record.source_uidnext for uid, row in rows.items()))
        if record.target_uidvalidity != there.selected.uidvalidity:
            rows = {uid: replace(row, target_uid=None) for uid, row in rows.items()}
        return Known(rows, record.source_uidnext, self._stirred(record, look) if look else frozenset())

    def _count(self, record: FolderRecord, rows: int) -> None:
        if record.source_uidnext and record.source_messages != rows:
            what = f"{record.source_messages} messages counted, {rows} rows"
            self._books.disputes.append(Disputed(Dispute.COUNT, record.source_name, None, None, what))

    def _stirred(self, record: FolderRecord, look: FolderLook) -> frozenset[int]:
        """UIDs whose flags may have changed since the last pass: by CONDSTORE where there is, else all."""
        now = look.selected.highestmodseq
        if not now or not record.source_modseq or not look.metas:
            return frozenset(look.metas)
        if now == record.source_modseq:
            return frozenset()
        self._source.examine(look.name)
        return frozenset(meta.uid for meta in self._source.scan("1:*", changed_since=record.source_modseq))

    def _folder(self, group: _Group) -> None:
        """Read, compare and judge one group; only the differences are kept."""
        contents, there = self._contents(group)
        kept = kept_by(group.target.selected)
        sources = {
            name: {one.uid: one for one in seen(look, contents[name], kept, _hints(group.known[name]))}
            for name, look in group.sources.items()
        }
        origins = {to: (name, uid) for name, known in group.known.items() for uid, to in _hints(known).items()}
        target = {one.uid: one for one in seen(group.target, there, keep_all, origins=origins)}
        found = compare([one for each in sources.values() for one in each.values()], list(target.values()))
        judge = Judge(found, sources, target, group.known, self._rules)
        self._books.suspects += judge.suspects()
        if self._records:
            self._books.disputes += judge.disputes()
        self._books.folders += folder_audits(group.sources, group.target, found)

    def _contents(self, group: _Group) -> tuple[Contents, Mapping[int, Content]]:
        """The contents of both sides, read at the same time; of a sample: stand-ins for what is not read."""
        mine, theirs, wanted = self._keys(group)
        uids = {name: _chosen(look, mine.get(name), wanted) for name, look in group.sources.items()}
        there = _chosen(group.target, theirs, wanted)
        for look, chosen in (*((look, uids[name]) for name, look in group.sources.items()), (group.target, there)):
            octets = sum(look.metas[uid].size for uid in chosen)
            self._job.progress.planned(self._job.mailbox, len(chosen), octets)
        other_side = self._beside.submit(self._read, self._target, group.target, there, theirs)
        try:
            found = {
                name: self._read(self._source, look, uids[name], mine.get(name)) for name, look in group.sources.items()
            }
        except BaseException:
            self._target.abort()
            raise
        self._books.read += sum(map(len, uids.values()))
        return found, other_side.result()

    def _keys(self, group: _Group) -> tuple[Mapping[FolderName, Keys], Keys | None, set[str]]:
        """The keys of both sides and those to be read; nothing when all is read."""
        if self._mode.full:
            return {}, None, set()
        address, mine = self._job.mailbox.address, dict[FolderName, Keys]()
        for name, look in group.sources.items():
            self._source.examine(name)
            mine[name] = keys(self._source, look)
        theirs = keys(self._target, group.target)
        sampled = {
            name: frozenset(uid for uid in look.metas if in_sample(self._mode, address, name, uid))
            for name, look in group.sources.items()
        }
        self._books.sampled += sum(map(len, sampled.values()))
        return mine, theirs, to_read(sampled, mine, theirs)

    def _read(
        self, session: Session, look: FolderLook, uids: Sequence[int], stand_ins: Keys | None
    ) -> dict[int, Content]:
        found = {uid: stand_in(key) for uid, key in (stand_ins or {}).items()}
        if uids:
            if session is self._source:
                session.examine(look.name)
            for uid in uids:
                found.pop(uid, None)
            came = read(self._job, session, look, uids, paced=session is self._source)
            self._note_unread(session, look, [uid for uid in uids if uid not in came])
            found |= came
        return found

    def _note_unread(self, session: Session, look: FolderLook, uids: Sequence[int]) -> None:
        """Of messages whose bodies did not come, those that are still there are findings; the others went away."""
        for meta in session.scan(uids) if uids else ():
            mine = session is self._source
            what = "listed, but its content was not sent"
            one = Finding(Kind.UNREAD, look.name, meta.uid, None, None, what)
            other = Finding(Kind.UNREAD, None, None, look.name, meta.uid, what)
            self._books.unread.append(one if mine else other)


def _settled(disputes: Iterable[Disputed], suspects: Iterable[Suspect]) -> Iterator[Disputed]:
    """Without those over messages that are still on the move."""
    moving = [s for s in suspects if s.verdict is Aside.PENDING]
    mine = {(s.source.folder, s.source.uid) for s in moving if s.source}
    theirs = {(s.target.folder, s.target.uid) for s in moving if s.target}
    for one in disputes:
        if (one.folder, one.uid) not in mine and (one.uid or (one.folder, one.target_uid) not in theirs):
            yield one


def _chosen(look: FolderLook, keys: Keys | None, wanted: set[str]) -> list[int]:
    """UIDs to be read in full; without keys all."""
    return sorted(look.metas if keys is None else (uid for uid, key in keys.items() if key[0] in wanted))


def _hints(known: Known) -> dict[int, int]:
    return {uid: row.target_uid for uid, row in known.rows.items() if row.outcome in ON_TARGET and row.target_uid}
