"""Taking messages out of the selected folder: mark them, unless somebody touched them meanwhile; expunge just those."""

from collections.abc import Sequence

from migrator.imap.channel import Channel, refusal
from migrator.imap.grammar import LINE_LIMIT, uid_sets
from migrator.imap.responses import number, pairs, tokens
from migrator.imap.vanished import UidRanges, uid_ranges


def mark_deleted(channel: Channel, uids: Sequence[int], unchanged_since: int) -> UidRanges:
    """Set \\Deleted; the UIDs that were left alone, as something about them changed after the MODSEQ given.

    `unchanged_since` 0: the server has no CONDSTORE, and none is left alone (RFC 7162, section 3.1.3).
    """
    condition = [b"(UNCHANGEDSINCE %d)" % unchanged_since] if unchanged_since else []
    alone: list[tuple[int, int]] = []
    for uid_set in uid_sets(uids, LINE_LIMIT):
        done = channel.settle(channel.start(b"UID STORE", uid_set, *condition, b"+FLAGS.SILENT", b"(\\Deleted)"))
        if done.code == "MODIFIED":  # with OK; with NO where none of them was changed
            alone += uid_ranges(done.args)
        elif done.status != "OK":
            raise refusal("UID STORE", done, channel.peer)
    return UidRanges(alone)


def expunge(channel: Channel, uids: Sequence[int]) -> set[int]:
    """UID EXPUNGE; the UIDs that are still there. The STORE that marked them has been answered (the server may miss
    it otherwise, measured)."""
    sets = uid_sets(uids)
    for exchange in [channel.start(b"UID EXPUNGE", uid_set) for uid_set in sets]:
        channel.finish(exchange)
    # not in one pipeline: what comes before EXPUNGE's OK may be of the look, or news of what it removes
    left: set[int] = set()
    for look in [channel.start(b"UID FETCH", uid_set, b"(UID)") for uid_set in sets]:
        for parts in channel.finish(look).untagged:
            answer = tokens(parts)
            if len(answer) > 2 and answer[1] == b"FETCH":
                left.add(number(pairs(answer[2]).get(b"UID")))
    return left & set(uids)
