"""How far a pass leaves its mailbox behind: what has arrived on the source while it was at work.

The source is asked in the same round trip in which it is left. So a wave whose passes were short is known to be in step
without another round.
"""

from collections.abc import Mapping

from migrator.copier.left_out import NOWHERE
from migrator.copier.spaces import Owner, owner_of
from migrator.copier.work import Pass
from migrator.imap import Folder
from migrator.model.names import FolderName
from migrator.model.wave import PassKind
from migrator.state.records import FolderRecord

TOLD_BY = frozenset({PassKind.INITIAL, PassKind.DELTA})


def ask(shared: Pass) -> bool:
    """Ask the source now; False where it would take several questions, or nobody needs to know.

    With a folder open, Dovecot tells of it what it told this session last (measured).
    """
    source = shared.lanes.first.source
    if shared.job.kind not in TOLD_BY or not source.lists_at_once or not source.leave_quietly():
        return False
    source.folders_ahead()
    return True


def tell(shared: Pass) -> None:
    """Read the answer into the tally."""
    job = shared.job
    records = {record.source_name: record for record in job.ledger.folders(job.mailbox.address)}
    source = shared.lanes.first.source
    own = [one for one in source.folders() if owner_of(one.name, source.spaces)[0] is Owner.OURS]
    counts = [_arrived(folder, records) for folder in own if folder.selectable]
    shared.tally.behind = None if None in counts else sum(count or 0 for count in counts)


def _arrived(folder: Folder, records: Mapping[FolderName, FolderRecord]) -> int | None:
    """How many messages of a folder the ledger cannot know yet, at most; None where the server did not tell."""
    record, now = records.get(folder.name), folder.status
    if record and record.target_name == NOWHERE:
        return 0
    if now is None:
        return None
    if record is None or record.source_uidvalidity != now.uidvalidity:
        return now.messages
    return min(now.messages, max(0, now.uidnext - record.source_uidnext))
