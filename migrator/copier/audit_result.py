"""What an audit found, as its report wants it: a line a folder, and the findings."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from migrator.copier.audit_look import FolderLook
from migrator.copier.compare import Comparison, Seen, equal
from migrator.copier.judge import Suspect
from migrator.model.audit import Aside, Finding, FolderAudit, Kind
from migrator.model.message import Grade
from migrator.model.names import FolderName


def folder_audits(
    sources: Mapping[FolderName, FolderLook], target: FolderLook, found: Comparison
) -> Iterator[FolderAudit]:
    """A line for each source folder that goes into one target folder; for a target folder without any, its own."""
    grades: dict[FolderName, Counter[Grade | None]] = defaultdict(Counter)
    for mine, theirs in found.same:
        grades[mine.folder][equal(mine, theirs)] += 1
    there = len(target.metas)
    for name, look in sources.items():
        count = grades[name]
        lines = count[Grade.L1] + count[Grade.L2]
        yield FolderAudit(name, target.name or None, len(look.metas), there, count[Grade.L0], lines)
    if not sources:
        yield FolderAudit(None, target.name, 0, there)


def finding(one: Suspect) -> Finding:
    """A fault that a second look has shown too."""
    assert isinstance(one.verdict, Kind)
    mine, theirs = one.source, one.target
    return Finding(
        one.verdict,
        mine.folder if mine else None,
        mine.uid if mine else None,
        theirs.folder if theirs else None,
        theirs.uid if theirs else None,
        one.what,
    )


def with_faults(
    folders: Iterable[FolderAudit], suspects: Iterable[Suspect], unread: Iterable[Finding]
) -> Iterator[FolderAudit]:
    """The folders with their faults and asides counted; a folder that could not be read has a line of its own."""
    faults: dict[tuple[str, FolderName], Counter[Kind]] = defaultdict(Counter)
    asides: dict[tuple[str, FolderName], Counter[Aside]] = defaultdict(Counter)
    for one in suspects:
        message: Seen | None = one.source or one.target
        assert message
        at = ("source" if one.source else "target", message.folder)
        if isinstance(one.verdict, Kind):
            faults[at][one.verdict] += 1
        else:
            asides[at][one.verdict] += 1
    unread = list(unread)
    for message_unread in unread:
        if message_unread.uid is not None and message_unread.folder:
            faults["source", message_unread.folder][Kind.UNREAD] += 1
        elif message_unread.target_uid is not None and message_unread.target_folder:
            faults["target", message_unread.target_folder][Kind.UNREAD] += 1
    shown: set[FolderName | None] = set()
    for folder in folders:
        places = [("source", folder.source)] if folder.source else []
        if folder.target and folder.target not in shown:  # what is only there counts with the first source folder
            places.append(("target", folder.target))
            shown.add(folder.target)
        mine = sum((faults[at] for at in places), Counter[Kind]())
        others = sum((asides[at] for at in places), Counter[Aside]())
        yield replace(folder, faults=mine, asides=others)
    for finding in unread:
        if (
            finding.uid is None and finding.target_uid is None
        ):  # a whole folder; its target has a line, where it has one
            target = None if finding.folder else finding.target_folder
            yield FolderAudit(finding.folder, target, 0, 0, faults={Kind.UNREAD: 1})
