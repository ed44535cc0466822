"""The second look: each fault is looked at once more, since people go on working while an audit reads."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migrator.copier.audit_look import FolderLook, keep_all, look_at, lower, read, seen
from migrator.copier.compare import Seen, compare, equal
from migrator.copier.content import begins_with, content, measure
from migrator.copier.job import CopyJob
from migrator.copier.judge import Suspect
from migrator.copier.snapshot import view
from migrator.imap import Session, grade
from migrator.imap.errors import CommandRefused
from migrator.imap.records import Chunk
from migrator.model.audit import Aside, Kind
from migrator.model.message import MessageMeta
from migrator.model.names import FolderName

MOVING = "changed while the audit read"
Looks = Mapping[tuple[str, FolderName], FolderLook]  # by side and name


def look_again(
    job: CopyJob, source: Session, target: Session, suspects: Sequence[Suspect], looks: Looks
) -> list[Suspect]:
    """The suspects, those faults turned into asides that are not there any more; truncated ones are told apart."""
    faults = [one for one in suspects if isinstance(one.verdict, Kind)]
    if not faults:
        return list(suspects)
    arrived = _arrived(job, target, looks, [one.source for one in faults if one.source and one.verdict is Kind.LOST])
    mine = _Now(source, "source", looks, [one.source for one in faults if one.source])
    theirs = _Now(target, "target", looks, [one.target for one in faults if one.target])
    sure = []
    for one in suspects:
        if isinstance(one.verdict, Kind) and _moved_on(one, mine, theirs, arrived):
            one = Suspect(Aside.PENDING, one.source, one.target, MOVING)
        elif one.verdict is Kind.ALTERED and one.source and one.target and equal(one.source, one.target) is None:
            one = _weigh(one, one.source, one.target, mine, theirs)
        sure.append(one)
    return sure


@dataclass
class _Now:
    """One side as it is now: flags of the messages in question."""

    session: Session
    side: str
    looks: Looks
    messages: Sequence[Seen]
    metas: dict[tuple[FolderName, int], MessageMeta] = field(default_factory=dict)
    selected: FolderName | None = None

    def __post_init__(self) -> None:
        uids: dict[FolderName, list[int]] = defaultdict(list)
        for message in self.messages:
            uids[message.folder].append(message.uid)
        for name, wanted in uids.items():
            if self.select(name):
                self.metas |= {(name, meta.uid): meta for meta in self.session.scan(sorted(set(wanted)))}

    def select(self, name: FolderName) -> bool:
        """Open a folder; False when it is another one by now, or gone."""
        if self.selected == name:
            return True
        self.selected = None
        try:
            found = self.session.examine(name)
        except CommandRefused:
            return False
        if found.uidvalidity != self.looks[self.side, name].selected.uidvalidity:
            return False
        self.selected = name
        return True

    def unchanged(self, message: Seen) -> bool:
        """Whether it is still there, and has the flags that it had."""
        now = self.metas.get((message.folder, message.uid))
        then = self.looks[self.side, message.folder].metas[message.uid]
        return now is not None and lower(now.flags) == lower(then.flags)

    def there(self, message: Seen) -> bool:
        return (message.folder, message.uid) in self.metas

    def body(self, message: Seen) -> Iterator[Chunk]:
        """Its octets once more; nothing when it has gone."""
        if self.select(message.folder):
            for body in self.session.bodies([message.uid]):
                yield from body.chunks


def _moved_on(one: Suspect, mine: _Now, theirs: _Now, arrived: set[int]) -> bool:
    """Whether what was found is explained by what happened since the first look."""
    if (one.source and not mine.there(one.source)) or (one.target and not theirs.there(one.target)):
        return True
    if one.verdict is Kind.FLAGS and one.source and one.target:
        return not (mine.unchanged(one.source) and theirs.unchanged(one.target))
    return id(one.source) in arrived


def _arrived(job: CopyJob, target: Session, looks: Looks, lost: Sequence[Seen]) -> set[int]:
    """The id() of those lost messages that have come to the target since, in whatever folder."""
    if not lost:
        return set()
    fresh: list[Seen] = []
    for name, folder in view(target, job.folder_policy.rehearsal).folders.items():
        if folder.selectable and (look := _look(job, target, name)):
            before = looks.get(("target", name))
            same = before is not None and before.selected.uidvalidity == look.selected.uidvalidity
            new = [uid for uid in sorted(look.metas) if not same or (before and uid >= before.uidnext)]
            fresh += seen(look, read(job, target, look, new, paced=False), keep_all)
    return {id(mine) for mine, _ in compare(lost, fresh).same}


def _look(job: CopyJob, target: Session, name: FolderName) -> FolderLook | None:
    try:
        return look_at(job, target, name)
    except CommandRefused:
        return None


def _weigh(one: Suspect, source: Seen, target: Seen, mine: _Now, theirs: _Now) -> Suspect:
    """Read both again: the same after all, only the beginning left, or altered."""
    if grade(content(mine.body(source)).digests, content(theirs.body(target)).digests) is not None:
        return Suspect(Aside.PENDING, source, target, "read differently the first time")
    only_the_beginning = begins_with(mine.body(source), measure(theirs.body(target)))
    return replace(one, verdict=Kind.TRUNCATED) if only_the_beginning else one
