"""What an audit found, as its report wants it: a line a folder, and the findings."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    folders: Iterable[FolderAudit], suspects: Iterable[Suspect], unread: Sequence[Finding]
) -> Iterator[FolderAudit]:
    """The folders with their faults and asides counted; a folder that could not be read has a line of its own."""
    verdicts = _verdicts(suspects, unread)
    shown: set[FolderName | None] = set()
    for folder in folders:
        places = [("source", folder.source)] if folder.source else []
        if folder.target and folder.target not in shown:  # what is only there counts with the first source folder
            places.append(("target", folder.target))
            shown.add(folder.target)
        found = sum((verdicts[at] for at in places), Counter[Kind | Aside]())
        yield replace(
            folder,
            faults=Counter({one: count for one, count in found.items() if isinstance(one, Kind)}),
            asides=Counter({one: count for one, count in found.items() if isinstance(one, Aside)}),
        )
    for finding in unread:
        if finding.uid is None and finding.target_uid is None:  # a whole folder
            target = None if finding.folder else finding.target_folder  # it has a line, where its source has one
            yield FolderAudit(finding.folder, target, 0, 0, faults={Kind.UNREAD: 1})


def _verdicts(
    suspects: Iterable[Suspect], unread: Iterable[Finding]
) -> dict[tuple[str, FolderName], Counter[Kind | Aside]]:
    """How often each verdict was given over a message, by side and folder; of both sides the source counts."""
    found: dict[tuple[str, FolderName], Counter[Kind | Aside]] = defaultdict(Counter)
    for one in suspects:
        message: Seen | None = one.source or one.target
        assert message
        found["source" if one.source else "target", message.folder][one.verdict] += 1
    for each in unread:
        if each.uid is not None and each.folder:
            found["source", each.folder][Kind.UNREAD] += 1
        elif each.target_uid is not None and each.target_folder:
            found["target", each.target_folder][Kind.UNREAD] += 1
    return found
