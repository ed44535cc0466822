"""UID MOVE (RFC 6851), and where the messages went."""

import re
from collections.abc import Sequence

from migrator.imap.channel import Channel
from migrator.imap.grammar import astring, uid_sets
from migrator.imap.responses import expand

_COPYUID = re.compile(rb"\[COPYUID \d+ ([\d:,]+) ([\d:,]+)\]", re.IGNORECASE)


def move(channel: Channel, uids: Sequence[int], folder: bytes) -> dict[int, int]:
    """Move messages of the selected folder; source UID to new UID, as COPYUID tells."""
    moved: dict[int, int] = {}
    for uid_set in uid_sets(uids):
        done = channel.run(b"UID MOVE", uid_set, astring(folder))
        lines = [parts[0] for parts in done.untagged]
        if done.status and done.status.code == "COPYUID":
            lines.append(b"[COPYUID " + done.status.args + b"]")
        for found in filter(None, map(_COPYUID.search, lines)):
            old, new = expand(found[1], len(uids)), expand(found[2], len(uids))
            if len(old) != len(new):
                channel.violated("the server sent a COPYUID with two sets of different sizes")
            moved.update(zip(old, new, strict=True))
    return moved
