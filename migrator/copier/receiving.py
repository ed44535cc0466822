"""The target folder as a pass finds it."""

from dataclasses import dataclass, field

from migrator.copier.folders import FolderPair
from migrator.copier.lanes import Lane
from migrator.copier.plan import KeptFlags
from migrator.copier.work import Pass
from migrator.imap.errors import CommandRefused


@dataclass(frozen=True)
class Receiving:
    """What it is now; all zero when it is not there."""

    uidvalidity: int = 0
    uidnext: int = 1
    kept: KeptFlags = field(default_factory=KeptFlags)


def receiving(shared: Pass, lane: Lane, pair: FolderPair) -> Receiving:
    """Before the cutover the folder is there and gets selected; later it has a user, and is only looked at."""
    if not shared.job.after_cutover:
        found = lane.target.select(pair.target)
        lane.target.unselect()  # appending to the selected folder would make the server announce each message
        kept = KeptFlags(frozenset(f.lower() for f in found.permanent_flags), found.any_keyword)
        return Receiving(found.uidvalidity, found.uidnext, kept)
    try:
        status = lane.target.status(pair.target)
    except CommandRefused:
        return Receiving()
    return Receiving(status.uidvalidity, status.uidnext)
